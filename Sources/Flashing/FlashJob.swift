import BlockIO
import Bytes
import CLinux
import Flow
import Images
import Partitions
import Patching
import SystemPackage
import Threads

/// A whole flash: open, check, ask, write, read back, report.
package final class FlashJob: Sendable {
  /// How a job speaks to its user.
  package struct Voice: Sendable {
    /// Says a sentence.
    package var say: @Sendable (String) -> Void
    /// Shows what is about to be lost and asks; false stops the job.
    package var confirm: @Sendable (String) -> Bool
    /// Shows the partitions.
    package var list: @Sendable (PartitionListing) -> Void

    package init(
      say: @escaping @Sendable (String) -> Void, confirm: @escaping @Sendable (String) -> Bool,
      list: @escaping @Sendable (PartitionListing) -> Void = { _ in }
    ) {
      self.say = say
      self.confirm = confirm
      self.list = list
    }
  }

  private let request: FlashRequest
  private let voice: Voice
  package let progress: JobProgress
  /// The target that is being written, or was last.
  private let current = Monitor<String?>(nil)

  package init(_ request: FlashRequest, voice: Voice, progress: JobProgress = JobProgress()) {
    self.request = request
    self.voice = voice
    self.progress = progress
  }

  /// What state the target is in, for the message after a failure or Ctrl-C.
  package var targetState: String {
    guard let target = current.update({ $0 }) else { return "nothing was written" }
    let name = target == "-" ? "what went to standard output" : target
    switch progress.phase {
    case .preparing, .unpacking: return "\(name) was not changed"
    case .writing, .flushing:
      return "\(name) is incomplete: \(describeSize(progress.copied)) of it were dealt with; do not use it"
    case .verifying: return "\(name) is written but was not wholly verified; do not use it"
    case .patching: return "\(name) is written but not wholly patched; do not use it"
    case .finishing: return "\(name) is written, but perhaps not its partition table; do not use it"
    case .done: return "\(name) is written"
    }
  }

  /// Runs the job and returns a report for each target; throws `RequestError`, `TargetRefusal`, `SourceUnreadable`,
  /// `ImageError`, `IOError`, `VerificationFailure` or `Interrupted`.
  package func run() throws -> [FlashReport] {
    try requirePatchable()
    if let restore = try DiskRestore(request, voice: voice, progress: progress, current: current) {
      return try restore.run()
    }
    var source = try OpenedSource(request.source, progress: progress, say: voice.say)
    for note in source.notes + source.image.warnings { voice.say(note) }
    if request.listsPartitions || !request.partitions.isEmpty {
      try source.makeRandomAccess(progress: progress, say: voice.say)
    }
    if request.listsPartitions, case .disk(let disk) = source.content {
      voice.list(
        try PartitionListing(
          disk, name: source.name, regions: request.listsRegions, sectorSizeHint: source.sectorSize))
    }
    if request.checksOnly { return [try check(source)] }
    let disk = try request.target.map { try TargetPlan($0, images: source.files) }
    let patch = try Patch.asked(by: request)
    let parts = try partitionWrites(from: source, other: disk)
    let plans = parts.map(\.plan) + [disk].compactMap(\.self)
    for note in plans.flatMap(\.notes) { voice.say(note) }
    if let disk {
      try checkSize(disk, source)
      try TableCheck(request, say: voice.say).check(source, for: disk)
    }
    for plan in plans { announcePolicy(plan) }
    let planned = try disk.flatMap { disk in try patch.flatMap { try rehearse($0, on: source, for: disk) } } ?? []
    if request.isDryRun {
      return parts.map { dryReport(source, $0.plan, part: $0.partition) }
        + [disk].compactMap(\.self).map { dryReport(source, $0, planned: planned) }
    }
    let existing = plans.compactMap(\.existing)
    guard
      existing.isEmpty || voice.confirm(existing.joined(separator: "\n") + "\nEverything on it will be overwritten.")
    else { throw Interrupted() }
    return try write(parts, disk: disk, source, patch)
  }

  /// Reads all of the image and writes nothing.
  private func check(_ source: OpenedSource) throws -> FlashReport {
    var report = FlashReport(source: source.name, format: source.image.format, target: "nothing")
    report.isCheck = true
    var keepers: [TableKeeper] = []
    return try TargetWriter(
      request: request, voice: voice, progress: progress, decodingUnit: source.image.decodingUnit,
      damage: source.image.damage
    ).write(source.content, to: OpenedTarget(), hasTable: false, report: report, keepers: &keepers)
  }

  private func partitionWrites(from source: OpenedSource, other: TargetPlan?) throws -> [PartitionWrites.Write] {
    guard !request.partitions.isEmpty, case .disk(let disk) = source.content else { return [] }
    return try PartitionWrites(
      request.partitions, disk: disk, sectorSizeHint: source.sectorSize, name: source.name, images: source.files,
      other: other
    ).writes
  }

  /// Opens every target, then writes the partitions in order and the disk last.
  private func write(
    _ parts: [PartitionWrites.Write], disk: TargetPlan?, _ source: OpenedSource, _ patch: Patch?
  ) throws -> [FlashReport] {
    let names = Set((parts.map(\.plan) + [disk].compactMap(\.self)).map(\.path))
    do {
      var locks = DiskLocks()
      var keepers: [TableKeeper] = []
      var jobs: [(content: Image.Content, opened: OpenedTarget, plan: TargetPlan, name: String)] = []
      for part in parts {
        let opened = try OpenedTarget(
          part.plan, byteCount: part.source.byteCount, images: source.files, locks: &locks)
        jobs.append((.disk(part.source), opened, part.plan, "\(source.name):\(part.partition.number)"))
      }
      if let disk {
        let opened = try OpenedTarget(
          disk, byteCount: source.image.byteCount, offset: request.offset, images: source.files, locks: &locks)
        announceSlowZeroing(source, disk)
        jobs.append((source.content, opened, disk, source.name))
      }
      let reports = try jobs.map { job in
        progress.enter(.preparing, total: 0)
        current.update { $0 = job.plan.name }
        return try TargetWriter(
          request: request, voice: voice, progress: progress, decodingUnit: source.image.decodingUnit,
          damage: source.image.damage
        ).write(
          job.content, to: job.opened, hasTable: !request.keepsTable && job.plan.isWholeDisk,
          report: FlashReport(source: job.name, format: source.image.format, target: job.plan.name),
          patch: patch, keepers: &keepers)
      }
      // udev looks at a disk only once it is no longer locked.
      locks = DiskLocks()
      for keeper in keepers { keeper.rereadTable() }
      return reports
    } catch let error as IOError where !names.contains(error.path) && error.path != "standard output" {
      throw SourceUnreadable(error)
    } catch let error as TargetTooSmall {
      throw TargetRefusal("the target is too small: \(error)")
    }
  }

  private func checkSize(_ plan: TargetPlan, _ source: OpenedSource) throws {
    guard case .device(let device) = plan.kind, let size = source.image.byteCount,
      let needed = size.adding(request.offset), needed > device.byteCount
    else { return }
    throw TargetRefusal(
      "\(plan.name) is too small: the disk in the image has \(describeSize(needed)), the target \(describeSize(device.byteCount))"
    )
  }

  /// Says aloud when the target may end up with other bytes than the image's.
  private func announcePolicy(_ plan: TargetPlan) {
    guard request.policy.unallocated != .zero else { return }
    if case .pipe = plan.kind {
      voice.say("a pipe can keep nothing: ranges that the image does not allocate are written as zeroes")
      return
    }
    let what =
      request.policy.unallocated == .keep ? "keep what the target has" : "are discarded and may read as anything"
    voice.say("ranges that the image does not allocate \(what): the disk may differ from the image")
  }

  /// Says how much will have to be written as zeroes where the device cannot zero by itself.
  private func announceSlowZeroing(_ source: OpenedSource, _ plan: TargetPlan) {
    guard case .device(let device) = plan.kind, !device.disk.zeroesByItself,
      case .disk(let disk) = source.content, let zero = try? zeroBytes(of: disk), zero > 256 << 20
    else { return }
    let seconds = zero / (100 << 20)
    voice.say(
      "\(plan.name) cannot zero ranges by itself: \(describeSize(zero)) of zeroes will be written, "
        + "about \(seconds / 60) min \(seconds % 60) s at 100 MiB/s")
  }

  private func zeroBytes(of disk: any BlockSource) throws -> UInt64 {
    var total: UInt64 = 0
    var offset: UInt64 = 0
    while offset < disk.byteCount {
      let extent = try disk.extent(at: offset, limit: disk.byteCount)
      switch extent.kind {
      case .zero: total += extent.length
      case .unallocated: if request.policy.unallocated == .zero { total += extent.length }
      case .unused: if request.policy.unused == .zero { total += extent.length }
      case .data: break
      }
      offset = extent.end
    }
    return total
  }

  /// Refuses patches of what they cannot be made in.
  private func requirePatchable() throws {
    guard !request.patches.isEmpty else { return }
    guard request.target != nil, request.partitions.isEmpty, !request.checksOnly else {
      throw RequestError(
        "patches need a target that the image is written to; see qflash patch for what is there already")
    }
    guard request.target != "-" else {
      throw RequestError("what goes to standard output cannot be patched: write it to a file or a device")
    }
  }

  /// Tries the patches on the image where it can be read at any offset; else they are tried once it is written.
  private func rehearse(_ patch: Patch, on source: OpenedSource, for plan: TargetPlan) throws -> [StepOutcome] {
    var disk = source.image.browsable
    if case .disk(let content) = source.content { disk = content }
    guard let disk else {
      voice.say(
        "\(source.name) can only be read front to back: whether the patches can be made shows once it is written")
      return []
    }
    return try patch.rehearse(on: disk, named: plan.name, sectorSizeHint: source.sectorSize)
  }

  private func dryReport(
    _ source: OpenedSource, _ plan: TargetPlan, part: Partition? = nil, planned: [StepOutcome] = []
  ) -> FlashReport {
    let name = source.name + (part.map { ":\($0.number)" } ?? "")
    var report = FlashReport(source: name, format: source.image.format, target: plan.name)
    report.planned = planned
    report.byteCount = part?.byteCount ?? source.image.byteCount ?? 0
    return report
  }
}
