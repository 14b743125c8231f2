import Ext
import Filesystems
import Support

/// One change of a volume, and what it is on a tree of the host.
struct WritingOperation: Sendable {
  let name: String
  /// The commands that make the same change in the tree, in its folder.
  let commands: String
  var needsAttributes = false
  let body: @Sendable (ExtVolume) throws -> Void

  init(
    _ name: String, _ commands: String, needsAttributes: Bool = false,
    _ body: @escaping @Sendable (ExtVolume) throws -> Void
  ) {
    (self.name, self.commands, self.needsAttributes, self.body) = (name, commands, needsAttributes, body)
  }

  /// The tree before; what is in `keep` is never changed.
  static let tree = """
    mkdir -p keep/sub/deep dir/empty dir/folder/below other/empty many lost+found; chmod 700 lost+found
    head -c 5000 /dev/urandom > keep/small; head -c 300000 /dev/urandom > keep/large; head -c 2000 /dev/urandom > keep/sub/deep/file
    truncate -s 1M keep/sparse; echo end >> keep/sparse; ln -s small keep/link; ln keep/small keep/second
    head -c 6000 /dev/urandom > dir/file; chmod 640 dir/file; head -c 50 /dev/urandom > dir/tiny; : > dir/nothing
    head -c 2000000 /dev/urandom > dir/big; echo two > dir/linked; ln dir/linked dir/second
    truncate -s 100000 dir/hole; echo end >> dir/hole
    echo inner > dir/folder/inner; ln -s file dir/short; ln -s "$(printf 'long/%.0s' $(seq 40))" dir/long
    mkfifo dir/pipe; echo 1 > dir/timed; head -c 4000 /dev/urandom > other/target; chown 7:8 other/target
    for i in $(seq 60); do : > many/name-of-a-file-of-some-length-$i; done
    touch -d @1000000000 dir/timed
    """

  /// Extended attributes of the tree, for volumes that keep any.
  static let attributes = """
    cp dir/file dir/tagged; cp dir/file dir/blocked; setfattr -n user.note -v small dir/tagged
    setfattr -n user.note -v small dir/blocked; setfattr -n user.big -v "$(printf 'b%.0s' $(seq 500))" dir/blocked
    setfattr -n user.kept -v yes keep/small
    """

  private static func file(_ path: String, _ volume: ExtVolume) throws -> FileID { try PatchPlan.file(volume, path) }

  private static func attributes(_ kind: FileKind, _ permissions: UInt16) -> FileAttributes {
    FileAttributes(
      kind: kind, permissions: permissions, byteCount: 0, allocatedByteCount: 0,
      modified: Timestamp(seconds: 1_700_000_000))
  }

  /// Makes something that has no contents in `/dir`.
  private static func create(
    _ name: FileName, _ kind: FileKind, _ permissions: UInt16, device: FileAttributes.DeviceNumbers? = nil
  ) -> @Sendable (ExtVolume) throws -> Void {
    { volume in
      var new = attributes(kind, permissions)
      new.device = device
      _ = try volume.create(name, in: file("dir", volume), attributes: new)
    }
  }

  /// A text of so many bytes; in the tree it is what `text` below prints.
  private static func text(_ count: Int) -> BytesContents { BytesContents(bytes(count)) }

  private static func bytes(_ count: Int) -> [UInt8] {
    Array((0..<(count / 8 + 1)).map { "\($0 + 1_000_000)\n" }.joined().utf8.prefix(count))
  }

  /// Prints a text of so many bytes.
  static let function = "text() { head -c $1 < <(seq 1000000 1999999); }"

  private static func replace(_ path: String, _ count: Int) -> WritingOperation {
    WritingOperation("replace \(path) by \(count) bytes", "text \(count) > \(path)") {
      try $0.replaceContents(of: file(path, $0), with: text(count))
    }
  }

  private static func append(_ path: String, _ count: Int) -> WritingOperation {
    WritingOperation("append \(count) bytes to \(path)", "text \(count) >> \(path)") {
      try $0.append(text(count), to: file(path, $0))
    }
  }

