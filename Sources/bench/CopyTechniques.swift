import BlockIO
import Bytes
import Codecs
import Flow
import Images
import SystemPackage

extension Technique {
  /// Techniques of the way from the image to the target.
  static let copying = [
    Technique(name: "direct") { work in
      (
        on: { try work.copy(.disk(work.disk()), to: work.device()) },
        off: { try work.copy(.disk(work.disk()), to: work.device(direct: false)) }
      )
    },
    Technique(name: "splicing") { work in
      var off = CopyOptions(workers: 3)
      off.splicesPages = false
      let copied = off
      return (
        on: { try work.copy(.disk(work.disk()), to: work.device()) },
        off: { try work.copy(.disk(work.disk()), to: work.device(), copied) }
      )
    },
    Technique(name: "coalescing") { work in
      let (whole, cluster) = (CopyOptions(workers: 3), CopyOptions(workers: 3, chunkSize: 64 << 10))
      return (
        on: { try work.copy(.disk(work.disk()), to: work.device(), whole) },
        off: { try work.copy(.disk(work.disk()), to: work.device(), cluster) }
      )
    },
    Technique(name: "chunk") { work in
      let short = CopyOptions(workers: 3, chunkSize: 256 << 10)
      return (
        on: { try work.copy(work.content(), to: work.device()) },
        off: { try work.copy(work.content(), to: work.device(), short) }
      )
    },
    Technique(name: "long-chunk") { work in
      let long = CopyOptions(workers: 3, chunkSize: 4 << 20)
      return (
        on: { try work.copy(work.content(), to: work.device()) },
        off: { try work.copy(work.content(), to: work.device(), long) }
      )
    },
    Technique(name: "zero-offload") { work in
      (
        on: { try work.copy(.disk(work.disk()), to: work.device()) },
        off: { try work.copy(.disk(work.disk()), to: ZeroesWritten(work.device())) }
      )
    },
    Technique(name: "inline") { work in
      (
        on: { try work.copy(.disk(work.disk()), to: work.device()) },
        off: { try work.copy(.stream(DiskStream(work.disk())), to: work.device()) }
      )
    },
    Technique(name: "workers") { work in
      (
        on: { try work.copy(.disk(work.disk()), to: work.device()) },
        off: { try work.copy(.disk(work.disk()), to: work.device(), CopyOptions(workers: 1)) }
      )
    },
    Technique(name: "spare-worker") { work in
      (
        on: { try work.copy(.disk(work.disk()), to: work.device()) },
        off: { try work.copy(.disk(work.disk()), to: work.device(), CopyOptions(workers: 2)) }
      )
    },
    Technique(name: "short-writes-cached") { work in
      // 1 GiB of data in pieces of 32 KiB, to a new file.
      let image = try SimulatedImage(byteCount: 4 << 30, isCompressed: false, fragment: 32 << 10)
      return (
        on: { try work.copy(.disk(image), to: work.newFile(of: image)) },
        off: { try work.copy(.disk(image), to: work.newFile(of: image, shortestDirect: 0)) }
      )
    },
    Technique(name: "decode-ahead") { work in
      (
        on: { try work.copy(work.content(), to: work.device()) },
        off: { try work.copy(work.content(DecodingOptions(workers: 0)), to: work.device()) }
      )
    },
  ]
}

/// A target of which every zero is written out.
private struct ZeroesWritten: BlockTarget {
  private let target: any BlockTarget

  init(_ target: any BlockTarget) { self.target = target }

  var byteCount: UInt64 { target.byteCount }
  var sectorSize: Int { target.sectorSize }
  func write(_ bytes: RawSpan, at offset: UInt64) throws { try target.write(bytes, at: offset) }
  func takesPages(_ range: Range<UInt64>) -> Bool { target.takesPages(range) }
  func write(_ pages: PagePipe, at offset: UInt64) throws -> Bool { try target.write(pages, at: offset) }
  func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try forEachZeroPiece(at: offset, count: count) { try target.write($0, at: $1) }
  }
  func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try target.readBack(at: offset, into: &buffer)
  }
  func flush() throws { try target.flush() }
}

/// A disk that one thread reads for all, whose chunks go to the writers through a ring of buffers.
private final class DiskStream: ExtentStream {
  private let disk: any BlockSource
  private var position: UInt64 = 0

  init(_ disk: any BlockSource) { self.disk = disk }

  var byteCount: UInt64? { disk.byteCount }

  func next(into buffer: inout MutableRawSpan) throws -> Extent? {
    guard position < disk.byteCount else { return nil }
    var extent = try disk.extent(at: position, limit: disk.byteCount)
    if extent.kind == .data {
      extent.length = min(extent.length, UInt64(buffer.byteCount))
      var part = buffer.mutableSlice(0, Int(extent.length))
      try disk.read(at: position, into: &part)
    }
    position = extent.end
    return extent
  }
}
