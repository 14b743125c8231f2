import BlockIO
import Bytes
import Filesystems

/// Whether a volume is sound enough to be written.
///
/// One that was not unmounted is taken if no cluster has two owners or is free though it has one; the mark stays.
struct FitnessCheck {
  private let volume: ExFATVolume

  init(_ volume: ExFATVolume) { self.volume = volume }

  /// Throws `ImageError` where the volume is not to be written.
  func run() throws {
    guard volume.boot.tableCount == 1 else { throw refusal("it is a TexFAT volume, with two tables") }
    guard !volume.boot.flags.contains(.mediaFailure) else {
      throw refusal("errors were met when it was last read or written; test its medium, and run fsck.exfat first")
    }
    let report = try volume.quickCheck()
    if let finding = report.findings.first(where: { $0.severity == .damage }) {
      throw refusal("\(finding.sentence.prefix(1).lowercased() + finding.sentence.dropFirst()) Run fsck.exfat first.")
    }
    if volume.boot.flags.contains(.dirty) { try checkOwners() }
  }

  private func refusal(_ detail: String, at offset: UInt64? = nil) -> ImageError {
    ImageError(.unsupported, format: ExFATVolume.format, offset: offset, "the volume is not to be changed: " + detail)
  }

  /// Walks over all files and looks whether each cluster has one owner at most, and is not free if it has.
  private func checkOwners() throws {
    var owned = ClusterSet(below: volume.heap.endCluster)
    var waiting = [volume.root]
    let root = EntrySet.Stream(
      isOnePiece: false, firstCluster: volume.boot.rootCluster, byteCount: 1, validByteCount: 1)
    try mark(root, "the root directory", in: &owned)
    while let directory = waiting.popLast() {
      var position: UInt64 = 0
      while case let entries = try volume.entries(of: directory, from: position, limit: 1000), let last = entries.last {
        for entry in entries {
          let set = try volume.entrySet(of: entry.file)
          try mark(set.stream, set.printable, in: &owned)
          if entry.kind == .directory { waiting.append(entry.file) }
        }
        position = last.next
      }
    }
  }

  private func mark(_ stream: EntrySet.Stream, _ name: String, in owned: inout ClusterSet) throws {
    guard stream.byteCount > 0 else { return }
    let count = volume.heap.clusters(for: stream.byteCount)
    let chain = try ClusterChain(
      from: stream.firstCluster, in: volume.heap, table: volume.table, pieceCount: stream.isOnePiece ? count : nil)
    var index: UInt64 = 0
    while let run = try chain.run(at: index, limit: UInt64(UInt32.max)) {
      let end = UInt64(run.cluster) + run.count
      if let met = owned.insert(UInt64(run.cluster)..<end) {
        throw refusal("\(name) and another file share cluster \(met); run fsck.exfat first")
      }
      if let free = try freeCluster(from: UInt64(run.cluster), limit: end) {
        throw refusal("\(name) uses cluster \(free), which is marked as free; run fsck.exfat first")
      }
      index += run.count
    }
  }

  private func freeCluster(from first: UInt64, limit: UInt64) throws -> UInt64? {
    let found = try volume.bitmap().next(isUsed: false, from: first, limit: limit)
    return found < limit ? found : nil
  }
}
