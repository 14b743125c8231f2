import BlockIO
import Ext
import Filesystems
import Glibc
import Support
import Testing

/// A volume that is changed: how it is made, and whether the kernel mounts it.
struct WritingCase: Sendable, CustomStringConvertible {
  let options: String
  var size = "64M"
  var isMounted = true
  /// What mke2fs(8) fills it with.
  var filling = ""
  var description: String { options }

  init(_ options: String, size: String = "64M", isMounted: Bool = true) {
    self.options = options
    self.size = size
    self.isMounted = isMounted
  }

  static let all: [WritingCase] = [
    WritingCase("-t ext4"), WritingCase("-t ext4 -O ^extent,^64bit"), WritingCase("-t ext4 -O ^64bit"),
    WritingCase("-t ext4 -b 1024"), WritingCase("-t ext4 -b 2048 -I 128 -O ^extra_isize,^metadata_csum"),
    WritingCase("-t ext4 -I 1024"), WritingCase("-t ext4 -I 128 -b 1024"),
    WritingCase("-t ext4 -O bigalloc -C 16384"), WritingCase("-t ext4 -O bigalloc -b 1024 -C 65536", size: "256M"),
    WritingCase("-t ext4 -O meta_bg,^resize_inode -b 1024"), WritingCase("-t ext4 -O ^flex_bg"),
    WritingCase("-t ext4 -O inline_data -I 512"), WritingCase("-t ext4 -O inline_data,^metadata_csum -b 1024"),
    WritingCase("-t ext4 -O ea_inode"), WritingCase("-t ext4 -O sparse_super2 -b 1024"),
    WritingCase("-t ext4 -O uninit_bg,^metadata_csum"), WritingCase("-t ext4 -O metadata_csum_seed"),
    WritingCase("-t ext4 -O large_dir -b 1024"), WritingCase("-t ext4 -O orphan_file"),
    WritingCase("-t ext4 -O ^dir_index"), WritingCase("-t ext4 -O ^has_journal,^huge_file,^dir_nlink"),
    WritingCase("-t ext4 -O fast_commit"), WritingCase("-t ext4 disk; tune2fs -E hash_alg=tea"),
    WritingCase("-t ext4 -b 1024 disk; tune2fs -E hash_alg=legacy"), WritingCase("-t ext2"),
    WritingCase("-t ext2 -b 1024 -O ^sparse_super,^resize_inode,^filetype"),
    WritingCase("-t ext2 -r 0 -b 1024 -O none"), WritingCase("-t ext3"), WritingCase("-t ext3 -b 1024 -O dir_index"),
    WritingCase("-t ext4 -b 65536", size: "600M", isMounted: false),
    WritingCase("-t ext2 -b 65536", size: "600M", isMounted: false),
    WritingCase("-t ext4 -b 16384 -O ^metadata_csum", size: "200M", isMounted: false),
    WritingCase("-t ext4 -b 32768 -O inline_data", size: "300M", isMounted: false),
    WritingCase("-t ext4 -b 8192 -O ea_inode", size: "200M", isMounted: false),
    WritingCase("-t ext4 -O project,verity,encrypt", isMounted: false),
    WritingCase("-t ext4 -O quota,project -E quotatype=usrquota:grpquota:prjquota", isMounted: false),
    WritingCase("-t ext4 -O quota -b 1024", isMounted: false),
    WritingCase("-t ext4 -O casefold -E encoding=utf8", isMounted: false),
  ]

  /// Makes the volume as `disk`.
  func make(in scratch: Scratch) throws {
    try scratch.shell("truncate -s \(size) disk; { mke2fs -q -F \(filling) \(options) disk 2>&1; } >/dev/null")
  }
}

/// Changes of every kind, by chance, on every kind of volume.
@Suite struct RandomWritingTests {
  /// How many changes a volume gets; `QFLASH_STRESS_CHANGES` sets it.
  static let changeCount = getenv("QFLASH_STRESS_CHANGES").flatMap { Int(String(cString: $0)) } ?? 60
  /// The first seed; `QFLASH_STRESS_SEED` sets it.
  static let seed = getenv("QFLASH_STRESS_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1

  /// The kinds of volume; those whose options contain `QFLASH_STRESS_CASE`, if it is set.
  static let cases: [WritingCase] = {
    let wanted = getenv("QFLASH_STRESS_CASE").map { String(cString: $0) }
    return WritingCase.all.filter { test in wanted.map { test.options.contains($0) } ?? true }
  }()

  @Test("Random changes leave what they should, and e2fsck finds nothing", arguments: cases)
  func random(_ test: WritingCase) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try test.make(in: scratch)
    var rules = FilesystemModel.Rules.unix
    rules.hasExtendedAttributes = !test.options.contains("-r 0")
    let model = FilesystemModel(rules, seed: Self.seed)
    try withKnownSeed(model) {
      let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
      try model.change(volume, count: Self.changeCount)
      try volume.finish()
      let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
      #expect(check.status == 0, "\(check.text)")
      let read = try ExtVolume(FileStore(scratch.file("disk")))
      #expect(read.warnings == [])
      try compare(model.observed(read), model)
      guard test.isMounted, Machine.hasLoopDevices else { return }
      let mount = try Mount(scratch)
      try withExtendedLifetime(mount) { try compare(model.observed(folder: mount.folder), model) }
    }
  }

  private func compare(_ observed: [String: String], _ model: FilesystemModel) throws {
    let expected = model.expected
    for path in Set(observed.keys).union(expected.keys).sorted() where observed[path] != expected[path] {
      Issue.record("\(path): \(observed[path] ?? "nothing"), not \(expected[path] ?? "nothing")")
    }
  }

  /// Tells the seed with an error.
  private func withKnownSeed(_ model: FilesystemModel, _ body: () throws -> Void) throws {
    do { try body() } catch {
      Issue.record("seed \(Self.seed), after \(model.steps.count) changes: \(error)")
    }
  }
}
