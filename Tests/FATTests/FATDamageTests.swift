import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// A volume in memory whose bytes can be changed.
private struct Patient {
  let disk: MemoryDisk

  init(_ options: String, size: String, script: String = "") throws {
    let scratch = try Scratch()
    try scratch.shell(
      FATCase.environment + """
        truncate -s \(size) disk; mkfs.fat \(options) disk >/dev/null 2>&1
        mmd -i disk ::dir; head -c 20000 /dev/urandom >file; head -c 3000 /dev/urandom >small; head -c 900 /dev/urandom >'a long name'
        mcopy -i disk file small 'a long name' ::; mcopy -i disk file small 'a long name' ::dir
        \(script)
        """)
    disk = try MemoryDisk(contentsOf: scratch.path + "/disk")
  }

  func open() throws -> FATVolume { try FATVolume(disk) }

  func findings() throws -> [String] { try open().quickCheck().findings.map(\.sentence) }
}

@Suite struct FATDamageTests {
  @Test(
    "Any byte of the metadata may be wrong",
    arguments: [("-F 12", "1440K", 120), ("-F 16 -s 1", "4M", 60), ("-F 32 -s 1", "34M", 60)])
  func corruption(_ options: String, _ size: String, _ rounds: Int) throws {
    let patient = try Patient(options, size: size)
    let heap = try patient.open().heap
    #expect(try FileSurvey.damage(of: patient.disk) { try FATVolume($0) } == [])
    var random = SeededRandom(seed: 12)
    let bytes = patient.disk.contents
    let meta = (0..<Int(heap.start) + 20 * Int(heap.clusterSize)).filter { $0 < 512 || bytes[$0] != 0 }
    var seen = 0
    for round in 0..<rounds {
      // The first fields by each value in turn, then anything.
      let place = round < rounds / 2 ? 11 + round % 60 : meta.randomElement(using: &random) ?? 0
      let old = patient.disk.byte(place)
      let values: [UInt8] = [0, 0xff, 1, 0x80, old ^ 1 << UInt8.random(in: 0..<8, using: &random)]
      patient.disk.put([values[round % values.count]], at: place)
      seen += try FileSurvey.damage(of: patient.disk) { try FATVolume($0) }.isEmpty ? 0 : 1
      patient.disk.put([old], at: place)
    }
    #expect(seen > rounds / 12)
  }

  @Test func chainsThatGoWrongAreErrors() throws {
    let patient = try Patient("-F 16 -s 1", size: "8M")
    let volume = try patient.open()
    let file = try #require(try volume.lookup("file", in: volume.root))
    let first = try volume.entry(of: file).firstCluster
    let place = { (cluster: UInt32) in Int(volume.table.start) + Int(cluster) * 2 }
    let good = (0..<2).map { patient.disk.byte(place(first + 9) + $0) }
    for bad: UInt16 in [UInt16(first), UInt16(first + 9), 0, 1, 0xfff7, 0xfff0, 0xffff] {
      patient.disk.put([UInt8(bad & 0xff), UInt8(bad >> 8)], at: place(first + 9))
      let damaged = try patient.open()
      let contents = try damaged.contents(of: file)
      #expect(contents.byteCount == 20000)
      #expect(throws: ImageError.self) { try FileTree.checksum(contents, pieceSize: 20000) }
      #expect(throws: ImageError.self) { try FileTree.checksum(contents, pieceSize: 999) }
      // What comes before is there.
      var start = [UInt8](repeating: 0, count: 4608)
      var span = start.mutableSpan
      var raw = span.mutableBytes
      try contents.read(at: 0, into: &raw)
    }
    patient.disk.put(good, at: place(first + 9))
    _ = try FileTree.checksum(patient.open().contents(of: file), pieceSize: 999)
  }

  @Test func aDirectoryInACircleEnds() throws {
    let patient = try Patient(
      "-F 32 -s 1", size: "34M", script: "for i in {1..60}; do : >g$i; done; mcopy -i disk g* ::dir")
    let volume = try patient.open()
    let file = try #require(try volume.lookup("dir", in: volume.root))
    let first = try volume.entry(of: file).firstCluster
    let last = try #require(try ClusterChain(from: first, in: volume.heap, table: volume.table).run(at: 2, limit: 1))
    patient.disk.put(
      [UInt8(first & 0xff), UInt8(first >> 8), 0, 0], at: Int(volume.table.start) + Int(last.cluster) * 4)
    let damaged = try patient.open()
    #expect(throws: ImageError.self) { try damaged.entries(of: file, from: 0, limit: 100000) }
    #expect(throws: ImageError.self) { try damaged.attributes(of: file) }
  }

  @Test func flagsAndCopiesAreFound() throws {
    let patient = try Patient("-F 32 -s 1 -n LABEL", size: "40M")
    #expect(try patient.findings() == [])
    let table = Int(try patient.open().table.start)
    let cases: [(place: Int, byte: UInt8, word: String, isWarned: Bool)] = [
      (65, 1, "not unmounted", true), (65, 2, "Errors", true), (table + 7, 0x07, "not unmounted", true),
      (table + 7, 0x0b, "Errors", true), (table + 12, 0x77, "Table 1 differs", false),
      (6 * 512 + 13, 8, "backup", false),
      (6 * 512 + 100, 8, "backup", false), (512 + 488, 1, "FSInfo", false), (512 + 484, 1, "FSInfo", false),
      (512 + 495, 9, "FSInfo", false), (table, 0xf0, "media", false), (32, 0xff, "backup", false),
      (34, 0xff, "ends after", true),
      (40, 0x85, "Table 5", true), (43, 1, "1.0", true),
    ]
    for test in cases {
      let old = patient.disk.byte(test.place)
      patient.disk.put([test.byte], at: test.place)
      let volume = try patient.open()
      let found = try volume.quickCheck().findings.map(\.sentence) + volume.warnings
      #expect(found.contains { $0.contains(test.word) }, "\(test)")
      #expect(volume.warnings.contains { $0.contains(test.word) } == test.isWarned, "\(test)")
      patient.disk.put([old], at: test.place)
    }
    #expect(try patient.findings() == [])
  }

