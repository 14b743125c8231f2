import BlockIO
import Bytes
import Support
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
struct DeviceTargetTests {
  /// Bytes of which no two pages are alike.
  private static let contents = (0..<(256 << 10)).map { UInt8(truncatingIfNeeded: $0 / 4096 &* 31 &+ $0 % 251) }

  private func contents(of device: LoopDevice) throws -> [UInt8] {
    let file = try OpenFile(FilePath(device.file), .readOnly)
    var found = Buffer(count: 1 << 20)
    var span = found.mutablePrefix(1 << 20)
    try file.read(at: 0, into: &span)
    return found.prefix(1 << 20).array
  }

  /// A device opened past the page cache takes a file's pages, and they are on it then; the rest of it stays.
  @Test func pagesOfAFile() throws {
    let folder = try Scratch()
    let path = FilePath(folder.file("image"))
    let image = try OpenFile(path, .readWrite, options: [.create], permissions: .ownerReadWrite)
    try image.write(Self.contents.span.bytes, at: 0)
    let device = try LoopDevice(size: 1 << 20)
    let target = try DeviceTarget(FilePath(device.node))
    #expect(target.takesPages(0..<(256 << 10)))
    let pipe = try #require(PagePipe(capacity: 256 << 10))
    let source = try FileSource(OpenFile(path, .readOnly))
    #expect(pipe.take(StoredRange(source, offset: 0, length: 256 << 10), from: 0) == 256 << 10)
    #expect(target.write(pipe, at: 512 << 10))
    try target.flush()
    var expected = [UInt8](repeating: 0xaa, count: 1 << 20)
    expected.replaceSubrange((512 << 10)..<(768 << 10), with: Self.contents)
    let isSame = try contents(of: device) == expected
    #expect(isSame)
  }

  /// Through the page cache there would be a copy in any case: a device that was opened so takes none.
  @Test func noPagesThroughTheCache() throws {
    let device = try LoopDevice(size: 1 << 20)
    let target = try DeviceTarget(FilePath(device.node), direct: false)
    #expect(!target.takesPages(0..<4096))
  }
}
