import Bytes
import Filesystems

/// How a directory's index orders its names.
struct NameHash {
  /// As the index's root stores it.
  let number: UInt8
  private let method: DirectoryHash
  private let seed: [UInt32]
  private let folds: Bool

  /// What new indexes use where the superblock names nothing usable: half MD4.
  private static let usual: UInt8 = 1

  /// The hash that a root of an index names by `number`; nil for one that is not known.
  init?(number: UInt8, of inode: Inode, _ superblock: Superblock) {
    guard number <= 2, let method = DirectoryHash(number: number, isUnsigned: superblock.flags & 2 != 0) else {
      return nil
    }
    self.number = number
    self.method = method
    seed = superblock.hashSeed
    folds = inode.flags.contains(.casefold)
  }

  /// The hash of a new index.
  init?(ofNewIndexIn inode: Inode, _ superblock: Superblock) {
    let number = superblock.defaultHash
    self.init(number: number <= 2 ? number : Self.usual, of: inode, superblock)
  }

  /// The hash of a name; nil where the folding of upper and lower case cannot be known for sure.
  func hash(_ name: [UInt8]) -> UInt32? {
    guard folds else { return method.hash(name, seed: seed) }
    return FoldedName(name).ascii.map { method.hash($0, seed: seed) }
  }
}
