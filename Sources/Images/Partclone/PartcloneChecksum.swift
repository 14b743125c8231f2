package import Bytes

/// The kinds of checksum between a partclone image's blocks, by the number that the header stores.
package enum PartcloneChecksum: UInt16, Sendable, CustomStringConvertible {
  case none = 0
  case crc32 = 0x20
  case xxh64 = 0x30
  case xxh128 = 0x31
  /// Version 0001's rule, never stored: a CRC that sees only each block's first byte.
  case firstByteCRC = 0xff

  /// A checksum's value: the low 64 bits, and the high ones where it has them.
  package struct Value: Hashable, Sendable {
    package var low: UInt64
    package var high: UInt64 = 0
  }

  /// The stored size in bytes.
  package var byteCount: Int {
    switch self {
    case .none: 0
    case .crc32, .firstByteCRC: 4
    case .xxh64: 8
    case .xxh128: 16
    }
  }

  package var description: String {
    switch self {
    case .none: "none"
    case .crc32: "CRC32"
    case .xxh64: "XXH64"
    case .xxh128: "XXH128"
    case .firstByteCRC: "CRC32 of each block's first byte"
    }
  }

  /// The value stored at the front of `bytes`, which hold `byteCount` bytes at least.
  package func load(_ bytes: RawSpan, _ order: ByteOrder) -> Value {
    switch self {
    case .none: Value(low: 0)
    case .crc32, .firstByteCRC: Value(low: UInt64(order.load(bytes, at: 0, as: UInt32.self)))
    case .xxh64: Value(low: order.load(bytes, at: 0))
    case .xxh128: Value(low: order.load(bytes, at: 0), high: order.load(bytes, at: 8))
    }
  }

  /// The value for a strip that restarts the checksum, which ``firstByteCRC`` never does.
  package func of(_ strip: RawSpan) -> Value {
    switch self {
    case .none, .firstByteCRC: return Value(low: 0)
    case .crc32: return Value(low: UInt64(~CRC32.of(strip)))
    case .xxh64: return Value(low: Bytes.xxh64(strip))
    case .xxh128:
      let (low, high) = Bytes.xxh128(strip)
      return Value(low: low, high: high)
    }
  }
}

extension PartcloneChecksum.Value: CustomStringConvertible {
  package var description: String { high == 0 ? low.hex : high.hex + " " + low.hex }
}

/// A checksum of blocks as they come.
package final class RunningChecksum {
  private enum State {
    case none
    case crc32(CRC32)
    case xxh64(XXH64Stream)
    case xxh128(XXH128Stream)
    case firstByte(FirstByteCRC)
  }

  private var state: State

  /// For blocks of `blockSize` bytes; nil where memory is short.
  package init?(_ kind: PartcloneChecksum, blockSize: Int) {
    switch kind {
    case .none: state = .none
    case .crc32: state = .crc32(CRC32())
    case .xxh64:
      guard let stream = XXH64Stream() else { return nil }
      state = .xxh64(stream)
    case .xxh128:
      guard let stream = XXH128Stream() else { return nil }
      state = .xxh128(stream)
    case .firstByteCRC: state = .firstByte(FirstByteCRC(blockSize: blockSize))
    }
  }

  /// Goes on with `bytes`, the blocks in any pieces.
  package func update(_ bytes: RawSpan) {
    switch state {
    case .none: break
    case .crc32(var crc):
      crc.update(bytes)
      state = .crc32(crc)
    case .xxh64(let stream): stream.update(bytes)
    case .xxh128(let stream): stream.update(bytes)
    case .firstByte(let crc): crc.update(bytes)
    }
  }

  /// The checksum of the bytes so far.
  package var value: PartcloneChecksum.Value {
    switch state {
    case .none: return .init(low: 0)
    case .crc32(let crc): return .init(low: UInt64(~crc.value))
    case .xxh64(let stream): return .init(low: stream.value)
    case .xxh128(let stream):
      let (low, high) = stream.value
      return .init(low: low, high: high)
    case .firstByte(let crc): return .init(low: UInt64(crc.register))
    }
  }

  /// Forgets all bytes.
  package func restart() {
    switch state {
    case .none: break
    case .crc32: state = .crc32(CRC32())
    case .xxh64(let stream): stream.restart()
    case .xxh128(let stream): stream.restart()
    case .firstByte(let crc): crc.register = ~0
    }
  }

  /// Goes on from a stored value after damage; false where the kind's value does not say enough for that.
  package func resume(from value: PartcloneChecksum.Value) -> Bool {
    switch state {
    case .none: return true
    case .crc32: state = .crc32(CRC32(continuing: ~UInt32(truncatingIfNeeded: value.low)))
    case .xxh64, .xxh128: return false
    case .firstByte(let crc): crc.register = UInt32(truncatingIfNeeded: value.low)
    }
    return true
  }
}
