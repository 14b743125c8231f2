import BlockIO
import Codecs
import Threads

/// Bytes in memory as a stream.
final class MemoryStream: ByteStream {
  private let bytes: [UInt8]
  private var position = 0
  /// The error that is thrown where the bytes end.
  private let failure: (any Error)?

  init(_ bytes: [UInt8], failure: (any Error)? = nil) {
    self.bytes = bytes
    self.failure = failure
  }

  func read(into buffer: inout MutableRawSpan) throws -> Int {
    let count = min(buffer.byteCount, bytes.count - position)
    if count < buffer.byteCount, let failure { throw failure }
    buffer.withUnsafeMutableBytes { to in
      bytes.withUnsafeBytes { to.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count])) }
    }
    position += count
    return count
  }
}

extension ByteStream {
  /// The next `count` bytes.
  func readSome(_ count: Int) throws -> [UInt8] {
    var buffer = Buffer(count: count)
    let got = try buffer.fill { try self.read(into: &$0) }
    return buffer.prefix(got).withUnsafeBytes { Array($0) }
  }

  /// All bytes to the end, `unit` at a time.
  func readAll(unit: Int = 1 << 20) throws -> [UInt8] {
    var result: [UInt8] = []
    var buffer = Buffer(count: unit)
    while true {
      let count = try buffer.fill { try self.read(into: &$0) }
      buffer.prefix(count).withUnsafeBytes { result.append(contentsOf: $0) }
      if count < unit { return result }
    }
  }
}

/// What `compressed` decodes to.
func decode(
  _ codec: Codec, _ compressed: [UInt8], workers: Int = 0, refill: Int = 256 << 10, unit: Int = 1 << 20
) throws -> [UInt8] {
  var options = DecodingOptions(workers: workers)
  options.refill = refill
  return try codec.open(MemoryStream(compressed), name: "test", options: options).readAll(unit: unit)
}

/// Like a disk image: text, noise, zeroes and repeats, the same for one seed.
func sample(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed
  func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count)
  while bytes.count < count {
    let length = min(Int(next() % 60000) + 1, count - bytes.count)
    switch next() % 4 {
    case 0: bytes.append(contentsOf: repeatElement(0, count: length))
    case 1: for _ in 0..<length { bytes.append(UInt8(truncatingIfNeeded: next())) }
    default: for _ in 0..<length { bytes.append(UInt8(97 + next() % 7)) }
    }
  }
  return bytes
}
