import BlockIO
import Bytes

/// The two copies of a GPT as far as they are sound; one at least is.
struct GPTCopies: Sendable {
  let primary: GPTCopy?
  let backup: GPTCopy?
  /// The copy that counts.
  let used: GPTCopy
}

/// Looks for a GPT with every sector size there is, in both places.
struct GPTSearch {
  /// The sector size of the copy that was found, in bytes.
  private(set) var sectorSize = 512
  private(set) var copies: GPTCopies?
  private(set) var warnings: [String] = []
  /// Whether the signature of a header was seen, of a sound or a damaged one.
  private(set) var sawSignature = false
  private var reasons: [String] = []

  init(in source: any BlockSource, hint: Int?) throws {
    let sizes = ([hint].compactMap(\.self) + PartitionTable.sectorSizes.filter { $0 != hint })
    var damaged: [(size: Int, primary: GPTCopy.Finding)] = []
    var absent: [(size: Int, primary: GPTCopy.Finding)] = []
    for size in sizes {
      let primary = try GPTCopy.find(in: source, sector: 1, sectorSize: size)
      switch primary {
      case .sound(let copy):
        try take(copy, in: source, sectorSize: size)
        return
      case .damaged(let reason, let offset, _):
        sawSignature = true
        reasons.append("the primary copy cannot be used because \(reason) (byte \(offset) of the disk)")
        damaged.append((size, primary))
      case .absent: absent.append((size, primary))
      }
    }
    for candidate in damaged + absent {
      guard let copy = try backup(for: candidate.primary, in: source, sectorSize: candidate.size) else { continue }
      sectorSize = candidate.size
      copies = GPTCopies(primary: nil, backup: copy, used: copy)
      let reason =
        damaged.contains { $0.size == candidate.size }
        ? reasons.first ?? "the primary copy is damaged" : "the primary copy is missing"
      warnings.append("\(reason); the backup in sector \(copy.header.sector) is used")
      return
    }
  }

  /// The error where no copy is sound.
  var failure: ImageError {
    let found = reasons.isEmpty ? ["the primary copy is missing"] : reasons
    let rest = found.count < 2 ? ["no sound backup was found"] : []
    let sentence = (found + rest).joined(separator: ", and ")
    return ImageError(.damaged, format: "GPT", "both copies of the table are unusable: \(sentence)")
  }

  /// Takes a sound primary copy and looks at its backup.
  private mutating func take(_ primary: GPTCopy, in source: any BlockSource, sectorSize size: Int) throws {
    sectorSize = size
    sawSignature = true
    let diskSectors = source.byteCount / UInt64(size)
    let place = primary.header.alternateSector
    let finding = try GPTCopy.find(in: source, sector: place, sectorSize: size)
    switch finding {
    case .sound(let copy):
      if !copy.agrees(with: primary) {
        warnings.append("the backup in sector \(place) describes another table than the primary copy, which is used")
      } else if place != diskSectors - 1 {
        warnings.append("the backup in sector \(place) is not at the end of the disk, sector \(diskSectors - 1)")
      }
    case .damaged(let reason, let offset, _):
      warnings.append(
        "the backup cannot be used because \(reason) (byte \(offset) of the disk); the primary copy is used")
    case .absent:
      warnings.append("there is no backup in sector \(place), where it should be; the primary copy is used")
    }
    copies = GPTCopies(primary: primary, backup: finding.copy, used: primary)
  }

  /// A sound backup where a damaged primary copy says that it is, or in the disk's last sector.
  private mutating func backup(
    for primary: GPTCopy.Finding, in source: any BlockSource, sectorSize: Int
  ) throws -> GPTCopy? {
    var places = [source.byteCount / UInt64(sectorSize)].filter { $0 > 2 }.map { $0 - 1 }
    if case .damaged(_, _, let alternate?) = primary, !places.contains(alternate) { places.append(alternate) }
    for place in places where place != 1 {
      switch try GPTCopy.find(in: source, sector: place, sectorSize: sectorSize) {
      case .sound(let copy): return copy
      case .damaged(let reason, let offset, _):
        sawSignature = true
        reasons.append("the backup cannot be used because \(reason) (byte \(offset) of the disk)")
      case .absent: break
      }
    }
    return nil
  }
}

extension GPTCopy {
  /// Whether two copies describe the same disk and partitions.
  func agrees(with other: GPTCopy) -> Bool {
    header.diskGUID == other.header.diskGUID && header.entriesChecksum == other.header.entriesChecksum
      && header.entryCount == other.header.entryCount && header.entrySize == other.header.entrySize
      && header.firstUsable == other.header.firstUsable && header.lastUsable == other.header.lastUsable
  }
}