  private static func truncate(_ path: String, _ size: UInt64) -> WritingOperation {
    WritingOperation("truncate \(path) to \(size)", "truncate -s \(size) \(path)") {
      try $0.truncate(file(path, $0), to: size)
    }
  }

  private static func remove(
    _ name: String, from directory: String = "dir", _ option: String = ""
  ) -> WritingOperation {
    WritingOperation("remove \(directory)/\(name)", "rm \(option) \(directory)/\(name)") {
      try $0.remove(FileName(name), from: file(directory, $0))
    }
  }

  private static func rename(_ old: String, in directory: String, _ new: String, in place: String) -> WritingOperation {
    WritingOperation(
      "rename \(directory)/\(old) to \(place)/\(new)", "mv -T \(directory)/\(old) \(place)/\(new)"
    ) {
      _ = try $0.rename(FileName(old), in: file(directory, $0), to: FileName(new), in: file(place, $0))
    }
  }

  private static func link(_ count: Int) -> WritingOperation {
    let target = String(repeating: "x/", count: count / 2)
    return WritingOperation("make a symbolic link of \(count) bytes", "ln -s \(target) dir/new") {
      _ = try $0.createSymbolicLink(
        "new", to: FileName(target), in: file("dir", $0), attributes: attributes(.symbolicLink, 0o777))
    }
  }

  private static func tag(_ path: String, _ name: String, _ value: String?) -> WritingOperation {
    let command = value.map { "setfattr -n \(name) -v \($0) \(path)" } ?? "setfattr -x \(name) \(path)"
    let size = value.map { "set to \($0.utf8.count) bytes" } ?? "removed"
    return WritingOperation("\(name) of \(path) \(size)", command, needsAttributes: true) {
      try $0.setExtendedAttribute(FileName(name), to: value.map { Array($0.utf8) }, of: file(path, $0))
    }
  }

  /// An access list as getxattr(2) has it, with user 1000.
  private static func list(_ name: FileName, _ path: String, _ command: String) -> WritingOperation {
    func entry(_ tag: UInt8, _ permissions: UInt8, _ number: [UInt8] = [255, 255, 255, 255]) -> [UInt8] {
      [tag, 0, permissions, 0] + number
    }
    let value =
      [2, 0, 0, 0] + entry(1, 6) + entry(2, 4, [0xe8, 3, 0, 0]) + entry(4, 4) + entry(16, 6) + entry(32, 0)
    return WritingOperation("\(name) of \(path)", command, needsAttributes: true) {
      try $0.setExtendedAttribute(name, to: value, of: file(path, $0))
    }
  }

  private static func change(
    _ path: String, _ commands: String, _ edit: @escaping @Sendable (inout FileAttributes) -> Void
  ) -> WritingOperation {
    WritingOperation(commands, commands) {
      var new = try $0.attributes(of: file(path, $0))
      edit(&new)
      try $0.setAttributes(new, of: file(path, $0))
    }
  }

  private static let names: [WritingOperation] = [
    WritingOperation("create an empty file", ": > dir/new", create("new", .regular, 0o644)),
    WritingOperation("create a directory", "mkdir -m 750 dir/new", create("new", .directory, 0o750)),
    WritingOperation("create a fifo", "mkfifo -m 600 dir/new", create("new", .fifo, 0o600)),
    WritingOperation(
      "create a socket", "python3 -c 'import os; os.mknod(\"dir/new\", 0o140600)'", create("new", .socket, 0o600)),
    WritingOperation(
      "create a character device", "mknod -m 620 dir/new c 5 1",
      create("new", .characterDevice, 0o620, device: .init(major: 5, minor: 1))),
    WritingOperation(
      "create a block device", "mknod -m 660 dir/new b 259 70000",
      create("new", .blockDevice, 0o660, device: .init(major: 259, minor: 70000))),
    WritingOperation("create among many", ": > many/one-more-name-that-needs-some-room; chmod 600 many/one-more-*") {
      _ = try $0.create(
        "one-more-name-that-needs-some-room", in: file("many", $0), attributes: attributes(.regular, 0o600))
    },
    link(4), link(58), link(60), link(900),
    WritingOperation("hard link", "ln dir/file other/hard") {
      try $0.link(file("dir/file", $0), as: "hard", in: file("other", $0))
    },
    remove("file"), remove("nothing"), remove("big"), remove("hole"), remove("linked"), remove("short"), remove("long"),
    remove("pipe"), remove("empty", "-r"), remove("name-of-a-file-of-some-length-7", from: "many"),
    rename("file", in: "dir", "a-longer-name-than-before", in: "dir"), rename("file", in: "dir", "new", in: "other"),
    rename("file", in: "dir", "target", in: "other"), rename("file", in: "dir", "big", in: "dir"),
    rename("file", in: "dir", "linked", in: "dir"), rename("folder", in: "dir", "moved", in: "dir"),
    rename("folder", in: "dir", "moved", in: "other"), rename("folder", in: "dir", "empty", in: "other"),
    rename("long", in: "dir", "short", in: "dir"), rename("pipe", in: "dir", "nothing", in: "dir"),
  ]

