import BlockIO
import Bytes

/// One step of an ntfsclone image: a command byte, and a count behind a gap's.
enum NtfscloneRecord {
  /// Go on this many clusters further, or back.
  case gap(Int64)
  /// One cluster's bytes follow.
  case next

  /// The command byte of a gap.
  static let gapCommand: UInt8 = 0
  /// The command byte before a cluster.
  static let nextCommand: UInt8 = 1
  /// Size of a gap's record in bytes.
  static let gapSize = 9
}

/// The rules that an image's records keep, applied one record after the other.
struct NtfscloneGrammar {
  let header: NtfscloneHeader
  let errors: BackupErrors
  /// The cluster that the next record is about.
  private(set) var cluster: UInt64 = 0
  /// The highest cluster reached, plus one.
  private(set) var reach: UInt64 = 0

  init(header: NtfscloneHeader, errors: BackupErrors) {
    self.header = header
    self.errors = errors
  }

  /// Whether no more record may come.
  var isPastEnd: Bool { cluster >= header.places }

  /// Where on the partition the next record belongs, in bytes.
  var target: UInt64 { min(cluster * UInt64(header.clusterSize), header.deviceSize) }

  /// The record at the front of `bytes`, found at image offset `offset`; a gap's nine bytes must be there.
  func parse(_ bytes: RawSpan, at offset: UInt64) throws(ImageError) -> NtfscloneRecord {
    let command: UInt8 = bytes.byteCount > 0 ? bytes.littleEndian(at: 0) : 0xff
    switch command {
    case NtfscloneRecord.nextCommand: return .next
    case NtfscloneRecord.gapCommand:
      guard bytes.byteCount >= NtfscloneRecord.gapSize else { throw endsEarly(at: offset + UInt64(bytes.byteCount)) }
      return .gap(header.order.load(bytes, at: 1))
    default:
      throw errors.damaged(
        "\(UInt64(command).hex) stands where a record must start with 0 or 1; copy the image again or go on with"
          + " --rescue", image: offset, target: target)
    }
  }

  /// Goes over a gap whose record is at image offset `offset`.
  mutating func pass(gap count: Int64, at offset: UInt64) throws(ImageError) {
    let (sum, overflow) = Int64(cluster).addingReportingOverflow(count)
    guard count != 0, !overflow, sum >= 0, UInt64(sum) <= header.clusters else {
      throw errors.damaged(
        "a gap of \(count) clusters leads from cluster \(cluster) out of the volume's \(header.clusters); copy the image"
          + " again or go on with --rescue", image: offset, target: target)
    }
    cluster = UInt64(sum)
    reach = max(reach, cluster)
  }

  /// Goes on by `count` clusters that are stored.
  mutating func pass(stored count: UInt64) {
    cluster += count
    reach = max(reach, cluster)
  }

  /// What to say where the image ends at image offset `offset`; nil if it may end there.
  func flaw(ofEndAt offset: UInt64) -> ImageError? {
    if isPastEnd || (header.mayOmitLast && cluster >= header.clusters) { return nil }
    return endsEarly(at: offset)
  }

  /// The image ends at image offset `offset`, where it must go on.
  func endsEarly(at offset: UInt64) -> ImageError {
    errors.damaged(
      "the image ends too early, before cluster \(cluster) of \(header.clusters); copy it again or go on with --rescue",
      image: offset, target: target)
  }

  /// How the damage log calls what stops the reading: the image being cut there, or else.
  func cause(isCut: Bool) -> String {
    if isPastEnd { return "bytes follow the end of the image" }
    return isCut ? "the image ends early" : "the records cannot be followed"
  }

  /// Something follows the last record, at image offset `offset`.
  func leftover(at offset: UInt64) -> ImageError {
    errors.damaged(
      "bytes follow the end of the image; it is damaged, or two files are joined", image: offset,
      target: header.deviceSize)
  }
}
