import BlockIO
import Bytes
import Filesystems
import Glibc
import Support
import SystemPackage
import Testing

@testable import Ext

/// Directories that are large, deep, or awkward for an index.
@Suite(.enabled(if: Machine.hasLoopDevices)) struct LargeDirectoryTests {
  /// How many times as many names as usual; `QFLASH_STRESS_NAMES` sets it.
  private static let factor = getenv("QFLASH_STRESS_NAMES").flatMap { Int(String(cString: $0)) } ?? 1

  private static let file = FileAttributes(
    kind: .regular, permissions: 0o644, owner: 0, group: 0, byteCount: 0, allocatedByteCount: 0,
    modified: Timestamp(seconds: 1_700_000_000))

  private func make(_ options: String, size: String, script: String) throws -> Scratch {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s \(size) disk; { mke2fs -q -F \(options) disk 2>&1; } >/dev/null")
    let mount = try Mount(scratch, options: "rw")
    _ = try withExtendedLifetime(mount) { try scratch.shell("cd disk.mounted; \(script)") }
    try scratch.shell("umount disk.mounted")
    return scratch
  }

  /// Lets e2fsck and the kernel look at a volume whose directory `d` should hold `names`; each is looked up.
  private func check(_ scratch: Scratch, _ names: Set<String>, _ comment: String = "") throws {
    let report = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(report.status == 0, "\(comment) \(report.text)")
    let list = try #require(fopen(scratch.file("names"), "w"))
    for name in names { fputs(name + "\n", list) }
    fclose(list)
    let program = """
      import os, sys
      os.chdir(sys.argv[1])
      names = set(open(sys.argv[2]).read().split("\\n")[:-1])
      listed = set(os.listdir("d"))
      assert listed == names, (len(listed), len(names), list(listed ^ names)[:3])
      for name in names: os.lstat("d/" + name)
      """
    let mount = try Mount(scratch, options: "ro")
    let result = try withExtendedLifetime(mount) {
      try run(["python3", "-c", program, mount.folder, scratch.file("names")])
    }
    #expect(result.status == 0, "\(comment) \(result.text)")
    try scratch.shell("umount disk.mounted")
  }

  @Test("20,000 new files in one directory")
  func newFiles() throws {
    let scratch = try make("-t ext4 -N 22000", size: "64M", script: "mkdir d")
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    let directory = try #require(try volume.lookup("d", in: volume.root))
    var names: Set<String> = []
    for batch in 0..<40 {
      try volume.transaction {
        for number in 0..<500 {
          let name = "file number \(batch * 500 + number)"
          _ = try volume.create(FileName(name), in: directory, attributes: Self.file)
          names.insert(name)
        }
      }
    }
    try volume.finish()
    try check(scratch, names)
  }

  @Test("A directory of 100,000 names that the kernel made", arguments: ["-t ext4", "-t ext3 -b 1024"])
  func kernelMade(_ options: String) throws {
    let scratch = try make(
      options + " -N 110000", size: "256M",
      script: """
        mkdir d; python3 -c 'for i in range(100000): open("d/name-%d" % i, "w").close()'
        """)
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    let directory = try #require(try volume.lookup("d", in: volume.root))
    var names = Set((0..<100_000).map { "name-\($0)" })
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    for batch in 0..<(2 * Self.factor) {
      try volume.transaction {
        for number in 0..<300 {
          let old = "name-\(Int.random(in: 0..<100_000, using: &random))"
          let new = "ours \(batch)-\(number) " + String(repeating: "y", count: number % 90)
          _ = try volume.create(FileName(new), in: directory, attributes: Self.file)
          names.insert(new)
          guard names.remove(old) != nil else { continue }
          if number % 2 == 0 {
            try volume.remove(FileName(old), from: directory)
          } else {
            names.insert(old + " renamed")
            _ = try volume.rename(FileName(old), in: directory, to: FileName(old + " renamed"), in: directory)
          }
        }
      }
    }
    try volume.finish()
    try check(scratch, names, "seed \(seed)")
  }

  /// Names of equal (legacy) hash, so many that they fill several leaves of 1 KiB: 230 times `x` and these.
  private static let colliding = [
    "dOJoB", "mhndd", "mhnll", "mhntt", "mhnyy", "mhnHH", "mhnII", "mhnPP", "mhn00", "mhn88", "stVZ0", "u4QVr", "u6fOY",
  ].map { String(repeating: "x", count: 230) + $0 }

  @Test("Names of one hash fill several leaves")
  func collisions() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    let names = try NamedLinks("-t ext4 -b 1024 disk; tune2fs -E hash_alg=legacy")
    let hash = DirectoryHash.legacy
    let hashes = Set(Self.colliding.map { hash.hash(Array($0.utf8), seed: []) })
    #expect(hashes.count == 1)
    let all = (Self.colliding + DirectoryWritingTests.names(0..<300, seed: seed)).shuffled(using: &random)
    for start in stride(from: 0, to: all.count, by: 7) { try names.add(Array(all[start..<min(start + 7, all.count)])) }
    let tree = try names.scratch.shell("debugfs -R 'htree_dump /d' disk 2>/dev/null").output
    #expect(tree.contains("Hash 0x") && tree.contains("(**)"))
    try names.check("seed \(seed)")
    try names.remove(Array(Self.colliding.shuffled(using: &random).prefix(6)))
    try names.check("seed \(seed), after removals")
  }

  @Test(
    "Hashes of every kind", arguments: ["legacy", "half_md4", "tea"], [1, 2])
  func hashes(_ method: String, _ flags: Int) throws {
    let names = try NamedLinks(
      "-t ext4 -b 1024 disk; tune2fs -E hash_alg=\(method) disk; debugfs -w -R 'ssv flags \(flags)'")
    try names.add(DirectoryWritingTests.names(0..<700, seed: UInt64(flags)))
    try names.check()
  }

  @Test("A third level of the index, and a full directory without it")
  func levels() throws {
    let long = String(repeating: "n", count: 236)
    let script = """
      mkdir d; touch d/first
      python3 -c 'for i in range(26000): open("d/%d-" % i + "n" * 236, "w").close()'
      """
    for isLarge in [true, false] {
      let scratch = try make(
        "-t ext4 -b 1024 -N 70000 -I 128 -E hash_seed=01234567-89ab-cdef-0123-456789abcdef "
          + "-O ^metadata_csum\(isLarge ? ",large_dir" : "")", size: "128M", script: script)
      let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
      let directory = try #require(try volume.lookup("d", in: volume.root))
      var names = Set((0..<26000).map { "\($0)-\(long)" } + ["first"])
      var number = 26000
      var isFull = false
      while !isFull, number < 50000, try levelCount(volume, directory) < 2 || number % 1000 != 0 {
        let batch = (number..<(number + 100)).map { "\($0)-\(long)" }
        number += 100
        let before = try scratch.shell("cat disk | md5sum").output
        do {
          try volume.transaction {
            for name in batch { _ = try volume.create(FileName(name), in: directory, attributes: Self.file) }
          }
          names.formUnion(batch)
        } catch let error as FileError where error.reason == .directoryFull {
          isFull = true
          let after = try scratch.shell("cat disk | md5sum").output
          #expect(before == after)
        }
      }
      #expect(isFull != isLarge)
      #expect(try levelCount(volume, directory) == (isLarge ? 2 : 1))
      try volume.finish()
      try check(scratch, names)
    }
  }

  private func levelCount(_ volume: ExtVolume, _ directory: FileID) throws -> UInt8 {
    let root = try Directory(volume.blocks.inode(directory.number), volume.blocks).block(0)
    return root.bytes.littleEndian(at: HTreeNode.Field.rootLevels)
  }

  @Test("Casefolded directories: names that are ASCII go into the index, others are refused by name")
  func casefold() throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell(
      """
      truncate -s 32M disk; mke2fs -q -F -t ext4 -b 1024 -O casefold -E encoding=utf8 disk
      printf '%s\\n' 'mkdir d' 'sif d flags 0x40080000' | debugfs -w -f - disk >/dev/null 2>&1
      """)
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    let directory = try #require(try volume.lookup("d", in: volume.root))
    for batch in 0..<4 {
      try volume.transaction {
        for number in 0..<100 {
          let name = (number % 2 == 0 ? "Mixed-Case-" : "LOWER-") + "\(batch)-\(number)"
          _ = try volume.create(FileName(name), in: directory, attributes: Self.file)
        }
      }
    }
    #expect(try volume.lookup("mixed-case-1-2", in: directory) != nil)
    #expect(throws: FileError.self) {
      try volume.transaction { _ = try volume.create("MIXED-case-1-2", in: directory, attributes: Self.file) }
    }
    #expect(throws: FileError.self) {
      try volume.transaction { _ = try volume.create("Ärger", in: directory, attributes: Self.file) }
    }
    try volume.transaction { try volume.remove("mixed-CASE-1-2", from: directory) }
    try volume.finish()
    let report = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(report.status == 0, "\(report.text)")
    #expect(try volume.blocks.inode(directory.number).flags.contains(.indexed))
  }

  @Test("A damaged index is refused and not written", arguments: [28, 29, 30, 32, 34, 36, 44])
  func damaged(_ place: Int) throws {
    let names = try NamedLinks("-t ext4 -O ^metadata_csum")
    try names.add(DirectoryWritingTests.names(0..<400, seed: 1))
    try names.volume.finish()
    let root = try Directory(names.volume.blocks.inode(UInt64(names.directory)), names.volume.blocks).block(0)
    let store = try FileStore(names.scratch.file("disk"))
    let byte: [UInt8] = [0xfe]
    try store.write(byte.span.bytes, at: root.offset + UInt64(place))
    let before = try names.scratch.shell("md5sum < disk").output
    let volume = try ExtVolume(writing: store)
    #expect(throws: ImageError.self) {
      try volume.transaction {
        for name in DirectoryWritingTests.names(400..<800, seed: 2) {
          _ = try volume.create(FileName(name), in: FileID(UInt64(names.directory)), attributes: Self.file)
        }
      }
    }
    let after = try names.scratch.shell("md5sum < disk").output
    #expect(before == after)
  }
}
