import BlockIO
import Bytes
import Filesystems

/// Changes a regular file's contents.
struct ContentsEditor {
  private let changes: Changes
  private var record: InodeRecord
  private var blockSize: UInt64 { UInt64(changes.blockSize) }

  /// Edits the file in the inode `number`; throws where it is no regular file or its contents cannot be changed.
  init(_ number: UInt64, _ changes: Changes) throws {
    self.changes = changes
    record = try changes.record(number)
    let name = "inode \(number)"
    switch record.kind {
    case .regular: break
    case .directory: throw FileError(.isADirectory, name)
    default: throw FileError(.notARegularFile, name)
    }
    guard !record.flags.contains(.encrypted) else { throw FileError(.encrypted, name) }
    guard !record.flags.contains(.verity) else {
      throw FileError(.unsupported("the file is sealed by fs-verity"), name)
    }
    guard !record.flags.contains(.attributeValue) else { throw FileError(.notARegularFile, name) }
  }

  /// Gives the file new contents.
  mutating func replace(with contents: any FileContents) throws {
    let size = contents.byteCount
    try empty()
    if try storeInline(contents, size) { return }
    try moveOut()
    var map = MapEditor(record, changes)
    try checkSize(size, map)
    try take(contents, at: 0, from: 0, &map)
    try finish(map.record, size: size)
    try copy(contents, at: 0, from: 0)
  }

  /// Writes `contents` behind the end.
  mutating func append(_ contents: any FileContents) throws {
    let old = record.size
    guard let size = old.adding(contents.byteCount) else { throw FileError(.fileTooLarge, "inode \(record.number)") }
    guard contents.byteCount > 0 else { return }
    if record.flags.contains(.inlineData) {
      let inline = try inlineContents()
      return try replace(with: JoinedContents(inline, upTo: inline.byteCount, contents))
    }
    var map = MapEditor(record, changes)
    try checkSize(size, map)
    try map.cut(from: (old + blockSize - 1) / blockSize)
    record = map.record
    try changes.write(record)
    var next = old / blockSize
    let tail = try place(of: next, usedTo: old)
    if old % blockSize != 0, tail == nil {
      map = MapEditor(record, changes)
      try map.cut(from: next)
    } else if let tail {
      try fill(tail, from: Int(old % blockSize), with: contents)
      next += 1
    }
    try take(contents, at: old, from: next, &map)
    try finish(map.record, size: size)
    try copy(contents, at: old, from: next)
  }

  /// Cuts the file, or lengthens it by a hole.
  mutating func truncate(to size: UInt64) throws {
    let old = record.size
    if record.flags.contains(.inlineData) {
      return try replace(with: CutContents(inlineContents().bytes, byteCount: size))
    }
    var map = MapEditor(record, changes)
    try checkSize(size, map)
    if size < old, changes.isTooMuch(record) {
      // The rest goes in transactions of its own.
      try changes.addOrphan(&record)
    } else if size < old {
      try map.cut(from: (size + blockSize - 1) / blockSize)
      record = map.record
    }
    try changes.write(record)
    let end = min(size, old)
    if end % blockSize != 0, let tail = try place(of: end / blockSize, usedTo: end) {
      try changes.editData(tail) { bytes in
        var rest = bytes.mutableSlice(Int(end % blockSize), bytes.byteCount - Int(end % blockSize))
        rest.fillWithZeroes()
      }
      // A file that is cut loses its end with its size, and one that grows has zeroes there before it does.
      changes.mark(tail, size < old ? .removed : .added)
    }
    try finish(record, size: size)
  }

  /// Contents that lie in the inode.
  private func inlineContents() throws -> InlineContents {
    try InlineContents(of: changes.blocks.inode(UInt64(record.number)), changes.blocks)
  }

  private func checkSize(_ size: UInt64, _ map: MapEditor) throws {
    guard size / blockSize < map.limit else { throw FileError(.fileTooLarge, "inode \(record.number)") }
  }

  /// The place of the file's last block, of which bytes up to `end` are used, where it was written.
  private func place(of number: UInt64, usedTo end: UInt64) throws -> UInt64? {
    guard end % blockSize != 0 else { return nil }
    let map = try BlockMap(of: changes.blocks.inode(UInt64(record.number)), changes.blocks)
    guard case .data(let start) = try map.run(at: number).contents else { return nil }
    return start
  }

  /// Fills the rest of a block in use with the beginning of `contents`.
  private func fill(_ block: UInt64, from offset: Int, with contents: any FileContents) throws {
    let count = Int(min(blockSize - UInt64(offset), contents.byteCount))
    try changes.editData(block) { bytes in
      var rest = bytes.mutableSlice(offset, bytes.byteCount - offset)
      rest.fillWithZeroes()
      var piece = rest.mutableSlice(0, count)
      try contents.read(at: 0, into: &piece)
    }
  }

