import BlockIO
import Bytes
import Codecs
import Testing

/// A way to compress with a real tool.
struct Recipe: CustomTestStringConvertible, Sendable {
  let codec: Codec
  /// A bash filter.
  let script: String
  /// Whether the format holds a checksum of the contents.
  let isChecked: Bool
  var testDescription: String { script }

  init(_ codec: Codec, _ script: String, isChecked: Bool = true) {
    (self.codec, self.script, self.isChecked) = (codec, script, isChecked)
  }

  /// Recipes whose output has one member, so that every cut of it is damage.
  static let single = [
    Recipe(.gzip, "gzip"), Recipe(.gzip, "gzip -1 -N"), Recipe(.gzip, "cp /dev/stdin named; gzip -c named"),
    Recipe(.gzip, "pigz"), Recipe(.gzip, "pigz -b 128 -p 4 -9"), Recipe(.gzip, "pigz -0"),
    Recipe(.bzip2, "bzip2 -1"), Recipe(.bzip2, "bzip2 -9"),
    Recipe(.zstd, "zstd"), Recipe(.zstd, "zstd -19 --check"), Recipe(.zstd, "zstd --long=31"),
    Recipe(.zstd, "zstd -B524288 -T2"),
    Recipe(.xz, "xz"), Recipe(.xz, "xz -T2 --block-size=300000 --check=sha256"), Recipe(.xz, "xz -1 --check=crc32"),
    Recipe(.lz4, "lz4"), Recipe(.lz4, "lz4 -B4 -BX"), Recipe(.lz4, "lz4 -BD -9"),
    Recipe(.lz4, "lz4 -B5 --no-frame-crc", isChecked: false),
    Recipe(.lz4, "lz4 --content-size in -c"),
    Recipe(.lzip, "lzip"), Recipe(.lzma, "xz --format=lzma", isChecked: false),
  ]

  /// Makes a skippable frame of three bytes.
  private static let skippable = #"printf 'P*M\x18\x03\0\0\0abc'; "#

  /// Recipes with many members.
  static let several = [
    Recipe(.gzip, "split -b 700000 --filter=gzip"), Recipe(.gzip, "split -b 30000 --filter='pigz -1'"),
    Recipe(.gzip, "gzip < /dev/null; gzip; gzip < /dev/null; gzip < /dev/null; head -c 700 /dev/zero"),
    Recipe(.bzip2, "lbzip2"), Recipe(.bzip2, "split -b 700000 --filter=bzip2"),
    Recipe(.bzip2, "bzip2 < /dev/null; bzip2 -3; bzip2 < /dev/null; head -c 700 /dev/zero"),
    Recipe(.zstd, "pzstd -p 3"), Recipe(.zstd, "split -b 300000 --filter='zstd --check'"),
    Recipe(.zstd, skippable + "zstd < /dev/null; zstd; " + skippable + "zstd < /dev/null"),
    Recipe(.xz, "pixz -1"), Recipe(.xz, "split -b 900000 --filter='xz -1'"),
    Recipe(
      .xz,
      "xz < /dev/null; head -c 8 /dev/zero; xz -1; head -c 4 /dev/zero; xz -0 < /dev/null; head -c 64 /dev/zero"),
    Recipe(.lz4, "split -b 900000 --filter='lz4 -B4'"), Recipe(.lz4, "split -b 900000 --filter='lz4 -BD'"),
    Recipe(.lz4, skippable + "lz4 < /dev/null; lz4; " + skippable + "lz4 < /dev/null"),
    Recipe(.lzip, "lzip -b 200000"), Recipe(.lzip, "lzip < /dev/null; lzip -0; lzip < /dev/null; head -c 33 /dev/zero"),
  ]

  /// Recipes of which some cuts are whole files: legacy frames have no end mark.
  static let unmarked = [Recipe(.lz4, "lz4 -l")]
}

@Suite struct DecodingTests {
  static let large = sample(2_500_000)
  static let small = sample(2500, seed: 7) + Array("the end of it".utf8)

  @Test(arguments: Recipe.single + Recipe.several + Recipe.unmarked)
  func decodesWhatToolsMake(_ recipe: Recipe) throws {
    let compressed = try filtered(Self.large, recipe.script)
    let head = Array(compressed.prefix(65536))
    let name = Codec.detect(head.span.bytes)?.name
    #expect(name == recipe.codec.name)
    for workers in [0, 1, 2, 4] {
      #expect(try decode(recipe.codec, compressed, workers: workers) == Self.large, "\(workers) workers")
    }
    #expect(try decode(recipe.codec, compressed, workers: 2, refill: 4099, unit: 77_777) == Self.large)
  }

  @Test(arguments: Recipe.single + Recipe.several + Recipe.unmarked, [1, 2, 7])
  func refillsMayBeTiny(_ recipe: Recipe, refill: Int) throws {
    let compressed = try filtered(Self.small, recipe.script)
    for workers in [0, 2] {
      #expect(try decode(recipe.codec, compressed, workers: workers, refill: refill) == Self.small)
      #expect(try decode(recipe.codec, compressed, workers: workers, refill: refill, unit: refill) == Self.small)
    }
  }

  @Test(arguments: Recipe.single, [[], small]) func everyCutIsAnError(_ recipe: Recipe, plain: [UInt8]) throws {
    let compressed = try filtered(plain, recipe.script)
    for length in 0..<compressed.count {
      for workers in length % 7 == 0 ? [0, 2] : [0] {
        let error = #expect(throws: ImageError.self, "cut to \(length)") {
          try decode(recipe.codec, Array(compressed.prefix(length)), workers: workers)
        }
        #expect(error?.kind == .damaged)
      }
    }
  }

  @Test(arguments: Recipe.single) func whatFollowsTheEndIsAnError(_ recipe: Recipe) throws {
    let compressed = try filtered(Self.small, recipe.script)
    for garbage in [[1], Array("garbage!".utf8), [0, 0, 0, 0, 9], [0, 0, 0, 0, 0]] as [[UInt8]] {
      let isPadding = garbage.allSatisfy { $0 == 0 } && ["gzip", "bzip2", "lzip"].contains(recipe.codec.name)
      for workers in [0, 2] {
        if isPadding {
          #expect(try decode(recipe.codec, compressed + garbage, workers: workers) == Self.small)
        } else {
          #expect(throws: ImageError.self, "\(garbage) after the end") {
            try decode(recipe.codec, compressed + garbage, workers: workers)
          }
        }
      }
    }
  }

  /// Every bit of a small file, once.
  @Test(arguments: Recipe.single) func noFlippedBitGoesUnseen(_ recipe: Recipe) throws {
    // Without a checksum damage may decode to something else.
    guard recipe.isChecked else { return }
    let compressed = try filtered(Self.small, recipe.script)
    for bit in 0..<compressed.count * 8 {
      var damaged = compressed
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      // Header fields that say nothing about the data may change: what must not happen is wrong data.
      guard let result = try? decode(recipe.codec, damaged, workers: bit % 97 == 0 ? 2 : 0) else { continue }
      #expect(result == Self.small, "bit \(bit)")
    }
  }
}
