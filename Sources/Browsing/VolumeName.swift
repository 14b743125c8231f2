import BlockIO
import SystemPackage

/// A volume as a command line names it: an image, and perhaps one of its parts behind a colon.
///
/// A file whose whole name has a colon in it is that file. All commands that look inside images resolve names here.
package struct VolumeName: Hashable, Sendable {
  /// What stands behind the colon.
  package enum Part: Hashable, Sendable {
    /// `disk.img:2`: a partition's number.
    case number(Int)
    /// `backup:sda2`: a device's name in a folder of images.
    case device(String)
  }

  /// The image's name; `-` is standard input.
  package let image: String
  package let part: Part?

  /// Takes `text` apart; asks the filesystem what there is.
  package init(_ text: String) {
    self.init(
      text, exists: { (try? FileStatus.of(FilePath($0))) != nil },
      isFolder: { (try? FileStatus.of(FilePath($0)))?.kind == .directory })
  }

  /// Takes `text` apart; `exists` and `isFolder` tell what a name stands for.
  init(_ text: String, exists: (String) -> Bool, isFolder: (String) -> Bool) {
    if let colon = text.lastIndex(of: ":"), colon > text.startIndex, !exists(text) {
      let front = String(text[..<colon])
      let behind = text[text.index(after: colon)...]
      let isNumber = !behind.isEmpty && behind.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
      if isNumber, let number = Int(behind), number > 0 {
        (image, part) = (front, .number(number))
        return
      }
      if !behind.isEmpty, !behind.contains("/"), isFolder(front) {
        (image, part) = (front, .device(String(behind)))
        return
      }
    }
    (image, part) = (text, nil)
  }
}

extension VolumeName: CustomStringConvertible {
  package var description: String {
    switch part {
    case .number(let number): "\(image):\(number)"
    case .device(let name): "\(image):\(name)"
    case nil: image
    }
  }
}
