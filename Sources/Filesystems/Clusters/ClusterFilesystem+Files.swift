package import BlockIO

/// What is read with all changes, and what neither format can do.
extension ClusterFilesystem {
  package var type: String { reader.type }
  package var identity: VolumeIdentity { reader.identity }
  package var warnings: [String] { reader.warnings }
  package var ignoresCase: Bool { reader.ignoresCase }
  package var root: FileID { reader.root }

  package func statistics() throws -> VolumeStatistics {
    VolumeStatistics(
      blockSize: UInt32(state.heap.clusterSize), blockCount: UInt64(state.heap.clusterCount),
      freeBlockCount: try freeClusterCount())
  }

  package func entries(of directory: FileID, from position: UInt64, limit: Int) throws -> [DirectoryEntry] {
    try reader.entries(of: state.current(directory), from: position, limit: limit)
  }

  package func attributes(of file: FileID) throws -> FileAttributes { try reader.attributes(of: state.current(file)) }

  package func contents(of file: FileID) throws -> any FileContents { try reader.contents(of: state.current(file)) }

  package func symbolicLinkTarget(of file: FileID) throws -> FileName {
    try reader.symbolicLinkTarget(of: state.current(file))
  }

  package func extendedAttributes(of file: FileID) throws -> [ExtendedAttribute] { [] }

  package func allocation(at offset: UInt64, limit: UInt64) throws -> Extent {
    try reader.allocation(at: offset, limit: limit)
  }

  package func quickCheck() throws -> CheckReport { try reader.quickCheck() }

  package func createSymbolicLink(
    _ name: FileName, to target: FileName, in directory: FileID, attributes: FileAttributes
  ) throws -> FileID {
    throw FileError(.unsupported("\(Self.formatName) has no symbolic links"), name.description)
  }

  package func link(_ file: FileID, as name: FileName, in directory: FileID) throws {
    throw FileError(.unsupported("\(Self.formatName) has no hard links"), name.description)
  }

  package func setExtendedAttribute(_ name: FileName, to value: [UInt8]?, of file: FileID) throws {
    throw FileError(.unsupported("\(Self.formatName) keeps no extended attributes"), name.description)
  }

  /// Throws unless `kind` is one that directories hold.
  package func requireKind(_ kind: FileKind, _ name: FileName) throws {
    guard kind == .regular || kind == .directory else {
      throw FileError(
        .unsupported("\(Self.formatName) holds files and directories only, no \(kind.name)"), name.description)
    }
  }

  /// Throws unless the directory holds nothing.
  package func requireEmpty(_ directory: FileID, _ name: FileName) throws {
    guard try reader.entries(of: directory, from: 0, limit: 1).isEmpty else {
      throw FileError(.directoryNotEmpty, name.description)
    }
  }

  /// Throws where attributes of the root directory are to be others than it has.
  package func requireUnchangedRoot(_ attributes: FileAttributes) throws {
    let old = try reader.attributes(of: root)
    guard attributes.permissions == old.permissions, attributes.owner == 0, attributes.group == 0 else {
      throw FileError(.unsupported("\(Self.formatName) keeps no attributes of the root directory"), "/")
    }
  }

  /// The bits of an entry called `name` after a change of attributes; throws where they cannot tell that.
  package func bits(
    _ bits: DOSAttributes, of name: String, changedTo attributes: FileAttributes, from old: FileAttributes
  ) throws -> DOSAttributes {
    guard attributes.owner == old.owner, attributes.group == old.group else {
      throw FileError(.unsupported("\(Self.formatName) keeps no owners"), name)
    }
    guard let changed = bits.changed(to: attributes, from: old) else {
      throw FileError(
        .unsupported("\(Self.formatName) keeps no permissions but those of all and the read-only attribute"), name)
    }
    return changed
  }
}
