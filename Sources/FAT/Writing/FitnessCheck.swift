import BlockIO
import Bytes
import Filesystems

/// Whether a volume is sound enough to be written: its copies agree, and no two chains run into each other.
///
/// A volume that was not unmounted is taken if it is, for most memory sticks are such; the mark stays.
struct FitnessCheck {
  private let volume: FATVolume
  private let copies: TableCopies

  init(_ volume: FATVolume, _ copies: TableCopies) {
    self.volume = volume
    self.copies = copies
  }

  /// Throws `ImageError` where the volume is not to be written.
  func run() throws {
    try checkBoot()
    let report = try volume.quickCheck()
    if let finding = report.findings.first(where: { $0.severity == .damage }) {
      throw refusal("\(finding.sentence.prefix(1).lowercased() + finding.sentence.dropFirst()) Run fsck.fat first.")
    }
    try checkCopies()
    try checkChains()
  }

  private func refusal(_ detail: String, at offset: UInt64? = nil) -> ImageError {
    ImageError(.unsupported, format: FATVolume.format, offset: offset, "the volume is not to be changed: " + detail)
  }

  private func checkBoot() throws {
    let boot = volume.boot
    if let version = boot.wide?.version, version != 0 {
      throw refusal("it is of FAT32's version \(version >> 8).\(version & 0xff), which nothing is known of")
    }
    if let active = boot.wide?.onlyActiveTable, active >= boot.tableCount {
      throw refusal("table \(active) is said to be the active one, but there is none; run fsck.fat first")
    }
    let sound: UInt32 =
      switch volume.table.width {
      case .bits16: 1 << 14
      case .bits28: 1 << 26
      default: 0
      }
    let mark = try volume.table.value(of: 1)
    if (boot.state ?? 0) & 2 != 0 || mark & sound != sound {
      throw refusal("errors were met when it was last read or written; test its medium, and run fsck.fat first")
    }
    guard boot.byteCount <= volume.volume.byteCount else {
      throw refusal(
        "it has \(describeSize(boot.byteCount)), but ends after \(describeSize(volume.volume.byteCount))")
    }
  }

  /// Compares the whole tables.
  private func checkCopies() throws {
    guard let first = copies.starts.first else { return }
    for other in copies.starts.dropFirst() {
      if let place = try volume.firstDifference(first, other, count: volume.table.byteCount) {
        throw refusal("its tables differ; run fsck.fat first", at: other + place)
      }
    }
  }

  /// Looks for two entries that lead to one cluster, and for ones that lead to a free one or to none.
  private func checkChains() throws {
    let heap = volume.heap
    var isReached = [UInt64](repeating: 0, count: Int(heap.endCluster / 64 + 1))
    for number in 2..<max(heap.endCluster, 2) {
      let cluster = UInt32(number)
      switch try volume.table.entry(of: cluster) {
      case .free, .end, .bad: continue
      case .invalid(let value):
        throw chainRefusal(cluster, "leads to \(value), which no cluster has as its number")
      case .next(let next):
        let (word, bit) = (Int(next / 64), UInt64(1) << UInt64(next % 64))
        guard isReached[word] & bit == 0 else { throw chainRefusal(cluster, "leads to \(next), as another one does") }
        isReached[word] |= bit
      }
    }
    for number in 2..<max(heap.endCluster, 2) where isReached[Int(number / 64)] >> (number % 64) & 1 == 1 {
      let value = try volume.table.value(of: UInt32(number))
      guard value == 0 || value == copies.width.badMark else { continue }
      throw chainRefusal(UInt32(number), "is \(value == 0 ? "free" : "bad"), but another one leads to it")
    }
  }

  private func chainRefusal(_ cluster: UInt32, _ what: String) -> ImageError {
    refusal(
      "the table's entry of cluster \(cluster) \(what); run fsck.fat first",
      at: volume.table.start + copies.width.offset(of: cluster))
  }
}
