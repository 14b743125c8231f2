import BlockIO
import Images
import Testing

/// Ranks and searches over a bitmap, against counting.
@Suite struct StoredBlocksTests {
  @Test(arguments: [1, 63, 64, 65, 4095, 4096, 4097, 20_003], [2, 50, 98])
  func agreesWithCounting(_ total: Int, _ percent: Int) {
    var random = SystemRandomNumberGenerator()
    // Bits past the total are set, and must not count.
    let bits = (0..<(total + 63) / 64 * 64).map { $0 >= total || Int.random(in: 0..<100, using: &random) < percent }
    guard var pages = Pages(count: bits.count / 8) else {
      Issue.record("no memory")
      return
    }
    var span = pages.mutableSlice(0, pages.count)
    for byte in 0..<span.byteCount {
      let value = (0..<8).reduce(UInt8(0)) { $0 | (bits[byte * 8 + $1] ? 1 << UInt8($1) : 0) }
      span.storeBytes(of: value, toByteOffset: byte, as: UInt8.self)
    }
    let blocks = StoredBlocks(pages, total: UInt64(total), blockSize: 512)
    var count: UInt64 = 0
    for block in 0..<total {
      let number = UInt64(block)
      #expect(blocks.isStored(number) == bits[block] && blocks.rank(number) == count)
      if bits[block] {
        #expect(blocks.block(ofStored: count) == number)
        count += 1
      }
    }
    #expect(blocks.stored == count && blocks.rank(UInt64(total)) == count)
    #expect(blocks.block(ofStored: count) == UInt64(total) && !blocks.isStored(UInt64(total)))
  }
}
