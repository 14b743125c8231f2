import BlockIO
import Bytes
import Filesystems

/// Writes transactions into a volume's journal, one at a time: the log holds one or nothing.
///
/// Since every transaction is in its place before the next one is logged, each starts at the log's first block, and no
/// block has to be revoked: a block that is freed is never used again in the same transaction, and the next one finds an
/// empty log. The numbers of transactions only grow, so that nothing older is taken for a part of a newer one.
final class JournalWriter {
  private let log: JournalLog
  private let volume: any BlockStore
  private let features: JournalSuperblock.Incompatible
  private var sequence: UInt32
  private let head: UInt64
  /// Blocks of a log that are gathered to one write, where they are neighbours.
  private var run: (start: UInt64, bytes: [UInt8]) = (0, [])
  private static let mostGathered = 1 << 20

  /// Writes the journal that `log` has opened, through `volume`, which holds nothing back; throws `ImageError` where
  /// the journal cannot be written.
  init(_ log: JournalLog, _ volume: any BlockStore) throws {
    self.log = log
    self.volume = volume
    let superblock = log.superblock
    guard superblock.error == 0 else {
      throw ImageError(
        .unsupported, format: log.blocks.type,
        "the journal has recorded the error \(superblock.error); run e2fsck before the volume is changed")
    }
    let isLarge = log.blocks.superblock.blockCount > 1 << 32
    guard !isLarge || !superblock.isFirstVersion else {
      throw ImageError(
        .unsupported, format: log.blocks.type, "the journal's old form cannot name blocks from 2^32 on")
    }
    features = isLarge ? superblock.incompatible.union(.wide) : superblock.incompatible
    sequence = superblock.sequence
    head = try log.blocks.offset(of: log.place(of: 0), for: "the journal")
  }

  private var blockSize: Int { log.blocks.blockSize }
  private var hasCommitSums: Bool {
    log.superblock.compatible.contains(.checksums) && !features.hasBlockChecksums
  }

  /// Most blocks that a transaction can have.
  var capacity: Int {
    // One block for the commit, one behind it that ends the log.
    let room = Int(log.superblock.end - log.superblock.first) - 2
    let perDescriptor = JournalTag.limit(features, blockSize: blockSize)
    guard room > 1 else { return 0 }
    return room - (room + perDescriptor) / (perDescriptor + 1)
  }

  /// Writes a transaction into the log, which it does not count for yet; `contents` gives the new contents of each of
  /// the volume's blocks in `homes`.
  func write(_ homes: [UInt64], at time: Timestamp, contents: (UInt64) throws -> [UInt8]) throws {
    guard homes.count <= capacity else {
      throw ImageError(
        .unsupported, format: log.blocks.type,
        "the change takes \(homes.count) blocks of the journal at once, and it has room for \(capacity)")
    }
    var place = log.superblock.first
    var sum = ForwardCRC32()
    let perDescriptor = JournalTag.limit(features, blockSize: blockSize)
    var start = 0
    while start < homes.count {
      let end = min(start + perDescriptor, homes.count)
      // First the descriptor, whose tags bear the checksums of the blocks that follow.
      let tags = try homes[start..<end].map { try tag(of: $0, logged(contents($0))) }
      let descriptor = descriptor(tags)
      if hasCommitSums { sum.update(descriptor.raw) }
      try put(descriptor, at: place)
      place += 1
      for home in homes[start..<end] {
        let block = try logged(contents(home)).bytes
        if hasCommitSums { sum.update(block.raw) }
        try put(block, at: place)
        place += 1
      }
      start = end
    }
    let commit = JournalCommit.block(
      sequence, at: time, byteCount: blockSize, sum: hasCommitSums ? sum.value : nil,
      seed: features.hasBlockChecksums ? log.superblock.checksumSeed : nil)
    try put(commit, at: place)
    // What an older journal left behind must not be taken for the next transaction.
    try put([UInt8](repeating: 0, count: blockSize), at: place + 1)
    try writeRun()
  }

  /// Lets the log count, or leaves it empty again, which ends the transaction; what was written before must be on the
  /// medium.
  func point(toLog isPointing: Bool) throws {
    if !isPointing { sequence &+= 1 }
    try writeHead(start: isPointing ? log.superblock.first : 0)
  }

  /// Leaves the log empty after all of its `transactionCount` transactions are in their places.
  func empty(after transactionCount: UInt32) throws {
    sequence = log.superblock.sequence &+ transactionCount &+ 1
    try writeHead(start: 0)
  }

  private func writeHead(start: UInt32) throws {
    var buffer = Buffer(zeroes: blockSize)
    var span = buffer.mutablePrefix(blockSize)
    try volume.read(at: head, into: &span)
    var bytes = buffer.prefix(blockSize).array
    bytes.put(bigEndian: sequence, at: JournalSuperblock.Field.sequence)
    bytes.put(bigEndian: start, at: JournalSuperblock.Field.start)
    if !log.superblock.isFirstVersion {
      bytes.put(bigEndian: features.rawValue, at: JournalSuperblock.Field.incompatible)
    }
    if features.hasBlockChecksums {
      let checksum = JournalSuperblock.checksum(of: bytes.raw.slice(0, JournalSuperblock.byteCount))
      bytes.put(bigEndian: checksum, at: JournalSuperblock.Field.checksum)
    }
    try volume.write(bytes.raw, at: head)
  }

  /// A block as it stands in the log: one that starts like the journal's own has zeroes there.
  private func logged(_ bytes: [UInt8]) -> (bytes: [UInt8], isEscaped: Bool) {
    guard bytes.raw.bigEndian(at: 0) == JournalHeader.magic else { return (bytes, false) }
    var bytes = bytes
    bytes.put(bigEndian: UInt32(0), at: 0)
    return (bytes, true)
  }

  private func tag(of home: UInt64, _ logged: (bytes: [UInt8], isEscaped: Bool)) -> JournalTag {
    guard features.hasBlockChecksums else { return JournalTag(block: home, isEscaped: logged.isEscaped, checksum: 0) }
    var crc = CRC32C(register: log.superblock.checksumSeed)
    crc.update(bigEndian: sequence)
    crc.update(logged.bytes.raw)
    return JournalTag(block: home, isEscaped: logged.isEscaped, checksum: crc.register)
  }

  private func descriptor(_ tags: [JournalTag]) -> [UInt8] {
    var bytes = JournalHeader.block(.descriptor, sequence, byteCount: blockSize)
    var place = JournalHeader.byteCount
    for (index, tag) in tags.enumerated() {
      tag.put(in: &bytes, at: place, features, isFirst: index == 0, isLast: index == tags.count - 1)
      place += JournalTag.byteCount(features)
      if index == 0 {
        bytes.replaceSubrange(place..<(place + JournalTag.identifierByteCount), with: log.superblock.uuid)
        place += JournalTag.identifierByteCount
      }
    }
    if features.hasBlockChecksums { JournalCommit.seal(&bytes, seed: log.superblock.checksumSeed) }
    return bytes
  }

  /// Writes a block of the log, neighbours together.
  private func put(_ bytes: [UInt8], at block: UInt32) throws {
    let offset = try log.blocks.offset(of: log.place(of: block), for: "block \(block) of the journal")
    if run.start + UInt64(run.bytes.count) != offset || run.bytes.count + bytes.count > Self.mostGathered {
      try writeRun()
      run.start = offset
    }
    run.bytes += bytes
  }

  private func writeRun() throws {
    let bytes = run.bytes
    run.bytes = []
    if !bytes.isEmpty { try volume.write(bytes.raw, at: run.start) }
  }
}
