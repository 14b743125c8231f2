package import Bytes
package import Filesystems

/// All that a volume tells of a file, or of itself.
package struct FileFacts {
  package let record: Record

  /// Looks at the file called `path`; a symbolic link at its end is not followed.
  package init(_ path: String, in filesystem: any Filesystem) throws {
    let place = try PathArgument(path).find(in: filesystem, followsLast: false)
    var record = Record()
    record.add(name: FileName(Array("/".utf8)).appending(place.names), as: "path")
    var failure: (any Error)?
    let entry = DirectoryListing.listed(place.names.last ?? FileName("/"), place.file, in: filesystem) { failure = $0 }
    if let failure { throw failure }
    for fact in entry.record.facts where !fact.key.hasPrefix("name") { record.add(fact.key, fact.value) }
    let extended = try filesystem.extendedAttributes(of: place.file)
    if !extended.isEmpty {
      record.add("attributes", .list(extended.map { .record(Self.record(of: $0)) }))
    }
    self.record = record
  }

  private static func record(of attribute: ExtendedAttribute) -> Record {
    var record = Record()
    record.add(name: attribute.name, as: "name")
    record.add("size", .count(UInt64(attribute.value.count)))
    if let list = AccessControlList(attribute)?.text.list {
      record.add("value", .text(list))
    } else {
      record.add(name: FileName(attribute.value), as: "value")
    }
    return record
  }

  /// What a volume says of itself.
  package static func record(of filesystem: any Filesystem, named name: String) throws -> Record {
    let identity = filesystem.identity
    var record: Record = ["volume": .text(name), "type": .text(identity.type)]
    record.add("label", identity.label.map { .text($0) })
    record.add("uuid", identity.uuid.map { .text($0) })
    if !identity.features.isEmpty { record.add("features", .list(identity.features.map { .text($0) })) }
    for fact in try filesystem.statistics().record.facts { record.add(fact.key, fact.value) }
    if !filesystem.warnings.isEmpty { record.add("warnings", .list(filesystem.warnings.map { .text($0) })) }
    return record
  }
}
