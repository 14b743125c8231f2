import BlockIO
import Bytes
import Images
import Testing

/// Sound images changed in one place.
@Suite struct DamageTests {
  static let plain = TestImage(name: "crc32")
  static let checked = ["crc32", "crc32-k7", "crc32-running", "xxh64-k7", "xxh128-running", "crc32-big-endian"]
  static let ways: [Way] = [.file(1 << 20), .stream(1 << 20), .stream(700)]

  /// The error that an image leads to, and what was delivered before it.
  func failure(
    _ bytes: [UInt8], _ way: Way, _ options: ImageOptions = ImageOptions()
  ) throws -> (error: ImageError?, delivered: [Extent]) {
    var delivered: [Extent] = []
    do {
      let image = try open(bytes, as: way, options)
      _ = try Restored(image, way) { delivered.append($0) }
      return (nil, delivered)
    } catch let error as ImageError {
      #expect(!error.description.isEmpty && !error.description.contains("\n"))
      return (error, delivered)
    }
  }

  /// Recomputes a changed header's checksum, so that what is behind it is looked at.
  static func resealed(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    let crc = ~CRC32.of(bytes.span.bytes.slice(0, 106))
    for index in 0..<4 { bytes[106 + index] = UInt8(truncatingIfNeeded: crc >> UInt32(index * 8)) }
    return bytes
  }

  @Test func everyHeaderBit() throws {
    let bytes = try Self.plain.image
    for bit in 0..<(110 * 8) where bit / 8 >= 15 {
      var changed = bytes
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      let found = try failure(changed, .stream(1 << 20))
      #expect(found.error != nil && found.delivered.isEmpty, "bit \(bit)")
    }
  }

  /// Every header bit again, now with a right checksum: any answer but a crash or an endless loop.
  @Test func everyResealedHeaderBit() throws {
    for name in ["crc32", "none", "bitmap-bytes", "bitmap-none"] {
      let bytes = try TestImage(name: name).image
      for bit in 0..<(106 * 8) {
        var changed = bytes
        changed[bit / 8] ^= 1 << UInt8(bit % 8)
        changed = Self.resealed(changed)
        for way in [Way.file(1 << 20), .stream(1 << 20)] {
          let image = try? open(changed, as: way)
          // Larger devices than this are right, but slow to make.
          guard let image, image.byteCount ?? 0 < 1 << 20 else { continue }
          _ = try? Restored(image, way)
        }
      }
    }
  }

  @Test(
    arguments: [
      ("block size 0", 84, [0, 0, 0, 0], "block size of 0"), ("block size 2^31", 84, [0, 0, 0, 0x80], "2147483648"),
      ("block size 256", 84, [0, 1, 0, 0], "block size of 256"),
      ("used > total", 76, [255, 255, 0, 0], "65535 blocks are said to be used of 131"),
      ("superblock's used > total", 68, [255, 255, 0, 0], "said to be used"),
      ("total × size overflows", 60, [0, 0, 0, 0, 0, 16, 0, 0], "2^43"),
      ("total × size > device", 60, [132, 0], "more than the device's"), ("device size 0", 52, [0, 0, 0, 0], "device"),
      ("0 blocks to a checksum", 100, [0, 0], "0 blocks to a checksum"),
      ("checksum mode", 96, [0x40], "checksum mode 0x40"), ("checksum size", 98, [5], "5 bytes do not fit CRC32"),
      ("bitmap mode", 105, [2], "bitmap mode 2"), ("option size", 88, [19], "19 bytes of options"),
      ("version", 33, [0x33], "\"0003\""), ("byte order", 34, [0, 0], "byte-order mark"),
    ] as [(String, Int, [UInt8], String)])
  func impossibleHeader(_ name: String, _ offset: Int, _ value: [UInt8], _ says: String) throws {
    var bytes = try Self.plain.image
    bytes.replaceSubrange(offset..<(offset + value.count), with: value)
    bytes = Self.resealed(bytes)
    for way in Self.ways {
      let error = try #require(try failure(bytes, way).error)
      #expect(error.description.contains(says), "\(error)")
      #expect(error.description.contains("offset"))
    }
  }

  /// A bitmap of 2^43 bits: refused at once for a file, and no memory taken for a stream that does not bring it.
  @Test(arguments: [UInt8(1), 8]) func hugeBitmap(_ mode: UInt8) throws {
    var bytes = try Self.plain.image
    for (index, byte) in [0, 0, 0, 0, 0, 8, 0, 0].enumerated() { bytes[60 + index] = UInt8(byte) }
    for (index, byte) in [0, 0, 0, 0, 0, 0, 0, 0x20].enumerated() { bytes[52 + index] = UInt8(byte) }
    bytes[105] = mode
    bytes = Self.resealed(bytes)
    let file = try #require(try failure(bytes, .file(1 << 20)).error)
    #expect(file.detail.contains("does not fit into the file"))
    let image = try open(bytes, as: .stream(0))
    guard case .stream(let stream) = image.content else { return }
    var buffer = Buffer(count: 4096)
    var span = buffer.mutablePrefix(4096)
    let error = #expect(throws: ImageError.self) { try stream.next(into: &span) }
    #expect(error?.detail.contains("bitmap") == true, "\(String(describing: error))")
  }

