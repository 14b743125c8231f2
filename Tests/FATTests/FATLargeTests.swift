import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// Much of everything.
@Suite struct FATLargeTests {
  @Test func aFileOf300MiBOnAFragmentedVolume() throws {
    let fill = """
      mkdir part; for i in {1000..1400}; do head -c 9000 /dev/zero >part/f$i.bin; done
      mmd -i disk ::part; mcopy -i disk -m part/* ::part; mdel -i disk '::part/*[02468].bin'
      """
    let writing = try FATWriting("-F 32 -s 4", size: "304M", script: FATWriting.kept + fill)
    let contents = PatternContents(byteCount: 300 << 20)
    try writing.change { volume in
      let file = try volume.make("large", [1])
      try volume.transaction { try volume.replaceContents(of: file, with: contents) }
      let runs = try volume.runs(from: volume.reader.entry(of: file).firstCluster)
      #expect(runs.count > 20)
    }
    try writing.check()
    let shown = try writing.scratch.shell(FATCase.environment + "mtype -i disk ::large | sha256sum").output
    let expected = try contents.sum()
    #expect(shown.hasPrefix(expected))
    _ = try writing.scratch.shell("rm -rf out; mkdir out; mcopy -i disk -s ::kept out")
    try writing.checkKept()
  }

  @Test func twentyThousandFilesInOneDirectory() throws {
    let writing = try FATWriting("-F 32 -s 8", size: "300M")
    try writing.change { volume in
      let directory = try volume.makeDirectory("many")
      for part in 0..<20 {
        try volume.transaction {
          for number in (part * 1000)..<((part + 1) * 1000) {
            let name = FileName("the file \(number)")
            #expect(try volume.lookup(name, in: directory) == nil)
            let file = try volume.create(name, in: directory, attributes: newAttributes())
            try volume.replaceContents(of: file, with: BytesContents(Array("\(number)".utf8)))
          }
        }
      }
    }
    try writing.check()
    let shown = try writing.scratch.shell(
      FATCase.environment
        + "mdir -i disk -b ::many | wc -l; mtype -i disk '::many/the file 12345'; mtype -i disk '::many/the file 19999'"
    )
    #expect(shown.output.split(whereSeparator: \.isWhitespace) == ["20000", "1234519999"])
  }
}

/// Contents that a rule makes, of any size.
final class PatternContents: FileContents {
  let byteCount: UInt64
  private static let unit = 1 << 16
  private let piece: [UInt8]

  init(byteCount: UInt64) {
    self.byteCount = byteCount
    var random = SeededRandom(seed: 9)
    piece = (0..<(2 * Self.unit)).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    var done = 0
    while done < buffer.byteCount {
      let place = offset + UInt64(done)
      // Each unit starts elsewhere in the piece.
      let start = Int(place / UInt64(Self.unit) * 7919 % UInt64(Self.unit)) + Int(place % UInt64(Self.unit))
      let count = min(buffer.byteCount - done, Self.unit - Int(place % UInt64(Self.unit)))
      buffer.withUnsafeMutableBytes { to in
        piece.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: to[done..<(done + count)]).copyMemory(
            from: .init(rebasing: $0[start..<(start + count)]))
        }
      }
      done += count
    }
  }

  /// SHA-256 of all bytes, by another program.
  func sum() throws -> String {
    let scratch = try Scratch()
    let store = try FileStoreSink(scratch.file("all"), byteCount: byteCount)
    try store.write(self)
    return String(try scratch.shell("sha256sum <all").output.prefix(64))
  }
}

/// A file that contents are written to.
private struct FileStoreSink {
  let store: FileStore
  init(_ path: String, byteCount: UInt64) throws {
    try shell("truncate -s \(byteCount) '\(path)'")
    store = try FileStore(path)
  }

  func write(_ contents: any FileContents) throws {
    var buffer = Buffer(count: 1 << 20)
    var offset: UInt64 = 0
    while offset < contents.byteCount {
      let count = Int(min(1 << 20, contents.byteCount - offset))
      var bytes = buffer.mutablePrefix(count)
      try contents.read(at: offset, into: &bytes)
      try store.write(buffer.prefix(count), at: offset)
      offset += UInt64(count)
    }
  }
}
