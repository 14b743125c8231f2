import BlockIO
import Bytes
package import SystemPackage

/// A partition's image in a folder: which files, and what their names say of them.
package struct SavedImage: Sendable {
  /// The programs that write partition images.
  package enum Tool: String, Sendable {
    case partclone, ntfsclone, partimage
    case dd
  }

  package let tool: Tool
  /// The filesystem in the name, such as `ext4`; nil where the name has none.
  package let filesystem: String?
  /// The compression in the name, such as `zst`; nil where the name does not say it.
  package let compression: String?
  /// The files in order: one, the pieces of a split one, or volumes.
  package let pieces: [String]
  /// Whether the files are volumes, each with a header of its own.
  package let isVolumes: Bool
  /// Size in bytes of all files.
  package let storedSize: UInt64
  /// The first file's whole name, from which the others are found.
  package let path: FilePath

  /// The ends of names of compressed files.
  private static let compressions: Set<Substring> = [
    "gz", "bz2", "lzo", "lzma", "xz", "lzip", "lz", "lrz", "lz4", "lz4mt", "zst", "zstd", "uncomp",
  ]

  /// Finds the image of `device` in `folder`; nil where there is none; throws `ImageError` where pieces are missing or
  /// there are images of more than one kind.
  package static func find(_ device: DeviceName, in folder: FolderFiles) throws -> SavedImage? {
    let prefix = device.fileName + "."
    var kinds: [String: Kind] = [:]
    var files: [String: [String]] = [:]
    for name in folder.names where name.hasPrefix(prefix) {
      guard let kind = Kind(name.dropFirst(prefix.count)) else { continue }
      kinds[kind.base] = kind
      files[kind.base, default: []].append(name)
    }
    guard let (base, kind) = kinds.first else { return nil }
    guard kinds.count == 1 else {
      let found = files.values.compactMap { $0.min() }.sorted().joined(separator: ", ")
      throw folder.unsupported("there is more than one image of \(device): \(found); leave the right one in the folder")
    }
    // Of a piece that is missing at the end only the checksums know.
    let lost = folder.checksums.names.sorted().first { name in
      name.hasPrefix(prefix) && !folder.has(name) && Kind(name.dropFirst(prefix.count))?.base == base
    }
    if let lost { throw folder.damaged(lost, "this piece of the image of \(device) is missing; copy the folder again") }
    return try SavedImage(kind, files: (files[base] ?? []).sorted(), device, folder)
  }

  private init(_ kind: Kind, files: [String], _ device: DeviceName, _ folder: FolderFiles) throws {
    tool = kind.tool
    filesystem = kind.filesystem
    compression = kind.compression
    isVolumes = kind.isVolumes
    if kind.isSplit || kind.isVolumes {
      pieces = try Self.pieces(files, isVolumes: kind.isVolumes, device, folder)
    } else {
      pieces = files
    }
    var total: UInt64 = 0
    for piece in pieces { total = total.adding(try folder.open(piece).byteCount) ?? .max }
    storedSize = total
    path = folder.path(pieces.first ?? files[0])
  }

  /// The pieces in order, none missing.
  private static func pieces(
    _ files: [String], isVolumes: Bool, _ device: DeviceName, _ folder: FolderFiles
  ) throws -> [String] {
    func missing(_ name: String) -> ImageError {
      folder.damaged(name, "this piece of the image of \(device) is missing, and there are later ones")
    }
    let base = String(files[0][...(files[0].lastIndex(of: ".") ?? files[0].startIndex)])
    let suffix = files[0].dropFirst(base.count)
    guard let alphabet = SplitSuffix.alphabet(of: suffix) else { return files }
    let isGrowing = suffix.utf8.count == 2 && !files.contains { $0.hasSuffix(alphabet == .letters ? ".za" : ".90") }
    let scheme = SplitSuffix(alphabet, length: isGrowing ? nil : suffix.utf8.count)
    let names = Set(files)
    let ordered = (0..<files.count).map { base + scheme.suffix($0) }
    for name in ordered where !names.contains(name) { throw missing(name) }
    return ordered
  }

  /// What the rest of a file's name, behind the device's, says.
  private struct Kind {
    let tool: Tool
    let filesystem: String?
    let compression: String?
    /// Whether the file is a piece of a split one, or a volume.
    let isSplit: Bool
    let isVolumes: Bool
    /// The name without the piece's suffix.
    let base: String

    /// Reads `ext4-ptcl-img.zst.aa`, `ntfs-img.aa`, `dd-img`, `ext3-img.aa`, `aa` and `000`; nil for other files.
    ///
    /// The place of a word tells compression and piece apart: the 182nd piece of a file ends in `gz` too.
    init?(_ rest: Substring) {
      var words = rest.split(separator: ".", omittingEmptySubsequences: false)[...]
      guard let first = words.popFirst() else { return nil }
      guard first.hasSuffix("-img"), first.utf8.count > 4 else {
        // partimage's own volumes count in three digits, its pieces are split's.
        isVolumes = first.utf8.count == 3 && SplitSuffix.alphabet(of: first) == .digits
        isSplit = !isVolumes
        guard words.isEmpty, isVolumes || Self.isPiece(first) && (first.utf8.count != 3 || first.first == "a") else {
          return nil
        }
        (tool, filesystem, compression, base) = (.partimage, nil, nil, isVolumes ? "volumes" : "pieces")
        return
      }
      isVolumes = false
      var name = String(first)
      var compression: String?
      if first.hasSuffix("-ptcl-img") {
        if let word = words.first, compressions.contains(word) {
          compression = String(word)
          name += ".\(word)"
          words.removeFirst()
        }
        let kind = String(first.dropLast(9))
        guard !kind.isEmpty else { return nil }
        // partclone.dd writes the partition's bytes without a header.
        (tool, filesystem) = kind == "dd" ? (.dd, nil) : (.partclone, kind)
      } else {
        let kind = String(first.dropLast(4))
        switch kind {
        case "ntfs": (tool, filesystem) = (.ntfsclone, kind)
        case "dd": (tool, filesystem) = (.dd, nil)
        default: (tool, filesystem) = (.partclone, kind)
        }
      }
      self.compression = compression
      base = name
      isSplit = !words.isEmpty
      guard words.count < 2, words.first.map(Self.isPiece) ?? true else { return nil }
      // Behind what should be a compression only the shortest suffixes are sure to be one.
      if first.hasSuffix("-ptcl-img"), compression == nil, let word = words.first, word.utf8.count != 2 { return nil }
    }

    /// Whether a word is the suffix of one of split's pieces: two letters, three, or more behind a `z`.
    private static func isPiece(_ word: Substring) -> Bool {
      guard SplitSuffix.alphabet(of: word) == .letters else { return false }
      return word.utf8.count <= 3 || word.first == "z"
    }
  }
}