  /// Frees what the file has.
  private mutating func empty() throws {
    if record.flags.contains(.inlineData) {
      record.size = 0
      record.map = [UInt8](repeating: 0, count: Inode.mapByteCount)
      return
    }
    var map = MapEditor(record, changes)
    try map.cut(from: 0)
    record = map.record
  }

  /// Puts the contents into the inode where the volume does that and they fit; the file has no blocks.
  private mutating func storeInline(_ contents: any FileContents, _ size: UInt64) throws -> Bool {
    guard changes.superblock.incompatible.contains(.inlineData), size <= blockSize else { return false }
    var attributes = try AttributeEditor(record, changes)
    guard attributes.fitsInline(Int(size)) else { return false }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    if !changes.staged.isRehearsal {
      var span = bytes.mutableSpan
      // Safe: every byte of the array is initialised.
      var raw = unsafe span.mutableBytes
      try contents.read(at: 0, into: &raw)
    }
    try attributes.setInlineData(Array(bytes.dropFirst(Inode.mapByteCount)))
    try attributes.finish()
    record = attributes.record
    let map = Array(bytes.prefix(Inode.mapByteCount))
    record.map = map + [UInt8](repeating: 0, count: Inode.mapByteCount - map.count)
    record.flags.insert(.inlineData)
    record.flags.remove(.extents)
    try finish(record, size: size)
    return true
  }

  /// Makes the place of contents in the inode an empty map.
  private mutating func moveOut() throws {
    guard record.flags.contains(.inlineData) else { return }
    var attributes = try AttributeEditor(record, changes)
    try attributes.setInlineData(nil)
    try attributes.finish()
    record = attributes.record
    record.clearMap(changes.superblock)
  }

  /// Takes blocks for the data in `contents`, which starts at the byte `base` of the file, from the file's block `first` on.
  private func take(_ contents: any FileContents, at base: UInt64, from first: UInt64, _ map: inout MapEditor) throws {
    let unit = blockSize * changes.superblock.blocksPerCluster
    let perUnit = changes.superblock.blocksPerCluster
    let end = (base + contents.byteCount + blockSize - 1) / blockSize
    var next = first
    var offset: UInt64 = 0
    while offset < contents.byteCount {
      let extent = try contents.extent(at: offset, limit: contents.byteCount)
      guard extent.length > 0, extent.end <= contents.byteCount else { return }
      offset = extent.end
      guard extent.kind == .data else { continue }
      let from = max((base + extent.offset) / unit * perUnit, next)
      let to = min((base + extent.end + unit - 1) / unit * perUnit, end)
      guard from < to else { continue }
      try map.grow(from: from, count: to - from)
      next = to
    }
  }

  /// Writes the inode with its new size.
  private func finish(_ changed: InodeRecord, size: UInt64) throws {
    var record = changed
    record.size = size
    record.flags.remove(.blocksPastEnd)
    record.setModified(changes.now)
    record.setChanged(changes.now)
    try changes.write(record)
    guard size > Int32.max, !changes.superblock.readOnly.contains(.largeFiles) else { return }
    guard changes.superblock.revision > 0 else { throw FileError(.fileTooLarge, "inode \(record.number)") }
    let features = changes.superblock.readOnly.union(.largeFiles).rawValue
    try changes.editSuperblock { $0.store(littleEndian: features, at: Superblock.Field.readOnlyCompatible) }
  }

  /// Writes `contents`, which starts at the byte `base` of the file, into the file's blocks from `first` on.
  private func copy(_ contents: any FileContents, at base: UInt64, from first: UInt64) throws {
    try changes.requireRoomInJournal()
    guard !changes.staged.isRehearsal else { return }
    let end = (base + contents.byteCount + blockSize - 1) / blockSize
    let map = try BlockMap(of: changes.blocks.inode(UInt64(record.number)), changes.blocks)
    let perPiece = max(UInt64(1 << 20) / blockSize, 1)
    var buffer = Buffer(count: Int(perPiece * blockSize))
    var next = first
    while next < end {
      let run = try map.run(at: next)
      guard case .data(let start) = run.contents else {
        next = run.end
        continue
      }
      let count = min(run.end, end, next + perPiece) - next
      let length = Int(count * blockSize)
      let position = next * blockSize
      try buffer.fill(0, length) { bytes in
        bytes.fillWithZeroes()
        let from = max(position, base)
        let to = min(position + UInt64(length), base + contents.byteCount)
        guard from < to else { return }
        var piece = bytes.mutableSlice(Int(from - position), Int(to - from))
        try contents.read(at: from - base, into: &piece)
      }
      try changes.staged.writeContents(buffer.prefix(length), at: start * blockSize)
      next += count
    }
  }
}
