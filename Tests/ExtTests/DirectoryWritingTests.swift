import BlockIO
import Bytes
import Filesystems
import Glibc
import Support
import SystemPackage
import Testing

@testable import Ext

/// A kind of volume, and how many names its directory gets.
struct DirectoryCase: Sendable, CustomStringConvertible {
  let options: String
  let count: Int
  /// Whether directories go through the index.
  let isIndexed: Bool
  var description: String { "\(options), \(count) names" }

  init(_ options: String, _ count: Int, isIndexed: Bool = true) {
    (self.options, self.count, self.isIndexed) = (options, count, isIndexed)
  }

  static let all: [DirectoryCase] = [
    DirectoryCase("-t ext4", 3000), DirectoryCase("-t ext4 -b 1024", 3000),
    DirectoryCase("-t ext4 -O ^metadata_csum", 2000), DirectoryCase("-t ext4 -O ^has_journal", 2000),
    DirectoryCase("-t ext3 -b 1024", 3000), DirectoryCase("-t ext2 -b 1024", 3000),
    DirectoryCase("-t ext4 -O ^dir_index", 1500, isIndexed: false),
    DirectoryCase("-t ext2 -O none -r 0 -b 1024", 600, isIndexed: false),
    DirectoryCase("-t ext4 -O ^filetype -b 2048", 1000),
  ]
}

/// A directory `d` of a volume in a file, to which names of one file are added.
final class NamedLinks {
  let scratch: Scratch
  private(set) var volume: ExtVolume
  let directory: UInt32
  let file: UInt32
  private(set) var names: Set<String> = []

  /// Makes the volume, with what the `script` makes in it.
  init(_ options: String, size: String = "64M", script: String = "mkdir d; touch d/first") throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s \(size) disk; mke2fs -q -F \(options) disk 2>/dev/null")
    let mount = try Mount(scratch, options: "rw")
    _ = try withExtendedLifetime(mount) { try scratch.shell("cd disk.mounted; \(script)") }
    try scratch.shell("umount disk.mounted")
    self.scratch = scratch
    volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    let found = try #require(try volume.lookup("d", in: volume.root))
    directory = UInt32(found.number)
    file = UInt32(try #require(try volume.lookup("first", in: found)).number)
    names = ["first"]
  }

  /// Adds names, in one transaction.
  func add(_ new: [String]) throws {
    try change(new.count) { editor in
      for name in new { try editor.insert(FileName(name), inode: file, kind: .regular) }
    }
    names.formUnion(new)
  }

  /// Takes names away, in one transaction.
  func remove(_ old: [String]) throws {
    try change(-old.count) { editor in
      for name in old {
        let inode = try editor.remove(FileName(name))
        #expect(inode == file)
      }
    }
    names.subtract(old)
  }

  private func change(_ gain: Int, _ body: (DirectoryEditor) throws -> Void) throws {
    try volume.transaction {
      let changes = try volume.changes
      try body(DirectoryEditor(directory, changes))
      var record = try changes.record(UInt64(file))
      record.linkCount = UInt16(Int(record.linkCount) + gain)
      try changes.write(record)
    }
  }

  private func save(_ text: String, as path: String) throws {
    let file = try #require(fopen(path, "w"))
    fputs(text, file)
    fclose(file)
  }

  /// Compares with what e2fsck and the kernel say, every name looked up.
  func check(_ comment: String = "") throws {
    try volume.finish()
    let report = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(report.status == 0, "\(comment): \(report.text)")
    for name in names {
      let found = try volume.lookup(FileName(name), in: FileID(UInt64(directory)))
      #expect(found == FileID(UInt64(file)), "\(name)")
    }
    try save(names.sorted().map { $0 + "\n" }.joined(), as: scratch.file("names"))
    let mount = try Mount(scratch, options: "rw")
    let program = """
      import os, sys
      os.chdir(sys.argv[1])
      names = set(open(sys.argv[2]).read().split("\\n")[:-1])
      listed = set(os.listdir("d"))
      assert listed == names, (len(listed), len(names), list(listed ^ names)[:3])
      inode = os.lstat("d/first").st_ino
      for name in names: assert os.lstat("d/" + name).st_ino == inode, name
      for i in range(1000): assert not os.path.lexists("d/absent%d" % i)
      # What the kernel changes after us stays right.
      os.mkdir("d/kernel")
      for i in range(300): open("d/kernel-%d" % i, "w").close()
      for i in range(300): os.remove("d/kernel-%d" % i)
      os.rmdir("d/kernel")
      """
    let result = try withExtendedLifetime(mount) {
      try run(["python3", "-c", program, mount.folder, scratch.file("names")])
    }
    #expect(result.status == 0, "\(result.text)")
    try scratch.shell("umount disk.mounted")
    let again = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(again.status == 0, "after the kernel: \(again.text)")
    // What the kernel has changed is not in the old one's cache.
    volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
  }
}

@Suite struct DirectoryWritingTests {
  /// Names of many lengths.
  static func names(_ range: Range<Int>, seed: UInt64) -> [String] {
    var random = SeededRandom(seed: seed)
    return range.map { number in
      let length = Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 1...240, using: &random) : 12
      return "\(number)-" + String(repeating: number % 5 == 0 ? "ü" : "n", count: min(length, 120))
    }
  }

  @Test("Names that are added and taken away", .enabled(if: Machine.hasLoopDevices), arguments: DirectoryCase.all)
  func addAndRemove(_ test: DirectoryCase) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    let names = try NamedLinks(test.options)
    let all = Self.names(0..<test.count, seed: seed)
    // Some by one, some by many.
    for name in all.prefix(40) { try names.add([name]) }
    var start = 40
    while start < all.count {
      try names.add(Array(all[start..<min(start + 500, all.count)]))
      start += 500
    }
    try names.check("seed \(seed)")
    let inode = try names.volume.blocks.inode(UInt64(names.directory))
    #expect(inode.flags.contains(.indexed) == test.isIndexed)
  }
}
