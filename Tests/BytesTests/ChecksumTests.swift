import Bytes
import Testing

@Suite struct ChecksumTests {
  @Test func crc32CheckValue() {
    let text = Array("123456789".utf8)
    let crc = CRC32.of(text.span.bytes)
    #expect(crc == 0xCBF4_3926)
  }

  /// With whatever vectors it is computed, it is what xxhsum -H3 says.
  @Test func xxh3OfAllLengths() {
    let cases: [(length: Int, sum: UInt64)] = [
      (0, 0x2d06_8005_38d3_94c2), (1, 0xc44b_dff4_074e_ecdb), (3, 0xc348_9259_e968_ad9e),
      (8, 0xb88d_ee77_f6bf_6980), (16, 0x9da2_3836_adf2_be1e), (17, 0xf34c_3c9c_f5a1_12d1),
      (128, 0x65f3_c2c0_0fa9_3185), (129, 0x2806_5c6e_c25f_5b25), (240, 0x4917_a75c_0ef8_eed7),
      (241, 0x541b_1922_6f00_52e8), (1024, 0x71be_e625_238a_ddb4), (4095, 0x0b4e_57ed_e5b7_b645),
      (4096, 0x5c72_2d9c_eb6f_9064), (65537, 0x306e_fa3b_942c_f93f),
    ]
    for (length, sum) in cases {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 256) }
      #expect(xxh3(bytes.span.bytes) == sum, "of \(length) bytes")
    }
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
