import BlockIO
package import Filesystems

/// Changes, for tests of what changes volumes: a transaction that throws leaves all as it was.
extension MemoryFilesystem: WritableFilesystem {
  /// The same volume as another object: what a rehearsal changes.
  package var copy: MemoryFilesystem {
    let copy = MemoryFilesystem()
    copy.nodes = nodes
    copy.refusal = refusal
    copy.lacks = lacks
    return copy
  }

  package func requireWritable() throws {
    if let refusal { throw ImageError(.unsupported, format: type, refusal) }
  }

  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    let before = nodes
    do {
      let result = try body()
      transactionCount += 1
      return result
    } catch {
      nodes = before
      throw error
    }
  }

  package func finish() { finishCount += 1 }

  package func create(_ name: FileName, in directory: FileID, attributes: FileAttributes) throws -> FileID {
    if let lacking = lacks[name] { throw FileError(lacking, name.description) }
    guard try lookup(name, in: directory) == nil else { throw FileError(.alreadyExists, name.description) }
    return FileID(link(add(Node(attributes: attributes)), as: name, in: directory.number))
  }

  package func createSymbolicLink(
    _ name: FileName, to target: FileName, in directory: FileID, attributes: FileAttributes
  ) throws -> FileID {
    let file = try create(name, in: directory, attributes: attributes)
    change(file.number) {
      $0.target = target
      $0.attributes.byteCount = UInt64(target.bytes.count)
    }
    return file
  }

  package func link(_ file: FileID, as name: FileName, in directory: FileID) throws {
    guard try lookup(name, in: directory) == nil else { throw FileError(.alreadyExists, name.description) }
    link(file.number, as: name, in: directory.number)
    change(file.number) { $0.attributes.linkCount += 1 }
  }

  package func remove(_ name: FileName, from directory: FileID) throws {
    guard let file = try lookup(name, in: directory) else { throw FileError(.notFound, name.description) }
    guard try node(file).entries.isEmpty else { throw FileError(.directoryNotEmpty, name.description) }
    change(directory.number) { node in node.entries.removeAll { $0.name == name } }
    change(file.number) { $0.attributes.linkCount -= 1 }
    if try node(file).attributes.linkCount == 0 { nodes[file.number] = nil }
  }

  package func rename(
    _ name: FileName, in directory: FileID, to newName: FileName, in newDirectory: FileID
  ) throws -> FileID {
    guard let file = try lookup(name, in: directory) else { throw FileError(.notFound, name.description) }
    if try lookup(newName, in: newDirectory) != nil { try remove(newName, from: newDirectory) }
    change(directory.number) { node in node.entries.removeAll { $0.name == name } }
    link(file.number, as: newName, in: newDirectory.number)
    return file
  }

  package func replaceContents(of file: FileID, with contents: any FileContents) throws {
    let bytes = try Self.bytes(of: contents)
    change(file.number) {
      $0.ranges = bytes.isEmpty ? [] : [(offset: UInt64(0), bytes: bytes)]
      $0.attributes.byteCount = UInt64(bytes.count)
    }
  }

  package func append(_ contents: any FileContents, to file: FileID) throws {
    let bytes = try Self.bytes(of: contents)
    change(file.number) {
      if !bytes.isEmpty { $0.ranges.append((offset: $0.attributes.byteCount, bytes: bytes)) }
      $0.attributes.byteCount += UInt64(bytes.count)
    }
  }

  package func truncate(_ file: FileID, to byteCount: UInt64) throws {
    change(file.number) { node in
      node.ranges = node.ranges.filter { $0.offset < byteCount }.map { range in
        (offset: range.offset, bytes: Array(range.bytes.prefix(Int(byteCount - range.offset))))
      }
      node.attributes.byteCount = byteCount
    }
  }

  package func setAttributes(_ attributes: FileAttributes, of file: FileID) throws {
    change(file.number) { node in
      node.attributes.permissions = attributes.permissions
      (node.attributes.owner, node.attributes.group) = (attributes.owner, attributes.group)
      node.attributes.modified = attributes.modified
    }
  }

  package func setExtendedAttribute(_ name: FileName, to value: [UInt8]?, of file: FileID) throws {
    change(file.number) { node in
      node.extended.removeAll { $0.name == name }
      if let value { node.extended.append(ExtendedAttribute(name: name, value: value)) }
    }
  }

  private static func bytes(of contents: any FileContents) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(contents.byteCount))
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    if raw.byteCount > 0 { try contents.read(at: 0, into: &raw) }
    return bytes
  }
}
