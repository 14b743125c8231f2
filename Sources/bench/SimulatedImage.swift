import BlockIO
import Bytes
import CDeflate

/// An image that is all data, or a quarter of it in fragments: copied from memory, or decoded from one deflated cluster
/// again and again.
final class SimulatedImage: BlockSource {
  let byteCount: UInt64
  private let cluster: Buffer
  /// The cluster's deflated bytes; nil where nothing is decoded.
  private let deflated: Buffer?
  /// Bytes of data before three times as many of nothing; 0 where all is data.
  private let fragment: UInt64

  private static let clusterSize = 64 << 10

  init(byteCount: UInt64, isCompressed: Bool, fragment: UInt64 = 0) throws {
    self.byteCount = byteCount
    self.fragment = fragment
    var cluster = Buffer(count: Self.clusterSize)
    cluster.fill(0, Self.clusterSize) { Self.fillLikeText(&$0) }
    deflated = isCompressed ? try Self.deflate(cluster.prefix(Self.clusterSize)) : nil
    self.cluster = cluster
  }

  /// Words that repeat often, which deflate packs to about a third.
  private static func fillLikeText(_ bytes: inout MutableRawSpan) {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    for index in stride(from: 0, to: bytes.byteCount, by: 8) {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let word = (state >> 40) & 0x3ff
      bytes.store(littleEndian: word &* 0x0001_0041_0300_6107 ^ (state >> 61), at: index)
    }
  }

  private static func deflate(_ bytes: RawSpan) throws -> Buffer {
    let compressor = unsafe libdeflate_alloc_compressor(6)
    defer { unsafe libdeflate_free_compressor(compressor) }
    var output = Buffer(count: 2 * bytes.byteCount)
    let count = output.fill { to in
      unsafe bytes.withUnsafeBytes { from in
        unsafe to.withUnsafeMutableBytes { to in
          unsafe libdeflate_deflate_compress(compressor, from.baseAddress, from.count, to.baseAddress, to.count)
        }
      }
    }
    var packed = Buffer(count: count)
    packed.fill(0, count) { $0.copy(output.prefix(count), at: 0) }
    return packed
  }

  func extent(at offset: UInt64, limit: UInt64) -> Extent {
    guard fragment > 0 else { return Extent(.data, offset: offset, length: limit - offset) }
    let place = offset % (4 * fragment)
    let isData = place < fragment
    let end = offset - place + (isData ? 1 : 4) * fragment
    return Extent(isData ? .data : .zero, offset: offset, length: min(end, limit) - offset)
  }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    let decompressor = unsafe libdeflate_alloc_decompressor()
    defer { unsafe libdeflate_free_decompressor(decompressor) }
    var done = 0
    while done < buffer.byteCount {
      let count = min(Self.clusterSize, buffer.byteCount - done)
      var part = buffer.mutableSlice(done, count)
      switch deflated {
      case .none: cluster.withSlice(0, count) { part.copy($0, at: 0) }
      case .some(let deflated):
        _ = deflated.withSlice(0, deflated.count) { from in
          unsafe from.withUnsafeBytes { from in
            unsafe part.withUnsafeMutableBytes { to in
              unsafe libdeflate_deflate_decompress(
                decompressor, from.baseAddress, from.count, to.baseAddress, to.count, nil)
            }
          }
        }
      }
      done += count
    }
  }
}
