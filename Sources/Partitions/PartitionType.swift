import Bytes

/// What a partition table says that a partition holds.
package enum PartitionType: Hashable, Sendable {
  /// The type byte of an MBR entry.
  case mbr(UInt8)
  /// The type GUID of a GPT entry.
  case gpt(GUID)

  /// The type as sfdisk(8) writes it: a GUID in upper case, or hexadecimal digits such as `83` and `f`.
  package var code: String {
    switch self {
    case .mbr(let code): String(code, radix: 16)
    case .gpt(let guid): guid.description
    }
  }

  /// The type in words, or `unknown`.
  package var name: String {
    switch self {
    case .mbr(let code): Self.mbrName(code) ?? "unknown"
    case .gpt(let guid): guid.partitionTypeName ?? "unknown"
    }
  }

  /// Whether this is an MBR container of logical partitions (types 5, f and 85).
  package var isExtended: Bool {
    switch self {
    case .mbr(let code): code == 0x05 || code == 0x0f || code == 0x85
    case .gpt: false
    }
  }
}
