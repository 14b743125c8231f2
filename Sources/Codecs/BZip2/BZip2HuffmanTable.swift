/// A canonical prefix code of bzip2: codes of 1 to 20 bits for up to 258 symbols.
@safe
final class BZip2HuffmanTable {
  /// Codes of at most so many bits are found by one look into a table.
  static let lookupBits = 10
  /// The most bits that a code can have.
  static let lengthLimit = 20
  /// The most symbols of an alphabet: two for runs, 255 places in the list of bytes, one for the end.
  static let symbolLimit = 258

  /// For the next `lookupBits` bits the symbol, shifted left by 5, and its code's length; 0 where the code is longer or
  /// there is none.
  let lookup: UnsafeMutablePointer<UInt16>
  /// The symbols in the order of their codes.
  private let symbols: UnsafeMutablePointer<UInt16>
  /// By length: the first value of 20 bits above the codes of that length.
  private let limits: UnsafeMutablePointer<Int>
  /// By length: what is added to a code to have its place in `symbols`.
  private let offsets: UnsafeMutablePointer<Int>

  init() {
    unsafe lookup = .allocate(capacity: 1 << Self.lookupBits)
    unsafe symbols = .allocate(capacity: Self.symbolLimit)
    unsafe limits = .allocate(capacity: Self.lengthLimit + 1)
    unsafe offsets = .allocate(capacity: Self.lengthLimit + 1)
  }

  deinit {
    unsafe lookup.deallocate()
    unsafe symbols.deallocate()
    unsafe limits.deallocate()
    unsafe offsets.deallocate()
  }

  /// Takes on the code whose symbols, `symbolLimit` at most, have codes of these lengths, each in 1...20; false if there is
  /// no such code.
  func build(_ lengths: [UInt8]) -> Bool {
    guard lengths.count <= Self.symbolLimit else { return false }
    var counts = Array(repeating: 0, count: Self.lengthLimit + 1)
    for length in lengths { counts[Int(length)] += 1 }
    var place = 0
    var code = 0
    var places = counts
    for length in 1...Self.lengthLimit {
      code <<= 1
      places[length] = place
      unsafe offsets[length] = place - code
      code += counts[length]
      place += counts[length]
      guard code <= 1 << length else { return false }
      unsafe limits[length] = code << (Self.lengthLimit - length)
    }
    for (symbol, length) in lengths.enumerated() {
      unsafe symbols[places[Int(length)]] = UInt16(symbol)
      places[Int(length)] += 1
    }
    fillLookup(counts)
    return true
  }

  private func fillLookup(_ counts: [Int]) {
    unsafe lookup.update(repeating: 0, count: 1 << Self.lookupBits)
    var index = 0
    var place = 0
    for length in 1...Self.lookupBits {
      let width = 1 << (Self.lookupBits - length)
      for _ in 0..<counts[length] {
        // The code is not over-subscribed, so that this stays inside.
        unsafe (lookup + index).update(repeating: symbols[place] << 5 | UInt16(length), count: width)
        index += width
        place += 1
      }
    }
  }

  /// The symbol and length, as in `lookup`, of the code that `window` starts with, which is longer than `lookupBits`; 0
  /// if there is none.
  @inline(never)
  func long(_ window: UInt64) -> UInt16 {
    let value = Int(window >> UInt64(64 - Self.lengthLimit))
    for length in Self.lookupBits + 1...Self.lengthLimit where unsafe value < limits[length] {
      // Below the limit of its length and above those of shorter ones, it is one of the code's.
      return unsafe symbols[(value >> (Self.lengthLimit - length)) + offsets[length]] << 5 | UInt16(length)
    }
    return 0
  }
}
