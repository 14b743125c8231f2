package import BlockIO
import Bytes

/// A partimage image read front to back.
///
/// No byte is given out before the check after it has been compared, or, for the last ones, which have none, before the
/// sum of the whole image has.
package final class PartimageStream: ExtentStream {
  private let opening: PartimageOpening
  private let groups: PartimageGroups
  private var backup: BackupMap
  /// Next byte of the partition to give out.
  private var position: UInt64 = 0
  /// What of the group that was read last has not been given out.
  private var heldRange = 0..<0
  private var boot: BootSectorWatch
  /// An error that ends the stream, once what comes before it has been given out.
  private var failure: (any Error)?
  private var isFinished = false

  init(_ opening: PartimageOpening) {
    self.opening = opening
    groups = PartimageGroups(opening)
    backup = BackupMap(blocks: opening.blocks, byteCount: opening.deviceSize)
    boot = BootSectorWatch(isWanted: opening.rebuildsBootSector)
  }

  package var byteCount: UInt64? { opening.deviceSize }

  /// Which blocks were stored, and the rebuilt boot sector; nil before the end.
  package var map: (any ExtentMap)? { isFinished ? backup : nil }

  package func next(into buffer: inout MutableRawSpan) throws -> Extent? {
    if let failure { throw failure }
    while position < opening.deviceSize {
      if boot.isReady(at: position, blockSize: opening.local.blockSize),
        let sector = boot.decide(deviceSize: opening.deviceSize), sector.offset >= position
      {
        backup.add(sector)
      }
      let isData = backup.blocks.isStored(position / backup.blocks.blockSize)
      let reach = isData ? position.adding(UInt64(buffer.byteCount)) ?? .max : .max
      let found = backup.extent(at: position, limit: min(reach, backup.byteCount))
      guard found.kind == .data else {
        position = found.end
        return found
      }
      var part = buffer.mutableSlice(0, Int(min(found.length, UInt64(buffer.byteCount))))
      var count = part.byteCount
      if let index = backup.bootSectorIndex(at: position), let sector = backup.bootSector {
        let bytes = sector.bytes
        unsafe part.copy(bytes.span.bytes.slice(index, part.byteCount), at: 0)
      } else {
        count = try fill(&part)
      }
      guard count > 0 else { continue }
      boot.pass(part.bytes.slice(0, count), at: position)
      defer { position += UInt64(count) }
      return Extent(.data, offset: position, length: UInt64(count))
    }
    if !isFinished { try groups.finish() }
    isFinished = true
    return nil
  }

  /// Puts checked data into `buffer`; nothing only past a damaged end.
  private func fill(_ buffer: inout MutableRawSpan) throws -> Int {
    var done = 0
    while done < buffer.byteCount {
      if heldRange.isEmpty {
        do { heldRange = 0..<(try groups.readNext()) } catch {
          failure = error
          guard done > 0 else { throw error }
          return done
        }
        if let end = groups.truncation { backup.dataEnd = end }
        if heldRange.isEmpty { return done }
      }
      let count = min(heldRange.count, buffer.byteCount - done)
      groups.copy(heldRange.lowerBound..<(heldRange.lowerBound + count), into: &buffer, at: done)
      heldRange = (heldRange.lowerBound + count)..<heldRange.upperBound
      done += count
    }
    return done
  }
}

/// Reads an image's blocks a checked group at a time, and the tail behind them.
final class PartimageGroups {
  private let opening: PartimageOpening
  private let layout: PartimageLayout
  private var group = Buffer(count: Int(PartimageLayout.groupSize))
  /// How many bytes of blocks have been read.
  private var done: UInt64 = 0
  private var hasTail = false
  /// Where on the partition the data end because the image does, if that was passed over.
  private(set) var truncation: UInt64?

  init(_ opening: PartimageOpening) {
    self.opening = opening
    layout = opening.layout
  }

  /// Copies bytes of the group that was read last.
  func copy(_ range: Range<Int>, into buffer: inout MutableRawSpan, at position: Int) {
    group.withSlice(range.lowerBound, range.count) { bytes in buffer.copy(bytes, at: position) }
  }

