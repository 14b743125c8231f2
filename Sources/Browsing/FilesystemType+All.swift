package import BlockIO
import ExFAT
import Ext
import FAT
package import Filesystems

extension FilesystemType {
  /// Every driver.
  package static let all: [FilesystemType] = [.ext, .fat, .exFAT]

  /// The driver for `volume` among `types`; nil where none knows it.
  package static func find(for volume: any BlockSource, among types: [FilesystemType] = all) throws -> FilesystemType? {
    try types.first { try $0.probe(volume) }
  }

  /// What the drivers read, for messages: `ext2/3/4, FAT and exFAT`.
  package static var allNames: String {
    let names = all.map(\.name)
    guard let last = names.last, names.count > 1 else { return names.first ?? "no filesystem" }
    return names.dropLast().joined(separator: ", ") + " and " + last
  }
}
