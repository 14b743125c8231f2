import BlockIO
import Bytes
import Filesystems
import Glibc
import Support
import SystemPackage
import Testing

@testable import Ext

/// What the files of a volume are, without times: what a power cut may leave of a plan is compared with it.
struct TreeState: Equatable {
  /// A file by its path.
  struct File: Hashable {
    var kind: FileKind
    var permissions: UInt16
    var linkCount: UInt32
    var contents: [UInt8]
    var attributes: [String: [UInt8]]
  }

  private(set) var files: [String: File] = [:]
  /// Names in lost+found.
  private(set) var foundCount = 0

  /// Reads all files of a volume.
  init(_ volume: any Filesystem) throws { try add(volume, volume.root, "") }

  private mutating func add(_ volume: any Filesystem, _ directory: FileID, _ path: String) throws {
    var position: UInt64 = 0
    while true {
      let batch = try volume.entries(of: directory, from: position, limit: 1000)
      guard let last = batch.last else { return }
      position = last.next
      for entry in batch {
        let path = "\(path)/\(entry.name)"
        // Listed and looked up is the same.
        guard try volume.lookup(entry.name, in: directory) == entry.file else {
          throw LayoutError("\(path) is listed and not found")
        }
        if path == "/lost+found" {
          foundCount = try volume.entries(of: entry.file, from: 0, limit: 1000).count
          continue
        }
        try add(volume, file: entry.file, path)
      }
    }
  }

  private mutating func add(_ volume: any Filesystem, file: FileID, _ path: String) throws {
    let attributes = try volume.attributes(of: file)
    var contents: [UInt8] = []
    switch attributes.kind {
    case .regular:
      let source = try volume.contents(of: file)
      var buffer = Buffer(zeroes: Int(source.byteCount))
      var span = buffer.mutablePrefix(Int(source.byteCount))
      try source.read(at: 0, into: &span)
      contents = buffer.prefix(Int(source.byteCount)).array
    case .symbolicLink: contents = try volume.symbolicLinkTarget(of: file).bytes
    default: break
    }
    var extended: [String: [UInt8]] = [:]
    for attribute in try volume.extendedAttributes(of: file) { extended["\(attribute.name)"] = attribute.value }
    files[path] = File(
      kind: attributes.kind, permissions: attributes.permissions, linkCount: attributes.linkCount, contents: contents,
      attributes: extended)
    if attributes.kind == .directory { try add(volume, file, path) }
  }

  /// Paths that are otherwise here than in both `before` and `after`, link counts aside.
  func strangePaths(between before: TreeState, and after: TreeState) -> [String] {
    let paths = Set(files.keys).union(before.files.keys).union(after.files.keys)
    return paths.filter { path in
      let here = files[path]?.unlinked
      return here != before.files[path]?.unlinked && here != after.files[path]?.unlinked
    }.sorted()
  }

  /// Names of what two states have in different ways.
  func differences(from other: TreeState) -> [String] {
    Set(files.keys).union(other.files.keys).filter { files[$0] != other.files[$0] }.sorted()
  }
}

extension TreeState.File {
  /// The file without its count of links.
  fileprivate var unlinked: TreeState.File {
    var copy = self
    copy.linkCount = 0
    return copy
  }
}

/// A plan of changes, each a transaction.
struct PatchPlan {
  struct Step: Sendable {
    let name: String
    /// Paths of which one at least has to be there, whatever is cut.
    var keeps: [String] = []
    let body: @Sendable (ExtVolume) throws -> Void
  }

  static func file(_ volume: ExtVolume, _ path: String) throws -> FileID {
    var place = volume.root
    for name in path.split(separator: "/") {
      place = try #require(try volume.lookup(FileName(String(name)), in: place), "\(path)")
    }
    return place
  }

