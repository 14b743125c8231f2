import BlockIO
import Bytes
import Images
import Support
import SystemPackage
import Testing

/// Every image of TestImages against what the tool that made it restores.
@Suite struct TestImageTests {
  @Test func casesAreThere() { #expect(Backup.all.count >= 16) }

  @Test(arguments: Backup.all) func restores(_ backup: Backup) throws {
    let folder = try Scratch()
    let path = try backup.unpack(into: folder)
    let bytes = try contents(path)
    let crc = try backup.said("crc32")
    for way in Way.all {
      if backup.name == "metadata", case .stream = way { continue }
      var options = ImageOptions()
      // partimage leaves the backup boot sector as it was.
      options.fixesBootSector = backup.format == "ntfsclone"
      let restored = Restored(bytes, way, path: FilePath(path), options)
      #expect(restored.error == nil, "\(way)")
      #expect(restored.crc32 == crc, "\(way)")
      #expect(try restored.disk.count == Int(backup.said("size")))
      let map = try #require(restored.map)
      #expect(try dataBytes(map, step: 1 << 40) == restored.stored)
      #expect(try dataBytes(map, step: 1000) == restored.stored)
    }
  }

  /// What can be read at any offset says the same.
  @Test(arguments: Backup.all) func browses(_ backup: Backup) throws {
    let folder = try Scratch()
    let path = try backup.unpack(into: folder)
    var options = ImageOptions()
    options.fixesBootSector = backup.format == "ntfsclone"
    let whole = try contents(path)
    let image = try open(whole, as: .file(0), path: FilePath(path), options)
    let disk = try #require(image.browsable)
    let restored = try Restored(.disk(disk), size: 70_001, byteCount: disk.byteCount)
    #expect(try restored.crc32 == backup.said("crc32"))
    for (offset, count) in [(0, 512), (1, 1), (4095, 2), (65_000, 70_000), (511, 200_000)] {
      let isSame = try bytes(of: disk, UInt64(offset), count) == Array(restored.disk[offset..<(offset + count)])
      #expect(isSame, "\(offset) \(count)")
    }
  }

  @Test func backupBootSectorIsRebuilt() throws {
    let with = Restored(try Backup(format: "ntfsclone", name: "v10.1").image, .file(1 << 20))
    for way in Way.all {
      let old = try Backup(format: "ntfsclone", name: "v10.0").image
      var options = ImageOptions()
      options.fixesBootSector = false
      let without = Restored(old, way, options)
      let isSame = without.disk == with.disk
      #expect(without.error == nil && !isSame)
      let differing = without.disk.indices.filter { without.disk[$0] != with.disk[$0] }
      #expect(differing.allSatisfy { $0 >= with.disk.count - 512 })
      let volume = Restored(try Backup(format: "partimage", name: "ntfs").image, way)
      let sectors = volume.disk[40..<48].reversed().reduce(0) { $0 << 8 | Int($1) }
      let isRebuilt = volume.disk[(sectors * 512)...].prefix(512).elementsEqual(volume.disk[..<512])
      #expect(isRebuilt, "\(way)")
    }
  }

  @Test func metadataNeedsAFile() throws {
    let bytes = try Backup(format: "ntfsclone", name: "metadata").image
    let error = try #require(Restored(bytes, .stream(1 << 20)).error as? ImageError)
    #expect(error.kind == .unsupported && error.description.contains("metadata only"), "\(error)")
    let image = try open(bytes, as: .file(0))
    #expect(image.facts["metadata-only"] == .flag(true))
  }

  @Test func aMissingVolume() throws {
    let folder = try Scratch()
    let path = try Backup(format: "partimage", name: "volumes").unpack(into: folder)
    let bytes = try contents(path)
    for remove in ["img.003", "img.001"] {
      try folder.shell("mv \(remove) gone")
      for way in Way.two {
        let error = try #require(Restored(bytes, way, path: FilePath(path)).error)
        #expect("\(error)".contains("volume") && "\(error)".contains("offset"), "\(error)")
      }
      try folder.shell("mv gone \(remove)")
    }
    // Volumes are one after the other, and of one image.
    try folder.shell("cp img.001 kept; printf '\\377' | dd of=img.001 bs=1 seek=100 conv=notrunc status=none")
    for way in Way.two { #expect(Restored(bytes, way, path: FilePath(path)).error != nil) }
    try folder.shell("mv kept img.001; cp img.000 img.004")
    for way in Way.two { #expect(Restored(bytes, way, path: FilePath(path)).error == nil) }
    // Each volume is compressed by itself.
    try folder.shell(
      "gzip -c img.001 > x; mv x img.001; bzip2 -c img.002 > x; mv x img.002; gzip -c img.003 > x; mv x img.003")
    for way in Way.two {
      let restored = Restored(bytes, way, path: FilePath(path))
      let crc = try Backup(format: "partimage", name: "volumes").said("crc32")
      #expect(restored.error == nil && restored.crc32 == crc)
    }
    let second = try contents(folder.path + "/img.000")
    let error = Restored(second, .stream(4096)).error
    #expect("\(error.map { "\($0)" } ?? "")".contains("volume"))
  }
}
