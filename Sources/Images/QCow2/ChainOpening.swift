import BlockIO
import Bytes
import SystemPackage

/// Opens a qcow2 image and, through the gate, every file that it needs.
struct ChainOpening {
  /// An opened file of the chain.
  struct Link {
    /// The name to show.
    let label: String
    let path: FilePath?
    let file: any BlockSource
    /// Nil for a raw file.
    let metadata: QCow2Metadata?
    /// The external data file, if there is one.
    var data: FileSource?
    /// What is to be read of it: the disk as it is, or a snapshot.
    var root: QCow2Layer.Root?

    var byteCount: UInt64 { root?.byteCount ?? file.byteCount }
  }

  private let options: ImageOptions
  private var gate: OpenGate
  /// Top first.
  private(set) var links: [Link] = []
  private(set) var files: [ImageFile] = []
  private(set) var warnings: [String] = []

  /// The most files of a chain.
  static let maximumDepth = 64

  /// Opens the chain from `top` down.
  init(_ input: ImageInput, top: any BlockSource) throws {
    options = input.options
    gate = OpenGate(for: input.path, format: "qcow2", allowsOutside: options.allowsBackingOutside)
    if let file = top as? FileSource { try register(file) }
    try add(qcow2: top, path: input.path, label: input.name)
    while let backing = try openBacking() {
      guard links.count < Self.maximumDepth else {
        throw ImageError(
          .refused, format: "qcow2", file: links.last?.label,
          "the chain of backing files is longer than \(Self.maximumDepth) files")
      }
      try register(backing.file)
      if backing.format == "qcow2" {
        try add(qcow2: backing.file, path: backing.file.path, label: backing.file.path.string)
      } else {
        links.append(
          Link(label: backing.file.path.string, path: backing.file.path, file: backing.file, metadata: nil))
      }
    }
  }

  /// Notes a file of the chain after checking that it is new and that nobody writes to it.
  private mutating func register(_ file: FileSource) throws {
    let entry = ImageFile(path: file.path, status: file.status)
    guard !files.contains(where: { $0.identity == entry.identity || ($0.device != 0 && $0.device == entry.device) })
    else {
      throw ImageError(
        .refused, format: "qcow2", file: links.last?.label,
        "the chain of backing files comes back to \(file.path.string.printable), which would never end")
    }
    if options.forcesShare {
      if let holder = QemuLock.holder(of: file) {
        warnings.append("\(file.path): \(holder); what is read may be inconsistent")
      }
    } else {
      try QemuLock.take(file, format: "qcow2")
    }
    files.append(entry)
  }

  private mutating func add(qcow2 file: any BlockSource, path: FilePath?, label: String) throws {
    let isTop = links.isEmpty
    let metadata: QCow2Metadata
    let root: QCow2Layer.Root
    do {
      metadata = try QCow2Metadata(of: file, forcesCorrupt: options.forcesCorrupt)
      root = try metadata.root(snapshot: isTop ? options.snapshot : nil, fileSize: file.byteCount)
    } catch let error as LayoutError {
      throw ImageError(
        .damaged, format: "qcow2", file: label, offset: UInt64(error.offset), "the header is damaged: \(error.detail)")
    } catch var error as ImageError {
      error.file = label
      throw error
    }
    warn(metadata.header, label)
    links.append(Link(label: label, path: path, file: file, metadata: metadata, root: root))
    guard metadata.header.hasDataFile else { return }
    guard let name = metadata.extensions.dataFileName else {
      throw ImageError(
        .unsupported, format: "qcow2", file: label, "guest data is in another file, which the image does not name")
    }
    let data = try gate.open(name, of: "data file", in: path, label: label)
    try register(data)
    links[links.count - 1].data = data
  }

  private mutating func warn(_ header: QCow2Header, _ label: String) {
    if header.incompatible & QCow2Features.dirty != 0 {
      warnings.append(
        "\(label.printable): the image was not closed cleanly; its refcounts may be wrong, its data is read")
    }
    if header.incompatible & QCow2Features.corrupt != 0 {
      warnings.append("\(label.printable): the image is marked corrupt; what is read may be wrong")
    }
  }

  /// The file below the last link, opened, and its format; nil at the end of the chain.
  private mutating func openBacking() throws -> (file: FileSource, format: String)? {
    guard let link = links.last, let metadata = link.metadata else { return nil }
    let isTop = links.count == 1
    let file: FileSource
    if isTop, let path = options.backing {
      file = try FileSource(path)
      gate.admit(folderOf: path)
    } else {
      guard let name = metadata.backingName else { return nil }
      file = try gate.open(name, of: "backing file", in: link.path, label: link.label)
    }
    let (stored, given) = (metadata.extensions.backingFormat, options.backingFormat)
    // The user's word counts for a file of the user's choice, and where the image is silent.
    let declared = isTop && options.backing != nil ? given ?? stored : stored ?? given
    return (file, try format(of: file, declared: declared, label: link.label))
  }

  /// The format to read a backing file as: what is declared, never what it looks like.
  private mutating func format(of file: FileSource, declared: String?, label: String) throws -> String {
    switch declared {
    case "qcow2": return "qcow2"
    case "raw", "host_device", "file": return "raw"
    case .some(let other):
      throw ImageError(
        .unsupported, format: "qcow2", file: label,
        "the backing file \(file.path.string) has the format \"\(other)\"; raw and qcow2 are supported")
    case nil:
      if let guess = try DiskMagic.name(of: file) {
        throw ImageError(
          .refused, format: "qcow2", file: label,
          "the format of the backing file \(file.path.string) is not declared and its contents look like \(guess); "
            + "say which it is with --backing-format qcow2 or --backing-format raw")
      }
      warnings.append(
        "\(label.printable): the format of the backing file \(file.path) is not declared; it is read as raw")
      return "raw"
    }
  }
}

/// Disk image formats by their first bytes, to tell what a file of undeclared format is not.
enum DiskMagic {
  private static let magics: [(name: String, offset: Int, bytes: [UInt8])] = [
    ("qcow2", 0, [0x51, 0x46, 0x49, 0xfb]),
    ("qed", 0, [0x51, 0x45, 0x44, 0x00]),
    ("vmdk", 0, Array("KDMV".utf8)),
    ("vmdk", 0, Array("COWD".utf8)),
    ("vmdk", 0, Array("# Disk DescriptorFile".utf8)),
    ("vhdx", 0, Array("vhdxfile".utf8)),
    ("vpc", 0, Array("conectix".utf8)),
    ("vdi", 64, [0x7f, 0x10, 0xda, 0xbe]),
    ("parallels", 0, Array("WithoutFreeSpace".utf8)),
    ("parallels", 0, Array("WithouFreSpacExt".utf8)),
    ("partclone", 0, Array("partclone-image".utf8)),
    ("ntfsclone", 0, Array("\0ntfsclone-image".utf8)),
  ]

  /// The format that `file` starts like, if it is a known one.
  static func name(of file: any BlockSource) throws -> String? {
    let count = Int(min(128, file.byteCount))
    var head = Buffer(count: 128)
    var span = head.mutablePrefix(count)
    try file.read(at: 0, into: &span)
    let bytes = head.prefix(count).array
    return magics.first { magic in
      bytes.count >= magic.offset + magic.bytes.count
        && bytes[magic.offset..<magic.offset + magic.bytes.count].elementsEqual(magic.bytes)
    }?.name
  }
}
