import Bytes
package import Filesystems

extension FilesystemModel {
  /// What the volume should show: a line for each path.
  package var expected: [String: String] {
    var tree: [String: String] = [:]
    var waiting = [(path: "", node: top)]
    while let (path, node) = waiting.popLast() {
      for (name, child) in node.children {
        let place = path + (path.isEmpty ? "" : "/") + name
        if child.kind == .directory { waiting.append((place, child)) }
        tree[place] = line(child)
      }
    }
    return tree
  }

  private func line(_ node: Node) -> String {
    var crc = CRC32()
    crc.update(node.bytes.span.bytes)
    let folders = node.children.values.filter { $0.kind == .directory }.count
    var line = node.kind.name
    if node.kind == .regular { line += " \(node.bytes.count) \(crc.value)" }
    guard rules.isUnix else { return line }
    if node.kind == .symbolicLink { return line + " " + node.target + " \(node.links)" }
    line += " \(String(node.permissions, radix: 8)) \(node.owner.0):\(node.owner.1)"
    line += " \(node.kind == .directory ? folders + 2 : node.links)"
    for key in node.extended.keys.sorted() {
      var crc = CRC32()
      let value = node.extended[key] ?? []
      crc.update(value.span.bytes)
      line += " \(key)=\(crc.value)"
    }
    return line
  }

  /// What a driver shows, without the top-level names in `outside`.
  package func observed(_ filesystem: any Filesystem, outside: Set<String> = ["lost+found"]) throws -> [String: String]
  {
    var tree: [String: String] = [:]
    var waiting = [(path: "", file: filesystem.root)]
    while let (path, directory) = waiting.popLast() {
      var position: UInt64 = 0
      while let last = try next(
        filesystem, directory, &position,
        { entry in
          let place = path + (path.isEmpty ? "" : "/") + String(decoding: entry.name.bytes, as: UTF8.self)
          guard !(path.isEmpty && outside.contains(place)) else { return }
          guard try filesystem.lookup(entry.name, in: directory) == entry.file, tree[place] == nil else {
            throw ShellError(description: "\(place) is not found by its name, or is there twice")
          }
          let attributes = try filesystem.attributes(of: entry.file)
          if attributes.kind == .directory { waiting.append((place, entry.file)) }
          tree[place] = try line(entry.file, attributes, filesystem)
        })
      { position = last }
    }
    return tree
  }

  private func next(
    _ filesystem: any Filesystem, _ directory: FileID, _ position: inout UInt64,
    _ body: (DirectoryEntry) throws -> Void
  ) throws -> UInt64? {
    let entries = try filesystem.entries(of: directory, from: position, limit: 100)
    for entry in entries { try body(entry) }
    return entries.last?.next
  }

  private func line(
    _ file: FileID, _ attributes: FileAttributes, _ filesystem: any Filesystem
  ) throws -> String {
    var line = attributes.kind.name
    if attributes.kind == .regular {
      let crc = try FileTree.checksum(filesystem.contents(of: file), pieceSize: 65536)
      line += " \(attributes.byteCount) \(crc)"
    }
    guard rules.isUnix else { return line }
    if attributes.kind == .symbolicLink {
      let target = try filesystem.symbolicLinkTarget(of: file)
      return line + " " + String(decoding: target.bytes, as: UTF8.self) + " \(attributes.linkCount)"
    }
    line += " \(String(attributes.permissions, radix: 8)) \(attributes.owner):\(attributes.group)"
    line += " \(attributes.linkCount)"
    for one in try filesystem.extendedAttributes(of: file).sorted(by: { $0.name < $1.name }) {
      var crc = CRC32()
      crc.update(one.value.span.bytes)
      line += " \(one.name)=\(crc.value)"
    }
    return line
  }

  /// What the kernel, or another reader that is mounted, shows of a folder.
  package func observed(folder: String, outside: Set<String> = ["lost+found"]) throws -> [String: String] {
    let script = """
      import os, sys, stat, zlib
      root, unix, outside = os.fsencode(sys.argv[1]), sys.argv[2] == "1", set(sys.argv[3].encode().split(b"/"))
      kinds = {1: "fifo", 2: "character device", 4: "directory", 6: "block device", 8: "regular file",
               10: "symbolic link", 12: "socket"}
      for folder, folders, files in os.walk(root):
        if folder == root:
          folders[:] = [f for f in folders if f not in outside]
        for name in folders + files:
          if folder == root and name in outside: continue
          path = os.path.join(folder, name)
          s = os.lstat(path)
          kind = s.st_mode >> 12
          line = kinds[kind]
          if kind == 8:
            with open(path, "rb") as f: line += " %d %d" % (s.st_size, zlib.crc32(f.read()))
          if unix and kind == 10:
            line += " " + os.readlink(path).decode("utf-8", "replace") + " %d" % s.st_nlink
          elif unix:
            line += " %o %d:%d %d" % (s.st_mode & 0o7777, s.st_uid, s.st_gid, s.st_nlink)
            for key in sorted(os.listxattr(path, follow_symlinks=False)):
              line += " %s=%d" % (key, zlib.crc32(os.getxattr(path, key, follow_symlinks=False)))
          sys.stdout.buffer.write(path[len(root) + 1:] + b"\\n" + line.encode() + b"\\n")
      """
    let lines = try run(
      ["python3", "-c", script, folder, rules.isUnix ? "1" : "0", outside.sorted().joined(separator: "/")],
      expecting: 0
    ).output.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
    var tree: [String: String] = [:]
    for index in stride(from: 0, to: lines.count - 1, by: 2) { tree[lines[index]] = lines[index + 1] }
    return tree
  }
}
