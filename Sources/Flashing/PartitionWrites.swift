import BlockIO
import Bytes
import Flow
import Images
import Partitions

/// Single partitions of an image and the targets that they go to, all checked before any is opened for writing.
struct PartitionWrites {
  /// One partition and its target.
  struct Write {
    let partition: Partition
    let source: Window<any BlockSource>
    let plan: TargetPlan
  }

  let writes: [Write]

  /// Looks up `assignments` in the table of `disk`; `other` is the target that the whole disk goes to afterwards.
  init(
    _ assignments: [FlashRequest.PartitionTarget], disk: any BlockSource, sectorSizeHint: Int?, name: String,
    images: [ImageFile], other: TargetPlan?
  ) throws {
    guard let table = try PartitionTable.read(from: disk, sectorSizeHint: sectorSizeHint) else {
      throw ImageError(.unsupported, format: "partitions", file: name, "there is no partition table in this image")
    }
    var writes: [Write] = []
    for one in assignments {
      let partition = try table.requireSound(one.number, in: name)
      guard !writes.contains(where: { $0.partition.number == one.number }) else {
        throw RequestError("partition \(one.number) is named twice")
      }
      let plan = try TargetPlan(one.target, images: images)
      for earlier in writes.map(\.plan) + [other].compactMap(\.self) where plan.overlaps(earlier) {
        throw TargetRefusal("\(plan.name) and \(earlier.name) are the same target or share bytes")
      }
      let window = try partition.window(on: disk)
      if case .device(let device) = plan.kind, device.byteCount < window.byteCount {
        throw TargetRefusal(
          "\(plan.name) is too small: partition \(one.number) has \(describeSize(window.byteCount)), "
            + "the target \(describeSize(device.byteCount))")
      }
      if case .pipe = plan.kind, assignments.count > 1 || other != nil {
        throw RequestError("standard output takes a single partition")
      }
      writes.append(Write(partition: partition, source: window, plan: plan))
    }
    self.writes = writes
  }
}

extension PartitionTable {
  /// The partition called `number`, whose range contradicts nothing else in the table of the image called `name`.
  fileprivate func requireSound(_ number: Int, in name: String) throws -> Partition {
    guard let partition = partition(number) else {
      if let fault = faults.first(where: { $0.partition == number }) {
        throw ImageError(.damaged, format: format, file: name, fault.description)
      }
      let known = partitions.map { String($0.number) }.joined(separator: ", ")
      throw RequestError("\(name) has no partition \(number); it has \(known.isEmpty ? "none" : known)")
    }
    let rival = partitions.first { other in
      other.number != number && !other.type.isExtended && !partition.type.isExtended
        && other.start < partition.end && partition.start < other.end
    }
    if let rival {
      throw ImageError(
        .damaged, format: format, file: name,
        "partition \(number) shares bytes with partition \(rival.number), so that one of the two is wrong; "
          + "repair the table first")
    }
    return partition
  }
}

/// A request that contradicts itself or the image, in a sentence.
package struct RequestError: Error, Sendable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
