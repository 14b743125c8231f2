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

  /// One of the ways, which writes its segments from the end of a page of `pool` to its start, and then to another page.
  private struct Lane {
    var segment = 0
    var place = 0
    var position = 0
    /// Where its page starts.
    var limit = 0
  }

  private static let pageSize = 4096

  /// The text of the segments, which together are no longer than the block; each lane leaves a part of one page unused.
  private let pool: UnsafeMutablePointer<UInt8>
  private let lanes: UnsafeMutablePointer<Lane>
  private var segments: [Segment] = []

  init() {
    unsafe pool = .allocate(capacity: BZip2BlockDecoder.byteLimit + (Self.width + 1) * Self.pageSize)
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
    var pages = 0
    /// Gives lane `lane` a page if it has no room left.
    func makeRoom(_ lane: Int) {
      guard unsafe lanes[lane].position == lanes[lane].limit else { return }
      unsafe lanes[lane].limit = pages * Self.pageSize
      pages += 1
      unsafe lanes[lane].position = pages * Self.pageSize
    }
    /// Lets lane `lane` go from the start of the next segment; false if there is none.
    func begin(_ lane: Int) -> Bool {
      while next >= 0 {
        let index = next
        next -= 1
        let place = index == last ? origin : Self.place(index, share)
        if index != last && place == origin { continue }
        makeRoom(lane)
        unsafe lanes[lane].segment = index
        unsafe segments[index].end = lanes[lane].position
        unsafe Self.step(lanes + lane, links[place] & ~Self.mark, starts, pool)
        return true
      }
      return false
    }
    /// Ends the segment of lane `lane` and says which one comes before it.
    func end(_ lane: Int, before previous: Int) {
      let index = unsafe lanes[lane].segment
      unsafe segments[index].start = lanes[lane].position
      segments[index].previous = previous
    }

    var active = 0
    for lane in 0..<Self.width {
      unsafe lanes[lane] = Lane()
      if begin(lane) { active = lane + 1 }
    }
    while active > 0 {
      if let lane = unsafe Self.go(lanes, active, links, starts, pool) {
        let place = unsafe lanes[lane].place
        end(lane, before: place == origin ? last : place / share)
        if !begin(lane) {
          // The last lane takes its number, and keeps its page.
          active -= 1
          unsafe lanes[lane] = lanes[active]
        }
      } else {
        for lane in 0..<active where unsafe lanes[lane].position == lanes[lane].limit {
          // What comes before is a segment of its own, in another page.
          end(lane, before: segments.count)
          makeRoom(lane)
          unsafe lanes[lane].segment = segments.count
          unsafe segments.append(Segment(end: lanes[lane].position))
        }
      }
    }
    return unsafe gather(count, last, text)
  }

  /// Goes on in all lanes until one has come to the start of a segment, and says which; nil where one has no room.
  @inline(never)
  private static func go(
    _ lanes: UnsafeMutablePointer<Lane>, _ active: Int, _ links: UnsafePointer<UInt32>,
    _ starts: UnsafePointer<UInt32>, _ pool: UnsafeMutablePointer<UInt8>
  ) -> Int? {
    var room = Int.max
    for lane in 0..<active { room = unsafe min(room, lanes[lane].position - lanes[lane].limit) }
    for _ in 0..<room {
      for lane in 0..<active {
        let link = unsafe links[lanes[lane].place]
        if link >= mark { return lane }
        unsafe step(lanes + lane, link, starts, pool)
      }
    }
    return nil
  }

  /// Writes the byte of `link`, where `lane` is, and goes to the place of the one before it.
  @inline(__always)
  private static func step(
    _ lane: UnsafeMutablePointer<Lane>, _ link: UInt32, _ starts: UnsafePointer<UInt32>,
    _ pool: UnsafeMutablePointer<UInt8>
  ) {
    let position = unsafe lane.pointee.position &- 1
    unsafe pool[position] = UInt8(truncatingIfNeeded: link)
    unsafe lane.pointee.position = position
    unsafe lane.pointee.place = Int(truncatingIfNeeded: starts[Int(link & 0xff)] &+ link &>> 8)
  }

  /// Puts the segments in order, the last one first; false if they do not end where they started.
  private func gather(_ count: Int, _ last: Int, _ text: UnsafeMutablePointer<UInt8>) -> Bool {
    var left = count
    var index = last
    // A text that repeats itself comes round to its end again before all of it is there.
    repeat {
      let segment = segments[index]
      let length = segment.end - segment.start
      guard length <= left else { return false }
      left -= length
      unsafe (text + left).update(from: pool + segment.start, count: length)
      index = segment.previous
    } while left > 0 || index != last
    return true
  }
}
