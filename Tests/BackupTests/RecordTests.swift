import BlockIO
import Images
import Support
import Testing

/// ntfsclone records in orders that the tool does not write today.
@Suite struct RecordTests {
  /// An image of 512-byte clusters, whose records are gaps or the byte that fills a cluster.
  private enum Record {
    case gap(Int64), next(UInt8)
  }

  private static func image(clusters: UInt64, _ records: [Record]) -> [UInt8] {
    var bytes: [UInt8] = [0] + Array("ntfsclone-image".utf8) + [10, 0]
    func add<T: FixedWidthInteger>(_ value: T) { withUnsafeBytes(of: value.littleEndian) { bytes += Array($0) } }
    add(UInt32(512))
    add((clusters + 1) * 512)
    add(clusters)
    add(UInt64(0))
    add(UInt32(50))
    for record in records {
      switch record {
      case .gap(let count):
        bytes.append(0)
        add(count)
      case .next(let byte):
        bytes.append(1)
        bytes += [UInt8](repeating: byte, count: 512)
      }
    }
    return bytes
  }

  /// What the records make of a disk, worked out one after the other.
  private static func model(clusters: Int, _ records: [Record]) -> [UInt8] {
    var disk = [UInt8](repeating: 0, count: (clusters + 1) * 512)
    var cluster = 0
    for record in records {
      switch record {
      case .gap(let count): cluster += Int(count)
      case .next(let byte):
        for offset in 0..<512 { disk[cluster * 512 + offset] = byte }
        cluster += 1
      }
    }
    return disk
  }

  /// Random records: any order and clusters written again (seeds 0…), or in order with several gaps in a row.
  @Test(arguments: 0..<40) func anyOrder(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let clusters = 9000
    let isOrdered = seed % 2 == 1
    var records: [Record] = []
    var cluster = 0
    for _ in 0..<300 {
      let goal =
        isOrdered ? cluster + Int.random(in: 0...25, using: &random) : Int.random(in: 0..<clusters, using: &random)
      if goal - cluster > 3, Int.random(in: 0..<4, using: &random) == 0 {
        records.append(.gap(1))
        cluster += 1
      }
      if goal != cluster { records.append(.gap(Int64(goal - cluster))) }
      cluster = goal
      for _ in 0..<Int.random(in: 1...5, using: &random) where cluster < clusters {
        records.append(.next(UInt8.random(in: 1...255, using: &random)))
        cluster += 1
      }
    }
    if cluster < clusters { records.append(.gap(Int64(clusters - cluster))) }
    let bytes = Self.image(clusters: UInt64(clusters), records)
    let model = Self.model(clusters: clusters, records)
    for way in [Way.file(1 << 20), .file(777), .stream(100_000)] {
      let restored = Restored(bytes, way)
      if !isOrdered, case .stream = way {
        #expect(restored.error != nil)
        continue
      }
      #expect(restored.error == nil)
      let isSame = restored.disk == model
      #expect(isSame, "\(way)")
      let image = try open(bytes, as: .file(0))
      let disk = try #require(image.browsable)
      for _ in 0..<50 {
        let offset = Int.random(in: 0..<(model.count - 1), using: &random)
        let count = Int.random(in: 1...min(9000, model.count - offset), using: &random)
        let isPart = try Backup.read(disk, offset, count) == Array(model[offset..<(offset + count)])
        #expect(isPart, "\(offset) \(count)")
      }
    }
  }
}

extension Backup {
  /// Bytes of a disk, unused ones as zeroes.
  static func read(_ disk: any BlockSource, _ offset: Int, _ count: Int) throws -> [UInt8] {
    try bytes(of: disk, UInt64(offset), count)
  }
}
