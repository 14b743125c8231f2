import Bytes

/// The header extensions, which lie between the header and the backing file's name
/// (qemu docs/interop/qcow2.txt, "Header extensions").
struct QCow2Extensions: Sendable {
  /// The backing file's format, if it is declared.
  private(set) var backingFormat: String?
  /// The external data file's name.
  private(set) var dataFileName: [UInt8]?
  private(set) var featureNames: [QCow2Features.Name] = []
  /// Every extension's type and length, in order, for `-debug`.
  private(set) var seen: [(type: UInt32, length: UInt32)] = []

  /// Reads extensions from `start` until an end mark or `end`; `cluster` is the file's first cluster.
  init(parsing cluster: RawSpan, from start: Int, to end: Int) throws(LayoutError) {
    var offset = start
    let end = min(end, cluster.byteCount)
    while offset <= end - 8 {
      let type = cluster.bigEndian(at: offset, as: UInt32.self)
      let length = cluster.bigEndian(at: offset + 4, as: UInt32.self)
      if type == 0 { break }
      guard Int(length) <= end - offset - 8 else {
        throw LayoutError("the header extension \(UInt64(type).hex) of \(length) bytes does not fit", at: offset)
      }
      seen.append((type, length))
      take(type, cluster.slice(offset + 8, Int(length)))
      offset += 8 + (Int(length) + 7) / 8 * 8
    }
  }

  private mutating func take(_ type: UInt32, _ bytes: RawSpan) {
    switch type {
    case 0xe279_2aca: backingFormat = String(decoding: bytes.array, as: UTF8.self)
    case 0x4441_5441: dataFileName = bytes.array
    case 0x6803_f857: featureNames = QCow2Features.names(parsing: bytes)
    default: break
    }
  }

  /// The name of an extension's type.
  static func name(of type: UInt32) -> String {
    switch type {
    case 0xe279_2aca: "backing-format"
    case 0x4441_5441: "data-file-name"
    case 0x6803_f857: "feature-names"
    case 0x2385_2875: "bitmaps"
    case 0x0537_be77: "encryption-header"
    default: UInt64(type).hex
    }
  }
}
