package import BlockIO
import Bytes

/// Makes a backup image's errors, which name a place in the image and the place in the partition it belongs to.
package struct BackupErrors: Sendable {
  /// The format's name.
  package let format: String
  /// The image's name.
  package let file: String
  /// Whether image offsets are offsets in the file, rather than in what a pipe or a decompressor delivers.
  package let isSeekable: Bool

  package init(format: String, file: String, isSeekable: Bool) {
    self.format = format
    self.file = file
    self.isSeekable = isSeekable
  }

  /// Bytes that contradict the format: `detail` is a sentence; `image` and `target` are offsets in bytes.
  package func damaged(_ detail: String, image: UInt64, target: UInt64? = nil) -> ImageError {
    make(.damaged, detail, image, target)
  }

  /// Something sound that cannot be read: `detail` is a sentence; `image` is an offset in bytes.
  package func unsupported(_ detail: String, image: UInt64) -> ImageError { make(.unsupported, detail, image, nil) }

  private func make(_ kind: ImageError.Kind, _ detail: String, _ image: UInt64, _ target: UInt64?) -> ImageError {
    let place = target.map { ", target offset \($0.hex)" } ?? ""
    return ImageError(
      kind, format: format, file: file, offset: isSeekable ? image : nil,
      detail + ": image offset \(image.hex)" + place)
  }
}
