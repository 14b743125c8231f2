import BlockIO
import Filesystems
import Support
import Testing

@testable import ExFAT

@Suite struct ExFATDamageTests {
  /// A small volume with a directory, a long name, and a file of pieces.
  private static func patient() throws -> MemoryDisk {
    try ExFATDetailTests.crafted(
      """
      add(file('a name that needs three of the entries', first=20, size=10000))
      add(file('directory', first=24, size=cluster, attr=0x10))
      put(offset(24), file('inner', first=25, size=4000) + file('pieces', first=30, size=3 * cluster, flags=1))
      for a, b in ((30, 33), (33, 31), (31, 0xffffffff)): put(fat + 4 * a, pack('<I', b))
      """)
  }

  private func set(of name: FileName, _ volume: ExFATVolume) throws -> (file: FileID, set: EntrySet) {
    let file = try #require(try volume.lookup(name, in: volume.root))
    return (file, try volume.entrySet(of: file))
  }

  @Test func everyChangedByteOfASetIsAnError() throws {
    let disk = try Self.patient()
    let (file, set) = try set(of: "a name that needs three of the entries", ExFATVolume(disk))
    let start = Int(file.number) * 32
    let stored = Array(disk.contents[start..<(start + 5 * 32)])
    let isSame = set.bytes == stored
    #expect(isSame)
    for place in 0..<stored.count where place != 0 {
      for bit in 0..<8 {
        disk.put([stored[place] ^ 1 << UInt8(bit)], at: start + place)
        let volume = try ExFATVolume(disk)
        var isError = false
        do { _ = try volume.entries(of: volume.root, from: 0, limit: 100) } catch is ImageError { isError = true }
        #expect(isError, "byte \(place), bit \(bit)")
      }
      disk.put([stored[place]], at: start + place)
    }
    disk.put([0x05], at: start)
    let volume = try ExFATVolume(disk)
    #expect(throws: ImageError.self) { try volume.entries(of: volume.root, from: 0, limit: 100) }
  }

  @Test func theBackupBootRegionStandsIn() throws {
    let disk = try Self.patient()
    let whole = disk.contents
    let expected = try FileTree.read(ExFATVolume(disk))
    #expect(expected.count == 4)
    for place in [3, 80, 92, 96, 108, 109, 110, 200, 510, 600, 11 * 512] {
      disk.put([whole[place] ^ 0x55], at: place)
      let volume = try ExFATVolume(disk)
      #expect(volume.warnings.contains { $0.contains("backup was used") }, "\(place)")
      #expect(try FileTree.read(volume) == expected)
      #expect(try !volume.quickCheck().isSound)
      disk.put([whole[12 * 512 + place] ^ 0x55], at: 12 * 512 + place)
      #expect(throws: ImageError.self) { try ExFATVolume(disk) }
      disk.put([whole[place]], at: place)
      let other = try ExFATVolume(disk)
      #expect(other.warnings.isEmpty)
      #expect(try other.quickCheck().findings.contains { $0.sentence.contains("backup boot region") })
      disk.put([whole[12 * 512 + place]], at: 12 * 512 + place)
    }
    // Flags and the percentage are in no checksum.
    disk.put([6, 0], at: 106)
    disk.put([77], at: 112)
    #expect(try ExFATVolume(disk).warnings.count == 2)
    #expect(try ExFATVolume(disk).quickCheck().isSound)
  }

