import BlockIO
import Filesystems
import Glibc
import Support
import Testing

@testable import FAT

/// Random changes, each checked by fsck.fat, and read back by mtools.
@Suite struct FATRandomChangeTests {
  struct Layout: Sendable, CustomStringConvertible {
    let options: String
    let size: String
    var mostBytes = 40_000
    var description: String { "\(options) \(size)" }
  }

  static let layouts = [
    Layout(options: "-F 12", size: "1440K", mostBytes: 20_000),
    Layout(options: "-F 12 -f 1 -r 224 -n LABEL", size: "2880K"),
    Layout(options: "-F 12 -S 4096 -s 2", size: "16M"), Layout(options: "-F 12 -s 128", size: "64M"),
    Layout(options: "-F 16 -s 1 -r 32", size: "8M"), Layout(options: "-F 16 -S 2048 -s 1", size: "32M"),
    Layout(options: "-F 16 -s 16 -r 1024 -R 9 -n 'A LABEL'", size: "64M", mostBytes: 200_000),
    Layout(options: "-F 32 -s 1", size: "40M"), Layout(options: "-F 32 -s 8 -n data", size: "300M", mostBytes: 200_000),
    Layout(options: "-F 32 -S 4096 -s 1", size: "300M"), Layout(options: "-F 32 -s 1 -f 1", size: "40M"),
    Layout(options: "-F 32 -s 128", size: "5G", mostBytes: 200_000),
  ]

  /// Rounds for each layout; `QFLASH_STRESS_ROUNDS` sets them.
  static let rounds = getenv("QFLASH_STRESS_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 1

  @Test("500 random changes leave what they should", arguments: layouts)
  func changes(_ layout: Layout) throws {
    for _ in 0..<Self.rounds {
      let seed = UInt64.random(in: 0...UInt64.max)
      print("FAT \(layout): seed \(seed)")
      try changes(layout, seed: seed)
    }
  }

  private func changes(_ layout: Layout, seed: UInt64) throws {
    let writing = try FATWriting(layout.options, size: layout.size, script: FATWriting.kept)
    var rules = FilesystemModel.Rules.dos
    rules.mostBytes = layout.mostBytes
    let model = FilesystemModel(rules, seed: seed)
    for part in 0..<4 {
      try writing.change { volume in
        try model.change(volume, count: 125)
        let found = try model.observed(volume, outside: ["kept"])
        #expect(FileTree.difference(found, model.expected) == [], "seed \(seed), as changed, part \(part)")
        #expect(try volume.statistics().freeBlockCount == UInt64(FATVolume(volume.volume).countFreeClusters()))
      }
      try writing.check("seed \(seed), part \(part)")
      let volume = try FATCase.open(writing.scratch)
      #expect(volume.warnings == [])
      #expect(FileTree.difference(try model.observed(volume, outside: ["kept"]), model.expected) == [], "seed \(seed)")
    }
    try writing.copyOut()
    let shown = try model.observed(folder: writing.out, outside: ["kept"])
    #expect(FileTree.difference(shown, model.expected) == [], "seed \(seed), as mtools show it")
    try writing.checkKept()
    #expect(model.expected.count > 5 && model.steps.count > 300)
  }
}
