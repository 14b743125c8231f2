// The texts of a Clonezilla folder: sfdisk's dump with the sectors that are made of it, and what is kept of swap.
//
// Input: a byte of options, 512 bytes of a link where the options say so, and the text.

/// Called by the fuzzer for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  let bytes = UnsafeBufferPointer(start: start, count: count)
  var rest = bytes.dropFirst()
  var link: [UInt8]?
  if bytes[0] & 1 == 1, rest.count >= 512 {
    link = Array(rest.prefix(512))
    rest = rest.dropFirst(512)
  }
  let text = String(decoding: rest, as: UTF8.self)
  if let dump = try? SfdiskDump(parsing: text) {
    let maker = MBRFromDump(dump, sectorSize: bytes[0] & 2 == 2 ? 4096 : 512)
    if let sector = try? maker.firstSector() { precondition(sector.count == 512 && sector[510] == 0x55) }
    if let links = try? maker.links(first: link) {
      precondition(links.allSatisfy { $0.bytes.count == 512 })
      precondition(Set(links.map(\.offset)).count == links.count, "two links in one sector")
      for link in links {
        let size: UInt64 = bytes[0] & 2 == 2 ? 4096 : 512
        let sector = link.offset / size
        precondition(
          !dump.entries.contains { $0.number > 4 && $0.start <= sector && sector < $0.start + $0.count },
          "a link inside a partition")
      }
    }
  }
  if let info = try? SwapInfo(parsing: text) { _ = SwapArea(info, byteCount: 1 << 20) }
  if let name = DeviceName(text) {
    precondition(!name.fileName.contains("/") && !name.fileName.hasPrefix("."))
    _ = name.trailingNumber
  }
  return 0
}
