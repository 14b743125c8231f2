import Bytes
import Testing

@Suite struct ChecksumTests {
  @Test func crc32CheckValue() {
    let text = Array("123456789".utf8)
    let crc = CRC32.of(text.span.bytes)
    #expect(crc == 0xCBF4_3926)
  }

  @Test("CRC-32C of RFC 3720's examples, whole and in pieces", arguments: [1, 7, 8, 9, 100])
  func crc32c(_ piece: Int) {
    let cases: [([UInt8], UInt32)] = [
      (Array("123456789".utf8), 0xe306_9283), ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
      ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43), (Array(0..<32), 0x46dd_794e), ([], 0),
    ]
    for (bytes, expected) in cases {
      var crc = CRC32C()
      for start in stride(from: 0, to: bytes.count, by: piece) {
        let part = Array(bytes[start..<min(start + piece, bytes.count)])
        crc.update(part.span.bytes)
      }
      #expect(crc.value == expected)
    }
    var numbers = CRC32C()
    numbers.update(bigEndian: UInt32(0x3132_3334))
    numbers.update(littleEndian: UInt32(0x3837_3635))
    numbers.update(littleEndian: UInt8(0x39))
    #expect(numbers.value == 0xe306_9283)
  }
}
