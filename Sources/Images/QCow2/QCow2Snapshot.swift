import BlockIO
import Bytes

/// An internal snapshot: an entry of the snapshot table (qemu docs/interop/qcow2.txt, "Snapshots").
struct QCow2Snapshot: Sendable {
  let id: String
  let name: String
  let l1Offset: UInt64
  let l1Count: UInt32
  /// When it was taken, in seconds since 1970.
  let seconds: UInt32
  /// The saved machine's size in bytes, 0 without one.
  let vmStateSize: UInt64
  /// The disk's size in bytes when the snapshot was taken, if that is stored.
  let diskSize: UInt64?

  /// What one entry takes in the table, its padding included.
  fileprivate let entryLength: Int

  /// Reads the entry that `bytes` starts with.
  fileprivate init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(40, of: "snapshot table entry")
    l1Offset = bytes.bigEndian(at: 0)
    l1Count = bytes.bigEndian(at: 8)
    let idLength = Int(bytes.bigEndian(at: 12, as: UInt16.self))
    let nameLength = Int(bytes.bigEndian(at: 14, as: UInt16.self))
    seconds = bytes.bigEndian(at: 16)
    let extra = bytes.bigEndian(at: 36, as: UInt32.self)
    guard extra <= 1024 else {
      throw LayoutError("a snapshot has \(extra) bytes of extra data; 1024 are possible", at: 36)
    }
    let start = 40 + Int(extra)
    let length = start + idLength + nameLength
    try bytes.require(length, of: "snapshot table entry")
    vmStateSize = extra >= 8 ? bytes.bigEndian(at: 40) : UInt64(bytes.bigEndian(at: 32, as: UInt32.self))
    diskSize = extra >= 16 ? bytes.bigEndian(at: 48) : nil
    id = String(decoding: bytes.slice(start, idLength).array, as: UTF8.self)
    name = String(decoding: bytes.slice(start + idLength, nameLength).array, as: UTF8.self)
    entryLength = (length + 7) / 8 * 8
  }

  /// The longest an entry can be: fixed part, extra data, ID, name, padding.
  private static let longest = 40 + 1024 + 2 * 65535 + 8

  /// Reads a snapshot table of `count` entries (at most 65536, at most 64 MiB), and says how many bytes it takes.
  static func table(
    in file: any BlockSource, at start: UInt64, count: UInt32
  ) throws -> (snapshots: [QCow2Snapshot], byteCount: UInt64) {
    guard count <= 65536 else { throw LayoutError("\(count) snapshots; at most 65536 are possible", at: 60) }
    guard start < file.byteCount else {
      throw LayoutError("the snapshot table at \(start.hex) starts after the end of the file", at: 64)
    }
    var window = Buffer(count: 2 * longest)
    var (held, base, position) = (0, start, start)
    var snapshots: [QCow2Snapshot] = []
    for _ in 0..<count {
      if base + UInt64(held) < position + UInt64(longest), base + UInt64(held) < file.byteCount {
        base = position
        held = Int(min(UInt64(window.count), file.byteCount - position))
        var bytes = window.mutablePrefix(held)
        try file.read(at: base, into: &bytes)
      }
      let from = Int(position - base)
      let snapshot: QCow2Snapshot
      do { snapshot = try QCow2Snapshot(parsing: window.slice(from, held - from)) } catch {
        throw ImageError(.damaged, format: "qcow2", offset: position + UInt64(error.offset), error.detail)
      }
      snapshots.append(snapshot)
      // The last entry's padding may be missing at the end of the file.
      position = min(position + UInt64(snapshot.entryLength), file.byteCount)
      guard position - start <= 64 << 20 else {
        throw LayoutError("the snapshot table is larger than 64 MiB", at: 64)
      }
    }
    return (snapshots, position - start)
  }
}
