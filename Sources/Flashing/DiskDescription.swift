import BlockIO
import Bytes

/// A disk in words: what it is, and what is on it.
struct DiskDescription {
  let text: String

  init(_ device: BlockDevice) {
    var words = ["\(device.node):"]
    words += [device.model, device.serial.map { "serial \($0)" }].compactMap(\.self)
    words.append(shortSize(device.byteCount))
    if device.isRemovable { words.append("removable") }
    if device.isPartition { words.append("a partition of \(device.disk.node)") }
    text = words.joined(separator: " ")
  }
}
