import BlockIO
package import Bytes
import Clonezilla
import Images
import Partitions
import SystemPackage

/// The disks and partitions that a Clonezilla folder holds.
package struct FolderListing: Sendable {
  /// For programs.
  package let record: Record
  /// For people: a line about each disk, each with the rows of its partitions.
  package let disks: [(heading: String, rows: [[String]])]
  /// The titles of the rows' cells.
  package static let columns = [
    "Partition", "Start", "Size", "Filesystem", "Used", "Tool", "Compression", "Pieces", "Stored",
  ]
  /// What the user should know, each a sentence.
  package let notes: [String]

  /// Looks at the folder that `request` names and at the header of every image in it.
  package init(_ request: SourceRequest) throws {
    let path = FilePath(request.name)
    guard ClonezillaFolder.isFolder(path) else {
      throw RequestError(
        "\(request.name) is no Clonezilla folder: there is none of the files disk, parts and *-pt.sf in it")
    }
    do {
      let folder = try ClonezillaFolder(path, options: request.options)
      self.init(folder, request.options)
    } catch let error as IOError { throw SourceUnreadable(error) }
  }

  init(_ folder: ClonezillaFolder, _ options: ImageOptions) {
    var notes: [String] = []
    var disks: [(heading: String, rows: [[String]])] = []
    var records: [Record.Value] = []
    for disk in folder.disks {
      var table: PartitionTable?
      do { table = try disk.image(in: folder.files)?.table } catch { notes.append("\(error)") }
      let lines = disk.partitions.map { PartitionLine($0, on: table, options) }
      notes += lines.compactMap { line in line.problem.map { "\(line.partition.device): \($0)" } }
      disks.append((Self.heading(disk, table), lines.map(\.cells)))
      records.append(.record(Self.record(of: disk, table, lines)))
    }
    record = [
      "folder": .text(folder.name), "checksums": .list(folder.files.checksums.lists.map { .text($0) }),
      "disks": .list(records),
    ]
    self.disks = disks
    self.notes = notes
  }

  private static func heading(_ disk: SavedDisk, _ table: PartitionTable?) -> String {
    var words = [table.map { "\($0.format) \($0.identifier)" } ?? "no partition table that can be read"]
    words.append("sectors of \(disk.geometry.sectorSize) bytes")
    if let size = table?.diskByteCount ?? disk.geometry.byteCount { words.append("disk of \(describeSize(size))") }
    return "\(disk.device): " + words.joined(separator: ", ")
  }

  private static func record(of disk: SavedDisk, _ table: PartitionTable?, _ lines: [PartitionLine]) -> Record {
    var record: Record = [
      "disk": .text(disk.device.name), "table": table.map { .text($0.scheme == .gpt ? "gpt" : "dos") } ?? .none,
    ]
    record.add("identifier", table.map { .text($0.identifier) })
    record.add("sector-size", .count(UInt64(disk.geometry.sectorSize)))
    record.add("size", (table?.diskByteCount ?? disk.geometry.byteCount).map { .size($0) })
    record.add("partitions", .list(lines.map { .record($0.record) }))
    return record
  }
}

/// One partition of the listing.
private struct PartitionLine {
  let partition: SavedPartition
  let record: Record
  let cells: [String]
  /// Why its image cannot be read, in a sentence.
  let problem: String?

  init(_ partition: SavedPartition, on table: PartitionTable?, _ options: ImageOptions) {
    self.partition = partition
    let place = partition.number.flatMap { table?.partition($0) }
    let start = place?.start
    let header = partition.image.map { HeaderFacts($0, options) }
    let size = place?.byteCount ?? header?.size
    var record: Record = ["partition": .text(partition.device.name)]
    record.add("number", partition.number.map { .count(UInt64($0)) })
    record.add("start", start.map { .size($0) })
    record.add("size", size.map { .size($0) })
    record.add("type", place.map { .text($0.type.code) })
    record.add("filesystem", partition.filesystem.map { .text($0) })
    record.add("used-size", header?.used.map { .size($0) })
    record.add("saved", .text(partition.content.name))
    if let image = partition.image {
      record.add("tool", .text(image.tool.rawValue))
      record.add("compression", (header?.codec ?? image.compression).map { .text($0) } ?? .none)
      record.add("stored-size", .size(image.storedSize))
      record.add("pieces", .list(image.pieces.map { .text($0) }))
    }
    if case .swap(let info) = partition.content {
      record.add("label", .text(info.label))
      record.add("uuid", info.uuidText.map { .text($0) })
    }
    if case .unsupported(let reason) = partition.content { record.add("problem", .text(reason)) }
    record.add("problem", header?.problem.map { .text($0) })
    self.record = record
    problem = header?.problem
    let places = [start.map { String($0) } ?? "", size.map { shortSize($0) } ?? partition.sizeText ?? ""]
    let uses = [partition.filesystem ?? "", header?.used.map { shortSize($0) } ?? ""]
    var stored = [partition.content.name, "", "", ""]
    if let image = partition.image {
      let compression = header?.codec ?? (image.compression == "uncomp" ? nil : image.compression) ?? "none"
      stored = [image.tool.rawValue, compression, String(image.pieces.count), shortSize(image.storedSize)]
    }
    cells = ([partition.device.name] + places + uses + stored).map(\.printable)
  }
}

/// What an image's header says, read without its data.
private struct HeaderFacts {
  var size: UInt64?
  var used: UInt64?
  var codec: String?
  var problem: String?

  init(_ image: SavedImage, _ options: ImageOptions) {
    var request = SourceRequest(image.path.string)
    request.options = options
    request.options.readsHeaderOnly = true
    request.workers = 1
    do {
      let source = try OpenedSource(request, progress: JobProgress()) { _ in }
      let facts = source.image.facts
      codec = source.codec
      if case .size(let found)? = facts["virtual-size"] { size = found }
      if case .size(let found)? = facts["used-size"] { used = found }
    } catch { problem = "\(error)" }
  }
}

extension SavedPartition.Content {
  /// What the listing calls it where there is no tool.
  fileprivate var name: String {
    switch self {
    case .image: "image"
    case .swap: "made anew"
    case .container: "table"
    case .unsupported: "not restorable"
    case .nothing: "not saved"
    }
  }
}
