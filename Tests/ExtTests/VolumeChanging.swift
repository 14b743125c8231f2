import BlockIO
import Ext
import Filesystems
import Glibc
import Support
import Testing

/// Tests that change a volume in the file `disk` of a folder.
protocol VolumeChanging {}

extension VolumeChanging {
  /// A volume in `disk` that is opened for changing.
  func volume(_ scratch: Scratch) throws -> ExtVolume { try ExtVolume(writing: FileStore(scratch.file("disk"))) }

  func check(_ scratch: Scratch, _ place: SourceLocation = #_sourceLocation) throws {
    let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(check.status == 0, "\(check.text)", sourceLocation: place)
  }

  func attributes(_ kind: FileKind = .regular) -> FileAttributes {
    FileAttributes(
      kind: kind, permissions: 0o644, byteCount: 0, allocatedByteCount: 0, modified: Timestamp(seconds: 1_700_000_000))
  }

  func make(_ name: FileName, _ contents: any FileContents, _ volume: ExtVolume) throws -> FileID {
    try volume.transaction {
      let file = try volume.create(name, in: volume.root, attributes: attributes())
      try volume.replaceContents(of: file, with: contents)
      return file
    }
  }

  func compare(_ scratch: Scratch, _ name: String, _ size: Int) throws {
    let mount = try Mount(scratch)
    try withExtendedLifetime(mount) {
      let result = try run(["python3", "-c", PatternContents.comparison, mount.folder + "/" + name, "\(size)"])
      #expect(result.output == "same\n", "\(result.text)")
    }
  }
}

/// Contents made up as they are read: every byte follows from its place.
final class PatternContents: FileContents {
  let byteCount: UInt64
  init(_ byteCount: UInt64) { self.byteCount = byteCount }
  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }
  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    let count = buffer.byteCount
    buffer.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      var done = 0
      while done < count {
        let place = offset + UInt64(done)
        let length = min(4096 - Int(place % 4096), count - done)
        memset(base + done, Int32(UInt8(truncatingIfNeeded: place / 4096 &* 37 &+ 1)), length)
        done += length
      }
    }
  }

  /// Compares a file of the host with the contents; prints `same` at the end.
  static let comparison = """
    import sys
    path, size = sys.argv[1], int(sys.argv[2])
    with open(path, "rb") as f:
      for place in range(0, size, 4096):
        n = min(4096, size - place)
        got = f.read(n)
        if got != bytes([(place // 4096 * 37 + 1) % 256]) * n: sys.exit("differs at %d" % place)
      if f.read(1): sys.exit("longer")
    print("same")
    """
}
