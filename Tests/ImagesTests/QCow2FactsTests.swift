import Bytes
import Images
import SystemPackage
import Support
import Testing

/// What is shown of an image.
@Suite struct QCow2FactsTests {
  @Test func facts() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 2M base.raw
      qemu-img create -q -f qcow2 -o cluster_size=4k,lazy_refcounts=on -b base.raw -F raw mid.qcow2
      qemu-img create -q -f qcow2 -o refcount_bits=8,compression_type=zstd -b mid.qcow2 -F qcow2 a.qcow2 10M
      qemu-io -c 'write 0 1M' -c 'write -z 1M 512k' a.qcow2 >/dev/null
      qemu-io -c 'write -c 4M 64k' a.qcow2 >/dev/null
      qemu-img snapshot -c before a.qcow2
      """)
    let image = try scratch.open("a.qcow2")
    #expect(image.facts["version"] == .count(3))
    #expect(image.facts["virtual-size"] == .size(10 << 20))
    #expect(image.facts["cluster-size"] == .size(65536))
    #expect(image.facts["compression-type"] == .text("zstd"))
    #expect(image.facts["extended-l2"] == .flag(false))
    #expect(image.facts["refcount-bits"] == .count(8))
    let json = image.facts.json
    #expect(json.contains(#""incompatible":["compression-type"]"#), "\(json)")
    #expect(json.contains(#"mid.qcow2","format":"qcow2","virtual-size":2097152,"cluster-size":4096}"#), "\(json)")
    #expect(json.contains(#"base.raw","format":"raw","virtual-size":2097152}"#), "\(json)")
    #expect(json.contains(#""id":"1","name":"before""#), "\(json)")
    #expect(json.contains(#""disk-size":10485760"#), "\(json)")
    #expect(image.internals["l1-entries"] == .count(1))
    #expect(image.internals["backing-name"] == .text("mid.qcow2"))
    let allocation = try #require(try image.allocation?())
    #expect(allocation["allocated"] == .percent(1062))
    #expect(allocation["compressed"] == .percent(62))
    #expect(allocation["zero"] == .percent(500))
    #expect(allocation["allocated-bytes"] == .size(1 << 20 + 65536))
    #expect(image.files.map(\.path.string) == ["a.qcow2", "mid.qcow2", "base.raw"].map(scratch.file))
  }

  @Test func probe() {
    let magic: [UInt8] = [0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3]
    let isRecognised = ImageFormat.qcow2.probe(magic.span.bytes)
    let isRecognisedShort = ImageFormat.qcow2.probe(magic.span.bytes.slice(0, 7))
    #expect(isRecognised && !isRecognisedShort)
  }
}