  @Test func systemEntriesMayBeDamaged() throws {
    let disk = try Self.patient()
    let whole = disk.contents
    let sound = try ExFATVolume(disk)
    let root = Int(sound.heap.offset(of: sound.boot.rootCluster))
    let bitmap = try #require((0..<9).map { root + 32 * $0 }.first { whole[$0] == 0x81 })
    let table = try #require((0..<9).map { root + 32 * $0 }.first { whole[$0] == 0x82 })
    let cases: [(place: Int, bytes: [UInt8], word: String, hasBitmap: Bool)] = [
      (table + 4, [whole[table + 4] ^ 1], "checksum", true),
      (table + 24, [0xff, 0xff, 0xff, 0xff, 0xff], "up-case", true),
      (table + 24, [0, 0], "up-case", true), (table + 20, [1, 0], "cluster 1", true), (table, [0x02], "up-case", true),
      (Int(sound.heap.offset(of: sound.description.upcaseCluster ?? 2)) + 200, [0x99], "up-case", true),
      (bitmap + 20, [0, 0, 0, 1], "cluster", false), (bitmap + 24, [7, 0], "too small", false),
      (bitmap, [0x01], "bitmap", false),
      (bitmap + 1, [1], "bitmap", false),
    ]
    for test in cases {
      disk.put(test.bytes, at: test.place)
      let volume = try ExFATVolume(disk)
      #expect(volume.warnings.contains { $0.contains(test.word) }, "\(test) \(volume.warnings)")
      #expect(try !volume.quickCheck().isSound)
      #expect(try volume.lookup("A NAME THAT NEEDS THREE OF THE ENTRIES", in: volume.root) != nil)
      #expect(((try? volume.statistics()) != nil) == test.hasBitmap)
      disk.put(Array(whole[test.place..<(test.place + test.bytes.count)]), at: test.place)
    }
    let bits = Int(sound.heap.offset(of: try #require(sound.description.bitmap).firstCluster))
    disk.put([0], at: bits)
    #expect(try ExFATVolume(disk).quickCheck().findings.count == 3)
  }

  @Test func chainsThatGoWrongAreErrors() throws {
    let disk = try Self.patient()
    let sound = try ExFATVolume(disk)
    let directory = try #require(try sound.lookup("directory", in: sound.root))
    let file = try #require(try sound.lookup("pieces", in: directory))
    let table = Int(sound.table.start)
    for bad: UInt32 in [30, 33, 0, 1, 0xffff_fff7, 0xffff_fff8, 0xffff_ffff, 100_000] {
      disk.put((0..<4).map { UInt8(truncatingIfNeeded: bad >> (8 * $0)) }, at: table + 33 * 4)
      let volume = try ExFATVolume(disk)
      let contents = try volume.contents(of: file)
      #expect(throws: ImageError.self) { try FileTree.checksum(contents, pieceSize: 700) }
    }
    disk.put([31, 0, 0, 0], at: table + 33 * 4)
    _ = try FileTree.checksum(ExFATVolume(disk).contents(of: file), pieceSize: 700)
  }

  @Test func anyByteOfTheMetadataMayBeWrong() throws {
    let disk = try Self.patient()
    let whole = disk.contents
    let heap = try ExFATVolume(disk).heap
    #expect(try FileSurvey.damage(of: disk) { try ExFATVolume($0) }.isEmpty)
    var random = SeededRandom(seed: 9)
    let meta = (0..<Int(heap.offset(of: 26))).filter { whole[$0] != 0 }
    let boot = Array(64..<113) + [510]
    var seen = 0
    for round in 0..<200 {
      let place = (round % 2 == 0 ? boot : meta).randomElement(using: &random) ?? 0
      let new = [0, 0xff, 1, 0x80, whole[place] ^ 1 << UInt8.random(in: 0..<8, using: &random)][round % 5]
      disk.put([new], at: place)
      seen += try FileSurvey.damage(of: disk) { try ExFATVolume($0) }.isEmpty ? 0 : 1
      // With a checksum that fits, the field itself is what is believed.
      if place < 512 {
        let sum = BootRegion.checksum(Array(disk.contents[..<(11 * 512)]).raw)
        for index in 0..<128 {
          disk.put((0..<4).map { UInt8(truncatingIfNeeded: sum >> (8 * $0)) }, at: 11 * 512 + 4 * index)
        }
        _ = try FileSurvey.damage(of: disk) { try ExFATVolume($0) }
        disk.put(Array(whole[(11 * 512)..<(12 * 512)]), at: 11 * 512)
      }
      disk.put([whole[place]], at: place)
    }
    #expect(seen > 100)
  }
}
