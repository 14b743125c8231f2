import Bytes
import Filesystems

extension VolumeBlocks {
  /// Longest target of a symbolic link that is read, in bytes.
  private static let longestTarget: UInt64 = 64 << 10

  /// Where a symbolic link points to: in the map's place (fast), in the inode, or in blocks (slow).
  func target(of inode: Inode) throws -> FileName {
    guard inode.kind == .symbolicLink else { throw FileError(.notASymbolicLink, "inode \(inode.number)") }
    guard !inode.flags.contains(.encrypted) else { throw FileError(.encrypted, "inode \(inode.number)") }
    guard inode.size <= Self.longestTarget else {
      throw damaged("the symbolic link in inode \(inode.number) is too long", at: inode.offset(of: Inode.Field.sizeLow))
    }
    let bytes: [UInt8]
    if inode.flags.contains(.inlineData) {
      bytes = try InlineContents(of: inode, self).bytes
    } else if inode.size < UInt64(Inode.mapByteCount), !inode.flags.contains(.extents) {
      bytes = inode.map.slice(0, Int(inode.size)).array
    } else {
      let contents = try MappedContents(BlockMap(of: inode, self), byteCount: inode.size)
      var read = [UInt8](repeating: 0, count: Int(inode.size))
      var span = read.mutableSpan
      var raw = unsafe span.mutableBytes
      try contents.read(at: 0, into: &raw)
      bytes = read
    }
    return FileName(Array(bytes.prefix { $0 != 0 }))
  }
}
