package import BlockIO
import Bytes
import Threads

/// A disk with changes laid over it, for trying out: reads see them, the disk below never does.
///
/// Changes are kept in memory, and past a limit in a temporary file, in pages of 4096 bytes.
package final class ScratchStore: BlockSource, BlockTarget {
  /// Where a changed page is kept.
  private enum Page {
    case memory([UInt8])
    /// Its number in the temporary file.
    case file(UInt64)
  }

  /// The file for pages that memory has no room for.
  private final class SpillFile: Sendable {
    let file: OpenFile
    init() throws(IOError) { file = try OpenFile.temporary() }
  }

  private struct State {
    var pages: [UInt64: Page] = [:]
    var inMemory = 0
    var spilled: UInt64 = 0
    var file: SpillFile?
  }

  /// Size of a page in bytes.
  private static let pageSize = 4096
  private let base: any BlockSource
  private let limit: Int
  private let state = Monitor(State())

  /// Lays nothing yet over `base`; changes take at most `limit` bytes of memory and some for finding them.
  package init(over base: any BlockSource, limit: Int = 64 << 20) {
    self.base = base
    self.limit = limit
  }

  package var byteCount: UInt64 { base.byteCount }
  package var sectorSize: Int { 1 }

  /// Bytes of changes kept in memory, and in the file.
  package var held: (memory: Int, file: UInt64) {
    state.update { ($0.inMemory * Self.pageSize, $0.spilled * UInt64(Self.pageSize)) }
  }

  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    Extent(.data, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    var done = 0
    while done < buffer.byteCount {
      let (number, inPage, count) = Self.piece(at: offset + UInt64(done), of: buffer.byteCount - done)
      if let bytes = try changed(number) {
        var place = buffer.mutableSlice(done, count)
        // Safe: every byte of the array is initialised.
        place.copy(unsafe bytes.span.bytes.slice(inPage, count), at: 0)
        done += count
        continue
      }
      // What is not changed up to the next page that is, at once.
      let start = done
      done += count
      while done < buffer.byteCount {
        let next = Self.piece(at: offset + UInt64(done), of: buffer.byteCount - done)
        if isChanged(next.number) { break }
        done += next.count
      }
      var place = buffer.mutableSlice(start, done - start)
      try base.read(at: offset + UInt64(start), into: &place)
    }
  }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try read(at: offset, into: &buffer)
  }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    var done = 0
    while done < bytes.byteCount {
      let (number, inPage, count) = Self.piece(at: offset + UInt64(done), of: bytes.byteCount - done)
      var contents =
        try count == Self.pageSize ? [UInt8](repeating: 0, count: count) : changed(number) ?? original(number)
      contents.replaceSubrange(inPage..<(inPage + count), with: bytes.slice(done, count).array)
      try keep(contents, as: number)
      done += count
    }
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try forEachZeroPiece(at: offset, count: count) { try write($0, at: $1) }
  }

  package func flush() {}

  /// The page that holds `offset`, where in it that lies, and how many of `count` bytes are in it.
  private static func piece(at offset: UInt64, of count: Int) -> (number: UInt64, inPage: Int, count: Int) {
    let inPage = Int(offset % UInt64(pageSize))
    return (offset / UInt64(pageSize), inPage, min(count, pageSize - inPage))
  }

  private func isChanged(_ number: UInt64) -> Bool { state.update { $0.pages[number] != nil } }

  private func changed(_ number: UInt64) throws -> [UInt8]? {
    let (page, file) = state.update { ($0.pages[number], $0.file) }
    switch page {
    case nil: return nil
    case .memory(let bytes): return bytes
    case .file(let place):
      var buffer = Buffer(count: Self.pageSize)
      var span = buffer.mutablePrefix(Self.pageSize)
      try file?.file.read(at: place * UInt64(Self.pageSize), into: &span)
      return buffer.prefix(Self.pageSize).array
    }
  }

  private func original(_ number: UInt64) throws -> [UInt8] {
    let start = number * UInt64(Self.pageSize)
    var buffer = Buffer(zeroes: Self.pageSize)
    var span = buffer.mutablePrefix(Int(min(UInt64(Self.pageSize), byteCount - start)))
    try base.read(at: start, into: &span)
    return buffer.prefix(Self.pageSize).array
  }

  private func keep(_ contents: [UInt8], as number: UInt64) throws {
    let limit = limit
    let place: UInt64? = state.update { state in
      switch state.pages[number] {
      case .file(let place)?: return place
      case .memory?: state.pages[number] = .memory(contents)
      case nil where (state.inMemory + 1) * Self.pageSize <= limit:
        state.inMemory += 1
        state.pages[number] = .memory(contents)
      case nil:
        defer { state.spilled += 1 }
        return state.spilled
      }
      return nil
    }
    guard let place else { return }
    let file = try state.update { state in
      if let file = state.file { return file }
      let file = try SpillFile()
      state.file = file
      return file
    }
    try file.file.write(unsafe contents.span.bytes, at: place * UInt64(Self.pageSize))
    state.update { $0.pages[number] = .file(place) }
  }
}
