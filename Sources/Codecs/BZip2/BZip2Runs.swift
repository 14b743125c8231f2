/// Expands the runs of a block: after four equal bytes stands how many more there are.
@safe
struct BZip2Runs {
  private let text: UnsafePointer<UInt8>
  private let count: Int
  private var position = 0
  /// The byte that is being repeated and how often it still is.
  private var byte: UInt8 = 0
  private var repeats = 0
  /// Whether the four bytes of a run have been copied and the number comes.
  private var isAtNumber = false

  /// Reads `text`, `count` bytes that must outlive this.
  @unsafe
  init(_ text: UnsafePointer<UInt8>, _ count: Int) {
    unsafe self.text = text
    self.count = count
  }

  /// Whether a run has no number.
  var isCutOff: Bool { isAtNumber && position == count }

  /// Fills `output` as far as there are bytes and says how many there were.
  mutating func read(_ output: UnsafeMutableRawBufferPointer) -> Int {
    guard let base = output.baseAddress else { return 0 }
    var done = 0
    while done < output.count {
      if repeats > 0 {
        let length = min(repeats, output.count - done)
        unsafe (base + done).initializeMemory(as: UInt8.self, repeating: byte, count: length)
        done += length
        repeats -= length
        continue
      }
      guard position < count else { break }
      if isAtNumber {
        repeats = Int(unsafe text[position])
        position += 1
        isAtNumber = false
        continue
      }
      let (length, isRun) = plain(min(count - position, output.count - done))
      unsafe (base + done).copyMemory(from: text + position, byteCount: length)
      done += length
      position += length
      if isRun {
        // The four bytes may have to wait for room one by one, so that they count as repeats of one.
        byte = unsafe text[position]
        repeats = 4
        position += 4
        isAtNumber = true
      }
    }
    return done
  }

  /// How many of the next `limit` bytes are before a run of four, and whether they end at one.
  private func plain(_ limit: Int) -> (length: Int, isRun: Bool) {
    let start = unsafe UnsafeRawPointer(text + position)
    let held = count - position
    var index = 0
    while index < limit {
      if index + 11 <= held {
        let first = unsafe start.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        let second = unsafe start.loadUnaligned(fromByteOffset: index + 1, as: UInt64.self)
        let third = unsafe start.loadUnaligned(fromByteOffset: index + 2, as: UInt64.self)
        let fourth = unsafe start.loadUnaligned(fromByteOffset: index + 3, as: UInt64.self)
        // A byte is 0 where a run starts.
        let different = (first ^ second) | (second ^ third) | (third ^ fourth)
        let zeroes = (different &- 0x0101_0101_0101_0101) & ~different & 0x8080_8080_8080_8080
        if zeroes != 0 {
          index += UInt64(littleEndian: zeroes).trailingZeroBitCount / 8
          return index < limit ? (index, true) : (limit, false)
        }
        index += 8
      } else {
        guard index + 4 <= held else { return (limit, false) }
        let four = unsafe start.loadUnaligned(fromByteOffset: index, as: UInt32.self)
        if four == UInt32(truncatingIfNeeded: four & 0xff) &* 0x0101_0101 { return (index, true) }
        index += 1
      }
    }
    return (limit, false)
  }
}
