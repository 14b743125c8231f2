import BlockIO
import Browsing
import Flow

/// Looks at the table and the filesystems of what was just written; whatever it finds, the flash has succeeded.
struct QuickCheck {
  let say: @Sendable (String) -> Void
  /// After how long no further volume is looked at.
  private static let limit = Duration.seconds(2)

  /// Checks the target of `report`; nil where it cannot be read back or reading fails, which is said.
  ///
  /// A device is looked at to its end, a file as far as the image goes; `window` is the part that an offset asks for.
  func check(_ opened: OpenedTarget, window: any BlockTarget, _ report: FlashReport) -> DiskCheck? {
    guard opened.canReadBack, report.byteCount > 0 else { return nil }
    let disk: any BlockSource
    if let device = opened.device, !(window is Window<any BlockTarget>) {
      disk = TargetSource(device)
    } else {
      let whole: any BlockSource = opened.device == nil ? FileView(window) : TargetSource(window)
      disk = Window<any BlockSource>(of: whole, start: 0, byteCount: report.byteCount)
    }
    do {
      let check = try DiskCheck(
        disk, sectorSizeHint: opened.device?.sectorSize, within: Self.limit)
      for damage in check.damage { say("warning: \(report.target): \(damage)") }
      return check
    } catch {
      say("\(report.target): the quick check could not look at it: \(error)")
      return nil
    }
  }
}

/// A file that was written, read at any offset, whatever its size.
private struct FileView: BlockSource {
  private let file: any BlockTarget

  init(_ file: any BlockTarget) { self.file = file }

  var byteCount: UInt64 { file.byteCount }

  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try file.readBack(at: offset, into: &buffer)
  }
}
