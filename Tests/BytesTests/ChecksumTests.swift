import Bytes
import Testing

@Suite struct ChecksumTests {
  @Test func crc32CheckValue() {
    let text = Array("123456789".utf8)
    let crc = CRC32.of(text.span.bytes)
    #expect(crc == 0xCBF4_3926)
  }
}
