import BlockIO
import Filesystems
import Support
import Testing

@testable import ExFAT

/// A volume of mkfs.exfat's in a file, to be changed.
final class ExFATWriting: ChangedVolume {
  let scratch: Scratch
  private let hasKept: Bool

  /// Makes the volume; exfat-fuse fills it with a directory `kept`, if that can be used.
  init(_ test: ExFATCase, hasKept: Bool = true, script: String = "") throws {
    scratch = try Scratch()
    self.hasKept = hasKept && ExFATCase.hasFUSE
    try test.make(in: scratch)
    guard self.hasKept else { return }
    try scratch.shell(
      ExFATCase.mounting + "mount_it\n" + Self.kept + script + "\nunmount_it\ncp --sparse=always disk base")
  }

  private static let kept = """
    mkdir kept; for i in {1..7}; do head -c ${i}0001 /dev/urandom >kept/file$i; done
    head -c 700 /dev/urandom >'kept/a file with a longer name than the others have'
    cp -r kept mnt/

    """

  static let checker = "fsck.exfat -n"
  static let repairer = "fsck.exfat -p"

  static func open(_ store: any BlockStore, isRehearsal: Bool) throws -> WritableExFATVolume {
    try WritableExFATVolume(store, isRehearsal: isRehearsal)
  }

  static func read(_ path: String) throws -> any Filesystem { try ExFATVolume(FileStore(path)) }

  /// Expects fsck.exfat to find nothing, and each cluster in use to be in one file.
  func check(_ comment: String) throws {
    let found = try scratch.shell("fsck.exfat -n disk", expecting: nil)
    let isSilent = found.status == 0 && found.text.split(separator: "\n").count == 2 && found.text.contains(": clean.")
    #expect(isSilent, "\(comment) \(found.text)")
    let volume = try ExFATVolume(FileStore(path))
    #expect(try lostClusters(volume) == 0, "\(comment)")
    let findings = try volume.quickCheck().findings
    #expect(volume.warnings == [] && findings == [], "\(comment)")
  }

  /// Clusters that are in use without being a file's.
  func lostClusters(_ volume: ExFATVolume) throws -> Int64 {
    let statistics = try volume.statistics()
    var lost = Int64(statistics.blockCount - statistics.freeBlockCount)
    func count(_ stream: EntrySet.Stream) throws {
      guard stream.byteCount > 0 else { return }
      let pieceCount = volume.heap.clusters(for: stream.byteCount)
      lost -= Int64(
        try ClusterChain(
          from: stream.firstCluster, in: volume.heap, table: volume.table,
          pieceCount: stream.isOnePiece ? pieceCount : nil
        ).count())
      if !stream.isOnePiece, stream.firstCluster != volume.boot.rootCluster {
        let isExact = try ClusterChain(from: stream.firstCluster, in: volume.heap, table: volume.table).count()
        #expect(isExact == pieceCount)
      }
    }
    try count(.init(isOnePiece: false, firstCluster: volume.boot.rootCluster, byteCount: 1, validByteCount: 1))
    try volume.directory(volume.root).forEach(from: 0) { item in
      guard case .other(let type, let entry, _) = item, type == .bitmap || type == .upcaseTable else { return true }
      let size = entry[24..<32].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      lost -= Int64(volume.heap.clusters(for: size))
      return true
    }
    var waiting = [volume.root]
    while let directory = waiting.popLast() {
      for entry in try volume.entries(of: directory, from: 0, limit: 1 << 20) {
        try count(volume.entrySet(of: entry.file).stream)
        if entry.kind == .directory { waiting.append(entry.file) }
      }
    }
    return lost
  }

  func check() throws { try check("") }

  /// exfat-fuse copies all files to `out`.
  func copyOut() throws -> Bool {
    guard ExFATCase.hasFUSE else { return false }
    try scratch.shell(
      ExFATCase.mounting + "mount_it -o ro\nrm -rf out; cp -r --preserve=timestamps mnt out\nunmount_it")
    return true
  }

  /// What exfat-fuse shows, given to `body` as a folder; `kept` must be as it was.
  func mounted(_ body: (String) throws -> Void) throws {
    guard try copyOut() else { return }
    if hasKept { #expect(try keptDifference() == "") }
    try body(out)
  }
}
