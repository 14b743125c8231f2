import BlockIO
import Images
import Support
import Testing

/// Images that are cut, changed or go on too long.
@Suite struct DamageTests {
  static let backups = [
    Backup(format: "ntfsclone", name: "v10.1"), Backup(format: "ntfsclone", name: "before-10"),
    Backup(format: "partimage", name: "ext2"),
  ]

  @Test(arguments: backups) func everyTruncation(_ backup: Backup) throws {
    let bytes = try backup.image
    let sound = Restored(bytes, .file(1 << 20))
    let cuts = [600, bytes.count - 1] + stride(from: 700, to: bytes.count, by: bytes.count / 40)
    for cut in cuts {
      for way in Way.two {
        let part = Restored(Array(bytes[..<cut]), way)
        let error = try #require(part.error as? ImageError, "\(cut) \(way)")
        #expect(error.detail.contains("offset"), "\(cut) \(way) \(error)")
        #expect(part.isPart(of: sound))
      }
    }
  }

  @Test(arguments: Backup.all) func leftovers(_ backup: Backup) throws {
    guard try backup.said("volumes") == 1, backup.name != "metadata" else { return }
    for way in Way.two {
      let error = try #require(Restored(try backup.image + [0], way).error as? ImageError)
      let says = "\(error)"
      #expect(says.contains("follow the end") || says.contains("a gap") || says.contains("too early"), "\(error)")
    }
  }

