import BlockIO
package import Browsing
package import Bytes
import CLinux
import Codecs
import Images
package import Patching
import SystemPackage
import Threads

/// Changes files inside what is already on a device or in a raw image file.
package final class PatchJob: Sendable {
  /// What to change, where, and how.
  package struct Request: Sendable {
    /// The device or file.
    package var target: String
    package var patches: PatchRequest
    /// Try everything and write nothing.
    package var isDryRun = false
    /// Look at the table and the filesystems afterwards.
    package var checksQuickly = true

    package init(_ target: String, _ patches: PatchRequest) {
      self.target = target
      self.patches = patches
    }
  }

  /// What a job did, or would do.
  package struct Report: Sendable {
    package let target: String
    /// Nil in a dry run.
    package var patches: PatchReport?
    package var planned: [StepOutcome] = []
    package var check: DiskCheck?

    /// The report for people, a sentence a line.
    package var sentences: [String] {
      var lines = planned.map { "would patch: " + $0.sentence } + (patches?.sentences ?? [])
      if patches == nil { lines.append("nothing was written (dry run)") }
      if let check, check.isTelling { lines.append(check.summary) }
      return lines
    }

    /// The report for programs.
    package var record: Record {
      var record: Record = ["target": .text(target)]
      record.add("patches", patches.map { .record($0.record) })
      record.add("planned-patches", patches == nil ? .list(planned.map { .record($0.record) }) : nil)
      record.add("check", check.map { .record($0.record) })
      return record
    }
  }

  private let request: Request
  private let say: @Sendable (String) -> Void
  private let isWriting = Monitor(false)

  package init(_ request: Request, say: @escaping @Sendable (String) -> Void) {
    self.request = request
    self.say = say
  }

  /// What state the target is in, for the message after a failure or Ctrl-C.
  package var targetState: String {
    isWriting.update { $0 }
      ? "\(request.target) holds the steps that are done; its filesystems are in order, or where writing failed as after a power cut"
      : "\(request.target) was not changed"
  }

  /// Rehearses, changes, compares and checks; throws `TargetRefusal`, `PatchFailure`, `PatchMismatch`, `HostUnreadable`
  /// or `IOError`.
  package func run() throws -> Report {
    guard request.target != "-" else {
      throw RequestError("standard input and output cannot be patched: name a device or a raw file")
    }
    let plan = try TargetPlan(request.target, images: [])
    for note in plan.notes { say(note) }
    try Self.requireRaw(plan)
    let patch = try Patch(request.patches) { clinux_interrupt_count() > 0 }
    var report = Report(target: request.target)
    if request.isDryRun {
      let source = try FileSource(plan.path)
      report.planned = try patch.rehearse(on: source, named: plan.name, sectorSizeHint: plan.sectorSize)
      return report
    }
    var locks = DiskLocks()
    let opened = try OpenedTarget(patching: plan, locks: &locks)
    let hint = opened.device?.sectorSize
    try patch.rehearse(on: SectorStore(opened.target), named: plan.name, sectorSizeHint: hint)
    isWriting.update { $0 = true }
    report.patches = try patch.run(on: opened.target, named: plan.name, sectorSizeHint: hint)
    if request.checksQuickly {
      var figures = FlashReport(source: plan.name, format: "raw", target: plan.name)
      figures.byteCount = opened.target.byteCount
      report.check = QuickCheck(say: say).check(opened, window: opened.target, figures)
    }
    withExtendedLifetime(locks) {}
    return report
  }

  /// Refuses files whose bytes are not those of the disk.
  private static func requireRaw(_ plan: TargetPlan) throws {
    guard case .file(let status) = plan.kind else { return }
    guard status != nil else { throw TargetRefusal("\(plan.name) does not exist") }
    let way =
      "it stays as it is; -o OUT writes a raw disk with the changes, and so does flashing it with --patch"
    let source: FileSource
    do { source = try FileSource(plan.path) } catch { throw TargetRefusal("\(plan.name) is not patched: \(error)") }
    var head = Buffer(count: 64 << 10)
    let count = try head.fill { try source.readUpToEnd(at: 0, into: &$0) }
    if let codec = Codec.detect(head.prefix(count)) {
      throw TargetRefusal(
        "\(plan.name) is compressed (\(codec.name)), so that nothing in it can be changed in place: \(way)")
    }
    let format = ImageFormat.detect(head.prefix(count))
    guard format.name == ImageFormat.raw.name else {
      throw TargetRefusal(
        "\(plan.name) is a \(format.name) image, and only raw disks are changed in place: \(way)")
    }
    if let set = try? SplitSet.open(plan.path) {
      throw TargetRefusal(
        "\(plan.name) is one of \(set.pieces.count) pieces of an image, and nothing is changed in pieces: \(way)")
    }
  }
}

extension TargetPlan {
  /// Size in bytes of a device's sectors; nil for files.
  fileprivate var sectorSize: Int? { if case .device(let device) = kind { device.sectorSize } else { nil } }
}
