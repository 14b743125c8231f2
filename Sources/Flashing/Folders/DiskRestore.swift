import BlockIO
import Bytes
import Clonezilla
import Flow
import Images
import Partitions
import Patching
import SystemPackage
import Threads

/// A disk out of a Clonezilla folder: its partitions side by side as windows of the one opened target, then what lies
/// between them, then the table.
struct DiskRestore {
  fileprivate let request: FlashRequest
  fileprivate let voice: FlashJob.Voice
  fileprivate let progress: JobProgress
  private let current: Monitor<String?>
  private let folder: ClonezillaFolder
  private let disk: SavedDisk
  private let image: SavedDiskImage
  fileprivate let parts: [PartitionRestore]
  /// Damage that was passed over, of each partition.
  fileprivate let damage = Monitor<[(name: String, log: DamageLog)]>([])

  /// The restore that `request` asks for; nil if its source is no disk of a folder, or is only looked at.
  ///
  /// Throws where the folder cannot be restored whole; nothing has been written then.
  init?(
    _ request: FlashRequest, voice: FlashJob.Voice, progress: JobProgress, current: Monitor<String?>
  ) throws {
    do {
      guard request.target != nil || request.checksOnly || !request.partitions.isEmpty,
        case .disk(let folder, let disk)? = try FolderSource.find(request.source)
      else { return nil }
      self.request = request
      self.voice = voice
      self.progress = progress
      self.current = current
      self.folder = folder
      self.disk = disk
      guard request.partitions.isEmpty else {
        throw RequestError(
          "-write-parts does not go with a folder; name the partition, as restore \(folder.name):\(disk.device)1 TARGET"
        )
      }
      guard request.offset == 0 else { throw RequestError("--offset does not go with a whole disk out of a folder") }
      guard let image = try disk.image(in: folder.files) else {
        throw folder.files.unsupported(
          "\(disk.device) was saved without a partition table, and nothing else is known of it")
      }
      self.image = image
      parts = try disk.partitions.compactMap { partition in
        try PartitionRestore(partition, on: image.table, in: folder, request)
      }
    } catch let error as IOError { throw SourceUnreadable(error) }
  }

  func run() throws -> [FlashReport] {
    for note in image.warnings + unsaved { voice.say(note) }
    if request.listsPartitions { try list() }
    if request.checksOnly { return [try check()] }
    guard let name = request.target else { return [] }
    let plan = try TargetPlan(name, images: folder.imageFiles)
    let patch = try Patch.asked(by: request)
    if patch != nil { voice.say("whether the patches can be made shows once the disk is written") }
    for note in plan.notes { voice.say(note) }
    let fitted = try fitted(to: plan)
    if request.isDryRun {
      var report = emptyReport(plan.name)
      report.byteCount = fitted.byteCount
      return [report]
    }
    if let existing = plan.existing {
      guard voice.confirm(existing + "\nEverything on it will be overwritten.") else { throw Interrupted() }
    }
    do { return [try write(fitted, to: plan, patch)] } catch let error as IOError
      where error.path != plan.path
    { throw SourceUnreadable(error) }
  }

  /// What is said of partitions that the folder has nothing of.
  private var unsaved: [String] {
    disk.partitions.compactMap { partition in
      guard case .nothing = partition.content else { return nil }
      return "\(partition.device) was not saved: its place on the target is left as it is"
    }
  }

  private func list() throws {
    let source = try OpenedSource(disk, in: folder, request.source)
    guard case .disk(let view) = source.content else { return }
    voice.list(
      try PartitionListing(
        view, name: source.name, regions: request.listsRegions, sectorSizeHint: disk.geometry.sectorSize))
  }

  private func emptyReport(_ target: String) -> FlashReport {
    FlashReport(source: folder.name, format: "clonezilla", target: target)
  }

  /// The disk without its partitions' contents at the size of the target; refuses targets that it does not fit.
  private func fitted(to plan: TargetPlan) throws -> FolderDisk {
    var size = image.disk.byteCount
    switch plan.kind {
    case .pipe: throw RequestError("a disk out of a folder is not written in order: name a disk or a file, not -")
    case .file: break
    case .device(let device):
      guard plan.isWholeDisk else {
        throw TargetRefusal(
          "\(plan.name) is a partition and \(folder.name) holds a whole disk; name the partition to write to it, as "
            + "\(folder.name):\(disk.device.partition(1)?.name ?? "sda1")")
      }
      if let sectorSize = device.sectorSize {
        try TableCheck.requireSectors(image.table, sectorSize, named: plan.name, request)
      }
      size = device.byteCount
    }
    do {
      var fitted = try image.fitted(to: size)
      fitted.reserve(parts.map { $0.place.start..<$0.place.end })
      return fitted
    } catch {
      let known = "(the disk in the folder has \(describeSize(image.disk.byteCount)))"
      throw TargetRefusal(
        "\(plan.name) \(size < image.disk.byteCount ? "is too small" : "cannot take the disk"): \(error) \(known)")
    }
  }

