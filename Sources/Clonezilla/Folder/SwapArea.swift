package import BlockIO
package import Bytes

/// What a folder keeps of a swap partition: `swappt-*.info`, two lines of a shell's assignments.
package struct SwapInfo: Sendable, Hashable {
  /// 16 bytes; nil where the partition had none.
  package let uuid: [UInt8]?
  package let label: String

  /// The UUID as it is usually written.
  package var uuidText: String? {
    guard let uuid else { return nil }
    let digits = uuid.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    return [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10..<16]]
      .map { $0.joined() }.joined(separator: "-")
  }

  /// Nothing is known.
  package init() { (uuid, label) = (nil, "") }

  /// Parses `UUID="…"` and `LABEL="…"`; throws for a UUID or label that is none.
  package init(parsing text: String) throws(LayoutError) {
    var values: [Substring: Substring] = [:]
    for line in text.split(whereSeparator: \.isNewline) {
      let parts = line.trimmed.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else { continue }
      var value = parts[1].trimmed
      if value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote {
        value = value.dropFirst().dropLast()
      }
      values[parts[0]] = value
    }
    label = String(values["LABEL"] ?? "")
    guard label.utf8.count <= SwapArea.labelSize, !label.utf8.contains(0) else {
      throw LayoutError("the label \"\(label)\" is longer than a swap area's \(SwapArea.labelSize) bytes")
    }
    guard let text = values["UUID"], !text.isEmpty else {
      uuid = nil
      return
    }
    let groups = text.split(separator: "-", omittingEmptySubsequences: false).map(\.utf8.count)
    let digits = Array(text.filter { $0 != "-" }.utf8)
    guard groups == [8, 4, 4, 4, 12], digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
      throw LayoutError("\"\(text)\" is no UUID")
    }
    uuid = stride(from: 0, to: 32, by: 2).compactMap {
      UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16)
    }
  }
}

/// A new, empty swap area as mkswap(8) makes it on a machine with pages of 4096 bytes; the rest of it is unused.
package struct SwapArea: BlockSource {
  static let pageSize: UInt64 = 4096
  static let labelSize = 16
  /// The fewest pages that the kernel takes.
  private static let fewestPages: UInt64 = 10

  package let byteCount: UInt64
  private let header: [UInt8]

  /// The area of a partition of `byteCount` bytes; nil for one that is too small to be any.
  package init?(_ info: SwapInfo, byteCount: UInt64) {
    let pages = byteCount / Self.pageSize
    guard pages >= Self.fewestPages else { return nil }
    self.byteCount = byteCount
    var header = [UInt8](repeating: 0, count: Int(Self.pageSize))
    // Version, last page, bad pages (none), UUID and label lie behind 1024 bytes for boot code; the mark ends the page.
    header.put(UInt32(1), at: 1024)
    header.put(UInt32(clamping: pages - 1), at: 1028)
    // Without one a swap area could not be told from others: mkswap makes one up too.
    let uuid = info.uuid ?? Self.randomUUID()
    header.replaceSubrange(1036..<(1036 + uuid.count), with: uuid)
    let label = info.label.utf8
    header.replaceSubrange(1052..<(1052 + label.count), with: label)
    header.replaceSubrange((header.count - 10)..., with: "SWAPSPACE2".utf8)
    self.header = header
  }

  /// A random UUID, version 4 (RFC 9562).
  private static func randomUUID() -> [UInt8] {
    var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
    bytes[6] = bytes[6] & 0x0f | 0x40
    bytes[8] = bytes[8] & 0x3f | 0x80
    return bytes
  }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    let isHeader = offset < Self.pageSize
    let end = isHeader ? min(limit, Self.pageSize) : limit
    return Extent(isHeader ? .data : .unused, offset: offset, length: end - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    buffer.fillWithZeroes()
    guard offset < Self.pageSize else { return }
    let count = min(buffer.byteCount, Int(Self.pageSize - offset))
    buffer.copy(unsafe header.span.bytes.slice(Int(offset), count), at: 0)
  }
}

extension [UInt8] {
  /// Stores `value` little-endian at `offset`, where there must be room.
  mutating func put(_ value: some FixedWidthInteger, at offset: Int) {
    for index in 0..<(value.bitWidth / 8) { self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }
}