  /// Reads the next group and checks it; says how many bytes it has: none only past a damaged end.
  func readNext() throws -> Int {
    guard truncation == nil, done < layout.storedBytes else { return 0 }
    let reader = opening.reader
    let size = layout.groupSize(at: done)
    let start = reader.offset
    let count = try group.fill(0, size) { bytes in try reader.read(into: &bytes) }
    guard count == size else { return try endEarly(after: count, at: start) }
    let range = done..<(done + UInt64(size))
    if size == Int(PartimageLayout.groupSize) {
      var check = Buffer(count: Int(PartimageLayout.checkSize))
      let got = try check.fill { bytes in try reader.read(into: &bytes) }
      guard got == check.count else { return try endEarly(after: size, at: start) }
      let flaw = group.withSlice(0, size) { bytes in
        opening.verifies ? PartimageCheck.flaw(check.prefix(got), of: bytes) : nil
      }
      if let flaw {
        guard let damage = opening.damage else {
          throw reader.damaged(
            flaw + "; copy the image again or go on with --rescue", at: start, target: opening.target(ofStored: done))
        }
        opening.note("the checksum is wrong", stored: range, damage)
      }
    }
    done = range.upperBound
    if done == layout.storedBytes, size < Int(PartimageLayout.groupSize) { try readTail(lastGroup: range) }
    return size
  }

  /// Reads the tail, if that has not been done, and checks that nothing follows.
  func finish() throws {
    if !hasTail, truncation == nil { try readTail(lastGroup: done..<done) }
  }

  /// Compares the tail with the sum of all that was read and the number of the volume.
  private func readTail(lastGroup: Range<UInt64>) throws {
    hasTail = true
    let reader = opening.reader
    let target = opening.target(ofStored: lastGroup.lowerBound)
    let start = reader.offset
    do {
      let magic = PartimageLayout.tailMagic
      let isMarked = try reader.withNext(magic.count, of: "the mark before its tail") { $0.array == magic }
      guard isMarked else {
        throw reader.damaged("the mark \"MAGIC-BEGIN-TAIL\" is missing", at: start, target: target)
      }
      let computed = reader.sum
      let (sum, volume) = try reader.withNext(Int(PartimageLayout.tailSize), of: "its tail") { bytes in
        (bytes.littleEndian(at: 0, as: UInt64.self), bytes.littleEndian(at: 8, as: UInt32.self))
      }
      let last = opening.volumes.place(of: reader.offset - 1).volume
      guard !opening.verifies || (sum == computed) else {
        throw reader.damaged(
          "the sum of all bytes is \(sum.hex) in the tail and \(computed.hex) in the image; copy it again or go on with"
            + " --rescue", at: start, target: target)
      }
      guard !opening.volumes.isSet || Int(volume) == last else {
        throw reader.damaged(
          "the tail says that volume \(volume) is the last, and it is in volume \(last)", at: start, target: target)
      }
      if try reader.hasMore() {
        throw reader.damaged(
          "bytes follow the end of the image; it is damaged, or two files are joined", target: opening.deviceSize)
      }
    } catch let error as ImageError where opening.damage != nil && error.kind != .refused {
      let image = start + UInt64(PartimageVolumeHeader.byteCount)
      if !lastGroup.isEmpty, let damage = opening.damage {
        opening.note("the image's sum is wrong or missing", stored: lastGroup, damage)
      }
      opening.damage?.add("the image's tail is wrong", image: image..<(image + PartimageLayout.tailSize), target: nil)
    }
  }

  /// The image ends after `count` bytes of the group under way, which starts at `start`.
  private func endEarly(after count: Int, at start: UInt64) throws -> Int {
    let whole = count.roundedDown(to: 512)
    let target = opening.target(ofStored: done + UInt64(whole))
    guard let damage = opening.damage else { throw opening.reader.endsEarly(in: "its blocks", target: target) }
    truncation = target
    opening.note("the image ends early", stored: (done + UInt64(whole))..<layout.storedBytes, damage)
    done += UInt64(whole)
    return whole
  }
}
