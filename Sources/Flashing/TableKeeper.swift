import BlockIO
import Bytes
import Flow
import Glibc
import Images
import Partitions
import SystemPackage

/// Keeps a disk without a partition table while it is written, and puts the new table on it last.
///
/// Whatever ends the program before `finish` has written the first sector leaves a disk on which no system finds a
/// partition, never half of an old or a new one.
final class TableKeeper {
  /// The target to copy to: the disk, with the new table's sectors held back.
  let target: HoldingTarget
  private let device: DeviceTarget
  private let name: String
  private let fixesGPT: Bool
  /// The disk in the image, in bytes; what lies past it is not the image's.
  private let imageByteCount: UInt64?
  private let say: @Sendable (String) -> Void

  /// Checks the table in `image` against the disk, then clears the sectors that hold the old table and will hold the
  /// new one.
  ///
  /// Throws `TargetRefusal`, before anything is written, where sector sizes do not match.
  init(
    _ device: DeviceTarget, named name: String, image: TableSource, request: FlashRequest,
    say: @escaping @Sendable (String) -> Void
  ) throws {
    self.device = device
    self.name = name
    self.say = say
    imageByteCount = image.byteCount
    let table = image.table(hint: device.sectorSize)
    let mismatch = table?.sectorSizeMismatch(target: device.sectorSize)
    if let mismatch, !request.allowsSectorMismatch {
      throw TargetRefusal("\(name) is not written: \(mismatch); -allow-sector-mismatch writes it all the same")
    }
    fixesGPT = request.fixesGPT && mismatch == nil
    let none = TableSectors()
    let old = try TableSectors.find(on: TargetSource(device))
      .union(none, sectorSize: device.sectorSize, diskByteCount: device.byteCount)
    let new = try image.sectors(diskByteCount: device.byteCount)
      .union(table?.sectors ?? none, sectorSize: device.sectorSize, diskByteCount: device.byteCount)
    target = try HoldingTarget(device, holding: new.ranges, keepsOld: request.policy.unallocated != .zero)
    try clear(old.union(new, sectorSize: device.sectorSize, diskByteCount: device.byteCount))
  }

  /// Zeroes table sectors, the first sector of the disk before all others.
  private func clear(_ sectors: TableSectors) throws {
    for range in sectors.ranges {
      let zeroes = Buffer(zeroes: range.count)
      try device.write(zeroes.prefix(range.count), at: range.lowerBound)
    }
    try device.flush()
  }

  /// Writes what was held back: backup table, entries, header, and the first sector last; reads it back and has the
  /// kernel read it too.
  func finish() throws {
    var sectors = held()
    try moveBackup(into: &sectors)
    let size = UInt64(device.sectorSize)
    let first = sectors.filter { $0.key < size }
    let header = sectors.filter { $0.key >= size && $0.key < 2 * size }
    // The primary table's entries come before any backup; which sectors are which shows by where they lie.
    let middle = (imageByteCount ?? device.byteCount) / 2
    let entries = sectors.filter { $0.key >= 2 * size && $0.key < middle }
    let backup = sectors.filter { $0.key >= max(middle, 2 * size) }
    for part in [backup, entries, header] { try put(part) }
    try device.flush()
    try put(first)
    try device.flush()
    try check(sectors)
    rereadTable()
  }

  /// What is held back, sector by sector.
  private func held() -> [UInt64: [UInt8]] {
    var sectors: [UInt64: [UInt8]] = [:]
    for one in target.contents { Self.split(one.bytes, at: one.offset, size: device.sectorSize, into: &sectors) }
    return sectors
  }

  private static func split(_ bytes: [UInt8], at offset: UInt64, size: Int, into sectors: inout [UInt64: [UInt8]]) {
    for start in stride(from: 0, to: bytes.count, by: size) {
      sectors[offset + UInt64(start)] = Array(bytes[start..<min(start + size, bytes.count)])
    }
  }

  /// Moves a sound GPT's backup to the true end of a larger disk.
  private func moveBackup(into sectors: inout [UInt64: [UInt8]]) throws {
    guard fixesGPT, let imageByteCount, imageByteCount < device.byteCount else { return }
    let view = Window<any BlockSource>(of: TargetSource(target), start: 0, byteCount: imageByteCount)
    guard let table = try? PartitionTable.read(from: view, sectorSizeHint: device.sectorSize), table.scheme == .gpt
    else {
      return
    }
    do {
      let writes = try table.relocateBackupGPT(newDiskByteCount: device.byteCount)
      for write in writes {
        Self.split(write.bytes, at: write.offset, size: device.sectorSize, into: &sectors)
      }
      if !writes.isEmpty { say("the backup GPT goes to the end of \(name), which is larger than the image's disk") }
    } catch { say("the backup GPT stays where the image has it: \(error)") }
  }

  private func put(_ sectors: [UInt64: [UInt8]]) throws {
    for (offset, bytes) in sectors.sorted(by: { $0.key < $1.key }) {
      var buffer = Buffer(count: bytes.count)
      var span = buffer.mutablePrefix(bytes.count)
      span.copy(unsafe bytes.span.bytes, at: 0)
      try device.write(buffer.prefix(bytes.count), at: offset)
    }
  }

  private func check(_ sectors: [UInt64: [UInt8]]) throws {
    var bad: [BadRange] = []
    for (offset, bytes) in sectors.sorted(by: { $0.key < $1.key }) {
      var buffer = Buffer(count: bytes.count)
      var span = buffer.mutablePrefix(bytes.count)
      try device.readBack(at: offset, into: &span)
      if buffer.prefix(bytes.count).array != bytes {
        bad.append(BadRange(range: offset..<(offset + UInt64(bytes.count)), isUnstable: false, firstDifference: nil))
      }
    }
    if !bad.isEmpty { throw VerificationFailure(target: name, bad: bad) }
  }

  /// Has the kernel look for partitions; one that is busy gets five seconds, one that never does is nobody's fault.
  private func rereadTable() {
    for _ in 0..<50 {
      do { return try device.rereadPartitionTable() } catch {
        guard error.errno == .resourceBusy else { return }
        usleep(100_000)
      }
    }
    say("the kernel still uses the old partitions of \(name); run partprobe or unplug it before using it")
  }
}

extension Buffer {
  /// `count` bytes of zero.
  fileprivate init(zeroes count: Int) {
    self.init(count: count)
    var span = mutablePrefix(count)
    span.fillWithZeroes()
  }
}
