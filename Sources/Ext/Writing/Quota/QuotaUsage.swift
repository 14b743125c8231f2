import BlockIO
import Bytes
import Filesystems

/// Whose usage a quota file counts.
enum QuotaKind: CaseIterable, Hashable {
  case user, group, project

  /// Where the superblock names the file's inode.
  var field: Int {
    switch self {
    case .user: Superblock.Field.userQuotaInode
    case .group: Superblock.Field.groupQuotaInode
    case .project: Superblock.Field.projectQuotaInode
    }
  }

  /// What the file starts with.
  var magic: UInt32 {
    switch self {
    case .user: 0xd9c0_1f11
    case .group: 0xd9c0_1927
    case .project: 0xd9c0_3f14
    }
  }
}

/// Inodes and bytes that a user, group or project gains in a transaction.
struct QuotaGain: Hashable {
  var inodes: Int64 = 0
  var bytes: Int64 = 0
}

/// Keeps the quota files right (feature quota): every change of an inode's owners or blocks is gathered.
extension Changes {
  /// A user's, group's or project's number.
  struct Account: Hashable {
    let kind: QuotaKind
    let number: UInt32
  }

  private var hasQuota: Bool { superblock.readOnly.contains(.quota) }

  /// The inode of a quota file; 0 for none.
  func quotaInode(_ kind: QuotaKind) -> UInt32 { superblock.quotaInodes[kind] ?? 0 }

  /// Notes what a change of an inode means for its owners; `old` is nil for one that was free.
  func noteUsage(from old: InodeRecord?, to new: InodeRecord) {
    guard hasQuota, UInt64(new.number) == ExtVolume.rootInode || new.number >= superblock.firstInode,
      !superblock.quotaInodes.values.contains(new.number)
    else { return }
    if let old { charge(old, sign: -1) }
    charge(new, sign: 1)
  }

  private func charge(_ record: InodeRecord, sign: Int64) {
    guard record.mode != 0, record.linkCount > 0 else { return }
    let bytes = record.allocatedByteCount(superblock)
    let project: UInt32 = record.holds(Inode.Field.project, 4) ? record.load(Inode.Field.project) : 0
    for (kind, number) in [(QuotaKind.user, record.owner), (.group, record.group), (.project, project)] {
      guard quotaInode(kind) != 0 else { continue }
      let account = Account(kind: kind, number: number)
      notes.usage[account, default: QuotaGain()].inodes += sign
      notes.usage[account, default: QuotaGain()].bytes += sign * bytes
    }
  }

  /// Writes what was noted into the quota files.
  func settleUsage() throws {
    let gains = notes.usage
    notes.usage = [:]
    for kind in QuotaKind.allCases where quotaInode(kind) != 0 {
      let own = gains.filter { $0.key.kind == kind && $0.value != QuotaGain() }
      guard !own.isEmpty else { continue }
      var file = try QuotaFile(kind, self)
      for (account, gain) in own.sorted(by: { $0.key.number < $1.key.number }) {
        try file.add(gain, to: account.number)
      }
      try file.finish()
    }
  }
}
