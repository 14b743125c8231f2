import Filesystems

/// A header block of a tar archive in the ustar form (POSIX.1-2017, pax), 512 bytes.
struct TarHeader {
  /// The archive's unit in bytes.
  static let blockSize = 512

  /// What a header stands for (`typeflag`).
  enum Kind: UInt8 {
    case regular = 0x30, hardLink, symbolicLink, characterDevice, blockDevice, directory, fifo
    /// Records for the file whose header follows.
    case extended = 0x78
  }

  private(set) var bytes = [UInt8](repeating: 0, count: blockSize)

  /// A header for the file called `name`, of which the fields hold as much as they can.
  init(_ kind: Kind, name: [UInt8], mode: UInt16 = 0o644, byteCount: UInt64) {
    put(name, at: 0, length: 100)
    put(octal: UInt64(mode & 0o7777), at: 100, length: 8)
    put(octal: 0, at: 108, length: 8)
    put(octal: 0, at: 116, length: 8)
    put(octal: byteCount, at: 124, length: 12)
    put(octal: 0, at: 136, length: 12)
    bytes[156] = kind.rawValue
    put(Array("ustar".utf8), at: 257, length: 6)
    put(Array("00".utf8), at: 263, length: 2)
    put(octal: 0, at: 329, length: 8)
    put(octal: 0, at: 337, length: 8)
    seal()
  }

  /// Owner, group and time.
  mutating func set(_ attributes: FileAttributes) {
    put(octal: UInt64(attributes.owner), at: 108, length: 8)
    put(octal: UInt64(attributes.group), at: 116, length: 8)
    put(octal: UInt64(clamping: attributes.modified.seconds), at: 136, length: 12)
    if let device = attributes.device {
      put(octal: UInt64(device.major), at: 329, length: 8)
      put(octal: UInt64(device.minor), at: 337, length: 8)
    }
    seal()
  }

  /// What a hard or symbolic link leads to.
  mutating func set(linkTarget: [UInt8]) {
    put(linkTarget, at: 157, length: 100)
    seal()
  }

  /// Whether `number` fits a field of `length` bytes.
  static func fits(_ number: UInt64, length: Int) -> Bool { number >> UInt64(3 * (length - 1)) == 0 }

  private mutating func put(_ field: [UInt8], at offset: Int, length: Int) {
    for (index, byte) in field.prefix(length).enumerated() { bytes[offset + index] = byte }
    for index in min(field.count, length)..<length { bytes[offset + index] = 0 }
  }

  /// A number in octal digits with a NUL; zero where it does not fit, for an extended record tells it then.
  private mutating func put(octal number: UInt64, at offset: Int, length: Int) {
    let digits = String(Self.fits(number, length: length) ? number : 0, radix: 8)
    put(
      Array((String(repeating: "0", count: length - 1 - digits.utf8.count) + digits).utf8), at: offset, length: length)
  }

  /// Puts the sum of all bytes, that of the sum's own field being spaces, into the header.
  private mutating func seal() {
    for index in 148..<156 { bytes[index] = 0x20 }
    let sum = bytes.reduce(into: UInt64(0)) { $0 += UInt64($1) }
    let digits = String(sum, radix: 8)
    put(Array((String(repeating: "0", count: 6 - digits.utf8.count) + digits).utf8) + [0, 0x20], at: 148, length: 8)
  }
}

/// Records of a pax extended header: `length key=value`, the length counting itself.
struct TarRecords {
  private(set) var bytes: [UInt8] = []

  /// Adds a record.
  mutating func add(_ key: [UInt8], _ value: [UInt8]) {
    let rest = key.count + value.count + 3
    var length = rest + 1
    while rest + String(length).utf8.count != length { length = rest + String(length).utf8.count }
    bytes += Array("\(length) ".utf8) + key + [UInt8(ascii: "=")] + value + [UInt8(ascii: "\n")]
  }

  /// Adds a record.
  mutating func add(_ key: String, _ value: String) { add(Array(key.utf8), Array(value.utf8)) }
}
