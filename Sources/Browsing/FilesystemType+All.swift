package import BlockIO
import ExFAT
import Ext
import FAT
package import Filesystems
import Partitions

extension FilesystemType {
  /// Every driver.
  package static let all: [FilesystemType] = [.ext, .fat, .exFAT]

  /// The driver for `volume` among `types`; nil where none knows it.
  ///
  /// Where nothing else shows, one that finds a copy of its superblock has the volume.
  package static func find(for volume: any BlockSource, among types: [FilesystemType] = all) throws -> FilesystemType? {
    if let type = try types.first(where: { try $0.probe(volume) }) { return type }
    guard try FilesystemSignature.probe(volume) == nil else { return nil }
    return try types.first { try $0.probeCopy?(volume) ?? false }
  }

  /// What the drivers read, for messages: `ext2/3/4, FAT and exFAT`.
  package static var allNames: String {
    let names = all.map(\.name)
    guard let last = names.last, names.count > 1 else { return names.first ?? "no filesystem" }
    return names.dropLast().joined(separator: ", ") + " and " + last
  }
}
