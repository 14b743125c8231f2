/// Bits from memory, the highest of a byte first; past the end they are 0.
@safe
struct BZip2BitReader {
  private let bytes: UnsafeRawPointer
  private let byteCount: Int
  /// The byte that is loaded next.
  private var position = 0
  /// The next bits, first one highest.
  private(set) var window: UInt64 = 0
  /// How many bits of `window` count; those below them are the next ones or 0.
  private var held = 0

  /// Reads `bytes`, which must outlive the reader.
  @unsafe
  init(_ bytes: UnsafeRawBufferPointer, at start: UnsafeRawPointer) {
    unsafe self.bytes = start
    byteCount = bytes.count
  }

  /// How many bits have been taken.
  var used: Int { position * 8 - held }

  /// Makes at least 56 bits of `window` count.
  @inline(__always)
  mutating func refill() {
    if position &+ 8 <= byteCount {
      let word = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      window |= word &>> UInt64(truncatingIfNeeded: held)
      position &+= (63 &- held) &>> 3
      held |= 56
    } else {
      refillAtEnd()
    }
  }

  @inline(never)
  private mutating func refillAtEnd() {
    while held <= 56 {
      let byte = position < byteCount ? unsafe bytes.load(fromByteOffset: position, as: UInt8.self) : 0
      window |= UInt64(byte) << UInt64(56 - held)
      position += 1
      held += 8
    }
  }

  /// Passes over `count` bits, which must be held.
  @inline(__always)
  mutating func skip(_ count: Int) {
    window &<<= UInt64(truncatingIfNeeded: count)
    held &-= count
  }

  /// How many 1 bits come next, up to 55; they are taken, and the 0 behind them.
  mutating func takeOnes() -> Int {
    refill()
    let count = min((~window).leadingZeroBitCount, 55)
    skip(count + 1)
    return count
  }

  /// The next `count` bits, 1 to 32 of them.
  mutating func take(_ count: Int) -> Int {
    refill()
    let value = Int(truncatingIfNeeded: window >> UInt64(64 - count))
    skip(count)
    return value
  }
}