  private static let contents: [WritingOperation] = [
    WritingOperation("create a file with contents", "text 70000 > dir/new") {
      let new = try $0.create("new", in: file("dir", $0), attributes: attributes(.regular, 0o644))
      try $0.replaceContents(of: new, with: text(70000))
    },
    replace("dir/file", 100), replace("dir/file", 6000), replace("dir/file", 3_000_000), replace("dir/file", 0),
    replace("dir/tiny", 30), replace("dir/tiny", 200), replace("dir/nothing", 20), replace("dir/big", 7),
    replace("dir/second", 5000),
    WritingOperation(
      "replace by a sparse file",
      "truncate -s 0 dir/file; truncate -s 1048576 dir/file; text 100 >> dir/file; truncate -s 2097152 dir/file"
    ) {
      let hole = [UInt8](repeating: 0, count: 1 << 20)
      try $0.replaceContents(of: file("dir/file", $0), with: BytesContents(hole + bytes(100) + hole.dropLast(100)))
    },
    append("dir/file", 1), append("dir/file", 50000), append("dir/nothing", 3), append("dir/tiny", 40),
    append("dir/tiny", 4000), append("dir/hole", 9000),
    truncate("dir/file", 1234), truncate("dir/file", 4096), truncate("dir/file", 0), truncate("dir/file", 500_000),
    truncate("dir/tiny", 10), truncate("dir/tiny", 20000), truncate("dir/big", 100_001), truncate("dir/hole", 50000),
    truncate("dir/nothing", 1 << 20),
  ]

  private static let attributeChanges: [WritingOperation] = [
    change("dir/file", "chmod 4711 dir/file") { $0.permissions = 0o4711 },
    change("dir/folder", "chmod 1777 dir/folder") { $0.permissions = 0o1777 },
    change("dir/file", "chown 70000:80000 dir/file") { ($0.owner, $0.group) = (70000, 80000) },
    change("dir/long", "chown -h 3:4 dir/long") { ($0.owner, $0.group) = (3, 4) },
    change("dir/timed", "touch -d @1234567890 dir/timed") { $0.modified = Timestamp(seconds: 1_234_567_890) },
    tag("dir/file", "user.note", "new"), tag("dir/file", "user.big", String(repeating: "v", count: 600)),
    tag("dir/folder", "user.note", "new"), tag("dir/tagged", "user.note", "other"), tag("dir/tagged", "user.note", nil),
    tag("dir/tagged", "user.big", String(repeating: "v", count: 600)), tag("dir/blocked", "user.note", "other"),
    tag("dir/blocked", "user.note", nil), tag("dir/blocked", "user.big", nil),
    tag("dir/blocked", "user.big", String(repeating: "w", count: 700)),
    tag("dir/tagged", "trusted.note", "trusted"), tag("dir/tiny", "security.note", "security"),
    list("system.posix_acl_access", "dir/file", "setfacl --set u::rw,u:1000:r,g::r,m::rw,o::- dir/file"),
    list(
      "system.posix_acl_default", "dir/folder", "setfacl -d --set u::rw,u:1000:r,g::r,m::rw,o::- dir/folder"),
  ]

  static let all = names + contents + attributeChanges
}