  @Test(arguments: checked) func everyBitAfterTheHeader(_ name: String) throws {
    let bytes = try TestImage(name: name).image
    let sound = try Restored(try open(bytes, as: .stream(4096)), .stream(4096)).disk
    for offset in stride(from: 110, to: bytes.count, by: bytes.count / 40) {
      var changed = bytes
      changed[offset] ^= 0x10
      for way in Self.ways {
        let found = try failure(changed, way)
        let error = try #require(found.error, "offset \(offset) \(way)")
        #expect(error.kind == .damaged && error.detail.contains("target offset"), "\(error)")
        // What was delivered before is right.
        var progress = Restored.Delivered()
        progress.restore(changed, way)
        #expect(progress.isPart(of: sound), "offset \(offset) \(way)")
      }
    }
  }

  @Test(arguments: checked + ["none", "bitmap-bytes", "v1", "v1-long-checksums"])
  func everyTruncation(_ name: String) throws {
    let bytes = try TestImage(name: name).image
    let cuts =
      [109, 110, 111, bytes.count - 1, bytes.count - 5] + stride(from: 0, to: bytes.count, by: bytes.count / 60)
    for cut in cuts {
      for way in Self.ways {
        let found = try failure(Array(bytes[..<cut]), way)
        let error = try #require(found.error, "\(cut) bytes \(way)")
        #expect(error.kind == .damaged && error.detail.contains("image offset"))
      }
    }
  }

  @Test(arguments: checked + ["none", "v1", "nothing-stored"]) func leftovers(_ name: String) throws {
    let bytes = try TestImage(name: name).image + [0]
    for way in Self.ways {
      let error = try #require(try failure(bytes, way).error, "\(way)")
      #expect(error.detail.contains("follow the end") && error.detail.contains("target offset"))
    }
  }

  @Test(arguments: checked) func rescuesDamage(_ name: String) throws {
    let test = TestImage(name: name)
    let bytes = try test.image
    let sound = try Restored(try open(bytes, as: .stream(4096)), .stream(4096)).disk
    var changed = bytes
    let middle = bytes.count / 2
    changed[middle] ^= 1
    var options = ImageOptions()
    options.rescues = true
    for way in Self.ways {
      let image = try open(changed, as: way, options)
      let restored = try Restored(image, way)
      let damage = try #require(image.damage)
      #expect(damage.ranges.contains { $0.image.contains(UInt64(middle)) } && damage.omitted == 0)
      // All that differs lies in what is listed.
      let listed = damage.ranges.compactMap(\.target)
      let differing = sound.indices.filter { sound[$0] != restored.disk[$0] }
      #expect(differing.allSatisfy { offset in listed.contains { $0.contains(UInt64(offset)) } })
      #expect(sound != restored.disk)
    }
  }

  @Test(arguments: ["crc32", "xxh64-k7", "none", "v1"]) func rescuesTruncation(_ name: String) throws {
    let bytes = try TestImage(name: name).image
    let sound = try Restored(try open(bytes, as: .stream(4096)), .stream(4096)).disk
    var options = ImageOptions()
    options.rescues = true
    for cut in [bytes.count - 1, bytes.count * 2 / 3, bytes.count / 2 + 300] {
      for way in Self.ways {
        let image = try open(Array(bytes[..<cut]), as: way, options)
        let restored = try Restored(image, way, fill: 0)
        let damage = try #require(image.damage)
        let last = try #require(damage.ranges.last)
        #expect(last.image.upperBound == UInt64(bytes.count))
        let start = try #require(last.target?.lowerBound)
        #expect(Array(restored.disk[..<Int(start)]) == Array(sound[..<Int(start)]))
        #expect(try dataBytes(try #require(restored.map)) == restored.stored)
      }
    }
  }

  @Test(arguments: checked) func ignoresChecksums(_ name: String) throws {
    let bytes = try TestImage(name: name).image
    let sound = try Restored(try open(bytes, as: .stream(4096)), .stream(4096)).disk
    var changed = bytes
    changed[bytes.count / 2] ^= 1
    changed[109] ^= 1
    var options = ImageOptions()
    options.ignoresChecksums = true
    for way in Self.ways {
      let image = try open(changed, as: way, options)
      #expect(!image.warnings.isEmpty)
      let restored = try Restored(image, way)
      #expect(zip(sound, restored.disk).count { $0 != $1 } == 1)
    }
  }
}

extension Restored {
  /// What an image delivers before it fails.
  struct Delivered {
    var parts: [(offset: Int, bytes: [UInt8])] = []

    /// Reads as much as comes.
    mutating func restore(_ bytes: [UInt8], _ way: Way) {
      guard let image = try? open(bytes, as: way) else { return }
      var buffer = Buffer(count: 4096)
      var offset: UInt64 = 0
      while true {
        var extent: Extent?
        var span = buffer.mutablePrefix(4096)
        switch image.content {
        case .stream(let stream): extent = try? stream.next(into: &span)
        case .disk(let disk):
          guard offset < disk.byteCount else { return }
          extent = try? disk.extent(at: offset, limit: min(offset + 4096, disk.byteCount))
          guard let found = extent else { return }
          var part = buffer.mutablePrefix(Int(found.length))
          if (try? disk.read(at: offset, into: &part)) == nil {
            offset = found.end
            continue
          }
        }
        guard let extent else { return }
        if extent.kind == .data {
          parts.append((Int(extent.offset), buffer.prefix(Int(extent.length)).array))
        }
        offset = extent.end
      }
    }

    func isPart(of sound: [UInt8]) -> Bool {
      parts.allSatisfy { $0.bytes.elementsEqual(sound[$0.offset...].prefix($0.bytes.count)) }
    }
  }
}
