import BlockIO
import Bytes
import CLinux
import Flow
import Glibc
import Images
import Patching
import Synchronization

/// Writes one disk or partition to one opened target, reads it back, and reports.
struct TargetWriter {
  let request: FlashRequest
  let voice: FlashJob.Voice
  let progress: JobProgress
  /// What the image decodes at once, in bytes.
  var decodingUnit = 1
  /// Where damage that was passed over is noted.
  var damage: DamageLog?
  /// Raised by somebody else who wants the work to end.
  var stop: StopFlag?

  /// Writes `content`; `report` names the source and target and gets the figures.
  ///
  /// With `hasTable`, the target being a whole disk, the partition table is kept off it until everything else is right,
  /// and its keeper is added to `keepers`. Then `patch` changes what was written.
  func write(
    _ content: Image.Content, to opened: OpenedTarget, hasTable: Bool, report: FlashReport,
    patch: Patch? = nil, keepers: inout [TableKeeper]
  ) throws -> FlashReport {
    var content = content
    var keeper: TableKeeper?
    if hasTable, let device = opened.device {
      let source: TableSource
      switch content {
      case .disk(let disk): source = .disk(disk)
      case .stream(let stream):
        let peeked = try PeekedStream(stream)
        content = .stream(peeked)
        source = .start(peeked.start, byteCount: stream.byteCount)
      }
      keeper = try TableKeeper(device, named: report.target, image: source, request: request, say: voice.say)
    }
    // From here on the target's contents go.
    progress.enter(.writing, total: 0)
    try opened.empty()
    try keeper?.clear()
    let target = try window(on: keeper?.target ?? opened.target)
    var written = try copy(content, to: opened, through: target, report: report)
    try verify(&written)
    try wipeSignatures(of: written)
    var report = written.report
    if let patch { report.patches = try patch.run(on: target, of: opened, report, progress) }
    progress.enter(.finishing, total: report.byteCount)
    if let keeper {
      try keeper.finish(imageByteCount: report.byteCount)
      keepers.append(keeper)
    }
    if request.checksQuickly {
      report.check = QuickCheck(say: voice.say).check(opened, window: target, report)
    }
    progress.enter(.done, total: report.byteCount)
    if let damage, !damage.isEmpty { throw DamagedImage(source: report.source, target: report.target, log: damage) }
    return report
  }

  /// The part of the target that the image goes to.
  private func window(on target: any BlockTarget) throws -> any BlockTarget {
    guard request.offset > 0, !request.checksOnly else { return target }
    guard request.offset % UInt64(target.sectorSize) == 0 else {
      throw RequestError(
        "the offset \(request.offset) is no multiple of the target's sectors of \(target.sectorSize) bytes")
    }
    guard request.offset < target.byteCount else {
      throw TargetRefusal("the offset \(request.offset) lies past the end of the target (\(target.byteCount) bytes)")
    }
    return Window(of: target, start: request.offset, byteCount: target.byteCount - request.offset)
  }

  /// Wipes what would make the restored partition look like another.
  func wipeSignatures(of written: Written) throws {
    let target = written.target
    guard request.wipesSignatures, request.policy.unused == .keep, written.canReadBack, !target.isKnownZero else {
      return
    }
    // Inside a larger target, what follows the image is somebody else's.
    let byteCount = request.offset > 0 ? written.map.byteCount : target.byteCount
    let stale = try StaleSignatures(on: target, byteCount: byteCount, map: written.map)
    guard !stale.marks.isEmpty else { return }
    try stale.wipe(on: target)
    try target.flush()
    for mark in stale.marks {
      voice.say("wiped the stale signature of \(mark.type) in unused space at offset \(mark.range.lowerBound)")
    }
  }

  /// What was copied and is to be verified.
  struct Written: Sendable {
    let target: any BlockTarget
    let canReadBack: Bool
    let map: any ExtentMap
    fileprivate let digests: Digests?
    fileprivate let options: CopyOptions
    /// The source, where it can be read again.
    fileprivate let disk: (any BlockSource)?
    var report: FlashReport
  }

