/// The list of bytes in which each that is named goes to the front.
@safe
struct BZip2MoveToFront {
  /// The list as 32 words, first byte lowest; `front` stands for the first word.
  private let words: UnsafeMutablePointer<UInt64>
  private var front: UInt64

  /// Starts with the bytes that are in `words`, which must outlive the list.
  @unsafe
  init(_ words: UnsafeMutablePointer<UInt64>) {
    unsafe self.words = words
    front = unsafe words[0]
  }

  /// The byte at the front.
  var first: UInt8 {
    @inline(__always) get { UInt8(truncatingIfNeeded: front) }
  }

  /// Takes the byte at `place`, below 256, to the front.
  @inline(__always)
  mutating func take(_ place: Int) -> UInt8 {
    let shift = UInt64(truncatingIfNeeded: place & 7) &* 8
    // The bytes up to the one that is taken move.
    let moved = UInt64.max &>> (56 &- shift)
    if place < 8 {
      let byte = front &>> shift & 0xff
      front = front & ~moved | front &<< 8 & moved | byte
      return UInt8(truncatingIfNeeded: byte)
    }
    return takeFar(place &>> 3, shift, moved)
  }

  @inline(__always)
  private mutating func takeFar(_ word: Int, _ shift: UInt64, _ moved: UInt64) -> UInt8 {
    unsafe words[0] = front
    let last = unsafe words[word]
    let byte = last &>> shift & 0xff
    unsafe words[word] = last & ~moved | last &<< 8 & moved | words[word &- 1] &>> 56
    var index = word &- 1
    while index > 0 {
      unsafe words[index] = words[index] &<< 8 | words[index &- 1] &>> 56
      index &-= 1
    }
    front = front &<< 8 | byte
    return UInt8(truncatingIfNeeded: byte)
  }
}
