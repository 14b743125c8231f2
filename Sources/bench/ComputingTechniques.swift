import BlockIO
import Bytes
import CDeflate
import CXXHash
import CZlib
import CZstd

extension Technique {
  /// Techniques of computing alone, over 64 MiB of what the image holds or, for bitmaps and zeroes, of nothing.
  static let computing = [
    Technique(name: "libdeflate") { work in
      let clusters = try unsafe Clusters(work) { unsafe Deflater().compress($0) }
      let (fast, slow) = (Inflater(), ZlibInflater())
      return (
        on: { try unsafe clusters.decode { try unsafe fast.decode($0, $1) } },
        off: { try unsafe clusters.decode { try unsafe slow.decode($0, $1) } }
      )
    },
    Technique(name: "decoder-reuse") { work in
      let clusters = try unsafe Clusters(work) { unsafe ZstdContext.compress($0) }
      let kept = ZstdContext()
      return (
        on: { try unsafe clusters.decode { try unsafe kept.decode($0, $1) } },
        off: { try unsafe clusters.decode { try unsafe ZstdContext().decode($0, $1) } }
      )
    },
    Technique(name: "crc32") { work in
      let bytes = try work.sample()
      let table = CRCTable()
      let expected = bytes.withBytes { CRC32.of($0) }
      return (
        on: { require(bytes.withBytes { CRC32.of($0) } == expected) },
        off: { require(bytes.withBytes { table.crc(of: $0) } == expected) }
      )
    },
    Technique(name: "sum-vectors") { work in
      let bytes = try work.sample()
      let usual: (RawSpan) -> UInt64 = { unsafe $0.withUnsafeBytes { unsafe XXH3_64bits($0.baseAddress, $0.count) } }
      let expected = bytes.withBytes { sum($0, usual) }
      return (
        on: { require(bytes.withBytes { sum($0, xxh3) } == expected) },
        off: { require(bytes.withBytes { sum($0, usual) } == expected) }
      )
    },
    Technique(name: "zero-test") { _ in
      let zeroes = SharedBuffer(Buffer(zeroes: Workload.sampleSize))
      return (
        on: { require(zeroes.withBytes { $0.isAllZero }) },
        off: { require(zeroes.withBytes { unsafe $0.withUnsafeBytes { unsafe $0.allSatisfy { $0 == 0 } } }) }
      )
    },
    Technique(name: "bitmap-words") { _ in
      // 2^29 blocks, one of 2^12 stored.
      var bits = Buffer(zeroes: Workload.sampleSize)
      for byte in stride(from: 0, to: bits.count, by: 512) {
        bits.fill(byte, 1) { $0.storeBytes(of: 1, as: UInt8.self) }
      }
      let map = SharedBuffer(bits)
      return (on: { require(map.runsByWords == map.count / 512) }, off: { require(map.runsByBits == map.count / 512) })
    },
  ]
}

/// The sum of the hashes of blocks of 4096 bytes, as verification takes it.
private func sum(_ bytes: RawSpan, _ hash: (RawSpan) -> UInt64) -> UInt64 {
  stride(from: 0, to: bytes.byteCount, by: 4096).reduce(0) { $0 &+ hash(bytes.slice($1, 4096)) }
}

/// Ends the run where a technique does not compute what it should.
private func require(_ isRight: Bool) { precondition(isRight, "the technique went wrong") }

extension Workload {
  static let sampleSize = 64 << 20

  /// The first data of the image that are not zero, 64 MiB of them.
  fileprivate func sample() throws -> SharedBuffer {
    let disk = try disk()
    var bytes = Buffer(zeroes: Self.sampleSize)
    var (done, position): (Int, UInt64) = (0, 0)
    while done < bytes.count, position + UInt64(Clusters.size) <= disk.byteCount {
      try bytes.fill(done, Clusters.size) { try disk.read(at: position, into: &$0) }
      if !bytes.slice(done, Clusters.size).isAllZero { done += Clusters.size }
      position += UInt64(Clusters.size)
    }
    return SharedBuffer(bytes)
  }
}

/// Bytes that closures can hold.
private final class SharedBuffer: Sendable {
  private let buffer: Buffer
  var count: Int { buffer.count }

  init(_ buffer: consuming Buffer) { self.buffer = buffer }

