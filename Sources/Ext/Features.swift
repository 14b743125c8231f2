/// Features that a driver need not know to read or write (`s_feature_compat`).
struct CompatibleFeatures: OptionSet, Hashable, Sendable {
  let rawValue: UInt32
  static let hasJournal = Self(rawValue: 0x4)
  static let extendedAttributes = Self(rawValue: 0x8)
  static let directoryIndex = Self(rawValue: 0x20)
  static let sparseSuper2 = Self(rawValue: 0x200)
  static let fastCommit = Self(rawValue: 0x400)
  static let orphanFile = Self(rawValue: 0x1000)
  /// What only its own kernels could keep right: snapshot_bitmap.
  static let notWritable = Self(rawValue: 0x100)

  /// The names of bits 0 and up, as mke2fs(8) and dumpe2fs(8) say them.
  static let names = [
    "dir_prealloc", "imagic_inodes", "has_journal", "ext_attr", "resize_inode", "dir_index", "lazy_bg", nil,
    "snapshot_bitmap", "sparse_super2", "fast_commit", "stable_inodes", "orphan_file",
  ]
}

/// Features without which a volume cannot be read at all (`s_feature_incompat`).
struct IncompatibleFeatures: OptionSet, Hashable, Sendable {
  let rawValue: UInt32
  static let fileType = Self(rawValue: 0x2)
  static let needsRecovery = Self(rawValue: 0x4)
  static let journalDevice = Self(rawValue: 0x8)
  static let metaGroups = Self(rawValue: 0x10)
  static let extents = Self(rawValue: 0x40)
  static let wide = Self(rawValue: 0x80)
  static let multiMountProtection = Self(rawValue: 0x100)
  static let flexibleGroups = Self(rawValue: 0x200)
  static let attributeInodes = Self(rawValue: 0x400)
  static let checksumSeed = Self(rawValue: 0x2000)
  static let largeDirectories = Self(rawValue: 0x4000)
  static let inlineData = Self(rawValue: 0x8000)
  static let encryption = Self(rawValue: 0x10000)
  static let casefold = Self(rawValue: 0x20000)

  /// What this driver reads.
  static let readable: Self = [
    .fileType, .needsRecovery, .metaGroups, .extents, .wide, .multiMountProtection, .flexibleGroups, .attributeInodes,
    .checksumSeed, .largeDirectories, .inlineData, .encryption, .casefold,
  ]

  /// The names of bits 0 and up.
  static let names = [
    "compression", "filetype", "needs_recovery", "journal_dev", "meta_bg", nil, "extent", "64bit", "mmp", "flex_bg",
    "ea_inode", nil, "dirdata", "metadata_csum_seed", "large_dir", "inline_data", "encrypt", "casefold",
  ]
}

/// Features without which a volume cannot be written (`s_feature_ro_compat`).
struct ReadOnlyFeatures: OptionSet, Hashable, Sendable {
  let rawValue: UInt32
  static let sparseSuper = Self(rawValue: 0x1)
  static let largeFiles = Self(rawValue: 0x2)
  static let hugeFiles = Self(rawValue: 0x8)
  static let groupChecksums = Self(rawValue: 0x10)
  static let manyDirectories = Self(rawValue: 0x20)
  static let extraSize = Self(rawValue: 0x40)
  static let quota = Self(rawValue: 0x100)
  static let bigAllocation = Self(rawValue: 0x200)
  static let metadataChecksums = Self(rawValue: 0x400)
  static let project = Self(rawValue: 0x2000)
  static let verity = Self(rawValue: 0x8000)
  /// Files wait in the orphan file to be removed.
  static let orphanPresent = Self(rawValue: 0x10000)

  /// What this driver writes.
  static let writable: Self = [
    .sparseSuper, .largeFiles, .hugeFiles, .groupChecksums, .manyDirectories, .extraSize, .bigAllocation,
    .metadataChecksums, .project, .verity, .orphanPresent, .quota,
  ]

  /// The names of bits 0 and up.
  static let names = [
    "sparse_super", "large_file", nil, "huge_file", "uninit_bg", "dir_nlink", "extra_isize", "snapshot", "quota",
    "bigalloc", "metadata_csum", "replica", "read-only", "project", "shared_blocks", "verity", "orphan_present",
  ]
}

/// The names of the bits set in `word`; bits without one as `FEATURE_C5`, with the letter of their set.
func bitNames(_ word: UInt32, _ names: [String?], letter: Character) -> [String] {
  (0..<32).filter { word & 1 << UInt32($0) != 0 }.map { bit in
    (bit < names.count ? names[bit] : nil) ?? "FEATURE_\(letter)\(bit)"
  }
}
