package import BlockIO
package import Filesystems

/// Everything that a driver can be asked of a damaged volume, within bounds.
package enum FileSurvey {
  /// How much is looked at.
  package struct Bounds: Sendable {
    /// Most files, since directories may contain themselves.
    package var fileCount = 400
    /// Most bytes of a file from each of the places where reading starts.
    package var byteCount: UInt64 = 1 << 20

    package init(fileCount: Int = 400, byteCount: UInt64 = 1 << 20) {
      self.fileCount = fileCount
      self.byteCount = byteCount
    }
  }

  /// Opens, lists and reads; returns the damage that was met, and throws where it was reported as anything but an
  /// `ImageError` or `FileError`.
  package static func damage(
    of volume: any BlockSource, bounds: Bounds = Bounds(), _ open: (any BlockSource) throws -> any Filesystem
  ) throws -> [String] {
    var damage: [String] = []
    func attempt(_ body: () throws -> Void) throws {
      do {
        try body()
      } catch let error as ImageError {
        damage.append(error.description)
      } catch let error as FileError {
        damage.append(error.description)
      }
    }
    var opened: (any Filesystem)?
    try attempt { opened = try open(volume) }
    guard let filesystem = opened else { return damage }
    damage += filesystem.warnings
    try attempt { damage += try filesystem.quickCheck().findings.map(\.sentence) }
    try attempt { _ = try filesystem.statistics() }
    try attempt { try map(filesystem, volume) }
    var waiting = [filesystem.root]
    var count = 0
    while let directory = waiting.popLast() {
      try attempt {
        for entry in try filesystem.entries(of: directory, from: 0, limit: bounds.fileCount)
        where count < bounds.fileCount {
          count += 1
          try attempt {
            _ = try filesystem.attributes(of: entry.file)
            if entry.kind == .directory {
              waiting.append(entry.file)
            } else {
              try readFile(filesystem.contents(of: entry.file), upTo: bounds.byteCount)
            }
          }
        }
      }
      try attempt { _ = try filesystem.lookup("no such name", in: directory) }
    }
    return damage
  }

  /// Reads a file's start, middle and end.
  private static func readFile(_ contents: any FileContents, upTo byteCount: UInt64) throws {
    var piece = [UInt8](repeating: 0, count: 32768)
    for start in [0, contents.byteCount / 2, contents.byteCount - min(contents.byteCount, 32768)] {
      var offset = start
      while offset < min(contents.byteCount, start + byteCount) {
        let extent = try contents.extent(at: offset, limit: contents.byteCount)
        guard extent.offset == offset, extent.length > 0, extent.end <= contents.byteCount else {
          throw ShellError(description: "an extent that does not fit: \(extent)")
        }
        let count = Int(min(UInt64(piece.count), contents.byteCount - offset))
        var span = piece.mutableSpan
        var bytes = span.mutableBytes
        var front = bytes._mutatingExtracting(first: count)
        try contents.read(at: offset, into: &front)
        offset += UInt64(count)
      }
    }
  }

  /// Walks the map of what is allocated.
  private static func map(_ filesystem: any Filesystem, _ volume: any BlockSource) throws {
    var offset: UInt64 = 0
    while offset < volume.byteCount {
      let extent = try filesystem.allocation(at: offset, limit: volume.byteCount)
      guard extent.offset == offset, extent.length > 0, extent.end <= volume.byteCount else {
        throw ShellError(description: "an extent that does not fit: \(extent)")
      }
      offset = extent.end
    }
  }
}
