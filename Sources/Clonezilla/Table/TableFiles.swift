/// The names of the files that keep a disk's partition table.
struct TableFiles {
  /// sfdisk's dump and parted's report.
  let dump, parted: String
  /// The first sector; the primary GPT with it; the backup; sgdisk's backup of both.
  let record, primary, backup, gdisk: String
  /// What lies between the first sector and the first partition.
  let hidden: String

  init(_ device: DeviceName) {
    let name = device.fileName
    dump = name + "-pt.sf"
    parted = name + "-pt.parted"
    record = name + "-mbr"
    primary = name + "-gpt-1st"
    backup = name + "-gpt-2nd"
    gdisk = name + "-gpt.gdisk"
    hidden = name + "-hidden-data-after-mbr"
  }
}

/// The copies of a GPT that a folder may have, the best first.
struct GPTFiles {
  /// A header and the entries behind it, not judged.
  struct Copy {
    let file: String
    let header: [UInt8]
    let entries: [UInt8]
  }

  let copies: [Copy]

  /// `*-gpt-1st` is the disk's first 34 blocks of 512 bytes, which are not all of the entries where sectors are larger;
  /// `*-gpt.gdisk` is the first sector, both headers, 512 bytes each, and the entries; `*-gpt-2nd` ends with the disk's
  /// last sector, the backup header, and begins one sector late.
  init(_ names: TableFiles, _ folder: FolderFiles, sectorSize: Int) throws {
    var copies: [Copy] = []
    if let bytes = try folder.bytes(names.primary) {
      copies.append(
        Copy(
          file: names.primary, header: Self.part(bytes, sectorSize, sectorSize),
          entries: Self.part(bytes, 2 * sectorSize, bytes.count)))
    }
    if let bytes = try folder.bytes(names.gdisk) {
      for place in [512, 1024] {
        copies.append(
          Copy(file: names.gdisk, header: Self.part(bytes, place, 512), entries: Self.part(bytes, 1536, bytes.count)))
      }
    }
    if let bytes = try folder.bytes(names.backup), bytes.count > sectorSize {
      let place = bytes.count - sectorSize
      for array in [16 << 10, place] where array <= place {
        copies.append(
          Copy(
            file: names.backup, header: Self.part(bytes, place, sectorSize),
            entries: Self.part(bytes, place - array, array)))
      }
    }
    self.copies = copies
  }

  private static func part(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> [UInt8] {
    guard offset < bytes.count else { return [] }
    return Array(bytes[offset..<min(bytes.count, offset + min(count, bytes.count))])
  }
}
