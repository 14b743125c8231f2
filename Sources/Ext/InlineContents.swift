import BlockIO
import Bytes
import Filesystems

/// Contents that lie in the inode itself (inline_data): in the map's 60 bytes, then in the attribute `system.data`.
final class InlineContents: FileContents {
  let bytes: [UInt8]
  var byteCount: UInt64 { UInt64(bytes.count) }

  /// The first `byteCount` bytes of what the inode holds.
  init(of inode: Inode, _ blocks: VolumeBlocks) throws {
    var bytes = inode.map.array
    if inode.size > UInt64(Inode.mapByteCount) || inode.kind == .directory {
      bytes += try AttributeReader(inode, blocks).inlineData() ?? []
    }
    guard inode.size <= UInt64(bytes.count) else {
      throw blocks.damaged(
        "inode \(inode.number) holds \(bytes.count) bytes and says \(inode.size)",
        at: inode.offset(of: Inode.Field.sizeLow))
    }
    self.bytes = Array(bytes.prefix(Int(inode.size)))
  }

  func extent(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.data, offset: offset, length: min(limit, byteCount) - offset)
  }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    guard let end = offset.adding(UInt64(buffer.byteCount)), end <= byteCount else {
      throw ImageError(.damaged, format: "ext4", "a read past the end of a file")
    }
    let bytes = bytes
    buffer.copy(bytes.raw.slice(Int(offset), buffer.byteCount), at: 0)
  }
}
