package import BlockIO
package import Filesystems

extension WritableFATVolume {
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
    guard let index = try knownIndex(of: directory) else { return try reader.lookup(name, in: directory) }
    guard let units = name.utf16, let slots = index.slots(ofFolded: WantedName.fold(units)) else { return nil }
    return file(slots, of: index)
  }

  /// How callers find the file whose entry is the last of `slots`.
  func file(_ slots: Range<Int>, of index: DirectoryIndex) -> FileID {
    FileID(
      index.place(of: slots.upperBound - 1).offset / UInt64(ShortEntry.size), context: UInt64(index.firstCluster))
  }

  package func entries(of directory: FileID, from position: UInt64, limit: Int) throws -> [DirectoryEntry] {
    try reader.entries(of: directory, from: position, limit: limit)
  }

  package func attributes(of file: FileID) throws -> FileAttributes { try reader.attributes(of: file) }

  package func contents(of file: FileID) throws -> any FileContents { try reader.contents(of: file) }

  package func symbolicLinkTarget(of file: FileID) throws -> FileName { try reader.symbolicLinkTarget(of: file) }

  package func extendedAttributes(of file: FileID) throws -> [ExtendedAttribute] { [] }

  package func allocation(at offset: UInt64, limit: UInt64) throws -> Extent {
    try reader.allocation(at: offset, limit: limit)
  }

  package func quickCheck() throws -> CheckReport { try reader.quickCheck() }
}
