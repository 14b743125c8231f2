import BlockIO
import Bytes
import Images
import Support
import Testing

/// A case of TestImages/partclone: an image that a script in another language, or another partclone, wrote.
struct TestImage: Sendable, CustomTestStringConvertible {
  let name: String

  static let folder = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/TestImages/partclone"
  static let all: [TestImage] = {
    let list = (try? shell("cd '\(folder)' && ls *.json")) ?? ""
    return list.split(separator: "\n").map { TestImage(name: String($0.dropLast(5))) }
  }()

  var testDescription: String { name }
  var image: [UInt8] {
    get throws {
      let folder = try memoryFolder()
      try shell("zstd -dqf '\(Self.folder)/\(name).img.zst' -o \(folder.path)/img")
      return try contents("\(folder.path)/img")
    }
  }

  /// A number of the case's JSON, or nil.
  func said(_ key: String) throws -> UInt64? {
    let text = String(decoding: try contents("\(Self.folder)/\(name).json"), as: UTF8.self)
    for line in text.split(whereSeparator: { "{},\n".contains($0) }) {
      let parts = line.split(separator: ":")
      guard parts.count == 2, parts[0].contains("\"\(key)\"") else { continue }
      return UInt64(parts[1].filter { $0 != " " })
    }
    return nil
  }
}

@Suite struct TestImageTests {
  @Test func casesAreThere() { #expect(TestImage.all.count >= 40) }

  @Test(arguments: TestImage.all) func restores(_ test: TestImage) throws {
    let bytes = try test.image
    let crc = try #require(try test.said("crc32"))
    let size = try test.said("size")
    #expect(try test.said("image-size") == UInt64(bytes.count))
    for way in bytes.count > 1 << 20 ? Way.fast : Way.all {
      let image = try open(bytes, as: way)
      #expect(image.byteCount == size)
      let restored = try Restored(image, way)
      #expect(UInt64(restored.crc32) == crc, "\(way)")
      let map = try #require(restored.map)
      #expect(try dataBytes(map) == restored.stored)
      #expect(try dataBytes(map, step: 1000) == restored.stored)
      if case .size(let blockSize)? = image.facts["block-size"], !test.name.hasPrefix("ntfs") {
        #expect(try test.said("stored") == restored.stored / blockSize)
      }
    }
  }

  /// Where checksums run on, the unchecked disk reads the same.
  @Test(arguments: TestImage.all) func browses(_ test: TestImage) throws {
    let image = try open(try test.image, as: .file(0))
    let disk = try #require(image.browsable)
    let restored = try Restored(Image(format: "", content: .disk(disk)), .file(50_000))
    #expect(UInt64(restored.crc32) == (try test.said("crc32")))
    // All at once, unused ranges and all.
    var buffer = Buffer(count: Int(disk.byteCount))
    var whole = buffer.mutablePrefix(buffer.count)
    try disk.read(at: 0, into: &whole)
    let crc = CRC32.of(whole.bytes)
    #expect(UInt64(crc) == (try test.said("crc32")))
  }

  @Test(arguments: ["ntfs", "ntfs-inside-bitmap"], Way.all)
  func bootSectorIsLeftAlone(_ name: String, _ way: Way) throws {
    let test = TestImage(name: name)
    var options = ImageOptions()
    options.fixesBootSector = false
    let image = try open(try test.image, as: way, options)
    #expect(image.warnings.isEmpty)
    let restored = try Restored(image, way)
    #expect(UInt64(restored.crc32) == (try test.said("unfixed-crc32")))
    #expect(!(try open(try test.image, as: way).warnings.isEmpty))
  }

  /// Shapes: in order where that is the only way to check.
  @Test func runningChecksumsStream() throws {
    for test in TestImage.all {
      let image = try open(try test.image, as: .file(0))
      var isStream = false
      if case .stream = image.content { isStream = true }
      #expect(isStream == (test.name.contains("running") || test.name.contains("v1")), "\(test.name)")
    }
  }

  @Test(arguments: TestImage.all) func headerAlone(_ test: TestImage) throws {
    var options = ImageOptions()
    options.readsHeaderOnly = true
    let bytes = Array(try test.image.prefix(4160))
    let image = try open(bytes, as: .file(0), options)
    #expect(image.byteCount == (try test.said("size")))
    let streamed = try open(bytes, as: .stream(0), options)
    #expect(streamed.facts == image.facts)
  }
}
