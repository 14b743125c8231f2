import BlockIO
import Bytes
import CDeflate
import CZlib
import CZstd

/// What decoding compressed clusters takes: decompressors and buffers, lent to one thread at a time.
@safe
final class ClusterDecoder {
  private let deflate: OpaquePointer
  private let zstd: OpaquePointer
  /// Stored bytes of neighbouring clusters.
  private var stored: Buffer
  /// A cluster of which only a part is asked for, and whose it is.
  private var cluster: Buffer
  private var held: (layer: Int, host: UInt64)?
  /// Clusters to be decoded from one piece of the file.
  var batch: [ClusterRun] = []

  /// How many bytes of a file are read at once.
  let window: UInt64

  /// Makes a decoder for clusters of at most `clusterSize` bytes.
  init(clusterSize: Int) throws {
    guard let deflate = unsafe libdeflate_alloc_decompressor() else { throw DecoderError() }
    guard let zstd = unsafe ZSTD_createDCtx() else {
      unsafe libdeflate_free_decompressor(deflate)
      throw DecoderError()
    }
    unsafe self.deflate = deflate
    unsafe self.zstd = zstd
    // A cluster may be stored in up to twice its size.
    window = UInt64(max(2 << 20, 2 * clusterSize))
    stored = Buffer(count: Int(window))
    cluster = Buffer(count: clusterSize)
  }

  deinit {
    unsafe libdeflate_free_decompressor(deflate)
    _ = unsafe ZSTD_freeDCtx(zstd)
  }

  /// Decodes the clusters in `batch`, which lie within one window of `layer`'s file, to where they belong in `buffer`,
  /// whose first byte is at `origin` of the disk; nothing at or after `limit` is touched.
  func decode(
    _ layer: QCow2Layer, number: Int, limit: UInt64, origin: UInt64, into buffer: inout MutableRawSpan
  ) throws {
    guard let first = batch.first else { return }
    let end = batch.reduce(first.host) { max($0, $1.host + UInt64($1.storedCount)) }
    let clusterSize = layer.layout.clusterSize
    if batch.count > 1 || !holds(first, of: number) {
      try Self.load(layer.data, at: first.host, count: Int(end - first.host), into: &stored)
    }
    for run in batch {
      let place = Int(run.offset - origin)
      let from = Int(run.host - first.host)
      let count = Int(min(run.end, limit) - run.offset)
      if holds(run, of: number) {
        Self.copy(cluster, Int(run.offset % clusterSize), count, to: place, of: &buffer)
        continue
      }
      if count == Int(clusterSize) {
        var target = buffer.mutableSlice(place, Int(clusterSize))
        try decode(run, stored, from, layer, into: &target)
        continue
      }
      held = nil
      try decode(run, stored, from, layer, into: &cluster)
      held = (number, run.host)
      Self.copy(cluster, Int(run.offset % clusterSize), count, to: place, of: &buffer)
    }
  }

  /// Whether the cluster of `run` is the one decoded last into `cluster`.
  private func holds(_ run: ClusterRun, of layer: Int) -> Bool { held?.layer == layer && held?.host == run.host }

  private static func load(
    _ file: any BlockSource, at offset: UInt64, count: Int, into buffer: inout Buffer
  ) throws {
    var bytes = buffer.mutablePrefix(count)
    try file.read(at: offset, into: &bytes)
  }

  private static func copy(
    _ source: borrowing Buffer, _ offset: Int, _ count: Int, to place: Int, of buffer: inout MutableRawSpan
  ) {
    buffer.copy(source.slice(offset, count), at: place)
  }

  private func decode(
    _ run: ClusterRun, _ stored: borrowing Buffer, _ offset: Int, _ layer: QCow2Layer, into target: inout Buffer
  ) throws(ImageError) {
    var bytes = target.mutablePrefix(Int(layer.layout.clusterSize))
    try decode(run, stored, offset, layer, into: &bytes)
  }

