import BlockIO
import Bytes

/// Keeps a partition's first bytes as they pass by, until the place of NTFS's backup boot sector is known from them.
struct BootSectorWatch {
  /// How much is kept, in bytes: the largest sector.
  private static let size = 4096

  /// The bytes so far; nil once they are not wanted any more.
  private var kept: [UInt8]?

  /// Watches, or does nothing.
  init(isWanted: Bool) { kept = isWanted ? [] : nil }

  /// Whether the bytes up to `position` are enough to decide, blocks being `blockSize` bytes long.
  func isReady(at position: UInt64, blockSize: Int) -> Bool {
    kept != nil && position >= UInt64(min(Self.size, blockSize))
  }

  /// Takes in `bytes`, which belong at `position` on the partition.
  mutating func pass(_ bytes: RawSpan, at position: UInt64) {
    guard let count = kept?.count, UInt64(count) == position, count < Self.size else { return }
    kept?.append(contentsOf: bytes.slice(0, min(bytes.byteCount, Self.size - count)).array)
  }

  /// The backup boot sector that the bytes call for, once; nil if they are not NTFS's.
  mutating func decide(deviceSize: UInt64) -> NTFSBootSector? {
    guard let bytes = kept else { return nil }
    kept = nil
    return unsafe NTFSBootSector(start: bytes.span.bytes, deviceSize: deviceSize)
  }
}
