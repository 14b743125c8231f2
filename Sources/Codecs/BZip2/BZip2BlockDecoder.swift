/// Decodes bzip2 blocks to their text, whose runs are still to be expanded.
///
/// It says no to whatever is unusual, damaged or not allowed; another decoder finds out what it is.
@safe
final class BZip2BlockDecoder {
  /// The most bytes of a block, before its runs are expanded.
  static let byteLimit = 900_000
  /// Symbols that use the same code.
  private static let groupSize = 50
  private static let selectorLimit = 18_002

  /// For each byte of the sorted block, in the low 8 bits, how many of the same stand before it.
  private let links: UnsafeMutablePointer<UInt32>
  /// By byte value: how many bytes of the block are smaller.
  private let starts: UnsafeMutablePointer<UInt32>
  /// The last block's text.
  let text: UnsafeMutablePointer<UInt8>
  /// Bytes of the last block's text.
  private(set) var count = 0
  /// How many bits of the last block that had an end were used.
  private(set) var bitsUsed = 0
  /// The place in the sorted block of the block's last byte.
  private var origin = 0

  private let list: UnsafeMutablePointer<UInt64>
  private let selectors: UnsafeMutablePointer<UInt8>
  private let unsorting = BZip2Unsorting()
  private let tables = (0..<6).map { _ in BZip2HuffmanTable() }

  init() {
    unsafe links = .allocate(capacity: Self.byteLimit)
    unsafe text = .allocate(capacity: Self.byteLimit)
    unsafe starts = .allocate(capacity: 256)
    unsafe list = .allocate(capacity: 32)
    unsafe selectors = .allocate(capacity: Self.selectorLimit)
  }

  deinit {
    unsafe links.deallocate()
    unsafe text.deallocate()
    unsafe starts.deallocate()
    unsafe list.deallocate()
    unsafe selectors.deallocate()
  }

  /// Decodes `block` to `text`; false if that cannot be done.
  func decode(_ block: BZip2Block) -> Bool {
    sort(block) && unsort()
  }

