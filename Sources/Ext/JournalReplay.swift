import BlockIO
import Bytes
import Filesystems

/// Finds out what a journal would write back, as the kernel's recovery does: the log's end, what was taken back, and
/// the newest copy of every block.
struct JournalReplay {
  private enum Pass {
    case scan, revoke, replay
  }

  private let log: JournalLog
  private let features: JournalSuperblock.Incompatible
  private let seed: UInt32
  /// Number of the first transaction that is not whole.
  private var end: UInt32 = 0
  private var revokes = BlockTable(what: "revoked blocks")
  private var copies = BlockTable(what: "blocks")
  /// Transactions that were replayed.
  private(set) var transactionCount: UInt32 = 0

  // State of the first pass, which must tell old blocks from damage by the commits' times.
  private var sum = ForwardCRC32()
  private var lastCommit: UInt64 = 0
  private var mayBeOld = false
  private var endWasFound = false

  private init(_ log: JournalLog) {
    self.log = log
    features = log.superblock.incompatible
    seed = log.superblock.checksumSeed
  }

  /// The journal's newest copies of blocks; nil where it is empty.
  static func run(_ log: JournalLog) throws -> (map: RedirectMap, transactionCount: UInt32)? {
    guard log.superblock.start != 0 else { return nil }
    var replay = JournalReplay(log)
    try replay.walk(.scan)
    try replay.refuseFastCommits()
    try replay.walk(.revoke)
    replay.revokes.finish()
    try replay.walk(.replay)
    replay.copies.finish()
    return (RedirectMap(replay.copies.entries), replay.transactionCount)
  }

  private var hasBlockChecksums: Bool { features.hasBlockChecksums }
  private var hasCommitSums: Bool { log.superblock.compatible.contains(.checksums) && !hasBlockChecksums }

  private func damaged(_ detail: String, block: UInt32) throws -> ImageError {
    log.blocks.damaged(
      "\(detail) (block \(block) of the journal); let e2fsck recover the volume",
      at: try log.blocks.offset(of: log.place(of: block), for: "the journal"))
  }

  /// What to do after a block.
  private enum Step {
    case goOn, nextTransaction, stop
  }

  /// Goes along the log, transaction by transaction.
  private mutating func walk(_ pass: Pass) throws {
    var sequence = log.superblock.sequence
    var block = log.superblock.start
    // No log is longer than its blocks.
    var left = UInt64(log.superblock.end - log.superblock.first)
    walking: while left > 0, pass == .scan || sequence != end {
      let here = block
      let found = try head(of: here, in: sequence)
      guard let (header, tags) = found else { break }
      block = log.next(block)
      left -= 1
      switch header.kind {
      case .descriptor:
        guard UInt64(tags.count) <= left else {
          // Only a first pass may meet what an older log left.
          if pass == .scan { break walking }
          throw try damaged("a descriptor has more blocks than the log", block: here)
        }
        try take(tags, descriptor: here, sequence, pass)
        block = log.next(block, by: UInt32(tags.count))
        left -= UInt64(tags.count)
      case .revoke: try revoke(here, sequence, pass)
      case .commit:
        switch try commit(here, sequence, pass) {
        case .goOn: break
        case .nextTransaction: sequence &+= 1
        case .stop: break walking
        }
      default: break walking
      }
    }
    if pass == .scan {
      if !endWasFound { end = sequence }
      transactionCount = end &- log.superblock.sequence
    } else if sequence != end {
      throw try damaged("the log ends at transaction \(sequence), and was whole up to \(end)", block: block)
    }
  }

  /// What a block of the log says to be, with its tags if it is a descriptor; nil where the log has ended before it.
  private func head(of number: UInt32, in sequence: UInt32) throws -> (JournalHeader, [JournalTag])? {
    try log.withBlock(number) { bytes in
      guard let header = JournalHeader(parsing: bytes), header.sequence == sequence else { return nil }
      return (header, header.kind == .descriptor ? JournalTag.all(in: bytes, features) : [])
    }
  }

  /// A descriptor and its blocks.
  private mutating func take(
    _ tags: [JournalTag], descriptor: UInt32, _ sequence: UInt32, _ pass: Pass
  ) throws {
    if hasBlockChecksums {
      let seed = seed
      guard try log.withBlock(descriptor, { JournalCommit.isTailIntact($0, seed: seed) }) else {
        guard pass == .scan else { throw try damaged("a descriptor's checksum does not match", block: descriptor) }
        mayBeOld = true
        return
      }
    }
    if pass == .scan, hasCommitSums, !endWasFound {
      var crc = sum
      try log.withBlock(descriptor) { crc.update($0) }
      for index in tags.indices {
        try log.withBlock(log.next(descriptor, by: UInt32(index + 1))) { crc.update($0) }
      }
      sum = crc
    }
    guard pass == .replay else { return }
    for (index, tag) in tags.enumerated() {
      let block = log.next(descriptor, by: UInt32(index + 1))
      // A block that was taken back in this transaction or a later one must stay as it is.
      if let revoked = revokes.value(of: tag.block), Int32(bitPattern: UInt32(revoked) &- sequence) >= 0 { continue }
      try verify(tag, block, sequence)
      guard tag.block < log.blocks.superblock.blockCount else {
        throw try damaged("transaction \(sequence) writes block \(tag.block), past the volume's end", block: block)
      }
      let place = try log.place(of: block)
      try copies.add(tag.block, place << 1 | (tag.isEscaped ? 1 : 0))
    }
  }

