import BlockIO
import Images
import Partitions

/// Looks at the partition table of an image before anything is written, and says what is wrong with it.
struct TableCheck {
  private let request: FlashRequest
  private let say: @Sendable (String) -> Void

  init(_ request: FlashRequest, say: @escaping @Sendable (String) -> Void) {
    self.request = request
    self.say = say
  }

  /// Refuses to put a table on a disk whose sectors it does not fit; whatever else is wrong with it is said and copied.
  ///
  /// An image that is read front to back is looked at later, as it comes.
  func check(_ source: OpenedSource, for target: TargetPlan) throws {
    guard !request.keepsTable, case .disk(let disk) = source.content else { return }
    var targetSize: Int?
    if case .device(let device) = target.kind, target.isWholeDisk { targetSize = device.sectorSize }
    do {
      guard let table = try PartitionTable.read(from: disk, sectorSizeHint: source.sectorSize ?? targetSize) else {
        return
      }
      if let targetSize { try Self.requireSectors(table, targetSize, named: target.name, request) }
      // A list of partitions has said it already.
      if !request.listsPartitions { report(table, in: source.name) }
    } catch let error as ImageError where ["GPT", "MBR"].contains(error.format) {
      say("\(source.name): \(error); the disk is copied as it is")
    } catch let error as IOError { throw SourceUnreadable(error) }
  }

  /// Says what is wrong with a table that can be read.
  func report(_ table: PartitionTable, in name: String) {
    let sentences = table.warnings + table.faults.map(\.description)
    for sentence in sentences { say("\(name): \(table.format): \(sentence)") }
    if !sentences.isEmpty { say("the partition table is copied as the image has it") }
  }

  /// Throws `TargetRefusal` where `table` counts in other sectors than a target's of `sectorSize` bytes.
  static func requireSectors(
    _ table: PartitionTable, _ sectorSize: Int, named name: String, _ request: FlashRequest
  ) throws {
    guard !request.allowsSectorMismatch, let mismatch = table.sectorSizeMismatch(target: sectorSize) else { return }
    throw TargetRefusal("\(name) is not written: \(mismatch); -allow-sector-mismatch writes it all the same")
  }
}