  /// Every byte of a partimage image is checked before the bytes it stands for are given out.
  @Test func everyByteOfPartimage() throws {
    let bytes = try Backup(format: "partimage", name: "ext2").image
    let sound = Restored(bytes, .file(1 << 20))
    // The tail's last bytes are padding; the volume's reserved ones too.
    for offset in stride(from: 512, to: bytes.count - 16384 + 12, by: 4099) {
      var changed = bytes
      changed[offset] ^= 0x10
      for way in Way.two {
        let part = Restored(changed, way)
        let error = try #require(part.error as? ImageError, "\(offset) \(way)")
        #expect(error.detail.contains("offset"), "\(error)")
        if offset > 60000 { #expect(part.isPart(of: sound), "\(offset) \(way)") }
      }
    }
  }

  @Test func commandsOfNtfsclone() throws {
    let bytes = try Backup(format: "ntfsclone", name: "v10.1").image
    for way in Way.two {
      var changed = bytes
      changed[56 + 4097] = 2
      let error = try #require(Restored(changed, way).error as? ImageError)
      #expect(error.detail.contains("0x2 stands where") && error.detail.contains("target offset 0x1000"), "\(error)")
      changed[56 + 4097] = 0
      for byte in 1...8 { changed[56 + 4097 + byte] = 0 }
      let zero = try #require(Restored(changed, way).error as? ImageError)
      #expect(zero.detail.contains("a gap of 0 clusters"), "\(zero)")
    }
  }

  @Test(
    arguments: [
      (18, [3, 0, 0, 0], "cluster size"), (18, [0, 0, 0, 0x80], "cluster size"),
      (22, [0, 0, 0, 0, 0, 0, 0, 0xff], "device size"), (22, [0, 0, 0, 0, 0, 0, 0, 0], "device size"),
      (30, [0, 0, 0, 0, 0, 0, 0, 0x7f], "clusters"), (30, [0, 0, 0, 0, 0, 0, 0, 0], "clusters"),
      (46, [10, 0, 0, 0], "first record"), (46, [0, 0, 0, 0x7f], "first record"), (16, [11], "version is 11"),
    ] as [(Int, [UInt8], String)])
  func impossibleNtfsclone(_ offset: Int, _ value: [UInt8], _ says: String) throws {
    var bytes = try Backup(format: "ntfsclone", name: "v10.1").image
    bytes.replaceSubrange(offset..<(offset + value.count), with: value)
    for way in Way.two {
      let error = try #require(Restored(bytes, way).error as? ImageError)
      #expect(error.description.contains(says), "\(error)")
    }
  }

  /// Fields of partimage's headers, whose sums are put right.
  @Test(
    arguments: [
      (0, 9592, [0, 0, 0, 0, 0, 0, 0, 0], "partition size"), (0, 9792, [0xff, 0xff, 0xff, 0xff], "records of disks"),
      (0, 9800, [1], "encrypted"), (1, 0, [0, 0, 0, 0, 0, 0, 0, 1], "block size"), (1, 0, [0, 0], "block size"),
      (1, 16, [0, 0, 0, 0, 0, 0, 0, 0x20], "blocks of"), (1, 24, [0, 0, 0, 0, 0, 1, 0, 0], ""),
      (1, 24, [1, 0], "bitmap"), (1, 8, [0xff, 0xff, 0xff], "said to be used"), (1, 8, [1, 0, 0], "bitmap has"),
    ] as [(Int, Int, [UInt8], String)])
  func impossiblePartimage(_ header: Int, _ offset: Int, _ value: [UInt8], _ says: String) throws {
    var bytes = try Backup(format: "partimage", name: "ext2").image
    let start = header == 0 ? 512 : 17141 + 23
    bytes.replaceSubrange((start + offset)..<(start + offset + value.count), with: value)
    let sum = bytes[start..<(start + 16384)].reduce(UInt32(0)) { $0 &+ UInt32(bitPattern: Int32(Int8(bitPattern: $1))) }
    for byte in 0..<4 { bytes[start + 16384 + byte] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * byte)) }
    for way in Way.two {
      let error = try #require(Restored(bytes, way).error as? ImageError)
      #expect(error.description.contains(says) || says.isEmpty, "\(error)")
    }
  }

  /// A bitmap of 2^40 bytes is refused at once for a file, and by the end of a stream.
  @Test func hugeBitmap() throws {
    var bytes = try Backup(format: "partimage", name: "ext2").image
    let start = 17141 + 23
    // The byte at 29 is signed like the others: one more in the sum.
    bytes[start + 29] = 1
    bytes[start + 16384] &+= 1
    let file = try #require(Restored(bytes, .file(4096)).error as? ImageError)
    #expect(file.detail.contains("do not fit") || file.detail.contains("does not fit"), "\(file)")
    let stream = try #require(Restored(bytes, .stream(4096)).error as? ImageError)
    #expect(stream.detail.contains("offset"), "\(stream)")
  }

  @Test(arguments: backups) func rescues(_ backup: Backup) throws {
    let bytes = try backup.image
    let sound = Restored(bytes, .file(1 << 20))
    var options = ImageOptions()
    options.rescues = true
    var changes = [Array(bytes[..<(bytes.count * 2 / 3)]), Array(bytes[..<(bytes.count - 1)])]
    if backup.format == "partimage" {
      var changed = bytes
      changed[150_000] ^= 1
      changes.append(changed)
    } else {
      var changed = bytes
      changed[backup.name == "v10.1" ? 56 + 4097 : 46 + 4097] = 7
      changes.append(changed)
    }
    for (index, changed) in changes.enumerated() {
      for way in Way.two {
        let image = try open(changed, as: way, options)
        let restored = try Restored(image.content, size: way.size, byteCount: try #require(image.byteCount))
        let damage = try #require(image.damage)
        #expect(!damage.isEmpty, "\(index) \(way)")
        let listed = damage.ranges.compactMap(\.target)
        let differing = sound.disk.indices.filter { sound.disk[$0] != restored.disk[$0] }
        let isListed = differing.allSatisfy { offset in listed.contains { $0.contains(UInt64(offset)) } }
        #expect(isListed, "\(index) \(way)")
        #expect(try dataBytes(try #require(restored.map), step: 1 << 40) == restored.stored)
      }
    }
  }

  @Test func ignoresChecksums() throws {
    var bytes = try Backup(format: "partimage", name: "ext2").image
    let sound = Restored(bytes, .file(1 << 20))
    bytes[150_000] ^= 1
    var options = ImageOptions()
    options.ignoresChecksums = true
    for way in Way.two {
      let restored = Restored(bytes, way, options)
      #expect(restored.error == nil)
      #expect(zip(sound.disk, restored.disk).count { $0 != $1 } == 1)
    }
  }
}
