package import Filesystems
import Glibc

/// One change of a volume that foreign programs have filled, and the same change of a folder.
///
/// The folder, and at first the volume, has what `before` makes.
package struct SingleChange: Sendable {
  package let name: String
  /// What a shell does to the folder; `c` is the size of a cluster in bytes.
  package let script: String
  /// A command whose output is the same in the folder and in what a foreign program shows.
  package var shows = "true"
  let body: @Sendable (Place) throws -> Void

  fileprivate init(
    _ name: String, _ script: String, shows: String = "true", _ apply: @escaping @Sendable (Place) throws -> Void
  ) {
    (self.name, self.script, self.shows, body) = (name, script, shows, apply)
  }

  /// The volume, inside a transaction, and what its new contents are taken from.
  struct Place {
    let volume: any WritableFilesystem
    let folder: String
    /// Size of a cluster in bytes.
    let cluster: UInt64

    func find(_ path: String) throws -> FileID { try volume.find(path: path) }

    func create(_ name: FileName, in path: String, _ kind: FileKind = .regular) throws -> FileID {
      try volume.create(name, in: find(path), attributes: newAttributes(kind))
    }

    /// The contents of a file in the folder `data`.
    func data(_ name: String) throws -> BytesContents {
      let store = try FileStore(folder + "/data/" + name)
      var bytes = [UInt8](repeating: 0, count: Int(store.byteCount))
      if !bytes.isEmpty {
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try store.read(at: 0, into: &raw)
      }
      return BytesContents(bytes)
    }

    func replace(_ path: String, by name: String) throws {
      try volume.replaceContents(of: find(path), with: data(name))
    }

    func append(_ name: String, to path: String) throws { try volume.append(data(name), to: find(path)) }

    func truncate(_ path: String, to byteCount: UInt64) throws {
      try volume.truncate(find(path), to: byteCount)
    }

    func rename(_ name: FileName, in path: String, to new: FileName, in other: String) throws {
      _ = try volume.rename(name, in: find(path), to: new, in: find(other))
    }
  }

  /// Makes the folders `before`, with what a volume starts with, and `data`, with new contents; `c` is the cluster's size.
  ///
  /// `pieces` is to lie in pieces; `kept` and all other files of `old` that a change does not name stay as they are.
  package static let before = """
    mkdir -p before/kept before/old/sub before/old/hollow before/other data
    r() { head -c $1 /dev/urandom >"$2"; }
    for i in {1..5}; do r $((i * c + i)) before/kept/file$i; done; r 700 'before/kept/a file with a longer name'
    r $((3 * c + 5)) before/old/file; r 10 before/old/small; : >before/old/empty; r $((2 * c)) before/old/exact
    r $((c + 1)) 'before/old/a file with a long name.text'; r 20 before/old/UPPER.TXT; r 30 before/old/sub/inner
    r $((4 * c)) before/old/pieces; r 99 before/other/UPPER.TXT; r 0 data/none; r 9 data/little
    r $((5 * c + 77)) data/much; r $((3 * c)) data/whole

    """

  /// Makes the change in a transaction, after which `volume` is to be finished.
  package func apply(to volume: any WritableFilesystem, folder: String) throws {
    let cluster = try UInt64(volume.statistics().blockSize)
    try volume.transaction { try body(Place(volume: volume, folder: folder, cluster: cluster)) }
  }

  private static let long = String(repeating: "a long name ", count: 18) + "text"

  package static let all: [SingleChange] = making + naming + contents

  private static let making: [SingleChange] = [
    SingleChange("make an empty file", ": >old/new") { _ = try $0.create("new", in: "/old") },
    SingleChange("make a file in the root", "cp ../data/little Root.file") {
      try $0.volume.replaceContents(of: $0.create("Root.file", in: "/"), with: $0.data("little"))
    },
    SingleChange("make a file of a long name", "cp ../data/much 'old/\(long)'") {
      try $0.volume.replaceContents(of: $0.create(FileName(long), in: "/old"), with: $0.data("much"))
    },
    SingleChange("make a file of whole clusters", "cp ../data/whole old/sub/whole") {
      try $0.volume.replaceContents(of: $0.create("whole", in: "/old/sub"), with: $0.data("whole"))
    },
    SingleChange("make a directory", "mkdir old/made") { _ = try $0.create("made", in: "/old", .directory) },
    SingleChange("make a directory in the root", "mkdir 'Made in the root'") {
      _ = try $0.create("Made in the root", in: "/", .directory)
    },
    SingleChange(
      "make directories in each other", "mkdir -p old/hollow/A/bb/CCC; cp ../data/little old/hollow/A/bb/CCC/x"
    ) {
      for (path, name) in [("/old/hollow", "A"), ("/old/hollow/A", "bb"), ("/old/hollow/A/bb", "CCC")] {
        _ = try $0.create(FileName(name), in: path, .directory)
      }
      try $0.volume.replaceContents(of: $0.create("x", in: "/old/hollow/A/bb/CCC"), with: $0.data("little"))
    },
    SingleChange(
      "make as many files as need another cluster",
      "for i in $(seq $((c / 96 + 1))); do : >\"old/hollow/an empty file $i\"; done"
    ) {
      for number in 1...($0.cluster / 96 + 1) {
        _ = try $0.create(FileName("an empty file \(number)"), in: "/old/hollow")
      }
    },
  ]

  private static let naming: [SingleChange] = [
    SingleChange("remove a file", "rm old/file") { try $0.volume.remove("file", from: $0.find("/old")) },
    SingleChange("remove an empty file", "rm old/empty") { try $0.volume.remove("empty", from: $0.find("/old")) },
    SingleChange("remove a file in pieces", "rm old/pieces") { try $0.volume.remove("pieces", from: $0.find("/old")) },
    SingleChange("remove a file of a long name", "rm 'old/a file with a long name.text'") {
      try $0.volume.remove("a file with a long name.text", from: $0.find("/old"))
    },
    SingleChange("remove a directory", "rmdir old/hollow") { try $0.volume.remove("hollow", from: $0.find("/old")) },
    SingleChange("rename", "mv old/file old/eile") { try $0.rename("file", in: "/old", to: "eile", in: "/old") },
    SingleChange("rename to a longer name", "mv old/small 'old/\(long)'") {
      try $0.rename("small", in: "/old", to: FileName(long), in: "/old")
    },
    SingleChange("rename to a shorter name", "mv 'old/a file with a long name.text' old/a") {
      try $0.rename("a file with a long name.text", in: "/old", to: "a", in: "/old")
    },
    SingleChange("rename to another case", "mv old/UPPER.TXT old/Upper.txt") {
      try $0.rename("UPPER.TXT", in: "/old", to: "Upper.txt", in: "/old")
    },
    SingleChange("rename a directory", "mv old/sub 'old/renamed directory'") {
      try $0.rename("sub", in: "/old", to: "renamed directory", in: "/old")
    },
    SingleChange("move", "mv old/pieces other/moved") {
      try $0.rename("pieces", in: "/old", to: "moved", in: "/other")
    },
    SingleChange("move a directory", "mv old/sub other/") { try $0.rename("sub", in: "/old", to: "sub", in: "/other") },
    SingleChange("rename over a file", "mv old/file old/exact") {
      try $0.rename("file", in: "/old", to: "exact", in: "/old")
    },
    SingleChange("move over a file", "mv old/UPPER.TXT other/UPPER.TXT") {
      try $0.rename("UPPER.TXT", in: "/old", to: "UPPER.TXT", in: "/other")
    },
    SingleChange("rename over an empty directory", "mv -T old/sub old/hollow") {
      try $0.rename("sub", in: "/old", to: "hollow", in: "/old")
    },
    SingleChange("set its time", "touch -d @1234567890 old/small", shows: "stat -c %Y old/small") {
      let file = try $0.find("/old/small")
      var attributes = try $0.volume.attributes(of: file)
      attributes.modified = Timestamp(seconds: 1_234_567_890)
      try $0.volume.setAttributes(attributes, of: file)
    },
    SingleChange("make it read-only", ":") {
      let file = try $0.find("/old/file")
      var attributes = try $0.volume.attributes(of: file)
      attributes.permissions = 0o444
      try $0.volume.setAttributes(attributes, of: file)
    },
  ]

  private static let contents: [SingleChange] = [
    SingleChange("replace by more", "cp ../data/much old/file") { try $0.replace("/old/file", by: "much") },
    SingleChange("replace by less", "cp ../data/little old/file") { try $0.replace("/old/file", by: "little") },
    SingleChange("replace by nothing", ": >old/exact") { try $0.replace("/old/exact", by: "none") },
    SingleChange("replace what is in pieces", "cp ../data/whole old/pieces") {
      try $0.replace("/old/pieces", by: "whole")
    },
    SingleChange("fill an empty file", "cp ../data/much old/empty") { try $0.replace("/old/empty", by: "much") },
    SingleChange("append inside a cluster", "cat ../data/little >>old/small") {
      try $0.append("little", to: "/old/small")
    },
    SingleChange("append clusters", "cat ../data/much >>old/file") { try $0.append("much", to: "/old/file") },
    SingleChange("append behind whole clusters", "cat ../data/little >>old/exact") {
      try $0.append("little", to: "/old/exact")
    },
    SingleChange("append to nothing", "cat ../data/whole >>old/empty") { try $0.append("whole", to: "/old/empty") },
    SingleChange("append to what is in pieces", "cat ../data/much >>old/pieces") {
      try $0.append("much", to: "/old/pieces")
    },
    SingleChange("cut inside a cluster", "truncate -s 3 old/small") { try $0.truncate("/old/small", to: 3) },
    SingleChange("cut to fewer clusters", "truncate -s $((c + 1)) old/file") {
      try $0.truncate("/old/file", to: $0.cluster + 1)
    },
    SingleChange("cut to whole clusters", "truncate -s $c old/exact") { try $0.truncate("/old/exact", to: $0.cluster) },
    SingleChange("cut what is in pieces", "truncate -s $((2 * c + 9)) old/pieces") {
      try $0.truncate("/old/pieces", to: 2 * $0.cluster + 9)
    },
    SingleChange("cut to nothing", "truncate -s 0 old/file") { try $0.truncate("/old/file", to: 0) },
    SingleChange("lengthen", "truncate -s $((6 * c + 1)) old/file") {
      try $0.truncate("/old/file", to: 6 * $0.cluster + 1)
    },
    SingleChange("lengthen nothing", "truncate -s $((2 * c)) old/empty") {
      try $0.truncate("/old/empty", to: 2 * $0.cluster)
    },
  ]
}