  /// Decodes `block` as far as to its sorted bytes; false if that cannot be done.
  private func sort(_ block: BZip2Block) -> Bool {
    guard (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(block.level), block.bitCount <= block.bits.count * 8 else {
      return false
    }
    let limit = Int(block.level - UInt8(ascii: "0")) * 100_000
    return unsafe block.bits.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return false }
      var reader = unsafe BZip2BitReader(bytes, at: start)
      // Whoever cut the block has seen its magic and CRC.
      for _ in 0..<5 { _ = reader.take(16) }
      guard reader.take(1) == 0 else { return false }
      origin = reader.take(24)
      let alphabet = readAlphabet(&reader)
      guard alphabet > 2, let selectorCount = readCodes(&reader, alphabet) else { return false }
      guard readBytes(&reader, end: alphabet - 1, selectorCount, limit) else { return false }
      bitsUsed = reader.used
      return bitsUsed == block.bitCount && origin < count
    }
  }

  /// Turns the sorted bytes into `text`, once; false if they are of no text.
  private func unsort() -> Bool { unsafe unsorting.unsort(links, starts, count, origin: origin, to: text) }

  /// Reads which bytes occur, puts them on the list and says how many symbols there are.
  private func readAlphabet(_ reader: inout BZip2BitReader) -> Int {
    unsafe list.update(repeating: 0, count: 32)
    let ranges = reader.take(16)
    var used = 0
    for range in 0..<16 where ranges >> (15 - range) & 1 != 0 {
      let values = reader.take(16)
      for value in 0..<16 where values >> (15 - value) & 1 != 0 {
        unsafe list[used / 8] |= UInt64(range * 16 + value) << UInt64(used % 8 * 8)
        used += 1
      }
    }
    return used + 2
  }

  /// Reads the selectors and the codes; the number of selectors, or nil if anything is invalid.
  private func readCodes(_ reader: inout BZip2BitReader, _ alphabet: Int) -> Int? {
    let tableCount = reader.take(3)
    let selectorCount = reader.take(15)
    guard 2...tables.count ~= tableCount, 1...Self.selectorLimit ~= selectorCount else { return nil }
    // The tables' numbers in bytes, the first one lowest; each that is named goes to the front.
    var order: UInt64 = 0x0000_0504_0302_0100
    for index in 0..<selectorCount {
      let place = reader.takeOnes()
      guard place < tableCount else { return nil }
      let shift = UInt64(place) * 8
      let moved = UInt64.max >> (56 - shift)
      let selector = order >> shift & 0xff
      order = order & ~moved | order << 8 & moved | selector
      unsafe selectors[index] = UInt8(selector)
    }
    for table in tables.prefix(tableCount) {
      guard let lengths = readLengths(&reader, alphabet), table.build(lengths) else { return nil }
    }
    return selectorCount
  }

  /// The lengths of a code's symbols, each the one before it and a difference; nil if one is not in 1...20.
  private func readLengths(_ reader: inout BZip2BitReader, _ alphabet: Int) -> [UInt8]? {
    var lengths: [UInt8] = []
    lengths.reserveCapacity(alphabet)
    var length = reader.take(5)
    for _ in 0..<alphabet {
      while true {
        guard 1...BZip2HuffmanTable.lengthLimit ~= length else { return nil }
        if reader.take(1) == 0 { break }
        length += reader.take(1) == 0 ? 1 : -1
      }
      lengths.append(UInt8(length))
    }
    return lengths
  }

  /// Reads the sorted bytes to the symbol `end`; false if it does not come or they are more than `limit`.
  private func readBytes(_ shared: inout BZip2BitReader, end: Int, _ selectorCount: Int, _ limit: Int) -> Bool {
    // All that the loop works with is local, so that it can stay in registers.
    var reader = shared
    defer { shared = reader }
    var list = unsafe BZip2MoveToFront(self.list)
    let links = unsafe self.links
    let counts = unsafe starts
    unsafe counts.update(repeating: 0, count: 256)
    var done = 0
    var run = 0
    var runShift = 0
    for group in 0..<selectorCount {
      let table = unsafe tables[Int(selectors[group])]
      let lookup = unsafe table.lookup
      var left = Self.groupSize
      while left > 0 {
        left &-= 1
        // What is held then is enough for two codes.
        if left & 1 != 0 { reader.refill() }
        var entry = unsafe lookup[Int(truncatingIfNeeded: reader.window &>> UInt64(64 - BZip2HuffmanTable.lookupBits))]
        if entry == 0 {
          entry = table.long(reader.window)
          guard entry != 0 else { return false }
        }
        reader.skip(Int(truncatingIfNeeded: entry & 31))
        let symbol = Int(truncatingIfNeeded: entry &>> 5)
        if symbol < 2 {
          // A run's length in digits 1 and 2, the lowest one first.
          guard runShift < 20 else { return false }
          run &+= (symbol &+ 1) &<< runShift
          runShift &+= 1
          continue
        }
        if runShift > 0 {
          guard run <= limit &- done else { return false }
          let byte = list.first
          var link = unsafe counts[Int(byte)] &<< 8 | UInt32(byte)
          unsafe counts[Int(byte)] &+= UInt32(truncatingIfNeeded: run)
          for index in done..<done &+ run {
            unsafe links[index] = link
            link &+= 256
          }
          done &+= run
          (run, runShift) = (0, 0)
        }
        if symbol == end {
          count = done
          countStarts()
          return true
        }
        guard done < limit else { return false }
        let byte = list.take(symbol &- 1)
        let before = unsafe counts[Int(byte)]
        unsafe counts[Int(byte)] = before &+ 1
        unsafe links[done] = before &<< 8 | UInt32(byte)
        done &+= 1
      }
    }
    return false
  }

  /// Turns the number of each byte into the number of smaller ones.
  private func countStarts() {
    var sum: UInt32 = 0
    for value in 0..<256 {
      let count = unsafe starts[value]
      unsafe starts[value] = sum
      sum += count
    }
  }
}
