import BlockIO
import Bytes
import SystemPackage

/// What `info` shows of a qcow2 chain.
enum QCow2Facts {
  /// The facts of the topmost file, its snapshots and the files below it.
  static func facts(_ links: [ChainOpening.Link]) -> Record {
    guard let top = links.first, let metadata = top.metadata else { return Record() }
    let header = metadata.header
    var facts: Record = ["format": .text("qcow2"), "version": .count(UInt64(header.version))]
    facts.add("virtual-size", .size(top.byteCount))
    facts.add("stored-size", (top.file as? FileSource).map { .size($0.status.storedSize) })
    facts.add("file-size", .size(top.file.byteCount))
    facts.add("cluster-size", .size(header.clusterSize))
    facts.add("compression-type", .text(header.compressionName))
    facts.add("extended-l2", .flag(header.isExtended))
    facts.add("refcount-bits", .count(1 << UInt64(header.refcountOrder)))
    facts.add("features", .record(features(metadata)))
    facts.add("data-file", top.data.map { .text($0.path.string) })
    facts.add("backing-chain", .list(links.dropFirst().map { .record(link($0)) }))
    facts.add("snapshots", .list(metadata.snapshots.map { .record(snapshot($0)) }))
    return facts
  }

  private static func features(_ metadata: QCow2Metadata) -> Record {
    let header = metadata.header
    func names(_ mask: UInt64, _ group: QCow2Features.Group) -> Record.Value {
      .list(QCow2Features.describe(mask, group, table: metadata.extensions.featureNames).map { .text($0) })
    }
    return [
      "incompatible": names(header.incompatible, .incompatible),
      "compatible": names(header.compatible, .compatible),
      "autoclear": names(header.autoclear, .autoclear),
    ]
  }

  private static func link(_ link: ChainOpening.Link) -> Record {
    var record: Record = ["path": .text(link.label), "format": .text(link.metadata == nil ? "raw" : "qcow2")]
    record.add("virtual-size", .size(link.byteCount))
    record.add("cluster-size", link.metadata.map { .size($0.header.clusterSize) })
    record.add("data-file", link.data.map { .text($0.path.string) })
    return record
  }

  private static func snapshot(_ snapshot: QCow2Snapshot) -> Record {
    var record: Record = ["id": .text(snapshot.id), "name": .text(snapshot.name)]
    record.add("date", .count(UInt64(snapshot.seconds)))
    record.add("vm-state-size", .size(snapshot.vmStateSize))
    record.add("disk-size", snapshot.diskSize.map { .size($0) })
    return record
  }

  /// The header's fields as they are stored, for `-debug`.
  static func internals(_ metadata: QCow2Metadata) -> Record {
    let header = metadata.header
    var record = Record()
    record.add("header-length", .count(UInt64(header.length)))
    record.add("l1-offset", .text(header.l1Offset.hex))
    record.add("l1-entries", .count(UInt64(header.l1Count)))
    record.add("refcount-table-offset", .text(header.refcountTableOffset.hex))
    record.add("refcount-table-clusters", .count(UInt64(header.refcountTableClusters)))
    record.add("snapshot-table-offset", .text(header.snapshotTableOffset.hex))
    record.add("incompatible-features", .text(header.incompatible.hex))
    record.add("compatible-features", .text(header.compatible.hex))
    record.add("autoclear-features", .text(header.autoclear.hex))
    record.add("backing-name-offset", .text(header.backingNameOffset.hex))
    record.add("backing-name", metadata.backingName.map { .text(String(decoding: $0, as: UTF8.self)) })
    record.add("backing-format", metadata.extensions.backingFormat.map { .text($0) })
    let extensions = metadata.extensions.seen.map { seen in
      Record.Value.record(
        ["type": .text(QCow2Extensions.name(of: seen.type)), "length": .count(UInt64(seen.length))])
    }
    record.add("header-extensions", .list(extensions))
    return record
  }

  /// How much of the topmost file's disk is stored and how; walks the whole map.
  static func allocation(_ layer: QCow2Layer) throws -> Record {
    var (data, compressed, zero): (UInt64, UInt64, UInt64) = (0, 0, 0)
    var position: UInt64 = 0
    while position < layer.byteCount {
      let run = try layer.run(at: position, limit: layer.byteCount, for: .statistics, entries: .max)
      switch run.kind {
      case .data: data += run.length
      case .compressed: compressed += run.length
      case .zero: zero += run.length
      case .unallocated: break
      }
      position = run.end
    }
    func percent(_ bytes: UInt64) -> Record.Value {
      guard layer.byteCount > 0 else { return .percent(0) }
      let (high, low) = bytes.multipliedFullWidth(by: 10000)
      return .percent(layer.byteCount.dividingFullWidth((high, low)).quotient)
    }
    return [
      "allocated": percent(data + compressed), "compressed": percent(compressed), "zero": percent(zero),
      "unallocated": percent(layer.byteCount - data - compressed - zero),
      "allocated-bytes": .size(data + compressed), "compressed-bytes": .size(compressed), "zero-bytes": .size(zero),
    ]
  }
}
