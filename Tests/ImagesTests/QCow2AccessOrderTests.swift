import BlockIO
import Images
import Support
import Testing

/// Reads in every order and size: what was read before must not matter.
@Suite struct QCow2AccessOrderTests {
  @Test(arguments: ["", "-o compression_type=zstd", "-o cluster_size=4k"], [UInt64(1), 2, 3])
  func randomReadsOfCompressedClusters(options: String, seed: UInt64) throws {
    let scratch = try Scratch()
    try scratch.shell(
      QCow2CompareTests.seed + "qemu-img convert -c -O qcow2 \(options) seed.raw a.qcow2; rm -f raw; mv seed.raw raw")
    let expected = try scratch.bytes("raw")
    let disk = try scratch.open("a.qcow2").disk
    var random = SeededRandom(seed: seed)
    // A few places that compress, so that each is met again soon.
    let hot = [(1 << 20) + 65536, (1 << 20) + 131072, 1_900_544]
    for _ in 0..<400 {
      // Parts of clusters, whole ones, and the same place again and again.
      let unit = [512, 4096, 65536].randomElement(using: &random) ?? 512
      let start =
        (hot.randomElement(using: &random) ?? 0) + (unit < 65536 ? unit * Int.random(in: 0...3, using: &random) : 0)
      let count = min(unit * Int.random(in: 1...3, using: &random), expected.count - start)
      var buffer = Buffer(count: count)
      var span = buffer.mutablePrefix(count)
      try disk.read(at: UInt64(start), into: &span)
      let found = buffer.prefix(count).withUnsafeBytes { [UInt8]($0) }
      let isRight = found == Array(expected[start..<(start + count)])
      try #require(isRight, "\(count) bytes at \(start)")
    }
  }
}