extension ChangedVolume {
  /// Makes each of `changes` alone on a fresh copy of `base`, whose files the folder `before` has too; the checker must
  /// find nothing, and a foreign program show what the folder shows after the same change, byte for byte.
  ///
  /// Calls `report` with what is wrong, and returns how many changes were made.
  package func changeEach(_ changes: [SingleChange], clusterSize: UInt32, _ report: (String) -> Void) throws -> Int {
    for single in changes {
      try scratch.shell(
        "c=\(clusterSize); rm -rf want; cp -a before want; cp --sparse=always base disk; cd want; \(single.script)")
      try change { try single.apply(to: $0, folder: scratch.path) }
      try check(single.name)
      let reader = try Self.read(path)
      let ours = try FileTree.read(reader).mapValues { $0.split(separator: " ").prefix(4).joined(separator: " ") }
      let wanted = try FileTree.read(folder: scratch.file("want")).mapValues {
        $0.split(separator: " ").prefix(4).joined(separator: " ")
      }
      let differing = FileTree.difference(ours, wanted)
      if !differing.isEmpty { report("\(single.name): \(differing)") }
      if single.name == "make it read-only" {
        let permissions = try reader.attributes(of: PathWalk(reader).find(VolumePath("/old/file")).file).permissions
        if permissions != 0o444 { report("\(single.name): \(String(permissions, radix: 8))") }
      }
      guard try copyOut() else { continue }
      let found = try scratch.shell(
        """
        diff -r want out; diff <(cd want; find . -type f -exec sha256sum {} + | sort) <(cd out; find . -type f -exec sha256sum {} + | sort)
        diff <(cd want; \(single.shows)) <(cd out; \(single.shows))
        """, expecting: nil)
      if found.status != 0 { report("\(single.name): \(found.text)") }
    }
    return changes.count
  }
}
