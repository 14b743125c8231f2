package import BlockIO
import Bytes

/// What the magic numbers of a volume say that it holds, in the words of blkid(8).
package struct FilesystemSignature: Hashable, Sendable {
  /// What a volume is for.
  package enum Usage: String, Sendable {
    /// Files.
    case filesystem
    /// A member of an array or a pool, which is not to be used by itself.
    case raid
    /// An encrypted volume.
    case crypto
    /// Swap space and the like.
    case other
  }

  /// The type, such as `ext4`, `vfat` and `crypto_LUKS`.
  package let type: String
  package let usage: Usage
  /// The volume's name; nil where it has none.
  package var label: String?
  /// The volume's identifier as its own tools write it; nil where it has none.
  package var uuid: String?
  /// The identifier of this device among those of the volume.
  package var deviceUUID: String?
  package var version: String?
  /// Where the magic numbers lie in the volume, in bytes.
  package var magics: [Range<UInt64>]

  init(_ type: String, _ usage: Usage = .filesystem, magics: [Range<UInt64>]) {
    self.type = type
    self.usage = usage
    self.magics = magics
  }

  init(_ type: String, _ usage: Usage = .filesystem, at offset: UInt64, _ count: UInt64) {
    self.init(type, usage, magics: [offset..<(offset + count)])
  }
}

extension FilesystemSignature {
  /// What a volume holds; nil where nothing is known of it.
  ///
  /// Of several signatures the first of `all` counts: members of arrays, then encrypted volumes, then filesystems.
  package static func probe(_ source: any BlockSource) throws -> FilesystemSignature? {
    var volume = Volume(source)
    for probe in probes {
      if let found = try probe(&volume) { return found }
    }
    return nil
  }

  /// Every signature that a volume bears, stale ones too, with the places of the magic numbers.
  ///
  /// Overwriting all of those places with zeroes leaves nothing that `probe` or blkid(8) would find.
  package static func all(_ source: any BlockSource) throws -> [FilesystemSignature] {
    var volume = Volume(source)
    return try probes.compactMap { try $0(&volume) }
  }

  /// Looks for one kind of signature.
  typealias Probe = @Sendable (inout Volume) throws -> FilesystemSignature?

  /// The kinds that are known, those that contain others first.
  private static let probes: [Probe] = [
    linuxRAID, bcache, lvm2, luks, bitLocker, zfs,
    fat, swap, xfs, ext, reiser, jfs, iso9660, hfs, ntfs, squashfs, btrfs, exFAT, f2fs, apfs,
  ]
}

/// A volume that is being probed, whose start is read once.
struct Volume {
  private let source: any BlockSource
  private var head: Block?
  /// The start that most signatures lie in, in bytes.
  private static let headByteCount: UInt64 = 72 << 10

  init(_ source: any BlockSource) { self.source = source }

  /// Size in bytes.
  var byteCount: UInt64 { source.byteCount }

  /// The `count` bytes at `offset`, or nil where the volume ends before them.
  mutating func block(_ offset: UInt64, _ count: Int) throws -> Block? {
    guard let end = offset.adding(UInt64(count)), end <= byteCount else { return nil }
    guard end <= Self.headByteCount else { return try source.block(at: offset, count: count) }
    if head == nil { head = try source.block(at: 0, count: Int(min(byteCount, Self.headByteCount))) }
    guard let head else { return nil }
    return Block(offset: offset, bytes: head.slice(Int(offset), count))
  }

  /// The `count` bytes at `offset` if the text `magic` starts `position` bytes into them.
  mutating func block(_ offset: UInt64, _ count: Int, magic: String, at position: Int) throws -> Block? {
    guard let block = try block(offset, count), block.has(magic, at: position) else { return nil }
    return block
  }
}
