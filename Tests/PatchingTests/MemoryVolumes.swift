import BlockIO
import Bytes
import Filesystems
import Support

@testable import Patching

/// A disk with an MBR whose partitions are filesystems in memory.
final class MemoryVolumes: @unchecked Sendable {
  // Unchecked: a test runs on one thread.
  let disk: MemoryDisk
  private(set) var volumes: [Int: MemoryFilesystem] = [:]
  /// What reading again after the changes finds instead, where it shall be something else.
  var found: [Int: MemoryFilesystem] = [:]
  private static let magic = Array("MEMFS".utf8)
  private static let sectors = 64

  /// A disk with `count` partitions; none is one volume without a table.
  init(_ count: Int) {
    var bytes = [UInt8](repeating: 0, count: 512 * Self.sectors * (count + 1))
    for number in 0..<max(count, 1) {
      let start = count == 0 ? 0 : Self.sectors * (number + 1)
      bytes.replaceSubrange((start * 512)..<(start * 512 + 6), with: Self.magic + [UInt8(number + 1)])
      volumes[number + 1] = MemoryFilesystem()
      guard count > 0 else { continue }
      let entry = 446 + 16 * number
      bytes[entry + 4] = 0x83
      for (index, value) in [start, Self.sectors].enumerated() {
        for byte in 0..<4 { bytes[entry + 8 + 4 * index + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
      }
    }
    if count > 0 { (bytes[510], bytes[511]) = (0x55, 0xaa) }
    disk = MemoryDisk(bytes)
  }

  subscript(number: Int) -> MemoryFilesystem { volumes[number] ?? MemoryFilesystem() }

  /// The driver.
  var type: FilesystemType {
    FilesystemType(
      name: "memory", probe: { try Self.number($0) != nil },
      open: { [self] source in
        let number = try Self.number(source) ?? 0
        return found[number] ?? self[number]
      },
      openForWriting: { [self] store, isRehearsal in
        let volume = self[try Self.number(store) ?? 0]
        return isRehearsal ? volume.copy : volume
      })
  }

  private static func number(_ source: any BlockSource) throws -> Int? {
    var buffer = Buffer(count: 6)
    var span = buffer.mutablePrefix(6)
    try source.read(at: 0, into: &span)
    let bytes = buffer.prefix(6).array
    return Array(bytes.prefix(5)) == magic ? Int(bytes[5]) : nil
  }

  /// Makes `steps`, which see `partition` where they name none.
  @discardableResult
  func run(_ steps: [PatchStep], partition: Int? = nil) throws -> PatchReport {
    var request = PatchRequest()
    request.steps = steps
    request.partition = partition
    let patch = try Patch(request, types: [type]) { false }
    try patch.rehearse(on: disk, named: "disk")
    return try patch.run(on: disk, named: "disk")
  }

  /// The message of the failure of `steps`, which leaves all volumes as they were; empty where there is none.
  func refusal(of steps: [PatchStep]) -> String {
    let before = volumes.mapValues(\.summary)
    var text = ""
    do { try run(steps) } catch let error as PatchFailure {
      text = error.isRehearsal ? error.description : ""
    } catch {}
    return before == volumes.mapValues(\.summary) ? text : ""
  }
}

extension MemoryFilesystem {
  /// All that is in it, as text.
  var summary: String {
    nodes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: "\n")
  }

  /// The node at `path`.
  func node(at path: String) throws -> Node? {
    nodes[try PathWalk(self).find(VolumePath(path), followsLast: false).file.number]
  }

  /// The contents of the file at `path` as text.
  func text(at path: String) throws -> String {
    let contents = try contents(of: PathWalk(self).find(VolumePath(path)).file)
    var bytes = [UInt8](repeating: 0, count: Int(contents.byteCount))
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    if raw.byteCount > 0 { try contents.read(at: 0, into: &raw) }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// A step as the command line makes it.
func step(_ action: PatchStep.Action, _ path: String, parents: Bool = false) throws -> PatchStep {
  var step = PatchStep(action, try PatchPath(path), text: path)
  step.makesParents = parents
  return step
}

/// A step that gives a file a text.
func text(_ path: String, _ text: String, parents: Bool = false) throws -> PatchStep {
  try step(.put(.bytes(Array(text.utf8))), path, parents: parents)
}
