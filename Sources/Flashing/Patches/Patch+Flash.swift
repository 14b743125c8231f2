import BlockIO
import Bytes
import CLinux
import Flow
import Patching

extension Patch {
  /// The patches of a flash or restore; nil where there are none.
  static func asked(by request: FlashRequest) throws -> Patch? {
    guard !request.patches.isEmpty else { return nil }
    return try Patch(request.patches) { clinux_interrupt_count() > 0 }
  }

  /// Patches what was written to `target`, which shows a table that is held back as if it were there; `report` tells how
  /// much of it the image was.
  func run(
    on target: any BlockTarget, of opened: OpenedTarget, _ report: FlashReport, _ progress: JobProgress
  ) throws -> PatchReport {
    progress.enter(.patching, total: 0)
    let sector = UInt64(max(target.sectorSize, 1))
    let size = min(report.byteCount.roundedUp(to: sector) ?? report.byteCount, target.byteCount)
    // The table is the image's and knows nothing of what the target has beyond it.
    let written = Window<any BlockTarget>(of: target, start: 0, byteCount: size)
    return try run(on: written, named: report.target, sectorSizeHint: opened.device?.sectorSize)
  }
}