  /// A boot sector that was overwritten: FAT32 has a copy, which alone must not make anything else a FAT.
  @Test(arguments: [("-s 1", "40M"), ("-S 1024 -s 1", "80M")])
  func theCopyOfTheBootSectorIsRead(_ options: String, _ size: String) throws {
    let patient = try Patient("-F 32 \(options) -n LABEL", size: size)
    let expected = try FileTree.read(patient.open())
    let sectorSize = try Int(patient.open().boot.sectorSize)
    let sound = patient.disk.contents[..<(8 * sectorSize)]
    #expect(try FilesystemType.fat.probeCopy?(patient.disk) == true && patient.open().warnings == [])
    let noise = (0..<sectorSize).map { UInt8(truncatingIfNeeded: $0 &* 73) }
    for bytes in [[UInt8](repeating: 0, count: sectorSize), noise] {
      patient.disk.put(bytes, at: 0)
      #expect(try !FilesystemType.fat.probe(patient.disk) && FilesystemType.fat.probeCopy?(patient.disk) == true)
      let volume = try patient.open()
      #expect(try FileTree.difference(FileTree.read(volume), expected) == [] && !expected.isEmpty)
      #expect(volume.warnings.count == 1 && volume.warnings[0].contains("copy in sector 6"), "\(volume.warnings)")
      #expect(volume.identity.label == "LABEL")
      let writable = try WritableFATVolume(patient.disk, isRehearsal: true)
      #expect(throws: ImageError.self) { try writable.requireWritable() }
      #expect(try volume.quickCheck().findings.contains { $0.severity == .damage && $0.sentence.contains("copy in") })
      // Each of these tells that it is no copy after all.
      let wrongs: [(Int, [UInt8])] = [(13, [3]), (16, [0]), (21, [0x11]), (36, [0, 0, 0, 0]), (50, [7]), (82, [0x11])]
      for (place, wrong) in wrongs {
        patient.disk.put(wrong, at: 6 * sectorSize + place)
        #expect(try FilesystemType.fat.probeCopy?(patient.disk) == false, "byte \(place)")
        patient.disk.put(Array(sound), at: 0)
        patient.disk.put(bytes, at: 0)
      }
      let table = try Int(patient.open().table.start)
      let media = patient.disk.byte(table)
      patient.disk.put([0xf0], at: table)
      #expect(throws: ImageError.self) { try patient.open() }
      patient.disk.put([media], at: table)
    }
    patient.disk.put([UInt8](repeating: 0, count: sectorSize), at: 6 * sectorSize)
    #expect(throws: ImageError.self) { try patient.open() }
  }

  @Test(arguments: [("-F 32 -S 4096 -s 1", "20M", true), ("-F 16", "20M", false), ("-F 12", "2M", false)])
  func onlyFAT32HasACopy(_ options: String, _ size: String, _ hasCopy: Bool) throws {
    let scratch = try Scratch()
    try scratch.shell("truncate -s \(size) disk; mkfs.fat \(options) disk > log 2>&1")
    let disk = try MemoryDisk(contentsOf: scratch.file("disk"))
    #expect(try FilesystemType.fat.probeCopy?(disk) == hasCopy)
  }

  @Test func theActiveTableIsFollowed() throws {
    let patient = try Patient("-F 32 -s 1", size: "40M")
    let volume = try patient.open()
    let size = Int(volume.boot.tableSectors) * 512
    let expected = try FileTree.read(volume)
    patient.disk.put([UInt8](repeating: 0, count: size), at: Int(volume.table.start))
    patient.disk.put([0x81], at: 40)
    let found = try FileTree.read(patient.open())
    #expect(FileTree.difference(found, expected) == [])
    #expect(!expected.isEmpty)
    patient.disk.put([0x00], at: 40)
    #expect(throws: ImageError.self) { try FileTree.read(patient.open()) }
  }

  @Test func aVolumeThatIsCutOffIsReadAsFarAsItGoes() throws {
    let patient = try Patient("-F 16 -s 1", size: "8M")
    let whole = patient.disk.contents
    let volume = try patient.open()
    let file = try #require(try volume.lookup("file", in: volume.root))
    let cut = Int(volume.heap.offset(of: try volume.entry(of: file).firstCluster)) + 10000
    let short = try FATVolume(MemoryDisk(Array(whole[..<cut])))
    #expect(short.warnings.contains { $0.contains("ends after") })
    #expect(throws: ImageError.self) { try FileTree.checksum(short.contents(of: file), pieceSize: 4096) }
    for size in [0, 1, 511, 512, 2000, 40000] {
      #expect(throws: ImageError.self) { try FATVolume(MemoryDisk(Array(whole[..<size]))) }
    }
  }
}