  /// Reads and checks every image and writes nothing.
  private func check() throws -> FlashReport {
    var report = emptyReport("nothing")
    report.isCheck = true
    progress.enter(.writing, total: parts.reduce(0) { $0 + $1.place.byteCount })
    let start = ContinuousClock.now
    let written = try lanes { [self] lanes, part in
      try part.copy(to: OpenedTarget(), through: nil, request: request, context(lanes))
    }
    for one in written { report.add(one.report) }
    report.byteCount = image.disk.byteCount
    report.writeSeconds = start.duration(to: .now).seconds
    progress.enter(.done, total: report.byteCount)
    try throwDamage("nothing")
    return report
  }

  /// Writes partitions, gaps and table.
  private func write(_ fitted: FolderDisk, to plan: TargetPlan, _ patch: Patch?) throws -> FlashReport {
    var locks = DiskLocks()
    let opened = try OpenedTarget(
      plan, byteCount: fitted.byteCount, images: folder.imageFiles, locks: &locks)
    let keeper = try opened.device.map {
      try TableKeeper($0, named: plan.name, image: .disk(fitted), request: request, say: voice.say)
    }
    current.update { $0 = plan.name }
    // The frame passes over the partitions once more.
    progress.enter(.writing, total: fitted.byteCount + parts.reduce(0) { $0 + $1.place.byteCount })
    try opened.empty()
    try keeper?.clear()
    let target = keeper?.target ?? opened.target
    let start = ContinuousClock.now
    var written = try lanes { [self] lanes, part in
      try part.copy(to: opened, through: part.place.window(on: target), request: request, context(lanes))
    }
    written.append(try frame(fitted, to: opened, through: target))
    let seconds = start.duration(to: .now).seconds
    progress.enter(.verifying, total: written.reduce(0) { $0 + $1.report.written + $1.report.zeroed })
    var report = emptyReport(plan.name)
    for index in written.indices {
      let part = index < parts.count ? parts[index] : nil
      try verify(&written[index], part)
      report.add(written[index].report)
    }
    report.byteCount = fitted.byteCount
    report.writeSeconds = seconds
    if let patch { report.patches = try patch.run(on: target, of: opened, report, progress) }
    progress.enter(.finishing, total: report.byteCount)
    try keeper?.finish(imageByteCount: fitted.byteCount)
    if request.checksQuickly { report.check = QuickCheck(say: voice.say).check(opened, window: opened.target, report) }
    locks = DiskLocks()
    keeper?.rereadTable()
    progress.enter(.done, total: report.byteCount)
    try throwDamage(plan.name)
    return report
  }

  /// Writes the table's sectors, which the target may hold back, and the data in gaps.
  private func frame(
    _ fitted: FolderDisk, to opened: OpenedTarget, through target: any BlockTarget
  ) throws -> TargetWriter.Written {
    var request = request
    request.policy.unallocated = .keep
    let writer = TargetWriter(request: request, voice: voice, progress: progress.addPart())
    var written = try writer.copy(
      .disk(fitted), to: OpenedTarget(target, of: opened), through: target,
      report: emptyReport(self.request.target ?? ""))
    // What is kept of the partitions is theirs to count.
    written.report.kept -= min(written.report.kept, parts.reduce(0) { $0 + $1.place.byteCount })
    return written
  }

  private func verify(_ written: inout TargetWriter.Written, _ part: PartitionRestore?) throws {
    var request = request
    if part == nil { request.policy.unallocated = .keep }
    let writer = TargetWriter(request: request, voice: voice, progress: progress.addPart())
    do {
      try writer.verify(&written)
      try writer.wipeSignatures(of: written)
    } catch let error as VerificationFailure {
      throw VerificationFailure(target: error.target, bad: error.bad.map { $0.moved(by: part?.place.start ?? 0) })
    }
  }
}

extension DiskRestore {
  /// Does `body` for every partition, the largest first, several at a time; returns what it returned, in the order of
  /// the partitions.
  fileprivate func lanes(
    _ body: @escaping @Sendable (LaneShare, PartitionRestore) throws -> TargetWriter.Written
  ) throws -> [TargetWriter.Written] {
    let stop = StopFlag()
    let share = LaneShare(parts: parts.count, request: request, stop: stop)
    let queue = Channel<Int>(capacity: max(parts.count, 1))
    let done = Monitor<[Int: TargetWriter.Written]>([:])
    let parts = parts
    _ = try withWorkers(
      share.lanes, named: "restore",
      stop: {
        stop.raise()
        queue.cancel()
      }
    ) { _ in
      while let index = queue.receive() {
        let written = try body(share, parts[index])
        done.update { $0[index] = written }
      }
    } feed: {
      for index in parts.indices.sorted(by: { parts[$0].place.byteCount > parts[$1].place.byteCount }) {
        queue.send(index)
      }
      queue.close()
    }
    return done.update { done in parts.indices.compactMap { done[$0] } }
  }

  /// What a partition's copy needs to know.
  fileprivate func context(_ share: LaneShare) -> PartitionRestore.Context {
    PartitionRestore.Context(
      voice: voice, progress: progress.addPart(), share: share, target: request.target ?? "nothing", damage: damage)
  }

  /// Throws where damage was passed over.
  fileprivate func throwDamage(_ target: String) throws {
    guard let (name, log) = damage.update({ $0.first { !$0.log.isEmpty } }) else { return }
    throw DamagedImage(source: name, target: target, log: log)
  }
}
