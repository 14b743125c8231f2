import BlockIO
import Bytes
import Flow
import Partitions

/// Signatures of other filesystems, RAID and LVM that a restore left in space its own filesystem does not use, and by
/// which blkid and the kernel would take the partition for what it was before.
struct StaleSignatures {
  /// One mark: what it stands for and where it is on the target.
  struct Mark {
    let type: String
    let range: Range<UInt64>
  }

  let marks: [Mark]

  /// Finds the marks on `target` that lie in space which `map` calls unused, or past its end.
  init(on target: any BlockTarget, byteCount: UInt64, map: any ExtentMap) throws {
    let window = Window<any BlockSource>(of: TargetSource(target), start: 0, byteCount: byteCount)
    var marks: [Mark] = []
    for signature in try FilesystemSignature.all(window) {
      for range in signature.magics where try Self.isUnused(range, in: map) {
        marks.append(Mark(type: signature.type, range: range))
      }
    }
    self.marks = marks
  }

  private static func isUnused(_ range: Range<UInt64>, in map: any ExtentMap) throws -> Bool {
    var offset = range.lowerBound
    while offset < min(range.upperBound, map.byteCount) {
      let extent = try map.extent(at: offset, limit: min(range.upperBound, map.byteCount))
      guard extent.kind == .unused else { return false }
      offset = extent.end
    }
    return true
  }

  /// Overwrites the marks with zeroes; the rest of their sectors stays.
  func wipe(on target: any BlockTarget) throws {
    let sector = UInt64(max(target.sectorSize, 512))
    for mark in marks {
      let start = mark.range.lowerBound / sector * sector
      let end = (mark.range.upperBound + sector - 1) / sector * sector
      var buffer = Buffer(count: Int(end - start))
      var span = buffer.mutablePrefix(Int(end - start))
      try target.readBack(at: start, into: &span)
      var place = buffer.mutableSlice(Int(mark.range.lowerBound - start), mark.range.count)
      place.fillWithZeroes()
      try target.write(buffer.prefix(Int(end - start)), at: start)
    }
  }
}
