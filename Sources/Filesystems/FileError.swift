/// A wish that a volume cannot fulfil, with the path as the user gave it.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Reason: Hashable, Sendable {
    case notFound
    case notADirectory
    case isADirectory
    case notARegularFile
    case notASymbolicLink
    /// More symbolic links in one path than `PathWalk.maximumLinkCount`, or a loop of them.
    case tooManyLinks
    case nameTooLong
    case alreadyExists
    case directoryNotEmpty
    case noSpace
    /// The directory cannot take another entry.
    case directoryFull
    case fileTooLarge
    case tooManyHardLinks
    /// A name that the volume cannot store, a kind of file that it does not have, an attribute that it does not keep.
    case unsupported(String)
    /// The contents are encrypted (fscrypt, EFS), so that only those who hold the key can read them.
    case encrypted
  }

  package let reason: Reason
  package let path: String

  package init(_ reason: Reason, _ path: String) {
    self.reason = reason
    self.path = path
  }

  package var description: String {
    let what =
      switch reason {
      case .notFound: "there is no such file or directory"
      case .notADirectory: "is not a directory"
      case .isADirectory: "is a directory"
      case .notARegularFile: "is not a regular file"
      case .notASymbolicLink: "is not a symbolic link"
      case .tooManyLinks: "leads through too many symbolic links"
      case .nameTooLong: "the name is too long for this volume"
      case .alreadyExists: "exists already"
      case .directoryNotEmpty: "the directory is not empty"
      case .noSpace: "there is not enough free space on the volume"
      case .directoryFull: "the directory cannot hold another entry"
      case .fileTooLarge: "the file is too large for this volume"
      case .tooManyHardLinks: "has as many hard links as the volume allows"
      case .unsupported(let detail): detail
      case .encrypted: "is encrypted, and the key is not here"
      }
    return "\(path): \(what)"
  }
}
