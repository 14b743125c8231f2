import BlockIO
import Bytes

/// A few bytes of a disk, whose fields past the end read as zero.
struct Block: Sendable {
  /// Where the bytes lie on the disk.
  let offset: UInt64
  let bytes: [UInt8]

  /// The integer stored little-endian at `position`.
  func little<T: FixedWidthInteger & BitwiseCopyable>(_ position: Int, _ type: T.Type = T.self) -> T {
    guard holds(position, MemoryLayout<T>.size) else { return 0 }
    return bytes.raw.littleEndian(at: position)
  }

  /// The integer stored big-endian at `position`.
  func big<T: FixedWidthInteger & BitwiseCopyable>(_ position: Int, _ type: T.Type = T.self) -> T {
    guard holds(position, MemoryLayout<T>.size) else { return 0 }
    return bytes.raw.bigEndian(at: position)
  }

  /// Whether `magic` is stored at `position`.
  func has(_ magic: [UInt8], at position: Int) -> Bool {
    holds(position, magic.count) && bytes[position..<(position + magic.count)].elementsEqual(magic)
  }

  /// Whether the ASCII text `magic` is stored at `position`.
  func has(_ magic: String, at position: Int) -> Bool { has(Array(magic.utf8), at: position) }

  /// The bytes of a range as far as they are there.
  func slice(_ position: Int, _ count: Int) -> [UInt8] {
    guard position >= 0, count > 0, position < bytes.count else { return [] }
    return Array(bytes[position..<min(bytes.count, position + min(count, bytes.count))])
  }

  private func holds(_ position: Int, _ count: Int) -> Bool {
    position >= 0 && position <= bytes.count && bytes.count - position >= count
  }
}

extension BlockSource {
  /// The `count` bytes at `offset`, or nil where the disk ends before them.
  func block(at offset: UInt64, count: Int) throws -> Block? {
    guard let end = offset.adding(UInt64(count)), end <= byteCount else { return nil }
    var bytes = [UInt8](repeating: 0, count: count)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    try read(at: offset, into: &raw)
    return Block(offset: offset, bytes: bytes)
  }
}

extension [UInt8] {
  /// The bytes, to load integers from.
  var raw: RawSpan {
    // Safe: every byte of the array is initialised.
    @_lifetime(borrow self) get { unsafe span.bytes }
  }
}
