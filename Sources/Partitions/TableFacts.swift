package import BlockIO
package import Bytes

extension Partition {
  /// The partition's facts with what `signature` says of its contents.
  package func facts(_ signature: FilesystemSignature?) -> Record {
    var record = Record()
    record.add("number", .count(UInt64(number)))
    record.add("start", .size(start))
    record.add("size", .size(byteCount))
    record.add("type", .text(type.code))
    record.add("type-name", .text(type.name))
    record.add("label", label.flatMap { $0.isEmpty ? nil : .text($0) })
    record.add("uuid", uuid.map { .text($0) })
    if !attributeNames.isEmpty { record.add("attributes", .text(attributeNames)) }
    if isActive { record.add("active", .flag(true)) }
    if let signature { record.add("filesystem", .record(signature.facts)) }
    return record
  }
}

extension FilesystemSignature {
  /// What the signature says, without where it lies.
  package var facts: Record {
    var record = Record()
    record.add("type", .text(type))
    record.add("usage", .text(usage.rawValue))
    record.add("label", label.map { .text($0) })
    record.add("uuid", uuid.map { .text($0) })
    record.add("device-uuid", deviceUUID.map { .text($0) })
    record.add("version", version.map { .text($0) })
    return record
  }
}

extension PartitionTable {
  /// The table's facts, the partitions' and those of what is found in them on `disk`.
  package func facts(on disk: any BlockSource) throws -> Record {
    var record = Record()
    record.add("table", .text(scheme == .gpt ? "gpt" : "dos"))
    record.add("hybrid", isHybrid ? .flag(true) : nil)
    record.add("identifier", .text(identifier))
    record.add("sector-size", .count(UInt64(sectorSize)))
    record.add("disk-size", .size(diskByteCount))
    if let header = gpt?.used.header {
      record.add("first-usable", .size(header.firstUsable.multiplied(by: UInt64(sectorSize)) ?? .max))
      record.add("last-usable", .size(header.lastUsable.multiplied(by: UInt64(sectorSize)) ?? .max))
    }
    let list = try partitions.map { Record.Value.record($0.facts(try signature(of: $0, on: disk))) }
    record.add("partitions", .list(list))
    if !warnings.isEmpty { record.add("warnings", .list(warnings.map { .text($0) })) }
    if !faults.isEmpty { record.add("faults", .list(faults.map { .text($0.description) })) }
    return record
  }

  /// What the table says by itself, without a look at the disk.
  package var briefFacts: Record {
    [
      "table": .text(scheme == .gpt ? "gpt" : "dos"), "identifier": .text(identifier),
      "sector-size": .count(UInt64(sectorSize)), "partitions": .list(partitions.map { .record($0.facts(nil)) }),
    ]
  }

  /// What a partition holds; nil for an extended one, for one past the disk's end, and where nothing is known.
  package func signature(of partition: Partition, on disk: any BlockSource) throws -> FilesystemSignature? {
    guard !partition.type.isExtended, partition.end <= disk.byteCount else { return nil }
    return try FilesystemSignature.probe(partition.window(on: disk))
  }

  /// The regions as records of name, start and size.
  package var regionFacts: Record.Value {
    .list(
      regions.map { region in
        .record(["region": .text(region.name), "start": .size(region.start), "size": .size(region.byteCount)])
      })
  }

  /// The titles of the columns of `rows`.
  package static let columns = [
    "Number", "Start", "Size", "Type", "Label", "UUID", "Attributes", "Filesystem", "Filesystem label",
    "Filesystem UUID",
  ]

  /// The partitions as lines of a table for people, every cell free of control characters.
  package func rows(on disk: any BlockSource) throws -> [[String]] {
    try partitions.map { partition in
      let found = try signature(of: partition, on: disk)
      let cells = [
        String(partition.number), String(partition.start), shortSize(partition.byteCount),
        partition.type.name == "unknown" ? "unknown (\(partition.type.code))" : partition.type.name,
        partition.label ?? "", partition.uuid ?? "",
        partition.isActive ? "active" : partition.attributeNames, found?.type ?? "", found?.label ?? "",
        found?.uuid ?? "",
      ]
      return cells.map(\.printable)
    }
  }
}
