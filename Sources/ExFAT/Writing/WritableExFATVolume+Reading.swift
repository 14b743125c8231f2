package import BlockIO
package import Filesystems

extension WritableExFATVolume {
  package var type: String { reader.type }
  package var identity: VolumeIdentity { reader.identity }
  package var warnings: [String] { reader.warnings }
  package var root: FileID { reader.root }

  package func statistics() throws -> VolumeStatistics {
    VolumeStatistics(
      blockSize: UInt32(reader.heap.clusterSize), blockCount: UInt64(reader.heap.clusterCount),
      freeBlockCount: try freeClusterCount())
  }

  package func lookup(_ name: FileName, in directory: FileID) throws -> FileID? {
    let directory = current(directory)
    guard let index = try knownIndex(of: directory) else { return try reader.lookup(name, in: directory) }
    guard let units = name.utf16, let slots = index.slots(of: units) else { return nil }
    return try file(slots, of: index, in: directory)
  }

  package func entries(of directory: FileID, from position: UInt64, limit: Int) throws -> [DirectoryEntry] {
    try reader.entries(of: current(directory), from: position, limit: limit)
  }

  package func attributes(of file: FileID) throws -> FileAttributes { try reader.attributes(of: current(file)) }

  package func contents(of file: FileID) throws -> any FileContents { try reader.contents(of: current(file)) }

  package func symbolicLinkTarget(of file: FileID) throws -> FileName {
    try reader.symbolicLinkTarget(of: current(file))
  }

  package func extendedAttributes(of file: FileID) throws -> [ExtendedAttribute] { [] }

  package func allocation(at offset: UInt64, limit: UInt64) throws -> Extent {
    try reader.allocation(at: offset, limit: limit)
  }

  package func quickCheck() throws -> CheckReport { try reader.quickCheck() }
}
