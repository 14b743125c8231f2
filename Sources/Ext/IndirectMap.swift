import Bytes
import Filesystems

/// Lists of block numbers of 32 bits: twelve in the inode, then lists, lists of lists, and lists of those.
extension BlockMap {
  /// The run of blocks that starts with the file's block `block`.
  func listed(_ block: UInt64) throws -> BlockRun {
    guard block >= Self.directCount else {
      return run(in: inode.map, count: Int(Self.directCount), from: Int(block), first: block)
    }
    let pointers = UInt64(blocks.blockSize / 4)
    var index = block - Self.directCount
    var level = 1
    var span = pointers
    while index >= span {
      index -= span
      guard level < 3 else { throw blocks.damaged("inode \(inode.number) has no block \(block)") }
      level += 1
      span *= pointers
    }
    var number = UInt64(inode.map.littleEndian(at: 4 * Int(Self.directCount) + 4 * (level - 1), as: UInt32.self))
    while true {
      // `number` is the list that covers `span` blocks of the file, and the wanted one is the `index`th of them.
      guard number != 0 else { return BlockRun(first: block, count: span - index, contents: .hole) }
      let list = try blocks.block(number, for: "a list of blocks of inode \(inode.number)")
      span /= pointers
      let place = Int(index / span)
      if span == 1 { return run(in: list.bytes, count: Int(pointers), from: place, first: block) }
      number = UInt64(list.bytes.littleEndian(at: 4 * place, as: UInt32.self))
      index %= span
    }
  }

  /// As many blocks as follow each other, or as many holes, from the entry `place` of a list of `count` entries.
  private func run(in list: RawSpan, count: Int, from place: Int, first: UInt64) -> BlockRun {
    let start = UInt64(list.littleEndian(at: 4 * place, as: UInt32.self))
    var next = place + 1
    while next < count {
      let number = UInt64(list.littleEndian(at: 4 * next, as: UInt32.self))
      guard number == (start == 0 ? 0 : start + UInt64(next - place)) else { break }
      next += 1
    }
    return BlockRun(first: first, count: UInt64(next - place), contents: start == 0 ? .hole : .data(start))
  }
}
