import BlockIO
import Filesystems
import Support
import SystemPackage
import Testing

@testable import Ext

/// A volume's files, kept as text to compare.
struct Survey {
  private(set) var lines: [String: String] = [:]
  private(set) var errors: [String] = []

  /// Looks at everything; errors of a file are kept in its place.
  init(_ volume: ExtVolume) {
    attempt("space") {
      var parts: [String] = []
      var offset: UInt64 = 0
      let end = try volume.statistics().blockCount * UInt64(volume.statistics().blockSize)
      while offset < end {
        let extent = try volume.allocation(at: offset, limit: end)
        parts.append("\(extent.kind) \(extent.end)")
        offset = extent.end
      }
      return parts.joined(separator: "\n")
    }
    var waiting: [(path: String, file: FileID)] = [("", volume.root)]
    var seen: Set<FileID> = []
    while let (path, file) = waiting.popLast(), lines.count < 20000 {
      attempt(path + " attributes") {
        let found = try volume.attributes(of: file)
        let times = [found.modified, found.accessed, found.changed, found.created].compactMap { $0 }
        let numbers = [
          UInt64(found.mode), UInt64(found.owner), UInt64(found.group), found.byteCount, found.allocatedByteCount,
          UInt64(found.linkCount), UInt64(found.device?.major ?? 0), UInt64(found.device?.minor ?? 0),
        ]
        return (numbers.map(String.init) + times.map { "\($0.seconds).\($0.nanoseconds)" } + found.flags)
          .joined(separator: " ")
      }
      attempt(path + " extended") {
        try volume.extendedAttributes(of: file).map {
          "\($0.name)=\($0.value.map { String($0) }.joined(separator: " "))"
        }
        .joined(separator: "\n")
      }
      guard let kind = try? volume.attributes(of: file).kind else { continue }
      if kind == .symbolicLink { attempt(path + " link") { "\(try volume.symbolicLinkTarget(of: file))" } }
      if kind == .regular { attempt(path + " contents") { try Self.contents(volume, file) } }
      guard kind == .directory, seen.insert(file).inserted else { continue }
      var names: [String] = []
      attempt(path + " names") {
        var position: UInt64 = 0
        while true {
          let batch = try volume.entries(of: file, from: position, limit: 100)
          guard let last = batch.last else { break }
          precondition(last.next > position)
          position = last.next
          for entry in batch {
            names.append("\(entry.name) \(entry.file.number) \(entry.kind?.name ?? "-") \(entry.next)")
            waiting.append((path + "/" + entry.name.description, entry.file))
          }
        }
        return names.sorted().joined(separator: "\n")
      }
      attempt(path + " lookup") { String(try volume.lookup("n0000040-", in: file)?.number ?? 0) }
    }
  }

  private mutating func attempt(_ what: String, _ body: () throws -> String) {
    do { lines[what] = try body() } catch { errors.append("\(what): \(error)") }
  }

  /// A sum of the contents; only the mapped part of a large file is read.
  private static func contents(_ volume: ExtVolume, _ file: FileID) throws -> String {
    let contents = try volume.contents(of: file)
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var offset: UInt64 = 0
    var steps = 0
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while offset < contents.byteCount, steps < 5000 {
      steps += 1
      let extent = try contents.extent(at: offset, limit: min(contents.byteCount, offset + 1 << 40))
      precondition(extent.offset == offset && extent.length > 0 && extent.end <= contents.byteCount)
      hash = (hash ^ offset) &* 0x100_0000_01b3
      var from = offset
      while extent.kind == .data, from < extent.end {
        let count = min(bytes.count, Int(extent.end - from))
        try bytes.withUnsafeMutableBytes { raw in
          var span = MutableRawSpan(_unsafeBytes: raw)
          var front = span._mutatingExtracting(first: count)
          try contents.read(at: from, into: &front)
        }
        for byte in bytes.prefix(count) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        from += UInt64(count)
      }
      offset = extent.end
    }
    return "\(contents.byteCount) \(hash)"
  }
}

