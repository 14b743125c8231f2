import Filesystems
import Support
import Testing

/// The set of clusters that keeps whole and empty stretches for nearly nothing.
@Suite struct ClusterSetTests {
  @Test func itIsASet() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    let end: UInt64 = 200_003
    for _ in 0..<20 {
      var set = ClusterSet(below: end)
      var model = [Bool](repeating: false, count: Int(end))
      for _ in 0..<60 {
        let start = UInt64.random(in: 0..<end, using: &random)
        let most = ([1, 3, 64, 5000, end] as [UInt64]).randomElement(using: &random) ?? 1
        let range = start..<min(end, start + UInt64.random(in: 1...most, using: &random))
        let met = range.first { model[Int($0)] }
        #expect(set.first(in: range) == met, "\(range), seed \(seed)")
        guard met == nil || Bool.random(using: &random) else { continue }
        #expect(set.insert(range) == met, "\(range), seed \(seed)")
        for place in range { model[Int(place)] = true }
      }
      let wrong = (0..<end).first { (set.first(in: $0..<($0 + 1)) != nil) != model[Int($0)] }
      #expect(wrong == nil, "seed \(seed)")
    }
  }

  @Test func pagesFillUpOneByOne() {
    var set = ClusterSet(below: 0x0fff_fff7)
    for cluster in UInt64(2)..<200_000 { _ = set.insert(cluster..<(cluster + 1)) }
    #expect(set.first(in: 199_999..<200_000) == 199_999 && set.first(in: 200_000..<0x0fff_fff7) == nil)
    #expect(set.insert(199_990..<200_010) == 199_990 && set.insert(0x0fff_fff6..<0x0fff_fff7) == nil)
    #expect(set.first(in: 200_010..<0x0fff_fff7) == 0x0fff_fff6 && set.first(in: 0..<3) == 2)
  }
}
