import BlockIO
import Bytes

/// Looking through the table from one end to the other.
extension FileAllocationTable {
  /// Bytes of a piece of the table, which is read at once and kept nowhere.
  private static let pieceSize = 64 * blockSize

  /// Part of a table.
  package struct Piece: ~Escapable {
    fileprivate let width: Width
    fileprivate let endCluster: UInt64
    /// Where it lies in the table, in bytes.
    package let position: UInt64
    package let bytes: RawSpan

    @_lifetime(copy bytes)
    fileprivate init(_ width: Width, _ endCluster: UInt64, at position: UInt64, _ bytes: RawSpan) {
      self.width = width
      self.endCluster = endCluster
      self.position = position
      self.bytes = bytes
    }

    /// Calls `body` with the entries here, 0 and 1 left out.
    ///
    /// It gets the first one's cluster, how many are taken together, and the
    /// first one's value. Those taken together are all zero, or each leads to the cluster behind that of the one before.
    package func forEach(_ body: (_ cluster: UInt32, _ count: UInt32, _ value: UInt32) throws -> Void) throws {
      for start in stride(from: 0, to: bytes.byteCount, by: Int(blockSize)) {
        let block = bytes.slice(start, min(Int(blockSize), bytes.byteCount - start))
        let count = UInt32(width.entries(in: UInt64(block.byteCount)))
        let first = UInt32(width.entries(in: position + UInt64(start)))
        var index: UInt32 = first == 0 ? 2 : 0
        if index < count, block.isAllZero {
          try body(first + index, count - index, 0)
          continue
        }
        while index < count {
          let value = value(of: index, in: block)
          var next = index + 1
          if value == 0 {
            while next < count, self.value(of: next, in: block) == 0 { next += 1 }
          } else {
            var wanted = UInt64(value) + 1
            while next < count, wanted < endCluster, UInt64(self.value(of: next, in: block)) == wanted {
              next += 1
              wanted += 1
            }
          }
          try body(first + index, next - index, value)
          index = next
        }
      }
    }

    @inline(__always)
    private func value(of index: UInt32, in block: RawSpan) -> UInt32 {
      width.load(block, at: Int(width.offset(of: index)), isOdd: index % 2 == 1)
    }
  }

  /// How many pieces the table has.
  package var pieceCount: UInt64 { (byteCount + Self.pieceSize - 1) / Self.pieceSize }

  /// The piece that holds a cluster's entry.
  package func piece(of cluster: UInt32) -> UInt64 { width.offset(of: cluster) / Self.pieceSize }

  /// Calls `body` with the given pieces of the table.
  package func forEachPiece(
    in pieces: some Sequence<UInt64>, _ body: (borrowing Piece) throws -> Void
  ) throws {
    var buffer = Buffer(count: Int(min(Self.pieceSize, byteCount)))
    for piece in pieces {
      let position = piece * Self.pieceSize
      let count = Int(min(Self.pieceSize, byteCount - position))
      var bytes = buffer.mutablePrefix(count)
      try heap.volume.read(at: start + position, into: &bytes)
      try body(Piece(width, heap.endCluster, at: position, buffer.prefix(count)))
    }
  }
}