  static func bytes(_ count: Int, _ seed: UInt8) -> BytesContents {
    BytesContents((0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) &+ seed })
  }

  private static func attributes(_ kind: FileKind, _ permissions: UInt16 = 0o644) -> FileAttributes {
    FileAttributes(
      kind: kind, permissions: permissions, owner: 0, group: 0, byteCount: 0, allocatedByteCount: 0,
      modified: Timestamp(seconds: 1_700_000_000))
  }

  private static func create(_ volume: ExtVolume, _ name: String, in path: String, _ count: Int) throws {
    let new = try volume.create(FileName(name), in: file(volume, path), attributes: attributes(.regular))
    if count > 0 { try volume.replaceContents(of: new, with: bytes(count, 3)) }
  }

  /// What the volume holds before: `shell` runs in it.
  static let preparation = """
    mkdir -p keep etc old/sub many other
    for i in 1 2 3 4 5; do head -c ${i}0000 /dev/urandom > keep/$i; done
    printf 'before\\n' > etc/hostname; chmod 640 etc/hostname
    python3 -c 'import os; os.setxattr("etc/hostname", "user.label", b"kept")'
    head -c 150000 /dev/urandom > big; ln big etc/second
    echo x > old/sub/file; ln -s nowhere old/link
    # As many names as one block holds but a few.
    for i in $(seq 24); do echo $i > many/name-of-a-file-of-some-length-$i; done
    """

  static let steps: [Step] = [
    Step(name: "create") { try create($0, "new", in: "/etc", 5000) },
    Step(name: "replace contents") { try $0.replaceContents(of: file($0, "/etc/hostname"), with: bytes(30000, 5)) },
    Step(name: "make a directory") {
      _ = try $0.create("conf.d", in: file($0, "/etc"), attributes: attributes(.directory, 0o750))
    },
    Step(name: "create in it") { try create($0, "file", in: "/etc/conf.d", 100) },
    Step(name: "move", keeps: ["/etc/new", "/etc/conf.d/moved"]) {
      _ = try $0.rename("new", in: file($0, "/etc"), to: "moved", in: file($0, "/etc/conf.d"))
    },
    Step(name: "rename over", keeps: ["/etc/conf.d/moved", "/etc/hostname"]) {
      _ = try $0.rename("moved", in: file($0, "/etc/conf.d"), to: "hostname", in: file($0, "/etc"))
    },
    Step(name: "make a symbolic link") {
      _ = try $0.createSymbolicLink(
        "link", to: FileName(String(repeating: "long/", count: 40)), in: file($0, "/etc"),
        attributes: attributes(.symbolicLink, 0o777))
    },
    Step(name: "link") { try $0.link(file($0, "/etc/hostname"), as: "hard", in: $0.root) },
    Step(name: "remove one of two names", keeps: ["/etc/second"]) { try $0.remove("big", from: $0.root) },
    Step(name: "remove") { try $0.remove("second", from: file($0, "/etc")) },
    Step(name: "append") { try $0.append(bytes(3000, 9), to: file($0, "/etc/hostname")) },
    Step(name: "cut") { try $0.truncate(file($0, "/keep/1"), to: 4321) },
    Step(name: "change permissions") {
      var new = try $0.attributes(of: file($0, "/keep/2"))
      new.permissions = 0o4711
      try $0.setAttributes(new, of: file($0, "/keep/2"))
    },
    Step(name: "set an attribute") {
      try $0.setExtendedAttribute("user.new", to: [1, 2, 3], of: file($0, "/keep/3"))
    },
    Step(name: "one name more than a block holds") {
      for number in 0..<12 { try create($0, "another-name-of-some-length-\(number)", in: "/many", 0) }
    },
    Step(name: "many names") {
      for number in 0..<60 { try create($0, "and-another-name-of-some-length-\(number)", in: "/many", number % 3) }
    },
    Step(name: "remove from many") {
      for number in 1..<20 {
        try $0.remove(FileName("name-of-a-file-of-some-length-\(number)"), from: file($0, "/many"))
      }
    },
    Step(name: "empty a directory") {
      try $0.remove("file", from: file($0, "/old/sub"))
      try $0.remove("link", from: file($0, "/old"))
    },
    Step(name: "remove directories") {
      try $0.remove("sub", from: file($0, "/old"))
      try $0.remove("old", from: $0.root)
    },
    Step(name: "move a directory", keeps: ["/etc/conf.d", "/other/conf"]) {
      _ = try $0.rename("conf.d", in: file($0, "/etc"), to: "conf", in: file($0, "/other"))
    },
  ]
}

@Suite struct PowerCutTests {
  /// Every how many cuts one is tried; `QFLASH_STRESS_CUTS` tries all.
  private static let stride = getenv("QFLASH_STRESS_CUTS") == nil ? 5 : 1

  /// A plan carried out, with all that was written and what the files were after each step.
  private struct Recording {
    let events: [RecordingStore.Event]
    var states: [TreeState]
    /// Writes before the first step was permanent, the second, and so on.
    var borders: [Int]

    /// What there may be after a number of writes: the steps that were permanent, and with those of the next commit.
    func states(after writes: Int) -> (before: TreeState, after: TreeState, step: PatchPlan.Step?) {
      let done = borders.filter { $0 <= writes }.count
      guard done < PatchPlan.steps.count else {
        return (states[PatchPlan.steps.count], states[PatchPlan.steps.count], nil)
      }
      let next = borders.lastIndex(of: borders[done]) ?? done
      return (states[done], states[min(next + 1, PatchPlan.steps.count)], PatchPlan.steps[done])
    }
  }

  /// Carries out the plan, each step by itself or in groups of at most so many bytes of metadata before another step.
  private func record(_ options: String, _ scratch: Scratch, groupByteCount: Int? = nil) throws -> Recording {
    try scratch.shell("truncate -s 16M disk; { mke2fs -q -F \(options) disk 2>&1; } >/dev/null")
    let mount = try Mount(scratch, options: "rw")
    _ = try withExtendedLifetime(mount) { try scratch.shell("cd disk.mounted; \(PatchPlan.preparation)") }
    try scratch.shell("umount disk.mounted; cp disk before")
    let store = try RecordingStore(FileStore(scratch.file("disk")))
    let volume = try ExtVolume(writing: store)
    var states = [try TreeState(volume)]
    var borders: [Int] = []
    func takeSteps() throws {
      for step in PatchPlan.steps {
        try volume.transaction { try step.body(volume) }
        states.append(try TreeState(volume))
        guard volume.writing?.transactions.isWaiting == false else { continue }
        borders += [Int](repeating: store.events.writeCount, count: states.count - 1 - borders.count)
      }
    }
    if let groupByteCount {
      volume.writing?.transactions.mostStagedByteCount = groupByteCount
      try volume.group { try takeSteps() }
      borders += [Int](repeating: store.events.writeCount, count: states.count - 1 - borders.count)
      let commits = Set(borders).count
      #expect(1..<PatchPlan.steps.count ~= commits, "\(commits) commits")
    } else {
      try takeSteps()
    }
    try volume.finish()
    borders.append(store.events.writeCount)
    let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(check.status == 0, "\(check.text)")
    return Recording(events: store.events, states: states, borders: borders)
  }

