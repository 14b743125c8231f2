import BlockIO
import Bytes

extension QCow2Metadata {
  /// What to read: the disk as it is, or as it was at a snapshot, found by ID first and then by name.
  func root(snapshot wanted: String?, fileSize: UInt64) throws -> QCow2Layer.Root {
    guard let wanted else {
      let root = QCow2Layer.Root(
        l1Offset: header.l1Offset, l1Count: UInt64(header.l1Count), byteCount: header.size)
      try check(root, "L1 table", field: 36)
      return root
    }
    guard let snapshot = snapshots.first(where: { $0.id == wanted }) ?? snapshots.first(where: { $0.name == wanted })
    else { throw unknown(wanted) }
    let name = "L1 table of the snapshot \(snapshot.id) (\(snapshot.name))"
    do {
      try Self.checkTable(snapshot.l1Count, of: name, field: 64)
      // The snapshot's table may be any cluster that no other table uses.
      var areas = areas
      if snapshot.l1Count > 0, snapshot.l1Offset != header.l1Offset {
        try areas.add(name, at: snapshot.l1Offset, count: UInt64(snapshot.l1Count) * 8, field: 64)
      }
      let root = QCow2Layer.Root(
        l1Offset: snapshot.l1Offset, l1Count: UInt64(snapshot.l1Count),
        byteCount: snapshot.diskSize ?? header.size)
      guard root.byteCount <= UInt64(Int64.max) else {
        throw LayoutError("the snapshot's disk size \(root.byteCount.hex) is out of range", at: 64)
      }
      // An old snapshot without a size may be of a smaller disk: what its table lacks is unallocated.
      if snapshot.diskSize != nil { try check(root, name, field: 64) }
      return root
    } catch let error as LayoutError {
      throw ImageError(
        .damaged, format: "qcow2", offset: header.snapshotTableOffset, "the snapshot table is damaged: \(error.detail)")
    }
  }

  private func check(_ root: QCow2Layer.Root, _ name: String, field: Int) throws(LayoutError) {
    let entrySize: UInt64 = header.isExtended ? 16 : 8
    let span = header.clusterSize / entrySize * header.clusterSize
    let needed = root.byteCount / span + (root.byteCount % span == 0 ? 0 : 1)
    guard root.l1Count >= needed else {
      throw LayoutError(
        "the \(name) has \(root.l1Count) entries and a disk of \(root.byteCount) bytes needs \(needed)", at: field)
    }
  }

  private func unknown(_ wanted: String) -> ImageError {
    let known = snapshots.prefix(20).map { "\($0.id) (\($0.name))" }.joined(separator: ", ")
    let more = snapshots.count > 20 ? " and \(snapshots.count - 20) more" : ""
    return ImageError(
      .refused, format: "qcow2",
      "there is no snapshot \"\(wanted)\"; " + (snapshots.isEmpty ? "there are none" : "there are \(known)\(more)"))
  }
}
