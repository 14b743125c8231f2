import Support

/// A volume in a file, mounted by the kernel until its owner goes.
final class Mount {
  let folder: String
  /// Kept, so that its folder goes after the mount.
  private let scratch: Scratch

  /// Mounts the file `image` of `scratch` at a folder beside it.
  init(_ scratch: Scratch, _ image: String = "disk", options: String = "ro,noatime") throws {
    self.scratch = scratch
    folder = scratch.file(image + ".mounted")
    try scratch.shell("mkdir -p \(image).mounted; mount -o loop,\(options) \(image) \(image).mounted")
  }

  // Lazily, should a program that another test has just started still hold a file.
  deinit { _ = try? shell("umount '\(folder)' 2>/dev/null || umount -l '\(folder)'", expecting: nil) }
}
