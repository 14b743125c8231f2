import Bytes
import CCrypto

/// A cryptographic checksum in the making (libcrypto).
@safe
final class MessageDigest {
  /// The kinds of checksum that folders come with.
  enum Algorithm: String, CaseIterable, Sendable {
    case md5 = "MD5SUMS"
    case sha1 = "SHA1SUMS"
    case sha256 = "SHA256SUMS"
    case sha512 = "SHA512SUMS"
    case blake2b = "B2SUMS"

    /// Size in bytes.
    var byteCount: Int {
      switch self {
      case .md5: 16
      case .sha1: 20
      case .sha256: 32
      case .sha512, .blake2b: 64
      }
    }

    fileprivate var method: OpaquePointer? {
      switch self {
      case .md5: unsafe EVP_md5()
      case .sha1: unsafe EVP_sha1()
      case .sha256: unsafe EVP_sha256()
      case .sha512: unsafe EVP_sha512()
      case .blake2b: unsafe EVP_blake2b512()
      }
    }
  }

  let algorithm: Algorithm
  private let context: OpaquePointer

  /// Starts a checksum; nil where the library does not offer it, as MD5 under FIPS rules.
  init?(_ algorithm: Algorithm) {
    guard let context = unsafe EVP_MD_CTX_new() else { return nil }
    guard unsafe EVP_DigestInit_ex(context, algorithm.method, nil) == 1 else {
      unsafe EVP_MD_CTX_free(context)
      return nil
    }
    self.algorithm = algorithm
    unsafe self.context = context
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  /// Takes in `bytes`.
  func update(_ bytes: RawSpan) {
    _ = unsafe bytes.withUnsafeBytes { unsafe EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
  }

  /// The checksum as lower-case hexadecimal digits; ends the digest.
  func finish() -> String {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    _ = unsafe digest.withUnsafeMutableBufferPointer { unsafe EVP_DigestFinal_ex(context, $0.baseAddress, &count) }
    return digest.prefix(Int(count)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
