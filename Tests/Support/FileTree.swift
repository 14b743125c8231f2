package import Filesystems
import Bytes

/// All files below a directory with what can be compared: by their paths without a leading slash, one line each.
package enum FileTree {
  /// A file as both sides print it.
  private static func line(kind: FileKind, size: UInt64, crc: UInt32, modified: Int64) -> String {
    kind == .directory ? "directory" : "\(kind.name) \(size) \(crc) \(modified)"
  }

  /// What a driver reads, each file in pieces of `pieceSize` bytes, each directory in listings of `limit` entries.
  ///
  /// Every name is looked up too, and must lead to the file that the listing shows.
  package static func read(
    _ filesystem: any Filesystem, pieceSize: Int = 65536, limit: Int = 100
  ) throws -> [String: String] {
    var tree: [String: String] = [:]
    var waiting = [(path: "", file: filesystem.root)]
    while let (path, directory) = waiting.popLast() {
      var position: UInt64 = 0
      var listed = 0
      while true {
        let entries = try filesystem.entries(of: directory, from: position, limit: limit)
        guard let last = entries.last else { break }
        position = last.next
        for entry in entries {
          let name = path + (path.isEmpty ? "" : "/") + String(decoding: entry.name.bytes, as: UTF8.self)
          listed += 1
          if listed <= 300, try filesystem.lookup(entry.name, in: directory) != entry.file {
            throw ShellError(description: "\(name) is not found by its name")
          }
          let attributes = try filesystem.attributes(of: entry.file)
          guard tree[name] == nil, entry.kind == attributes.kind else {
            throw ShellError(description: "\(name) is listed twice or of two kinds")
          }
          var crc: UInt32 = 0
          if attributes.kind == .directory {
            waiting.append((name, entry.file))
          } else {
            crc = try checksum(filesystem.contents(of: entry.file), pieceSize: pieceSize)
          }
          tree[name] = line(
            kind: attributes.kind, size: attributes.byteCount, crc: crc, modified: attributes.modified.seconds)
        }
      }
    }
    return tree
  }

  /// CRC-32 of a file's contents, read in pieces.
  package static func checksum(_ contents: any FileContents, pieceSize: Int) throws -> UInt32 {
    var crc = CRC32()
    var piece = [UInt8](repeating: 0, count: pieceSize)
    var offset: UInt64 = 0
    while offset < contents.byteCount {
      let count = Int(min(UInt64(pieceSize), contents.byteCount - offset))
      var span = piece.mutableSpan
      var bytes = span.mutableBytes
      var front = bytes._mutatingExtracting(first: count)
      try contents.read(at: offset, into: &front)
      crc.update(piece.span.bytes.extracting(first: count))
      offset += UInt64(count)
    }
    return crc.value
  }

  /// What the kernel shows of a folder, in the same form.
  package static func read(folder: String) throws -> [String: String] {
    let script = """
      import os, sys, zlib
      root = os.fsencode(sys.argv[1])
      kinds = {0o10: "fifo", 0o2: "character device", 0o4: "directory", 0o6: "block device", 0o10: "regular file"}
      for folder, folders, files in os.walk(root):
        for name in folders + files:
          path = os.path.join(folder, name)
          s = os.lstat(path)
          short = path[len(root) + 1:].decode("utf-8", "replace")
          if s.st_mode >> 12 == 4:
            line = "directory"
          else:
            crc = 0
            with open(path, "rb") as f:
              while True:
                piece = f.read(1 << 20)
                if not piece: break
                crc = zlib.crc32(piece, crc)
            line = "regular file %d %d %d" % (s.st_size, crc, s.st_mtime_ns // 10**9)
          sys.stdout.buffer.write((short + "\\n" + line + "\\n").encode())
      """
    let lines = try run(["python3", "-c", script, folder], expecting: 0).output
      .split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
    var tree: [String: String] = [:]
    for index in stride(from: 0, to: lines.count - 1, by: 2) { tree[lines[index]] = lines[index + 1] }
    return tree
  }

  /// The lines that differ, for a test's message; empty where the trees are the same.
  package static func difference(_ ours: [String: String], _ theirs: [String: String]) -> [String] {
    Set(ours.keys).union(theirs.keys).sorted().filter { ours[$0] != theirs[$0] }.prefix(10).map {
      "\($0.debugDescription): \(ours[$0] ?? "missing"), expected \(theirs[$0] ?? "nothing")"
    }
  }
}
