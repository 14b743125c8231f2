import BlockIO
import Bytes
package import Images
package import SystemPackage

/// A folder that Clonezilla saved disks or partitions into.
package struct ClonezillaFolder: Sendable {
  package let files: FolderFiles
  package let disks: [SavedDisk]

  /// The name to show.
  package var name: String { files.path.string }

  /// Whether `path` is a folder that looks like one of Clonezilla's.
  package static func isFolder(_ path: FilePath) -> Bool {
    guard let status = try? FileStatus.of(path), status.kind == .directory else { return false }
    return directoryEntries(path).contains { marks.contains($0) || $0.hasSuffix("-pt.sf") }
  }

  /// Files that every folder has one of.
  private static let marks: Set<String> = ["clonezilla-img", "parts", "disk"]

  /// Reads the lists in the folder at `path` and looks for images; throws `ImageError` and `IOError`.
  package init(_ path: FilePath, options: ImageOptions) throws {
    let files = try FolderFiles(
      path, allowsOutside: options.allowsBackingOutside, comparesChecksums: !options.ignoresChecksums)
    self.files = files
    guard !files.has("ecryptfs.info") else {
      throw files.unsupported(
        "the folder is encrypted with eCryptfs; mount it decrypted, as ocs-sr does, and name that")
    }
    let lists = try FolderLists(files)
    disks = try lists.disks.map { try SavedDisk($0, lists, files) }
    guard !disks.isEmpty else {
      throw files.damaged("disk", "the folder names no disk: neither this file nor one that ends in -pt.sf is there")
    }
  }

  /// The disk called `name`, with or without `/dev/`; nil if there is none.
  package func disk(_ name: String) -> SavedDisk? {
    guard let device = DeviceName(name) else { return nil }
    return disks.first { $0.device == device }
  }

  /// The partition called `name`, or the one with this number where there is a single disk; nil if there is none.
  package func partition(_ name: String) -> (disk: SavedDisk, partition: SavedPartition)? {
    if let number = Int(name), disks.count == 1, let partition = disks[0].partition(number) {
      return (disks[0], partition)
    }
    guard let device = DeviceName(name) else { return nil }
    for disk in disks {
      if let partition = disk.partitions.first(where: { $0.device == device }) { return (disk, partition) }
    }
    return nil
  }
}

/// The lists of devices in a folder.
struct FolderLists {
  private(set) var disks: [DeviceName] = []
  /// The partitions that were saved.
  private(set) var parts: [DeviceName] = []
  /// What `dev-fs.list` says of each device.
  private(set) var filesystems: [DeviceName: (filesystem: String, size: String?)] = [:]
  /// Partitions whose contents were saved as LVM volumes or behind a LUKS mapping.
  private(set) var mapped: [DeviceName: String] = [:]

  /// The most devices that a list may name.
  private static let mostNames = 4096

  init(_ folder: FolderFiles) throws {
    disks = try Self.names("disk", in: folder)
    parts = try Self.names("parts", in: folder)
    if disks.isEmpty { disks = try Self.disksOfTables(folder) }
    for line in try Self.lines("dev-fs.list", in: folder) {
      // Volumes of LVM and of LUKS are named here too; they are no partitions.
      if Self.isVolume(line[0]) { continue }
      let device = try Self.device(line[0], "dev-fs.list", folder)
      guard line.count > 1 else { continue }
      filesystems[device] = (String(line[1]), line.count > 2 ? String(line[2]) : nil)
    }
    // Volume group, partition, UUID.
    for line in try Self.lines("lvm_vg_dev.list", in: folder) where line.count > 1 {
      // A group in a LUKS volume, whose partition luks-dev.list names.
      if Self.isVolume(line[1]) { continue }
      mapped[try Self.device(line[1], "lvm_vg_dev.list", folder)] = "a physical volume of LVM group \(line[0])"
    }
    for line in try Self.lines("luks-dev.list", in: folder) {
      mapped[try Self.device(line[0], "luks-dev.list", folder)] = "a LUKS volume whose contents were saved decrypted"
    }
  }

  /// The disks whose tables are in a folder of single partitions.
  private static func disksOfTables(_ folder: FolderFiles) throws -> [DeviceName] {
    try folder.names.filter { $0.hasSuffix("-pt.sf") }.sorted().map { name in
      try device(name.dropLast(6), "the name \(name)", folder)
    }
  }

  private static func names(_ list: String, in folder: FolderFiles) throws -> [DeviceName] {
    var found: [DeviceName] = []
    for word in try lines(list, in: folder).joined() {
      let device = try device(word, list, folder)
      if !found.contains(device) { found.append(device) }
    }
    return found
  }

