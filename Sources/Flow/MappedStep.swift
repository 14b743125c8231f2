import BlockIO
import SystemPackage

/// Writes steps from the page cache's own pages where a file holds their bytes as they are.
///
/// The kernel then copies nothing: of an image in the page cache that halves the processor time of a copy. What is not
/// cached is read as ever, since the kernel reads ahead further for that.
struct MappedStep {
  private let source: any BlockSource
  private let writer: Writer
  private let pages: MappedPages
  /// Shorter ranges of files are copied: laying one costs as much as copying some pages.
  private static let shortestRange: UInt64 = 64 << 10

  /// Nil where there is no address space for steps of `chunk` bytes.
  init?(_ source: any BlockSource, _ writer: Writer, chunk: UInt64) {
    guard let pages = MappedPages(count: Int(chunk)) else { return nil }
    self.source = source
    self.writer = writer
    self.pages = pages
  }

  /// Carries out a step that writes; false if it has to be read first, with nothing done.
  ///
  /// `buffer`, which has room for a step, is used where pages are lost on the way.
  func put(_ step: Step, _ buffer: inout Buffer) throws -> Bool {
    guard step.kept.isEmpty, step.length <= UInt64(pages.count), try lay(step) else { return false }
    let lost = pages.lostCount
    do { try pages.withBytes(Int(step.length)) { try writer.put(step, $0) } } catch let error as IOError {
      // The kernel could not have a page either.
      guard error.errno == .badAddress else { throw error }
      try read(step, into: &buffer)
      try writer.put(step, buffer.prefix(Int(step.length)), isAgain: true)
    }
    if pages.lostCount != lost {
      try read(step, into: &buffer)
      throw ImageError(
        .damaged, format: "image", offset: step.offset,
        "a part of it could not be read at first and could be later; the medium that it is on may be failing")
    }
    return true
  }

  /// Reads the step, which says why a page could not be had.
  private func read(_ step: Step, into buffer: inout Buffer) throws {
    var bytes = buffer.mutablePrefix(Int(step.length))
    try source.read(at: step.offset, into: &bytes)
  }

  /// Lays what the step writes over the pages; false where a part of it is not stored as it is, or not cached.
  private func lay(_ step: Step) throws -> Bool {
    // A disk's last sector may be partial.
    guard step.end <= source.byteCount else { return false }
    var position = step.offset
    while position < step.end {
      guard let range = try source.stored(at: position, limit: step.end),
        range.length >= Self.shortestRange || position + range.length == step.end,
        pages.lay(range, at: Int(position - step.offset)),
        pages.areCached(Int(range.length), from: Int(position - step.offset))
      else { return false }
      position += range.length
    }
    return true
  }
}
