/// Undoes the sorting (Burrows-Wheeler transform) of a block.
///
/// Each byte's place says where the one before it is, anywhere in 3.6 MB: one way through the block would wait for memory
/// at every byte. So many places are chosen to start from, a few ways are gone side by side, each to where another one
/// starts, and the segments of text that this makes are put in order at the end.
@safe
final class BZip2Unsorting {
  /// Ways that are gone side by side.
  static let width = 16
  /// How long segments are on average.
  private static let segmentLength = 1024
  /// Set in the links of places where a segment starts, which use no more than 28 bits.
  private static let mark: UInt32 = 1 << 31

  /// A part of the text.
  private struct Segment {
    /// Where it starts and ends in `pool`.
    var start = 0
    var end = 0
    /// The segment before it in the text.
    var previous = 0
  }

  /// One of the ways, which writes its segments from the end of its own part of `pool` to the start.
  private struct Lane {
    var segment = 0
    var place = 0
    var position = 0
  }

  /// The text of the segments, for each lane room for a whole block, of which it rarely uses more than its share.
  private let pool: UnsafeMutablePointer<UInt8>
  private let lanes: UnsafeMutablePointer<Lane>
  private var segments: [Segment] = []

  init() {
    unsafe pool = .allocate(capacity: Self.width * BZip2BlockDecoder.byteLimit)
    unsafe lanes = .allocate(capacity: Self.width)
    unsafe lanes.initialize(repeating: Lane(), count: Self.width)
  }

  deinit {
    unsafe pool.deallocate()
    unsafe lanes.deallocate()
  }

  /// Where segment `index` of a block starts, if it is not the last; anywhere in its share of the block, so that no
  /// pattern in the block makes all of them meet.
  private static func place(_ index: Int, _ share: Int) -> Int {
    index &* share &+ Int(truncatingIfNeeded: UInt32(truncatingIfNeeded: index) &* 2_654_435_761 &>> 8) % share
  }

  /// Writes the text of the block with `links` and `starts`, `count` bytes whose last one is at `origin`, to `text`.
  ///
  /// The links are a permutation of the places, so that no way leaves the block or goes on for ever. False if the way
  /// from `origin` is not back there after `count` bytes, as it is in every block that a text was sorted to.
  func unsort(
    _ links: UnsafeMutablePointer<UInt32>, _ starts: UnsafePointer<UInt32>, _ count: Int, origin: Int,
    to text: UnsafeMutablePointer<UInt8>
  ) -> Bool {
    let share = min(Self.segmentLength, count)
    // The last segment is the one at the end of the text.
    let last = count / share
    segments = Array(repeating: Segment(), count: last + 1)
    for index in 0..<last { unsafe links[Self.place(index, share)] |= Self.mark }
    unsafe links[origin] |= Self.mark

    var next = last
    var active = 0
    /// Lets lane `lane` go from the start of the next segment; false if there is none.
    func begin(_ lane: Int) -> Bool {
      while next >= 0 {
        let index = next
        next -= 1
        let place = index == last ? origin : Self.place(index, share)
        if index != last && place == origin { continue }
        let link = unsafe links[place]
        let position = unsafe lanes[lane].position - 1
        unsafe pool[position] = UInt8(truncatingIfNeeded: link)
        segments[index].end = position + 1
        unsafe lanes[lane] = Lane(
          segment: index, place: Int(starts[Int(link & 0xff)] + (link & ~Self.mark) >> 8), position: position)
        return true
      }
      return false
    }
    /// Ends the segment of lane `lane`, which has come to the start of another one.
    func end(_ lane: Int) {
      let (index, place) = unsafe (lanes[lane].segment, lanes[lane].place)
      unsafe segments[index].start = lanes[lane].position
      segments[index].previous = place == origin ? last : place / share
    }

    for lane in 0..<Self.width {
      unsafe lanes[lane].position = (lane + 1) * BZip2BlockDecoder.byteLimit
      if begin(lane) { active = lane + 1 }
    }
    while active > 0 {
      let stopped = unsafe Self.go(lanes, active, links, starts, pool)
      end(stopped)
      if !begin(stopped) {
        // The last lane takes its number, and keeps its part of `pool`.
        active -= 1
        unsafe lanes[stopped] = lanes[active]
      }
    }
    return unsafe gather(count, last, text)
  }

  /// Goes on in all lanes until one has come to the start of a segment, and says which.
  @inline(never)
  private static func go(
    _ lanes: UnsafeMutablePointer<Lane>, _ active: Int, _ links: UnsafePointer<UInt32>,
    _ starts: UnsafePointer<UInt32>, _ pool: UnsafeMutablePointer<UInt8>
  ) -> Int {
    while true {
      for lane in 0..<active {
        let link = unsafe links[lanes[lane].place]
        if link >= mark { return lane }
        let position = unsafe lanes[lane].position &- 1
        unsafe pool[position] = UInt8(truncatingIfNeeded: link)
        unsafe lanes[lane].position = position
        unsafe lanes[lane].place = Int(truncatingIfNeeded: starts[Int(link & 0xff)] &+ link &>> 8)
      }
    }
  }

  /// Puts the segments in order, the last one first; false if they do not end where they started.
  private func gather(_ count: Int, _ last: Int, _ text: UnsafeMutablePointer<UInt8>) -> Bool {
    var left = count
    var index = last
    // A text that repeats itself comes round to its end again before all of it is there.
    while left > 0 {
      let segment = segments[index]
      let length = segment.end - segment.start
      guard length <= left else { return false }
      left -= length
      unsafe (text + left).update(from: pool + segment.start, count: length)
      index = segment.previous
    }
    return index == last
  }
}