  /// How copying to `opened` and verifying it run.
  private func options(for opened: OpenedTarget) -> CopyOptions {
    let queue = opened.device.flatMap { BlockDevice($0.status) }?.queue
    var options = CopyOptions(
      cores: sysconf(Int32(_SC_NPROCESSORS_ONLN)), queue: queue, decodingUnit: decodingUnit, policy: request.policy)
    if let workers = request.workers { options.workers = workers }
    options.isInterrupted = { [stop] in clinux_interrupt_count() > 0 || stop?.isRaised ?? false }
    return options
  }

  /// Copies and flushes.
  func copy(
    _ content: Image.Content, to opened: OpenedTarget, through target: any BlockTarget, report: FlashReport
  ) throws -> Written {
    var report = report
    let verifies = (request.verifies ?? (opened.device != nil)) && opened.canReadBack
    let counters = progress.counters
    let options = options(for: opened)
    let known: UInt64? =
      switch content {
      case .disk(let disk): disk.byteCount
      case .stream(let stream): stream.byteCount
      }
    let digests = verifies ? try Digests(byteCount: known ?? min(target.byteCount, 1 << 50)) : nil
    let before = Figures(counters)
    progress.enter(.writing, total: known ?? 0)

    let start = ContinuousClock.now
    let map: any ExtentMap
    var disk: (any BlockSource)?
    switch content {
    case .disk(let source) where try !verifies && share(source, with: opened):
      (map, disk) = (source, source)
      report.shared = source.byteCount
    case .disk(let source):
      try Flow.copy(source, to: target, options: options, digests: digests, progress: counters)
      (map, disk) = (source, source)
    case .stream(let stream):
      let size = try Flow.copy(stream, to: target, options: options, digests: digests, progress: counters)
      if request.offset == 0 { try opened.finish(byteCount: size) }
      map = stream.map ?? WholeMap(byteCount: size)
    }
    progress.enter(.flushing, total: map.byteCount)
    try target.flush()
    report.byteCount = map.byteCount
    report.writeSeconds = start.duration(to: .now).seconds
    report.add(Figures(counters), since: before)
    return Written(
      target: target, canReadBack: opened.canReadBack, map: map, digests: digests, options: options, disk: disk,
      report: report)
  }

  /// Makes a file the same as a raw image by letting it share the image's blocks; false where that cannot be.
  private func share(_ source: any BlockSource, with opened: OpenedTarget) throws -> Bool {
    guard request.sharesBlocks, request.offset == 0, let file = opened.file, let source = source as? FileSource else {
      return false
    }
    return try file.share(source)
  }

  /// Reads back what was written, where that is wanted; throws `VerificationFailure`.
  func verify(_ written: inout Written) throws {
    guard let digests = written.digests else { return }
    let start = ContinuousClock.now
    let counters = progress.counters
    let before = Figures(counters)
    progress.enter(.verifying, total: written.report.written + written.report.zeroed)
    written.report.bad = try Flow.verify(
      written.target, against: digests, map: written.map, source: written.disk, options: written.options,
      progress: counters)
    written.report.verified = counters.verified.load(ordering: .relaxed) - before.verified
    written.report.verifySeconds = start.duration(to: .now).seconds
    guard written.report.bad.isEmpty else {
      throw VerificationFailure(target: written.report.target, bad: written.report.bad)
    }
  }
}

/// The counters at one moment.
private struct Figures {
  let written, zeroed, kept, discarded, verified: UInt64

  init(_ counters: Progress) {
    written = counters.written.load(ordering: .relaxed)
    zeroed = counters.zeroed.load(ordering: .relaxed)
    kept = counters.kept.load(ordering: .relaxed)
    discarded = counters.discarded.load(ordering: .relaxed)
    verified = counters.verified.load(ordering: .relaxed)
  }
}

extension FlashReport {
  fileprivate mutating func add(_ now: Figures, since before: Figures) {
    written += now.written - before.written
    zeroed += now.zeroed - before.zeroed
    kept += now.kept - before.kept
    discarded += now.discarded - before.discarded
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
