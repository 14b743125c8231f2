/// Names in encrypted directories (fscrypt), which only a key makes readable: their bytes in base64url (RFC 4648),
/// without padding.
enum EncryptedName {
  private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  /// The name as it is listed and looked up.
  static func shown(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var (bits, count): (UInt32, UInt32) = (0, 0)
    for byte in bytes {
      bits = (bits << 8 | UInt32(byte)) & 0xffff
      count += 8
      while count >= 6 {
        count -= 6
        result.append(letters[Int(bits >> count & 0x3f)])
      }
    }
    if count > 0 { result.append(letters[Int(bits << (6 - count) & 0x3f)]) }
    return result
  }
}
