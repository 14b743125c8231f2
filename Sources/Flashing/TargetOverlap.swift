import BlockIO

extension TargetPlan {
  /// Whether writing one of the two changes the other.
  func overlaps(_ other: TargetPlan) -> Bool {
    switch (kind, other.kind) {
    case (.device(let a), .device(let b)): a.sharesBytes(with: b)
    case (.file(let a?), .file(let b?)): a.identity == b.identity
    case (.file, .file): path == other.path
    case (.pipe, .pipe): true
    default: false
    }
  }
}

extension BlockDevice {
  /// Whether two devices show the same bytes: a disk and its partition, partitions that overlap, or loop devices that
  /// show the same part of a file.
  fileprivate func sharesBytes(with other: BlockDevice) -> Bool {
    if disk == other.disk { return rangeOnDisk.overlaps(other.rangeOnDisk) }
    guard let mine = disk.loopRange, let its = other.disk.loopRange, mine.overlaps(its),
      let file = disk.loopBackingFile, let otherFile = other.disk.loopBackingFile
    else { return false }
    if file == otherFile { return true }
    guard let status = try? FileStatus.of(file), let otherStatus = try? FileStatus.of(otherFile) else { return false }
    return status.identity == otherStatus.identity
  }
}