  /// The words of each line that is neither empty nor a comment.
  private static func lines(_ list: String, in folder: FolderFiles) throws -> [[Substring]] {
    let text = try folder.text(list) ?? ""
    let lines = text.split(whereSeparator: \.isNewline).map { $0.split(whereSeparator: \.isWhitespace) }
      .filter { $0.first.map { !$0.hasPrefix("#") } ?? false }
    guard lines.count <= mostNames else { throw folder.damaged(list, "it names more than \(mostNames) devices") }
    return lines
  }

  /// Whether a word names a volume of LVM or LUKS, such as `/dev/mapper/sda3_crypt`.
  private static func isVolume(_ word: Substring) -> Bool {
    DeviceName(word) == nil && word.hasPrefix("/dev/") && !word.contains("..")
  }

  private static func device(_ word: some StringProtocol, _ list: String, _ folder: FolderFiles) throws -> DeviceName {
    guard let device = DeviceName(word) else {
      throw ImageError(
        .refused, format: "clonezilla", file: folder.path.string,
        "\(list) names \"\(word)\", which is no disk or partition; nothing of this folder is used")
    }
    return device
  }
}

extension SavedDisk {
  /// Puts together what the lists, the table and the images' names say of the disk called `device`.
  init(_ device: DeviceName, _ lists: FolderLists, _ folder: FolderFiles) throws {
    self.device = device
    let table = device.fileName + "-pt.sf"
    do {
      let parsed = try folder.text(table).map { try SfdiskDump(parsing: $0) }
      // An sfdisk of before 2014 saw of a GPT what protects it alone.
      let isProtective = parsed.map { dump in dump.label == nil && dump.entries.contains { $0.type == "ee" } } ?? false
      dump = isProtective ? nil : parsed
    } catch let error as LayoutError { throw folder.damaged(table, error.detail) }
    geometry = try DiskGeometry(device, dump: dump, in: folder)
    var numbers = Set(dump?.entries.map(\.number) ?? [])
    let saved = lists.parts + lists.filesystems.keys.sorted { $0.name < $1.name }
    for name in saved { if let number = name.number(on: device) { numbers.insert(number) } }
    var found: [SavedPartition] = []
    if lists.parts.contains(device) { found.append(try Self.partition(device, nil, nil, lists, folder)) }
    for number in numbers.sorted() {
      guard let name = device.partition(number) else { continue }
      let entry = dump?.entries.first { $0.number == number }
      found.append(try Self.partition(name, number, entry, lists, folder))
    }
    partitions = found
  }

  private static func partition(
    _ device: DeviceName, _ number: Int?, _ entry: SfdiskDump.Entry?, _ lists: FolderLists, _ folder: FolderFiles
  ) throws -> SavedPartition {
    let listed = lists.filesystems[device]
    let content = try content(device, entry, listed?.filesystem, lists, folder)
    var filesystem = listed?.filesystem
    if filesystem == nil, case .image(let image) = content { filesystem = image.filesystem }
    if case .swap = content { filesystem = "swap" }
    return SavedPartition(
      device: device, number: number, filesystem: filesystem, sizeText: listed?.size, content: content)
  }

  private static func content(
    _ device: DeviceName, _ entry: SfdiskDump.Entry?, _ filesystem: String?, _ lists: FolderLists,
    _ folder: FolderFiles
  ) throws -> SavedPartition.Content {
    if let image = try SavedImage.find(device, in: folder) { return .image(image) }
    if let reason = lists.mapped[device] {
      return .unsupported("\(device) is \(reason), of which the folder has no image by itself; restore it with ocs-sr")
    }
    let list = "swappt-\(device.fileName).info"
    if let text = try folder.text(list) {
      do { return .swap(try SwapInfo(parsing: text)) } catch { throw folder.damaged(list, error.detail) }
    }
    if entry.map({ ["5", "f", "85", "0x5", "0xf", "0x85"].contains($0.type.lowercased()) }) ?? false {
      return .container
    }
    guard !lists.parts.contains(device) else {
      throw folder.damaged(
        "parts",
        "it says that \(device) was saved, but the folder has no image whose name starts with "
          + "\(device.fileName).; copy the folder again")
    }
    // A disk saved whole has its swap partitions named in dev-fs.list alone in folders of before 2009.
    if filesystem == "swap" { return .swap(SwapInfo()) }
    return .nothing
  }
}
