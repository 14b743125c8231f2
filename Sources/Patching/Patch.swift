package import BlockIO
import Browsing
package import Filesystems

/// Changes to make inside a disk, as they were asked for.
package struct PatchRequest: Sendable {
  package var steps: [PatchStep] = []
  /// The partition of paths that name none; nil: the one that has them.
  package var partition: Int?

  package init() {}

  package var isEmpty: Bool { steps.isEmpty }
}

/// Changes inside a disk: rehearsed as a whole, then made, then read again and compared.
///
/// Belongs to one thread.
package final class Patch {
  private let request: PatchRequest
  private let types: [FilesystemType]
  private let isStopped: () -> Bool
  private let host = HostFiles()
  /// The steps with their partitions, once they were rehearsed, and what they will do.
  private var plan: (steps: [PatchStep], outcomes: [StepOutcome])?

  /// Opens what steps read from the host, and keeps what can be read only once; throws `HostUnreadable`.
  package init(
    _ request: PatchRequest, types: [FilesystemType] = FilesystemType.all, isStopped: @escaping () -> Bool
  ) throws {
    self.request = request
    self.types = types
    self.isStopped = isStopped
    for step in request.steps {
      switch step.action {
      case .put(let source), .append(let source): _ = try host.contents(of: source)
      case .tree(let folder, _): _ = try HostTree(folder).root()
      default: break
      }
    }
  }

  /// Whether the steps were rehearsed.
  package var isRehearsed: Bool { plan != nil }

  /// Tries all steps on `source`, each seeing what those before it did, without writing to it; returns what they will do.
  ///
  /// Throws `PatchFailure`.
  @discardableResult
  package func rehearse(
    on source: any BlockSource, named name: String, sectorSizeHint: Int? = nil
  ) throws -> [StepOutcome] {
    let disk: PatchedDisk
    do {
      disk = try PatchedDisk(
        rehearsing: source, named: name, number: request.partition, sectorSizeHint: sectorSizeHint, types: types)
    } catch { throw PatchFailure(error, at: nil, of: request.steps, isRehearsal: true) }
    var steps: [PatchStep] = []
    var outcomes: [StepOutcome] = []
    for (index, step) in request.steps.enumerated() {
      do {
        if isStopped() { throw Stopped() }
        let volume = try disk.volume(for: step)
        try step.requireOneVolume(volume.number)
        outcomes.append(try StepRunner(step, in: volume, host: host, isStopped: isStopped).run())
        steps.append(step.placed(on: volume.number))
      } catch { throw PatchFailure(error, at: index, of: request.steps, isRehearsal: true) }
    }
    plan = (steps, outcomes)
    return outcomes
  }

  /// Makes the changes on `target`, after a rehearsal on what it holds unless there was one; reads all that was changed
  /// again and compares it.
  ///
  /// Throws `PatchFailure`, which says which steps are done.
  package func run(
    on target: any BlockTarget, named name: String, sectorSizeHint: Int? = nil
  ) throws -> PatchReport {
    if plan == nil { try rehearse(on: SectorStore(target), named: name, sectorSizeHint: sectorSizeHint) }
    let steps = plan?.steps ?? []
    let disk: PatchedDisk
    do {
      disk = try PatchedDisk(
        writing: target, named: name, number: request.partition, sectorSizeHint: sectorSizeHint, types: types)
    } catch { throw PatchFailure(error, at: nil, of: request.steps, isRehearsal: true) }
    var report = PatchReport()
    for (index, step) in steps.enumerated() {
      do {
        if isStopped() { throw Stopped() }
        let volume = try disk.volume(for: step)
        report.outcomes.append(try StepRunner(step, in: volume, host: host, isStopped: isStopped).run())
      } catch {
        // What was done before is to be left clean; a medium that fails will fail here too.
        for volume in disk.opened { try? volume.finish() }
        try? target.flush()
        throw PatchFailure(error, at: index, of: request.steps, isRehearsal: false)
      }
    }
    do {
      for volume in disk.opened { try volume.finish() }
      try target.flush()
    } catch { throw PatchFailure(error, at: steps.count, of: request.steps, isRehearsal: false) }
    try verify(disk, &report, name)
    return report
  }

  private func verify(_ disk: PatchedDisk, _ report: inout PatchReport, _ name: String) throws {
    var verification = PatchVerification(host, isStopped: isStopped)
    do { for volume in disk.opened { try verification.compare(volume) } } catch {
      throw PatchFailure(error, at: request.steps.count, of: request.steps, isRehearsal: false)
    }
    guard verification.wrong.isEmpty else { throw PatchMismatch(target: name, sentences: verification.wrong) }
    report.comparedFiles = verification.fileCount
    report.comparedByteCount = verification.byteCount
  }
}

extension PatchStep {
  /// The same step on a partition that was found.
  fileprivate func placed(on number: Int?) -> PatchStep {
    guard let number else { return self }
    var step = self
    step.path = path.placed(on: number)
    return step
  }

  /// Throws where the step's two paths are on two volumes.
  fileprivate func requireOneVolume(_ number: Int?) throws {
    guard let other = otherPath?.partition, other != number else { return }
    throw PatchSyntaxError("\(text): both paths have to be on one partition; copy the file and remove the old one")
  }
}

extension PatchPath {
  fileprivate func placed(on number: Int) -> PatchPath { PatchPath(partition: number, path: path, text: text) }
}
