import BlockIO
import Bytes

/// The 512 bytes at the start of every volume of a partimage image.
struct PartimageVolumeHeader: Sendable {
  static let byteCount = 512
  /// The first 32 bytes.
  static let magic: [UInt8] = Array("PaRtImAgE-VoLuMe".utf8) + [UInt8](repeating: 0, count: 16)

  /// The image format's version.
  let version: String
  /// The volume's number, from 0 on.
  let number: UInt32
  /// The same in all volumes of an image.
  let identifier: UInt64

  /// Parses a volume's front; throws `ImageError`.
  init(parsing bytes: RawSpan, errors: BackupErrors) throws(ImageError) {
    guard bytes.byteCount >= Self.byteCount else {
      throw errors.damaged("the volume ends inside its header", image: UInt64(bytes.byteCount))
    }
    guard bytes.slice(0, 32).array == Self.magic else {
      throw errors.damaged("the volume does not start with \"PaRtImAgE-VoLuMe\"", image: 0)
    }
    version = bytes.slice(32, 64).text
    guard ["0.6.0", "0.6.1"].contains(version) else {
      throw errors.unsupported("the image's version is \"\(version)\", and 0.6.0 and 0.6.1 can be read", image: 32)
    }
    number = bytes.littleEndian(at: 96)
    identifier = bytes.littleEndian(at: 100)
  }
}
