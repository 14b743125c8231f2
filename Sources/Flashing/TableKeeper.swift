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
  /// The sectors of the old table and of the new one.
  private let cleared: TableSectors
  /// Whether the image's table was not seen whole before it was written.
  private let isStream: Bool
  private let request: FlashRequest
  private let say: @Sendable (String) -> Void

  /// Checks the table in `image` against the disk; `clear` is to follow before anything else is written.
  ///
  /// Throws `TargetRefusal` where sector sizes do not match, and the image's own errors.
  init(
    _ device: DeviceTarget, named name: String, image: TableSource, request: FlashRequest,
    say: @escaping @Sendable (String) -> Void
  ) throws {
    self.device = device
    self.name = name
    self.say = say
    self.request = request
    if case .start = image { isStream = true } else { isStream = false }
    let table = image.table(hint: device.sectorSize)
    if let table { try TableCheck.requireSectors(table, device.sectorSize, named: name, request) }
    let mismatch = table?.sectorSizeMismatch(target: device.sectorSize)
    fixesGPT = request.fixesGPT && mismatch == nil
    let none = TableSectors()
    let old = try TableSectors.find(on: TargetSource(device))
      .union(none, sectorSize: device.sectorSize, diskByteCount: device.byteCount)
    let new = try image.sectors(diskByteCount: device.byteCount)
      .union(table?.sectors ?? none, sectorSize: device.sectorSize, diskByteCount: device.byteCount)
    target = try HoldingTarget(device, holding: new.ranges, keepsOld: request.policy.unallocated != .zero)
    cleared = old.union(new, sectorSize: device.sectorSize, diskByteCount: device.byteCount)
  }

  /// Zeroes table sectors: the first sector of the disk, without which nobody finds the rest, before all others.
  func clear() throws {
    let first = UInt64(device.sectorSize)
    try clear(0..<first)
    try device.flush()
    for range in cleared.ranges where range.upperBound > first {
      try clear(max(range.lowerBound, first)..<range.upperBound)
    }
    try device.flush()
  }

  private func clear(_ range: Range<UInt64>) throws {
    let zeroes = Buffer(zeroes: range.count)
    try device.write(zeroes.prefix(range.count), at: range.lowerBound)
  }

  /// Writes what was held back of an image of a disk of `imageByteCount`: backup table, entries, header, and the first
  /// sector once the others are on the medium and read as they should.
  func finish(imageByteCount: UInt64) throws {
    var sectors = held()
    try mend(&sectors, imageByteCount: imageByteCount)
    let size = UInt64(device.sectorSize)
    let first = sectors.filter { $0.key < size }
    let rest = sectors.filter { $0.key >= size }
    // The primary table's entries come before any backup; which sectors are which shows by where they lie.
    let middle = max(imageByteCount / 2, 2 * size)
    try put(rest.filter { $0.key >= middle })
    try put(rest.filter { $0.key >= 2 * size && $0.key < middle })
    try put(rest.filter { $0.key < 2 * size })
    try device.flush()
    try check(rest)
    try put(first)
    try device.flush()
    try check(first)
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

  /// Moves a sound GPT's backup to the true end of a larger disk, and says what is wrong with a table that came in a
  /// stream.
  private func mend(_ sectors: inout [UInt64: [UInt8]], imageByteCount: UInt64) throws {
    let movesBackup = fixesGPT && imageByteCount < device.byteCount
    guard movesBackup || isStream else { return }
    let view = Window<any BlockSource>(of: TargetSource(target), start: 0, byteCount: imageByteCount)
    let table: PartitionTable?
    do { table = try PartitionTable.read(from: view, sectorSizeHint: device.sectorSize) } catch let error as ImageError
    {
      if isStream { say("\(error); the disk is copied as it is") }
      return
    }
    guard let table else { return }
    if isStream { TableCheck(request, say: say).report(table, in: name) }
    guard movesBackup, table.scheme == .gpt else { return }
    do {
      let writes = try table.relocateBackupGPT(newDiskByteCount: device.byteCount)
      for write in writes {
        Self.split(write.bytes, at: write.offset, size: device.sectorSize, into: &sectors)
      }
      if !writes.isEmpty { say("the backup GPT goes to the end of \(name), which is larger than the image's disk") }
    } catch { say("the backup GPT stays where the image has it: \(error)") }
  }

  private func put(_ sectors: [UInt64: [UInt8]]) throws {
    for (offset, bytes) in Self.joined(sectors) {
      var buffer = Buffer(count: bytes.count)
      var span = buffer.mutablePrefix(bytes.count)
      span.copy(unsafe bytes.span.bytes, at: 0)
      try device.write(buffer.prefix(bytes.count), at: offset)
    }
  }

  private func check(_ sectors: [UInt64: [UInt8]]) throws {
    var bad: [BadRange] = []
    for (offset, bytes) in Self.joined(sectors) {
      var buffer = Buffer(count: bytes.count)
      var span = buffer.mutablePrefix(bytes.count)
      try device.readBack(at: offset, into: &span)
      if buffer.prefix(bytes.count).array != bytes {
        bad.append(BadRange(range: offset..<(offset + UInt64(bytes.count)), isUnstable: false, firstDifference: nil))
      }
    }
    if !bad.isEmpty { throw VerificationFailure(target: name, bad: bad) }
  }

  /// Neighbouring sectors as one, up to 1 MiB, in ascending order.
  private static func joined(_ sectors: [UInt64: [UInt8]]) -> [(offset: UInt64, bytes: [UInt8])] {
    var runs: [(offset: UInt64, bytes: [UInt8])] = []
    for (offset, bytes) in sectors.sorted(by: { $0.key < $1.key }) {
      if let last = runs.last, last.offset + UInt64(last.bytes.count) == offset, last.bytes.count < 1 << 20 {
        runs[runs.count - 1].bytes += bytes
      } else {
        runs.append((offset, bytes))
      }
    }
    return runs
  }

  /// Has the kernel look for partitions; one that is busy gets five seconds, one that never does is nobody's fault.
  func rereadTable() {
    for _ in 0..<50 {
      do { return try device.rereadPartitionTable() } catch {
        // Devices that cannot have partitions say so in these ways.
        if [.invalidArgument, .inappropriateIOCTLForDevice].contains(error.errno) { return }
        guard error.errno == .resourceBusy else {
          return say("the kernel could not read the new partitions of \(name): \(error)")
        }
        usleep(100_000)
      }
    }
    say("the kernel still uses the old partitions of \(name); run partprobe or unplug it before using it")
  }
}
