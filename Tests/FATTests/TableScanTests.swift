import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// Looking through whole tables, compared with looking at their entries one by one.
@Suite struct TableScanTests {
  private static let layouts = [("-F 12 -s 1", "1440K"), ("-F 16 -s 1", "8M"), ("-F 32 -s 1", "36M")]

  /// A volume with some files, some of them in pieces, whose table's `count` random entries are changed.
  private func damaged(_ base: MemoryDisk, _ random: inout SeededRandom, count: Int) throws -> (MemoryDisk, FATVolume) {
    let disk = MemoryDisk(base.contents)
    let volume = try FATVolume(disk)
    let (width, end) = (volume.table.width, UInt32(volume.heap.endCluster))
    for _ in 0..<count {
      // Half of them among those that are in use.
      let cluster = UInt32.random(in: 10..<(Bool.random(using: &random) ? min(end, 700) : end), using: &random)
      let value: UInt32 =
        switch Int.random(in: 0..<10, using: &random) {
        case 0: 0
        case 1: width.badMark
        case 2: width.badMark + 8
        case 3: 1
        case 4: min(end + 3, width.badMark - 1)
        default: UInt32.random(in: 2..<end, using: &random)
        }
      for start in TableCopies(of: volume).starts {
        let place = Int(start + width.offset(of: cluster))
        var bytes = Array(disk.contents[place..<(place + (width == .bits28 ? 4 : 2))])
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        width.store(value, into: &raw, at: 0, isOdd: cluster % 2 == 1)
        disk.put(bytes, at: place)
      }
    }
    return (disk, try FATVolume(disk))
  }

  /// Whether two entries lead to one cluster, or one to a free or bad one, or to none.
  private func isUnfit(_ volume: FATVolume) throws -> Bool {
    var reached: Set<UInt32> = []
    let clusters = 2..<UInt32(volume.heap.endCluster)
    for cluster in clusters {
      switch try volume.table.entry(of: cluster) {
      case .next(let next): if !reached.insert(next).inserted { return true }
      case .invalid: return true
      default: break
      }
    }
    for cluster in reached {
      let entry = try volume.table.entry(of: cluster)
      if entry == .free || entry == .bad { return true }
    }
    return false
  }

  @Test("Free and wrong entries are found", arguments: layouts)
  func scans(_ options: String, _ size: String) throws {
    let fill = """
      mkdir part; for i in {10..59}; do head -c 2900 /dev/zero >part/f$i; done
      mmd -i disk ::part; mcopy -i disk part/* ::part; mdel -i disk '::part/f*[02468]'
      head -c 100000 /dev/zero >large; mcopy -i disk large ::

      """
    let writing = try FATWriting(options, size: size, script: FATCase.environment + fill)
    let base = try MemoryDisk(contentsOf: writing.path)
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    var refused = 0
    for round in 0..<60 {
      let (disk, volume) = try damaged(base, &random, count: [0, 1, 1, 2, 20][round % 5])
      let table = volume.table
      let clusters = 2..<UInt32(volume.heap.endCluster)
      let free = try clusters.filter { try table.value(of: $0) == 0 }
      #expect(try table.countFree() == UInt32(free.count), "seed \(seed), round \(round)")
      let start = UInt64(clusters.randomElement(using: &random) ?? 2)
      let end = volume.heap.endCluster
      let first = UInt64(free.first { $0 >= start } ?? UInt32(end))
      #expect(try table.next(isZero: true, from: start, limit: end) == first, "seed \(seed), round \(round)")
      let used = try (start..<end).first { try table.value(of: UInt32($0)) != 0 } ?? end
      #expect(try table.next(isZero: false, from: start, limit: end) == used, "seed \(seed), round \(round)")
      let wanted = try isUnfit(volume)
      if wanted { refused += 1 }
      do {
        try WritableFATVolume(disk, isRehearsal: false).requireWritable()
        #expect(!wanted, "not refused, seed \(seed), round \(round)")
      } catch let error as ImageError {
        #expect(wanted, "\(error), seed \(seed), round \(round)")
      }
    }
    #expect(refused > 10 && refused < 58)
  }
}