  private func decode(
    _ run: ClusterRun, _ stored: borrowing Buffer, _ offset: Int, _ layer: QCow2Layer,
    into target: inout MutableRawSpan
  ) throws(ImageError) {
    let bytes = stored.slice(offset, run.storedCount)
    let problem = layer.isZstd ? inflateZstd(bytes, into: &target) : inflate(bytes, into: &target)
    guard let problem else { return }
    throw ImageError(
      .damaged, format: "qcow2", file: layer.name, offset: run.host,
      "a compressed cluster (for offset \(run.offset.roundedDown(to: layer.layout.clusterSize).hex) of the disk) "
        + "\(problem)")
  }

  /// Decodes a raw deflate stream that must fill `target`; returns what is wrong.
  private func inflate(_ bytes: RawSpan, into target: inout MutableRawSpan) -> String? {
    var produced = 0
    let result = unsafe bytes.withUnsafeBytes { from in
      unsafe target.withUnsafeMutableBytes { to in
        unsafe libdeflate_deflate_decompress_ex(
          deflate, from.baseAddress, from.count, to.baseAddress, to.count, nil, &produced)
      }
    }
    if result == LIBDEFLATE_SUCCESS { return produced == target.byteCount ? nil : "ends too early" }
    return inflateSlowly(bytes, into: &target)
  }

  /// Like `inflate`, but stops once `target` is full, whatever follows.
  private func inflateSlowly(_ bytes: RawSpan, into target: inout MutableRawSpan) -> String? {
    var stream = unsafe z_stream()
    guard unsafe czlib_inflate_init2(&stream, -15) == Z_OK else { return "cannot be decoded: zlib does not start" }
    defer { _ = unsafe inflateEnd(&stream) }
    let result = unsafe bytes.withUnsafeBytes { from in
      unsafe target.withUnsafeMutableBytes { to in
        // Safe: zlib only reads through next_in.
        unsafe stream.next_in = UnsafeMutablePointer(mutating: from.assumingMemoryBound(to: UInt8.self).baseAddress)
        unsafe stream.avail_in = UInt32(from.count)
        unsafe stream.next_out = to.assumingMemoryBound(to: UInt8.self).baseAddress
        unsafe stream.avail_out = UInt32(to.count)
        return unsafe CZlib.inflate(&stream, Z_FINISH)
      }
    }
    let isFull = unsafe stream.avail_out == 0
    if isFull, result == Z_STREAM_END || result == Z_BUF_ERROR { return nil }
    return result == Z_DATA_ERROR ? "is not valid deflate data" : "ends too early"
  }

  /// Decodes zstd frames that must fill `target`; returns what is wrong.
  private func inflateZstd(_ bytes: RawSpan, into target: inout MutableRawSpan) -> String? {
    unsafe bytes.withUnsafeBytes { from in
      unsafe target.withUnsafeMutableBytes { to in
        _ = unsafe ZSTD_DCtx_reset(zstd, ZSTD_reset_session_only)
        var input = unsafe ZSTD_inBuffer(src: from.baseAddress, size: from.count, pos: 0)
        var output = unsafe ZSTD_outBuffer(dst: to.baseAddress, size: to.count, pos: 0)
        var rest = 1
        while unsafe output.pos < to.count {
          let read = unsafe input.pos
          let written = unsafe output.pos
          rest = unsafe ZSTD_decompressStream(zstd, &output, &input)
          if ZSTD_isError(rest) != 0 {
            return unsafe "is not valid zstd data (\(String(cString: ZSTD_getErrorName(rest))))"
          }
          if unsafe input.pos == read && output.pos == written { return "ends too early" }
        }
        return rest == 0 ? nil : "holds more than a cluster"
      }
    }
  }
}

/// No memory for a decompressor.
struct DecoderError: Error, CustomStringConvertible {
  var description: String { "out of memory: cannot make a decompressor" }
}
