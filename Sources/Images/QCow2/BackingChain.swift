package import BlockIO
import Bytes
import Threads

/// A qcow2 image and the files below it, as one disk.
package final class BackingChain: BlockSource {
  /// One file of the chain.
  enum Layer: Sendable {
    case qcow2(QCow2Layer)
    case raw(RawLayer)

    /// The size of the layer's disk in bytes.
    var byteCount: UInt64 {
      switch self {
      case .qcow2(let layer): layer.byteCount
      case .raw(let layer): layer.byteCount
      }
    }
  }

  /// Top first.
  private let layers: [Layer]
  private let decoders: Pool<ClusterDecoder>
  /// How many table entries one step goes through: all of a slice where nothing lies below, few where each step may
  /// come back for what the next layer says.
  private let stride: UInt64
  package let byteCount: UInt64
  /// The largest cluster's size in bytes: compressed clusters are decoded as a whole.
  let largestCluster: Int

  /// Joins `layers`, top first; the topmost one's size is the disk's.
  init(_ layers: [Layer]) {
    self.layers = layers
    byteCount = layers.first?.byteCount ?? 0
    stride = layers.count > 1 ? 256 : .max
    var largest = 512
    for case .qcow2(let layer) in layers { largest = max(largest, Int(layer.layout.clusterSize)) }
    largestCluster = largest
    decoders = Pool { [largest] in try ClusterDecoder(clusterSize: largest) }
  }

  /// What the chain says at one place: the answering layer's number, its answer, and how far it may answer.
  private struct Answer {
    var depth: Int
    var run: ClusterRun
    var limit: UInt64
  }

  private func answer(at offset: UInt64, limit: UInt64, for purpose: ClusterRun.Purpose) throws -> Answer {
    var limit = limit
    for depth in layers.indices {
      let byteCount = layers[depth].byteCount
      guard offset < byteCount else {
        let run = ClusterRun(kind: .zero, offset: offset, length: limit - offset)
        return Answer(depth: depth, run: run, limit: limit)
      }
      limit = min(limit, byteCount)
      let run =
        switch layers[depth] {
        case .qcow2(let layer): try layer.run(at: offset, limit: limit, for: purpose, entries: stride)
        case .raw(let layer): try layer.run(at: offset, limit: limit)
        }
      guard run.kind == .unallocated, depth + 1 < layers.count else {
        return Answer(depth: depth, run: run, limit: limit)
      }
      limit = run.end
    }
    let run = ClusterRun(kind: .unallocated, offset: offset, length: limit - offset)
    return Answer(depth: layers.count, run: run, limit: limit)
  }

  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    let limit = min(limit, byteCount)
    var run = try answer(at: offset, limit: limit, for: .map).run
    // A bounded number of steps, so that writing starts while the rest of a large map is still to be read.
    for _ in 0..<64 where run.end < limit {
      let next = try answer(at: run.end, limit: limit, for: .map).run
      guard run.continues(with: next, for: .map) else { break }
      run.length += next.length
    }
    let kind: Extent.Kind =
      switch run.kind {
      case .unallocated: .unallocated
      case .zero: .zero
      case .data, .compressed: .data
      }
    return Extent(kind, offset: run.offset, length: run.length)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    guard let end = offset.adding(UInt64(buffer.byteCount)), end <= byteCount else {
      throw ImageError(.damaged, format: "qcow2", "a read at \(offset.hex) goes past the end of the disk")
    }
    let done = try fill(&buffer, origin: offset, from: offset, with: nil)
    guard done < end else { return }
    let decoder = try decoders.take()
    defer { decoders.giveBack(decoder) }
    _ = try fill(&buffer, origin: offset, from: done, with: decoder)
  }

  package func stored(at offset: UInt64, limit: UInt64) throws -> StoredRange? {
    let answer = try answer(at: offset, limit: limit, for: .read)
    guard answer.run.kind == .data else { return nil }
    let file: FileSource? =
      switch layers[answer.depth] {
      case .raw(let layer): layer.file as? FileSource
      case .qcow2(let layer): layer.data as? FileSource
      }
    // A last, short host cluster is for `read`.
    guard let file, answer.run.host < file.byteCount else { return nil }
    let length = min(answer.run.length, file.byteCount - answer.run.host)
    return StoredRange(file, offset: answer.run.host, length: length)
  }

  /// Fills `buffer`, whose first byte is at `origin` of the disk, from `position` on, and returns where it stopped: at
  /// the end, or at a compressed cluster if there is no decoder.
  private func fill(
    _ buffer: inout MutableRawSpan, origin: UInt64, from position: UInt64, with decoder: ClusterDecoder?
  ) throws -> UInt64 {
    let end = origin + UInt64(buffer.byteCount)
    var position = position
    while position < end {
      let answer = try answer(at: position, limit: end, for: .read)
      if answer.run.kind == .compressed {
        guard let decoder, case .qcow2(let layer) = layers[answer.depth] else { return position }
        decoder.batch.removeAll(keepingCapacity: true)
        try layer.collect(from: position, limit: answer.limit, window: decoder.window, into: &decoder.batch)
        guard let last = decoder.batch.last else { return position }
        try decoder.decode(layer, number: answer.depth, limit: answer.limit, origin: origin, into: &buffer)
        position = min(last.end, answer.limit)
        continue
      }
      var target = buffer.mutableSlice(Int(position - origin), Int(answer.run.length))
      if answer.run.kind == .data {
        try load(answer, into: &target)
      } else {
        target.fillWithZeroes()
      }
      position = answer.run.end
    }
    return position
  }

  /// Reads a run of data; what a last, short host cluster lacks is zero.
  private func load(_ answer: Answer, into target: inout MutableRawSpan) throws {
    switch layers[answer.depth] {
    case .raw(let layer): try layer.file.read(at: answer.run.host, into: &target)
    case .qcow2(let layer):
      let rest = layer.data.byteCount - min(answer.run.host, layer.data.byteCount)
      let count = Int(min(UInt64(target.byteCount), rest))
      if count > 0 {
        var stored = target.mutableSlice(0, count)
        try layer.data.read(at: answer.run.host, into: &stored)
      }
      if count < target.byteCount {
        var missing = target.mutableSlice(count, target.byteCount - count)
        missing.fillWithZeroes()
      }
    }
  }
}
