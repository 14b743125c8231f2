import BlockIO
import Bytes
import CLinux
import Flow
import Glibc
import Images
import Synchronization
import SystemPackage

/// A whole flash: open, check, ask, write, read back, report.
package final class FlashJob: Sendable {
  /// How a job speaks to its user.
  package struct Voice: Sendable {
    /// Says a sentence.
    package var say: @Sendable (String) -> Void
    /// Shows what is about to be lost and asks; false stops the job.
    package var confirm: @Sendable (String) -> Bool

    package init(say: @escaping @Sendable (String) -> Void, confirm: @escaping @Sendable (String) -> Bool) {
      self.say = say
      self.confirm = confirm
    }
  }

  private let request: FlashRequest
  private let voice: Voice
  package let progress: JobProgress
  private let hasTouchedTarget = Atomic<Bool>(false)

  package init(_ request: FlashRequest, voice: Voice, progress: JobProgress = JobProgress()) {
    self.request = request
    self.voice = voice
    self.progress = progress
  }

  /// What state the target is in, for the message after a failure or Ctrl-C.
  package var targetState: String {
    guard hasTouchedTarget.load(ordering: .relaxed) else { return "\(request.target) was not changed" }
    switch progress.phase {
    case .preparing, .unpacking: return "\(request.target) was not changed"
    case .writing, .flushing:
      return
        "\(request.target) is incomplete: \(describeSize(progress.counters.copied)) of it were dealt with; do not use it"
    case .verifying: return "\(request.target) is written in full but was not wholly verified"
    case .finishing, .done: return "\(request.target) is written"
    }
  }

  /// Runs the job; throws `TargetRefusal`, `SourceUnreadable`, `ImageError`, `IOError`, `VerificationFailure` or
  /// `Interrupted`.
  package func run() throws -> FlashReport {
    let source = try OpenedSource(request.source, progress: progress)
    for note in source.notes + source.image.warnings { voice.say(note) }
    let plan = try TargetPlan(request.target, images: source.files)
    for note in plan.notes { voice.say(note) }
    try checkSize(plan, source)
    announcePolicy(source, plan)
    if request.isDryRun { return dryReport(source, plan) }
    if let existing = plan.existing, !voice.confirm("\(existing)\nEverything on it will be overwritten.") {
      throw Interrupted()
    }
    do {
      let opened = try OpenedTarget(plan, byteCount: source.image.byteCount, images: source.files)
      announceSlowZeroing(source, plan)
      return try write(source, to: opened, plan)
    } catch let error as IOError where error.path != plan.path && error.path != "standard output" {
      throw SourceUnreadable(error)
    } catch let error as TargetTooSmall {
      throw TargetRefusal("\(plan.name) is too small: \(error)")
    }
  }

  private func checkSize(_ plan: TargetPlan, _ source: OpenedSource) throws {
    guard case .device(let device) = plan.kind, let needed = source.image.byteCount, needed > device.byteCount else {
      return
    }
    throw TargetRefusal(
      "\(plan.name) is too small: the disk in the image has \(describeSize(needed)), the target \(describeSize(device.byteCount))"
    )
  }

  /// Says aloud when the target may end up with other bytes than the image's.
  private func announcePolicy(_ source: OpenedSource, _ plan: TargetPlan) {
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
      case .disk(let disk) = source.image.content, let zero = try? zeroBytes(of: disk), zero > 256 << 20
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

  private func dryReport(_ source: OpenedSource, _ plan: TargetPlan) -> FlashReport {
    var report = FlashReport(source: source.name, format: source.image.format, target: plan.name)
    report.byteCount = source.image.byteCount ?? 0
    return report
  }

  /// Copies, flushes, verifies.
  private func write(_ source: OpenedSource, to opened: OpenedTarget, _ plan: TargetPlan) throws -> FlashReport {
    let verifies = request.verifies ?? (opened.device != nil)
    let target = opened.target
    var options = CopyOptions(workers: request.workers ?? Self.defaultWorkers, policy: request.policy)
    options.isInterrupted = { clinux_interrupt_count() > 0 }
    let counters = progress.counters
    let bound = source.image.byteCount ?? min(target.byteCount, 1 << 50)
    let digests = verifies && opened.canReadBack ? Digests(byteCount: bound) : nil
    progress.enter(.writing, total: source.image.byteCount ?? 0)
    hasTouchedTarget.store(true, ordering: .relaxed)

    let start = ContinuousClock.now
    let map: any ExtentMap
    var disk: (any BlockSource)?
    switch source.image.content {
    case .disk(let source):
      try copy(source, to: target, options: options, digests: digests, progress: counters)
      (map, disk) = (source, source)
    case .stream(let stream):
      let size = try copy(stream, to: target, options: options, digests: digests, progress: counters)
      try opened.file?.finish(byteCount: size)
      map = stream.map ?? WholeMap(byteCount: size)
    }
    progress.enter(.flushing, total: map.byteCount)
    try target.flush()
    var report = FlashReport(source: source.name, format: source.image.format, target: plan.name)
    report.byteCount = map.byteCount
    report.writeSeconds = start.duration(to: .now).seconds
    report.written = counters.written.load(ordering: .relaxed)
    report.zeroed = counters.zeroed.load(ordering: .relaxed)
    report.kept = counters.kept.load(ordering: .relaxed)
    report.discarded = counters.discarded.load(ordering: .relaxed)
    if let digests {
      let start = ContinuousClock.now
      progress.enter(.verifying, total: report.written + report.zeroed)
      report.bad = try verify(
        target, against: digests, map: map, source: disk, options: options, progress: counters)
      report.verified = counters.verified.load(ordering: .relaxed)
      report.verifySeconds = start.duration(to: .now).seconds
      guard report.bad.isEmpty else { throw VerificationFailure(target: plan.name, bad: report.bad) }
    }
    progress.enter(.done, total: map.byteCount)
    return report
  }

  /// One worker for each core, and one more to have a write under way while they decode; 8 at most.
  private static var defaultWorkers: Int {
    min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1) + 1, 8)
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension OpenedTarget {
  /// Whether what was written can be read again.
  var canReadBack: Bool { device != nil || file != nil }
}
