import BlockIO
import Bytes
import Filesystems

/// Contents that lie in blocks of the volume.
final class MappedContents: FileContents {
  let byteCount: UInt64
  private let map: BlockMap
  private let blockSize: UInt64
  /// Runs that are joined to one, at most; lists of blocks have one for every few MiB.
  private static let mostJoined = 256
  /// The run that was found last.
  private var last: BlockRun?

  /// The first `byteCount` bytes of what `map` maps.
  init(_ map: BlockMap, byteCount: UInt64) throws {
    self.map = map
    self.byteCount = byteCount
    blockSize = UInt64(map.blocks.blockSize)
    guard byteCount <= map.limit * blockSize else {
      throw map.blocks.damaged(
        "inode \(map.inode.number) says a size of \(byteCount) bytes, more than its blocks can be", at: map.inode.offset
      )
    }
  }

  /// The run from `block` on, joined with those that go on where it ends, up to `limit`.
  func run(at block: UInt64, limit: UInt64) throws -> BlockRun {
    var run: BlockRun
    if let last, last.first <= block, block < last.end {
      run = last.from(block)
    } else {
      run = try map.run(at: block)
    }
    var joined = 0
    while run.end < limit, joined < Self.mostJoined {
      joined += 1
      let next = try map.run(at: run.end)
      guard next.follows(run) else { break }
      run.count += next.count
    }
    last = run
    return run
  }

  func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    let limit = min(limit, byteCount)
    let lastBlock = (limit - 1) / blockSize
    let run = try run(at: offset / blockSize, limit: lastBlock + 1)
    let end = min(run.end * blockSize, limit)
    let kind: Extent.Kind =
      switch run.contents {
      case .data: .data
      case .unwritten: .zero
      case .hole: .unallocated
      }
    return Extent(kind, offset: offset, length: end - offset)
  }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    guard let end = offset.adding(UInt64(buffer.byteCount)), end <= byteCount else {
      throw map.blocks.damaged("a read past the end of inode \(map.inode.number)")
    }
    var done = 0
    while done < buffer.byteCount {
      let position = offset + UInt64(done)
      let block = position / blockSize
      let run = try run(at: block, limit: (end - 1) / blockSize + 1)
      let count = Int(min(run.end * blockSize, end) - position)
      var piece = buffer.mutableSlice(done, count)
      if case .data(let start) = run.contents {
        try map.blocks.source.read(at: start * blockSize + position % blockSize, into: &piece)
      } else {
        piece.fillWithZeroes()
      }
      done += count
    }
  }
}

extension BlockRun {
  /// Whether the run goes on where `other` ends, in the file and, for data, in the volume.
  func follows(_ other: BlockRun) -> Bool {
    guard first == other.end else { return false }
    switch (contents, other.contents) {
    case (.data(let start), .data(let before)): return start == before + other.count
    case (.unwritten, .unwritten), (.hole, .hole): return true
    default: return false
    }
  }
}
