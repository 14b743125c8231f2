import BlockIO
import Bytes
import Clonezilla
import Support
import SystemPackage
import Testing

/// Swap areas beside mkswap's.
@Suite struct SwapTests {
  @Test(arguments: [40 << 10, 1 << 20, (1 << 20) + 512, 20 << 20]) func sameAsMkswap(_ size: Int) throws {
    let scratch = try Scratch()
    let uuid = "4a25868f-1545-4bf1-8a67-e59031a15d7e"
    try scratch.shell("truncate -s \(size) area; mkswap -p 4096 -U \(uuid) -L 'my swap' area")
    let info = try SwapInfo(parsing: "UUID=\"\(uuid)\"\nLABEL=\"my swap\"\n")
    #expect(info.uuidText == uuid)
    let area = try #require(SwapArea(info, byteCount: UInt64(size)))
    let theirs = try FileSource(FilePath(scratch.file("area")))
    let isSame = try bytes(of: area) == bytes(of: theirs)
    #expect(isSame)
    let extents = [area.extent(at: 0, limit: UInt64(size)), area.extent(at: 4096, limit: UInt64(size))]
    #expect(extents[0].kind == .data && extents[0].length == 4096 && extents[1].kind == .unused)
  }

  private func bytes(of disk: any BlockSource) throws -> [UInt8] {
    var buffer = Buffer(count: Int(disk.byteCount))
    let count = try buffer.fill { span in
      try disk.read(at: 0, into: &span)
      return span.byteCount
    }
    return buffer.prefix(count).array
  }

  @Test func withoutUUID() throws {
    let info = try SwapInfo(parsing: "UUID=\"\"\nLABEL=\"\"")
    #expect(info.uuid == nil && info.label.isEmpty)
    #expect(SwapArea(info, byteCount: 1 << 20) != nil && SwapArea(info, byteCount: 36 << 10) == nil)
  }

  @Test(arguments: [
    "UUID=\"x\"", "UUID=\"4a25868f-1545-4bf1-8a67-e59031a15d7\"", "UUID=4a25868f15454bf18a67e59031a15d7e",
    "LABEL=\"12345678901234567\"", "UUID=\"$(touch /tmp/x)aaaaaaaaaaaaaaaa\"",
  ])
  func garbage(_ text: String) { #expect(throws: LayoutError.self) { try SwapInfo(parsing: text) } }
}
