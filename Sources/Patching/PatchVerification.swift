import BlockIO
import Browsing
import Bytes
import Filesystems
import Glibc

/// Reads what was changed again, from the medium and by the driver that only reads, and compares it with its sources.
struct PatchVerification {
  private let host: HostFiles
  private let isStopped: () -> Bool
  /// Files that were compared, and bytes of their contents.
  private(set) var fileCount: UInt64 = 0
  private(set) var byteCount: UInt64 = 0
  /// What is wrong, a sentence each.
  private(set) var wrong: [String] = []
  /// The most sentences that are kept.
  private static let maximumCount = 20

  init(_ host: HostFiles, isStopped: @escaping () -> Bool) {
    self.host = host
    self.isStopped = isStopped
  }

  /// Compares all that was changed in `volume`.
  mutating func compare(_ volume: PatchedVolume) throws {
    let changes = volume.changes.all
    guard !changes.isEmpty else { return }
    let fresh = try volume.reopened()
    for change in changes {
      if isStopped() { throw Stopped() }
      let names = change.names
      let path = "\(volume.name): \(StepRunner.path(names))"
      let place: PathWalk.Place
      do { place = try PathWalk(fresh).find(VolumePath(names), followsLast: false) } catch let error as FileError {
        note("\(path) cannot be found again: \(error)")
        continue
      }
      fileCount += 1
      try compareAttributes(of: names, volume.filesystem, with: place.file, in: fresh, path)
      for piece in change.pieces { try compare(piece, with: fresh.contents(of: place.file), path) }
    }
  }

  private mutating func note(_ sentence: String) {
    if wrong.count < Self.maximumCount { wrong.append(sentence) }
  }

  /// Compares what the driver that wrote says of a file with what the medium has.
  private mutating func compareAttributes(
    of names: [FileName], _ written: any Filesystem, with file: FileID, in fresh: any Filesystem, _ path: String
  ) throws {
    let place = try PathWalk(written).find(VolumePath(names), followsLast: false)
    let (wanted, found) = (try written.attributes(of: place.file), try fresh.attributes(of: file))
    if wanted.kind != found.kind || wanted.mode != found.mode || wanted.owner != found.owner
      || wanted.group != found.group || wanted.modified != found.modified || wanted.device != found.device
      || (wanted.kind != .directory && (wanted.byteCount, wanted.linkCount) != (found.byteCount, found.linkCount))
    {
      return note("\(path) has other attributes on the medium than it was given")
    }
    guard wanted.kind == .symbolicLink else { return }
    if try written.symbolicLinkTarget(of: place.file) != fresh.symbolicLinkTarget(of: file) {
      note("\(path) points elsewhere on the medium than it should")
    }
  }

  private mutating func compare(_ piece: ChangeLog.Piece, with contents: any FileContents, _ path: String) throws {
    let source = try piece.origin.contents(host)
    guard contents.byteCount >= piece.offset, contents.byteCount - piece.offset >= piece.count,
      source.byteCount >= piece.count
    else { return note("\(path) has \(contents.byteCount) bytes on the medium, fewer than it was given") }
    let size = Int(min(piece.count, 1 << 20))
    var wanted = Buffer(count: size)
    var found = Buffer(count: size)
    var offset: UInt64 = 0
    while offset < piece.count {
      if isStopped() { throw Stopped() }
      let place = piece.offset + offset
      let ours = try source.extent(at: offset, limit: piece.count)
      let theirs = try contents.extent(at: place, limit: piece.offset + piece.count)
      let common = min(ours.length, theirs.length)
      if ours.kind != .data, theirs.kind != .data {
        offset += common
        continue
      }
      let count = Int(min(common, 1 << 20))
      try wanted.fill(0, count) { try source.read(at: offset, into: &$0) }
      try found.fill(0, count) { try contents.read(at: place, into: &$0) }
      if !equal(wanted.prefix(count), found.prefix(count)) {
        let first = place + UInt64(firstDifference(wanted.prefix(count), found.prefix(count)))
        return note("\(path) differs on the medium from what was written, from byte \(first) on")
      }
      byteCount += UInt64(count)
      offset += UInt64(count)
    }
  }

  /// The first byte in which two runs of the same length differ; their length where they do not.
  private func firstDifference(_ a: RawSpan, _ b: RawSpan) -> Int {
    (0..<a.byteCount).first { index in
      let (left, right): (UInt8, UInt8) = (a.littleEndian(at: index), b.littleEndian(at: index))
      return left != right
    } ?? a.byteCount
  }

  private func equal(_ a: RawSpan, _ b: RawSpan) -> Bool {
    unsafe a.withUnsafeBytes { left in
      unsafe b.withUnsafeBytes { right in
        guard let first = left.baseAddress, let second = right.baseAddress else { return left.count == right.count }
        guard left.count == right.count else { return false }
        return unsafe memcmp(first, second, left.count) == 0
      }
    }
  }
}