@Suite struct DamageTests {
  /// Blocks of the volume that hold metadata, by dumpe2fs(8) and debugfs(8).
  private func metadataBlocks(_ scratch: Scratch) throws -> [UInt64] {
    let text = try scratch.shell(
      """
      {
        dumpe2fs disk 2>/dev/null | sed -n 's/.*uperblock at \\([0-9]*\\), Group descriptors at \\([0-9]*\\).*/\\1 \\2/p'
        dumpe2fs disk 2>/dev/null | sed -n 's/.*Inode table at \\([0-9]*\\)-.*/\\1/p' | while read b; do seq $b $((b + 9)); done
        for f in / /many /attributes /kinds; do debugfs -R "blocks $f" disk 2>/dev/null; done
        debugfs -R 'stat /pieces' disk 2>/dev/null | grep -o '(ETB[0-9]*):[0-9]*' | sed 's/.*://'
        debugfs -R 'stat /attributes/5' disk 2>/dev/null | sed -n 's/.*File ACL: \\([0-9]*\\).*/\\1/p'
        dumpe2fs disk 2>/dev/null | sed -n 's/.*Block bitmap at \\([0-9]*\\).*/\\1/p'
      } | tr ' ' '\\n' | sed '/^[0-9][0-9]*$/!d'
      """
    ).output
    return Set(text.split(separator: "\n").compactMap { UInt64($0) }).sorted()
  }

  @Test("Damaged metadata gives an error or the same files, never other ones", .enabled(if: Machine.hasLoopDevices))
  func corruption() throws {
    let scratch = try Scratch()
    try FeatureCase("-t ext4 -b 1024 -N 4000", size: "48M", names: 600, tree: "small").make(in: scratch)
    let whole = try FileSource(FilePath(scratch.file("disk")))
    let original = Survey(try ExtVolume(whole))
    #expect(original.errors == [])
    let places = try metadataBlocks(scratch)
    #expect(places.count > 40)
    var random = SeededRandom(seed: 5)
    var errorCount = 0
    for _ in 0..<200 {
      let block = places[Int(random.next() % UInt64(places.count))]
      let offset = block * 1024 + random.next() % 1024
      let values: [UInt8] = [0, 0xff, 0x80, UInt8(random.next() & 0xff)]
      let value = values[Int(random.next() % 4)]
      let count = random.next() % 3 == 0 ? 4 : 1
      let damaged = PatchedSource(whole, at: offset, [UInt8](repeating: value, count: count))
      let volume: ExtVolume
      do { volume = try ExtVolume(damaged) } catch {
        errorCount += 1
        continue
      }
      let survey = Survey(volume)
      _ = try volume.quickCheck()
      if !survey.errors.isEmpty { errorCount += 1 }
      for (what, line) in survey.lines {
        // What lies below a directory whose own entries cannot be read is missing, not different.
        let isSame = original.lines[what] == line
        #expect(isSame, "\(what) with \(value) at \(offset)")
      }
      if survey.errors.isEmpty {
        let isSame = survey.lines.count == original.lines.count
        #expect(isSame, "missing files with \(value) at \(offset)")
      }
    }
    #expect(errorCount > 20)
  }
}

/// A disk with a few bytes changed.
final class PatchedSource: BlockSource {
  private let base: any BlockSource
  private let offset: UInt64
  private let bytes: [UInt8]

  init(_ base: any BlockSource, at offset: UInt64, _ bytes: [UInt8]) {
    self.base = base
    self.offset = offset
    self.bytes = bytes
  }

  var byteCount: UInt64 { base.byteCount }
  func extent(at offset: UInt64, limit: UInt64) throws -> Extent { try base.extent(at: offset, limit: limit) }

  func read(at start: UInt64, into buffer: inout MutableRawSpan) throws {
    try base.read(at: start, into: &buffer)
    for (index, byte) in bytes.enumerated() {
      let place = offset + UInt64(index)
      guard place >= start, place - start < UInt64(buffer.byteCount) else { continue }
      buffer.storeBytes(of: byte, toByteOffset: Int(place - start), as: UInt8.self)
    }
  }
}
