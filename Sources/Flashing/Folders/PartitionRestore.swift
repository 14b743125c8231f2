import BlockIO
import Bytes
import Clonezilla
import Flow
import Glibc
import Images
import Partitions
import SystemPackage
import Threads

/// One partition of a folder and its place on the disk.
struct PartitionRestore: Sendable {
  let partition: SavedPartition
  let place: Partition
  private let folder: ClonezillaFolder
  private let source: SourceRequest

  /// What a copy needs beside the partition itself.
  struct Context: Sendable {
    let voice: FlashJob.Voice
    let progress: JobProgress
    let share: LaneShare
    /// The target's name.
    let target: String
    let damage: Monitor<[(name: String, log: DamageLog)]>
  }

  /// Looks at the header of the partition's image; nil for a partition that is left alone.
  ///
  /// Throws `ImageError` for one that cannot be restored, or whose image is larger than its place.
  init?(
    _ partition: SavedPartition, on table: PartitionTable, in folder: ClonezillaFolder, _ request: FlashRequest
  ) throws {
    switch partition.content {
    case .container, .nothing: return nil
    case .unsupported(let reason): throw folder.files.unsupported(reason)
    case .image, .swap: break
    }
    guard let place = partition.number.flatMap(table.partition) else {
      throw folder.files.unsupported("\(partition.device) was saved, but the partition table has no such partition")
    }
    self.partition = partition
    self.place = place
    self.folder = folder
    source = request.source
    var header = source
    header.options.readsHeaderOnly = true
    header.workers = 1
    let opened = try OpenedSource(
      partition, size: place.byteCount, in: folder, header, progress: JobProgress()
    ) { _ in }
    if let size = opened.image.byteCount, size > place.byteCount {
      throw ImageError(
        .damaged, format: "clonezilla", file: opened.name,
        "its image is of a partition of \(describeSize(size)), and the table gives it \(describeSize(place.byteCount))")
    }
  }

  /// Copies the partition to `window` of an opened target; nil: reads it and writes nothing.
  func copy(
    to opened: OpenedTarget, through window: (any BlockTarget)?, request: FlashRequest, _ context: Context
  ) throws -> TargetWriter.Written {
    var request = request
    request.workers = context.share.workers
    var source = source
    source.workers = context.share.workers
    let name = partition.device.name
    let say: @Sendable (String) -> Void = { context.voice.say("\(name): \($0)") }
    let image = try OpenedSource(
      partition, size: place.byteCount, in: folder, source, progress: context.progress, say: say)
    for warning in image.image.warnings { say(warning) }
    if let log = image.image.damage { context.damage.update { $0.append((image.name, log)) } }
    let writer = TargetWriter(
      request: request, voice: context.voice, progress: context.progress, decodingUnit: image.image.decodingUnit,
      damage: image.image.damage, stop: context.share.stop)
    let report = FlashReport(
      source: image.name, format: image.image.format, target: "\(context.target) (partition \(name))")
    do {
      guard let window else {
        return try writer.copy(image.content, to: opened, through: opened.target, report: report)
      }
      return try writer.copy(image.content, to: OpenedTarget(window, of: opened), through: window, report: report)
    } catch let error as TargetTooSmall {
      throw ImageError(
        .damaged, format: "clonezilla", file: image.name,
        "it holds at least \(describeSize(error.needed)), and its partition has \(describeSize(error.available))")
    }
  }
}

/// How many partitions are written side by side, and what each may take.
struct LaneShare: Sendable {
  let lanes: Int
  /// Threads that write, and threads that decode, for each.
  let workers: Int
  /// Raised when all shall end.
  let stop: StopFlag

  /// Memory that one partition under way may take, in bytes: two decoders' and the buffers'.
  private static let memory: UInt64 = 192 << 20

  /// As many lanes as cores, and as half of the memory there is allows.
  init(parts: Int, request: FlashRequest, stop: StopFlag) {
    let cores = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    let room = Int(clamping: Self.availableMemory / 2 / Self.memory)
    let total = request.workers ?? CopyOptions(cores: cores, queue: nil).workers
    lanes = max(1, min(parts, cores, room, total))
    workers = max(1, total / lanes)
    self.stop = stop
  }

  /// What the kernel says can be taken without swapping, in bytes (proc_meminfo(5)).
  private static var availableMemory: UInt64 {
    let lines = systemText("/proc/meminfo")?.split(separator: "\n") ?? []
    let words = lines.first { $0.hasPrefix("MemAvailable:") }?.split(separator: " ") ?? []
    return words.count > 1 ? (UInt64(words[1]) ?? 0) << 10 : 1 << 30
  }
}

extension BadRange {
  /// The range as far from another beginning.
  func moved(by offset: UInt64) -> BadRange {
    BadRange(
      range: (range.lowerBound + offset)..<(range.upperBound + offset), isUnstable: isUnstable,
      firstDifference: firstDifference.map { $0 + offset })
  }
}

extension FlashReport {
  /// Adds what was done for a part of the target.
  mutating func add(_ part: FlashReport) {
    written += part.written
    zeroed += part.zeroed
    kept += part.kept
    discarded += part.discarded
    if let verified = part.verified { self.verified = (self.verified ?? 0) + verified }
    writeSeconds = max(writeSeconds, part.writeSeconds)
    verifySeconds += part.verifySeconds
  }
}
