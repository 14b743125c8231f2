import BlockIO
import Browsing
import Filesystems
import Partitions

/// A disk whose volumes are changed, each opened when a step first needs it.
final class PatchedDisk {
  private let name: String
  private let isRehearsal: Bool
  private let standard: Int?
  private let types: [FilesystemType]
  private let open: (Partition?) throws -> any BlockStore
  /// The partitions whose filesystem a driver knows; one nil where the whole disk is one volume.
  private let known: [(partition: Partition?, type: FilesystemType)]
  private let listing: [String]
  private var volumes: [Int: PatchedVolume] = [:]
  /// Partitions that cannot be opened, and why.
  private var failures: [Int: any Error] = [:]

  /// A disk to try steps on; nothing reaches `source`.
  ///
  /// `number` is the partition of paths that name none.
  convenience init(
    rehearsing source: any BlockSource, named name: String, number: Int?, sectorSizeHint: Int?,
    types: [FilesystemType]
  ) throws {
    try self.init(source, named: name, number: number, sectorSizeHint, types, isRehearsal: true) { partition in
      ScratchStore(over: try partition?.window(on: source) ?? source)
    }
  }

  /// A disk to change.
  convenience init(
    writing target: any BlockTarget, named name: String, number: Int?, sectorSizeHint: Int?, types: [FilesystemType]
  ) throws {
    let whole = SectorStore(target)
    try self.init(whole, named: name, number: number, sectorSizeHint, types, isRehearsal: false) { partition in
      try partition.map { SectorStore(try $0.window(on: target)) } ?? whole
    }
  }

  private init(
    _ source: any BlockSource, named name: String, number: Int?, _ sectorSizeHint: Int?, _ types: [FilesystemType],
    isRehearsal: Bool, open: @escaping (Partition?) throws -> any BlockStore
  ) throws {
    self.name = name
    self.isRehearsal = isRehearsal
    self.types = types
    self.open = open
    standard = number
    guard let table = try PartitionTable.read(from: source, sectorSizeHint: sectorSizeHint) else {
      if let number {
        throw VolumeUndecided("\(name) has no partition table, and so no partition \(number); leave the number out")
      }
      // Says what there is instead where no driver knows it.
      known = [(nil, try VolumeChoice(on: source, named: name, types: types).type)]
      listing = []
      return
    }
    var known: [(partition: Partition?, type: FilesystemType)] = []
    for partition in table.partitions where !partition.type.isExtended && partition.end <= source.byteCount {
      if let type = try FilesystemType.find(for: partition.window(on: source), among: types) {
        known.append((partition, type))
      }
    }
    self.known = known
    listing = VolumeChoice.list(table, on: source)
  }

  /// All that were opened, in order.
  var opened: [PatchedVolume] { volumes.sorted { $0.key < $1.key }.map(\.value) }

  /// The volume with this partition number, or the whole disk for nil.
  private func volume(_ number: Int?) throws -> PatchedVolume {
    if let found = volumes[number ?? 0] { return found }
    if let failure = number.flatMap({ failures[$0] }) { throw failure }
    guard let (partition, type) = known.first(where: { $0.partition?.number == number }) else {
      let hasTable = known.first.map { $0.partition != nil } ?? true
      throw VolumeUndecided(
        hasTable
          ? "\(name) has no partition \(number.map(String.init) ?? "") with a filesystem that can be changed here. It has:\n"
            + listing.joined(separator: "\n")
          : "\(name) has no partition table, and so no partition \(number ?? 0); leave the number out")
    }
    let volume = try PatchedVolume(
      try open(partition), number: number, name: number.map { "\(name):\($0)" } ?? name, type: type,
      isRehearsal: isRehearsal)
    volumes[number ?? 0] = volume
    return volume
  }

  /// The volume that `step` is meant for: the partition that it names, or the only one that has the directory or file.
  ///
  /// Throws `VolumeUndecided`, with the candidates, where there are several, and where there is none.
  func volume(for step: PatchStep) throws -> PatchedVolume {
    if let number = step.path.partition ?? step.otherPath?.partition ?? standard { return try volume(number) }
    if known.count == 1, let only = known.first { return try volume(only.partition?.number) }
    var best: (score: Int, volumes: [PatchedVolume]) = (-1, [])
    for (partition, _) in known {
      let volume: PatchedVolume
      do { volume = try self.volume(partition?.number) } catch let error as ImageError {
        if let number = partition?.number { failures[number] = error }
        continue
      }
      guard let score = try Self.score(step, in: volume.filesystem) else { continue }
      if score > best.score { best = (score, [volume]) } else if score == best.score { best.volumes.append(volume) }
    }
    guard let only = best.volumes.first, best.volumes.count == 1 else {
      throw undecided(step, among: best.volumes.compactMap(\.number))
    }
    return only
  }

  /// How well a volume suits a step; nil where it does not.
  private static func score(_ step: PatchStep, in filesystem: any Filesystem) throws -> Int? {
    let walk = PathWalk(filesystem)
    func exists(_ names: [FileName], isDirectory: Bool) throws -> Bool {
      do {
        let place = try walk.find(VolumePath(names), followsLast: isDirectory)
        return try !isDirectory || filesystem.attributes(of: place.file).kind == .directory
      } catch is FileError { return false }
    }
    let names = step.path.path.names
    if step.needsExisting { return try exists(names, isDirectory: false) ? 0 : nil }
    guard step.makesParents else { return try exists(names.dropLast(), isDirectory: true) ? 0 : nil }
    // With parents to be made, the volume that has most of them.
    var depth = names.count - 1
    while depth > 0, try !exists(Array(names.prefix(depth)), isDirectory: true) { depth -= 1 }
    return max(depth, 0)
  }

  private func undecided(_ step: PatchStep, among numbers: [Int]) -> VolumeUndecided {
    let list = "It has:\n" + listing.joined(separator: "\n")
    let path = step.path.inVolume
    let what = step.needsExisting ? path : "the directory of \(path)"
    if let first = numbers.first {
      let all = numbers.map(String.init).joined(separator: ", ")
      return VolumeUndecided(
        "\(step.text): partitions \(all) of \(name) have \(what): name one, such as \(first):\(path). \(list)")
    }
    let unread = failures.sorted { $0.key < $1.key }.map { "\n\($0.value)" }.joined()
    return VolumeUndecided("\(step.text): no partition of \(name) has \(what). \(list)\(unread)")
  }
}

extension PatchStep {
  /// The second path of a step that has two.
  var otherPath: PatchPath? {
    switch action {
    case .rename(let path), .link(let path): path
    default: nil
    }
  }

  /// Whether the path must be there already.
  var needsExisting: Bool {
    switch action {
    case .remove, .setMode, .setOwner, .rename: true
    default: false
    }
  }
}

extension VolumePath {
  /// The path from the root through `names`.
  init(_ names: some Sequence<FileName>) {
    var bytes: [UInt8] = []
    for name in names { bytes += [UInt8(ascii: "/")] + name.bytes }
    self.init(bytes.isEmpty ? [UInt8(ascii: "/")] : bytes)
  }
}