  /// Gives all the bytes to `body`.
  func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    try buffer.withSlice(0, buffer.count, body)
  }

  var runsByWords: Int {
    var runs = 0
    withBytes { Bitmap($0, count: $0.byteCount * 8).forEachRun { _ in runs += 1 } }
    return runs
  }

  var runsByBits: Int {
    withBytes { bytes in
      var (runs, last) = (0, false)
      for bit in 0..<bytes.byteCount * 8 {
        let isSet = bytes.byte(bit / 8) >> UInt8(bit % 8) & 1 == 1
        if isSet, !last { runs += 1 }
        last = isSet
      }
      return runs
    }
  }
}

extension RawSpan {
  fileprivate func byte(_ index: Int) -> UInt8 { littleEndian(at: index) }
}

/// 64 KiB pieces of an image, compressed one by one as qcow2 does.
private final class Clusters {
  static let size = 64 << 10
  private var stored: [[UInt8]] = []

  init(_ work: Workload, compress: (UnsafeRawBufferPointer) -> [UInt8]) throws {
    let sample = try work.sample()
    sample.withBytes {
      unsafe $0.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: sample.count, by: Self.size) {
          let cluster = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<(start + Self.size)])
          let packed = unsafe compress(cluster)
          if !packed.isEmpty { stored.append(packed) }
        }
      }
    }
  }

  /// Decodes every cluster with `decode`, which must fill the output.
  func decode(_ decode: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) throws -> Void) throws {
    var output = [UInt8](repeating: 0, count: Self.size)
    for cluster in stored {
      try unsafe cluster.withUnsafeBytes { from in
        try unsafe output.withUnsafeMutableBytes { to in unsafe try decode(from, to) }
      }
    }
  }
}

private struct WrongOutput: Error {}

@safe
private final class Deflater {
  private let compressor = unsafe libdeflate_alloc_compressor(6)
  deinit { unsafe libdeflate_free_compressor(compressor) }

  func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 2 * bytes.count) { output, count in
      count = unsafe libdeflate_deflate_compress(
        compressor, bytes.baseAddress, bytes.count, output.baseAddress, output.count)
    }
  }
}

@safe
private final class Inflater {
  private let decompressor = unsafe libdeflate_alloc_decompressor()
  deinit { unsafe libdeflate_free_decompressor(decompressor) }

  func decode(_ from: UnsafeRawBufferPointer, _ to: UnsafeMutableRawBufferPointer) throws {
    let result = unsafe libdeflate_deflate_decompress(
      decompressor, from.baseAddress, from.count, to.baseAddress, to.count, nil)
    guard result == LIBDEFLATE_SUCCESS else { throw WrongOutput() }
  }
}

@safe
private final class ZlibInflater {
  // On the heap: zlib's state points back at it.
  private let stream: UnsafeMutablePointer<z_stream>

  init() {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    _ = unsafe czlib_inflate_init2(stream, -15)
  }

  deinit {
    _ = unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  func decode(_ from: UnsafeRawBufferPointer, _ to: UnsafeMutableRawBufferPointer) throws {
    _ = unsafe inflateReset(stream)
    // Safe: zlib only reads through next_in.
    unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: from.assumingMemoryBound(to: UInt8.self).baseAddress)
    unsafe stream.pointee.avail_in = UInt32(from.count)
    unsafe stream.pointee.next_out = to.assumingMemoryBound(to: UInt8.self).baseAddress
    unsafe stream.pointee.avail_out = UInt32(to.count)
    guard unsafe inflate(stream, Z_FINISH) == Z_STREAM_END else { throw WrongOutput() }
  }
}

@safe
private final class ZstdContext {
  private let context = unsafe ZSTD_createDCtx()
  deinit { _ = unsafe ZSTD_freeDCtx(context) }

  static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 2 * bytes.count) { output, count in
      count = unsafe ZSTD_compress(output.baseAddress, output.count, bytes.baseAddress, bytes.count, 3)
    }
  }

  func decode(_ from: UnsafeRawBufferPointer, _ to: UnsafeMutableRawBufferPointer) throws {
    let count = unsafe ZSTD_decompressDCtx(context, to.baseAddress, to.count, from.baseAddress, from.count)
    guard count == to.count else { throw WrongOutput() }
  }
}

/// CRC-32 a byte at a time, as most tools compute it.
private struct CRCTable {
  private let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xedb8_8320 : 0) }
  }

  func crc(of bytes: RawSpan) -> UInt32 {
    var value = ~UInt32(0)
    for index in 0..<bytes.byteCount {
      value = value >> 8 ^ table[Int((value ^ UInt32(bytes.byte(index))) & 0xff)]
    }
    return ~value
  }
}
