import Support

/// Runs the built qflash; words are separated by spaces.
@discardableResult
func qflash(_ words: String, in folder: String, expecting: Int32? = nil) throws -> Finished {
  try shell("exec '\(Machine.binaries)/qflash' \(words)", in: folder, expecting: expecting)
}

/// The SHA-256 of a file or device.
func digest(_ path: String) throws -> String {
  try shell("sha256sum < '\(path)'").output
}
