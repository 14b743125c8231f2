import Bytes

/// The hash of a name by which a directory's index is ordered.
enum DirectoryHash: UInt8 {
  case legacy, halfMD4, tea, legacyUnsigned, halfMD4Unsigned, teaUnsigned

  /// The hash that an index names by `number`, in a volume whose superblock says by `isUnsigned` which sort of `char`
  /// its names were hashed with; nil for one that needs a key (SipHash) or is not known.
  init?(number: UInt8, isUnsigned: Bool) {
    self.init(rawValue: number <= 2 && isUnsigned ? number + 3 : number)
  }

  private var isUnsigned: Bool { rawValue >= 3 }

  /// The hash of `name`, its lowest bit 0; `seed` is the volume's.
  func hash(_ name: [UInt8], seed: [UInt32]) -> UInt32 {
    var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
    if seed.count == 4, seed.contains(where: { $0 != 0 }) { state = seed }
    let hash: UInt32
    switch self {
    case .legacy, .legacyUnsigned: hash = legacyHash(name)
    case .halfMD4, .halfMD4Unsigned:
      for start in stride(from: 0, to: name.count, by: 32) {
        Self.halfMD4(&state, words(name[start...], count: 8))
      }
      hash = state[1]
    case .tea, .teaUnsigned:
      for start in stride(from: 0, to: name.count, by: 16) { Self.tea(&state, words(name[start...], count: 4)) }
      hash = state[0]
    }
    // The largest hash marks the end of a directory.
    let even = hash & ~1
    return even == 0xffff_fffe ? 0xffff_fffc : even
  }

  /// A byte as the machine that made the volume saw it.
  private func value(_ byte: UInt8) -> UInt32 {
    isUnsigned ? UInt32(byte) : UInt32(bitPattern: Int32(Int8(bitPattern: byte)))
  }

  private func legacyHash(_ name: [UInt8]) -> UInt32 {
    var (first, second): (UInt32, UInt32) = (0x12a3_fe2d, 0x37ab_e8f9)
    for byte in name {
      var next = second &+ (first ^ value(byte) &* 7_152_373)
      if next & 0x8000_0000 != 0 { next = next &- 0x7fff_ffff }
      (second, first) = (first, next)
    }
    return first << 1
  }

  /// The next bytes of a name as words, filled up with the length of what is left.
  private func words(_ bytes: ArraySlice<UInt8>, count: Int) -> [UInt32] {
    let length = UInt32(bytes.count) & 0xff
    let pad = length | length << 8 | length << 16 | length << 24
    var result: [UInt32] = []
    var word = pad
    for (index, byte) in bytes.prefix(count * 4).enumerated() {
      word = value(byte) &+ word << 8
      if index % 4 == 3 {
        result.append(word)
        word = pad
      }
    }
    if result.count < count { result.append(word) }
    while result.count < count { result.append(pad) }
    return result
  }

  /// Three of MD4's rounds, cut to eight words each (RFC 1320 has sixteen).
  private static func halfMD4(_ state: inout [UInt32], _ words: [UInt32]) {
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    func choose(_ x: UInt32, _ y: UInt32, _ z: UInt32) -> UInt32 { z ^ x & (y ^ z) }
    func majority(_ x: UInt32, _ y: UInt32, _ z: UInt32) -> UInt32 { (x & y) &+ ((x ^ y) & z) }
    func parity(_ x: UInt32, _ y: UInt32, _ z: UInt32) -> UInt32 { x ^ y ^ z }
    typealias Round = (
      mix: (UInt32, UInt32, UInt32) -> UInt32, constant: UInt32, order: [Int], shifts: [UInt32]
    )
    let rounds: [Round] = [
      (choose, 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
      (majority, 0x5a82_7999, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]),
      (parity, 0x6ed9_eba1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
    ]
    for round in rounds {
      for (step, place) in round.order.enumerated() {
        let sum = a &+ round.mix(b, c, d) &+ words[place] &+ round.constant
        let shift = round.shifts[step % 4]
        (a, b, c, d) = (d, sum << shift | sum >> (32 - shift), b, c)
      }
    }
    state[0] = state[0] &+ a
    state[1] = state[1] &+ b
    state[2] = state[2] &+ c
    state[3] = state[3] &+ d
  }

  /// Sixteen rounds of the Tiny Encryption Algorithm, the name as its key.
  private static func tea(_ state: inout [UInt32], _ key: [UInt32]) {
    var (left, right) = (state[0], state[1])
    var sum: UInt32 = 0
    for _ in 0..<16 {
      sum = sum &+ 0x9e37_79b9
      left = left &+ ((right << 4 &+ key[0]) ^ (right &+ sum) ^ (right >> 5 &+ key[1]))
      right = right &+ ((left << 4 &+ key[2]) ^ (left &+ sum) ^ (left >> 5 &+ key[3]))
    }
    state[0] = state[0] &+ left
    state[1] = state[1] &+ right
  }
}
