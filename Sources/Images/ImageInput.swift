package import BlockIO
package import SystemPackage

/// An image's bytes, where they come from, and what may be done to read them.
package struct ImageInput {
  /// The image file's bytes: joined if split, decompressed if compressed.
  package enum Bytes {
    /// A seekable file.
    case file(any BlockSource)
    /// A pipe or a decompressor.
    case stream(any ByteStream)
  }

  package let bytes: Bytes
  /// The file's name, against which names inside it resolve; nil for standard input.
  package let path: FilePath?
  package var options: ImageOptions

  package init(bytes: Bytes, path: FilePath?, options: ImageOptions = ImageOptions()) {
    self.bytes = bytes
    self.path = path
    self.options = options
  }

  /// The name to show for it.
  package var name: String { path?.string ?? "standard input" }
}

/// What the user says about reading an image.
package struct ImageOptions: Sendable {
  /// Read this as the image's backing file, whatever name is in it.
  package var backing: FilePath?
  /// The backing file's format, where the image does not declare it.
  package var backingFormat: String?
  /// Open files that the image names outside its own folder.
  package var allowsBackingOutside = false
  /// Read the internal snapshot of this ID or name.
  package var snapshot: String?
  /// Read although another process holds a lock on the image.
  package var forcesShare = false
  /// Read although the image is marked corrupt.
  package var forcesCorrupt = false
  /// Take a backup's blocks as they are, whatever their checksums say.
  package var ignoresChecksums = false
  /// Go on past damage in a backup and note it in the image's ``Image/damage``.
  package var rescues = false
  /// Rebuild NTFS's backup boot sector where a backup leaves it out.
  package var fixesBootSector = true
  /// Only the facts will be asked for: leave out what opening need not read, such as bitmaps.
  package var readsHeaderOnly = false

  package init() {}
}

/// A file that an image is read from.
package struct ImageFile: Sendable {
  package let path: FilePath
  package let identity: FileStatus.Identity
  /// For a block device, the device number; else 0.
  package let device: UInt64

  package init(path: FilePath, status: FileStatus) {
    self.path = path
    identity = status.identity
    device = status.device
  }
}