  /// Compares a block's checksum with its tag's.
  private func verify(_ tag: JournalTag, _ block: UInt32, _ sequence: UInt32) throws {
    guard hasBlockChecksums else { return }
    var crc = CRC32C(register: seed)
    crc.update(bigEndian: sequence)
    try log.withBlock(block) { crc.update($0) }
    let isV3 = features.contains(.checksumsV3)
    guard tag.checksum == (isV3 ? crc.register : crc.register & 0xffff) else {
      throw try damaged("the checksum of a block of transaction \(sequence) does not match", block: block)
    }
  }

  private mutating func revoke(_ block: UInt32, _ sequence: UInt32, _ pass: Pass) throws {
    let (seed, features) = (seed, features)
    if pass == .scan, hasBlockChecksums, try !log.withBlock(block, { JournalCommit.isTailIntact($0, seed: seed) }) {
      mayBeOld = true
    }
    guard pass == .revoke else { return }
    let numbers = try log.withBlock(block) { bytes -> Result<[UInt64], LayoutError> in
      do throws(LayoutError) { return .success(try JournalRevokes.all(in: bytes, features)) } catch {
        return .failure(error)
      }
    }
    switch numbers {
    case .success(let numbers): for number in numbers { try revokes.add(number, UInt64(sequence)) }
    case .failure(let error): throw try damaged(error.detail, block: block)
    }
  }

  /// The end of a transaction.
  ///
  /// Damage and blocks of an older log are told apart by the times of commits, as jbd2 does.
  private mutating func commit(_ block: UInt32, _ sequence: UInt32, _ pass: Pass) throws -> Step {
    guard pass == .scan else { return .nextTransaction }
    let seed = seed
    let (commit, isIntact) = try log.withBlock(block) {
      (JournalCommit(parsing: $0), JournalCommit.isIntact($0, seed: seed))
    }
    if mayBeOld {
      guard commit.seconds < lastCommit else {
        throw try damaged("a checksum of transaction \(sequence) does not match", block: block)
      }
      return .stop
    }
    if hasCommitSums, endWasFound {
      // With commits out of order a bad one may have been the last; this one shows that it was not.
      throw try damaged("the checksum of transaction \(end) does not match", block: block)
    }
    var isRight = true
    if hasCommitSums {
      let isUnused = commit.checksumType == 0 && commit.checksumSize == 0 && commit.checksum == 0
      isRight = isUnused || commit.checksumType == 1 && commit.checksumSize == 4 && commit.checksum == sum.value
      if isRight { sum = ForwardCRC32() }
    } else if hasBlockChecksums {
      isRight = isIntact
    }
    guard !isRight else {
      lastCommit = commit.seconds
      return .nextTransaction
    }
    guard commit.seconds >= lastCommit else { return .stop }
    guard features.contains(.asynchronousCommit) else {
      throw try damaged("the checksum of transaction \(sequence) does not match", block: block)
    }
    if !endWasFound { (end, endWasFound) = (sequence, true) }
    return .nextTransaction
  }

  /// Throws where fast commits follow the log's last transaction, which only the kernel can replay.
  private func refuseFastCommits() throws {
    guard features.contains(.fastCommit), log.superblock.end < log.superblock.blockCount else { return }
    for block in [log.superblock.end, log.superblock.end + 1] where block < log.superblock.blockCount {
      let end = end
      let isFastCommit = try log.withBlock(block) { FastCommit.starts($0, transaction: end) }
      guard !isFastCommit else {
        throw ImageError(
          .unsupported, format: log.blocks.type,
          offset: try log.blocks.offset(of: log.place(of: block), for: "the journal"),
          "the journal holds fast commits, which are not read; mount the volume once, or let e2fsck recover it")
      }
    }
  }
}

/// The first record of fast commits (Documentation/filesystems/ext4/journal.rst).
enum FastCommit {
  private static let headTag: UInt16 = 9

  /// Whether a block begins fast commits that go on behind the transaction before `transaction`.
  static func starts(_ bytes: RawSpan, transaction: UInt32) -> Bool {
    bytes.byteCount >= 12 && bytes.littleEndian(at: 0) == headTag
      && bytes.littleEndian(at: 2, as: UInt16.self) >= 8
      && bytes.littleEndian(at: 8, as: UInt32.self) == transaction
  }
}