  /// Compares what a checker or the kernel has made of a cut with the plan.
  private func compare(
    _ file: String, _ scratch: Scratch, _ recording: Recording, writes: Int, hasJournal: Bool, _ what: String
  ) throws {
    let (before, after, step) = recording.states(after: writes)
    let comment: Comment = "\(what) after \(writes) writes, in \(step?.name ?? "the end")"
    let state: TreeState
    do { state = try TreeState(ExtVolume(FileStore(scratch.file(file)))) } catch {
      Issue.record("\(comment): \(error)")
      return
    }
    if hasJournal {
      let isPrefix = state == before || state == after
      #expect(isPrefix, "\(comment): \(state.differences(from: before)) and \(state.differences(from: after))")
      return
    }
    let strange = state.strangePaths(between: before, and: after)
    #expect(strange == [], comment)
    if let step, !step.keeps.isEmpty {
      #expect(step.keeps.contains { state.files[$0] != nil }, comment)
    }
  }

  @Test(
    "A power cut after any write leaves a beginning of the plan", .enabled(if: Machine.hasLoopDevices),
    arguments: [
      "-t ext4 -b 1024", "-t ext4 -J size=4", "-t ext4 -O ^metadata_csum -b 1024", "-t ext3 -b 1024", "-t ext2 -b 1024",
      "-t ext4 -O ^has_journal -b 1024", "-t ext4 -O inline_data -I 256 -b 1024",
    ])
  func cuts(_ options: String) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try cut(record(options, scratch), options, scratch)
  }

  @Test(
    "A power cut in a plan whose steps are committed together leaves a beginning of it",
    .enabled(if: Machine.hasLoopDevices),
    arguments: [("-t ext4 -b 1024", 40 << 10), ("-t ext4 -J size=4", 96 << 10), ("-t ext3 -b 1024", 4 << 20)])
  func groupedCuts(_ options: String, _ byteCount: Int) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try cut(record(options, scratch, groupByteCount: byteCount), options, scratch)
  }

  private func cut(_ recording: Recording, _ options: String, _ scratch: Scratch) throws {
    let hasJournal = !options.contains("ext2") && !options.contains("^has_journal")
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    let total = recording.events.writeCount
    for writes in Swift.stride(from: Int.random(in: 0..<Self.stride, using: &random), through: total, by: Self.stride) {
      for isReordered in [false, true] {
        let name = isReordered ? "reordered, seed \(seed)," : "in order"
        try scratch.shell("cp before cut")
        if isReordered {
          try recording.events.replayReordered(writes: writes, to: scratch.file("cut"), random: &random)
        } else {
          try recording.events.replay(writes: writes, to: scratch.file("cut"))
        }
        if hasJournal, writes % 3 == 0 { try mount(scratch, recording, writes, name) }
        let repair = try scratch.shell("e2fsck -fy cut", expecting: nil)
        #expect(repair.status <= 1, "\(name), \(writes) writes: \(repair.text)")
        if hasJournal {
          let isQuiet = !repair.text.contains("Fix") && !repair.text.contains("Clear")
          #expect(isQuiet, "\(name), \(writes) writes: \(repair.text)")
        }
        let again = try scratch.shell("e2fsck -fn cut", expecting: nil)
        #expect(again.status == 0, "\(name), \(writes) writes: \(repair.text)\(again.text)")
        try compare("cut", scratch, recording, writes: writes, hasJournal: hasJournal, "e2fsck, \(name)")
      }
    }
  }

  /// Lets the kernel recover a cut volume.
  private func mount(_ scratch: Scratch, _ recording: Recording, _ writes: Int, _ name: String) throws {
    // A file of its own each time: mount(8) may take up a loop device that still holds an earlier one's blocks.
    let file = "mounted-\(writes)-\(name.hasPrefix("in") ? 0 : 1)"
    try scratch.shell("cp cut \(file)")
    let mount = try Mount(scratch, file, options: "rw")
    _ = try withExtendedLifetime(mount) { try scratch.shell("umount \(file).mounted") }
    let check = try scratch.shell("e2fsck -fn \(file)", expecting: nil)
    #expect(check.status == 0, "\(name), \(writes) writes, mounted: \(check.text)")
    try compare(file, scratch, recording, writes: writes, hasJournal: true, "the kernel, \(name)")
    try scratch.shell("rm \(file)")
  }
}
