import BlockIO
import Bytes
import Threads

/// Compares an image's files with their checksums as they are read front to back.
package final class ImageChecksums: ByteTap {
  /// One file of the image.
  private struct File {
    let name: String
    let size: UInt64
    let expected: [ChecksumFiles.Expected]
  }

  private struct Position: @unchecked Sendable {
    // Unchecked: the digests are reachable under the monitor's lock alone.
    var index = 0
    var done: UInt64 = 0
    var digests: [MessageDigest] = []
  }

  private let folder: FolderFiles
  private let files: [File]
  private let position = Monitor(Position())

  /// Nil where the folder has no checksum of any of the image's files.
  package convenience init?(_ image: SavedImage, in folder: FolderFiles) throws {
    try self.init(of: image.pieces, in: folder)
  }

  /// Nil where the folder has no checksum of any of the files called `names`.
  init?(of names: [String], in folder: FolderFiles) throws {
    self.folder = folder
    files = try names.map { name in
      File(name: name, size: try folder.open(name).byteCount, expected: folder.checksums.expected(name))
    }
    guard files.contains(where: { !$0.expected.isEmpty }) else { return nil }
    position.update { $0.digests = Self.digests(files[0]) }
  }

  private static func digests(_ file: File) -> [MessageDigest] {
    file.expected.compactMap { MessageDigest($0.algorithm) }
  }

  package func take(_ bytes: RawSpan) throws { try position.update { try advance(&$0, bytes) } }

  private func advance(_ position: inout Position, _ bytes: RawSpan) throws {
    var taken = 0
    while taken < bytes.byteCount, position.index < files.count {
      let file = files[position.index]
      let count = Int(min(UInt64(bytes.byteCount - taken), file.size - position.done))
      for digest in position.digests { digest.update(bytes.slice(taken, count)) }
      taken += count
      position.done += UInt64(count)
      if position.done == file.size { try endFile(&position) }
    }
  }

  /// Compares the file that has just ended, and empty ones behind it.
  private func endFile(_ position: inout Position) throws {
    while position.index < files.count, position.done == files[position.index].size {
      let file = files[position.index]
      for digest in position.digests {
        let found = digest.finish()
        guard file.expected.contains(where: { $0.algorithm == digest.algorithm && $0.digest == found }) else {
          throw folder.mismatch(file.name, digest.algorithm)
        }
      }
      position.index += 1
      position.done = 0
      position.digests = position.index < files.count ? Self.digests(files[position.index]) : []
    }
  }

  /// Reads what was not read yet; returns once every file has been compared.
  package func finish() throws {
    try position.update { position in
      try endFile(&position)
      var buffer = Buffer(count: 1 << 20)
      while position.index < files.count {
        let source = try folder.open(files[position.index].name)
        let rest = files[position.index].size - position.done
        let count = try buffer.fill { span in
          var part = span._mutatingExtracting(first: Int(min(rest, UInt64(span.byteCount))))
          return try source.readUpToEnd(at: position.done, into: &part)
        }
        guard count > 0 else {
          throw folder.damaged(files[position.index].name, "it has become shorter while it was read")
        }
        try advance(&position, buffer.prefix(count))
      }
    }
  }
}
