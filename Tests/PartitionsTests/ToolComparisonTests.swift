import BlockIO
import Support
import SystemPackage
import Testing

@testable import Partitions

/// Prints what sfdisk says of `$disk`, a partition to a line.
private let sfdiskLines = """
  sfdisk -J "$disk" 2>/dev/null | python3 -c '
  import json, sys
  t = json.load(sys.stdin)["partitiontable"]
  print("table", t["label"], t["id"], t["sectorsize"])
  for p in t.get("partitions", []):
    number = p["node"][len(t["device"]):].lstrip("p")
    print(number, p["start"], p["size"], p["type"].upper() if t["label"] == "gpt" else p["type"], p.get("uuid", "-") if t["label"] == "gpt" else "-", "active" if p.get("bootable") else "-",
      p.get("attrs", "") + "|" + p.get("name", ""))
  '
  echo ==

  """

/// Prints what partx says: starts in sectors of 512 bytes, sizes in bytes.
private func partxLines(_ sectorSize: Int) -> String {
  """
  partx -b -g -P -o NR,START,SIZE,UUID --sector-size \(sectorSize) "$disk" || true
  echo ==

  """
}

/// Prints what sgdisk says of a GPT, of its first partitions in detail.
private let sgdiskLines = """
  [[ $(blkid -p -s PTTYPE -o value "$disk") == gpt ]] || exit 0
  sgdisk -p "$disk" | awk '/^ +[0-9]/ {print $1, $2, $3}'
  options=$(sgdisk -p "$disk" | awk '/^ +[0-9]/ {print "-i", $1}' | head -n 4)
  [[ -z $options ]] || sgdisk $options "$disk" | sed -nE "s/^Partition GUID code: ([^ ]*).*/\\1/p;
    s/^Partition unique GUID: //p; s/^Attribute flags: //p; s/^Partition name: '(.*)'/\\1/p"
  """

@Suite struct ToolComparisonTests {
  @Test("Tables read as sfdisk, partx and sgdisk read them", arguments: TableCase.all)
  func tools(_ test: TableCase) throws {
    let scratch = try Scratch()
    let printed = try test.make(in: scratch, then: sfdiskLines + partxLines(test.sectorSize) + sgdiskLines)
    let sections = printed.split(separator: "==\n", omittingEmptySubsequences: false).map { String($0) }
    try #require(sections.count == 3)
    let table = try #require(try readTable(scratch, hint: test.sectorSize))
    #expect(linesOfSfdisk(table) == sections[0])
    #expect(linesOfPartx(table) == sections[1])
    if table.scheme == .gpt { #expect(linesOfSgdisk(table) == sections[2]) }
    #expect(table.warnings == [])
    #expect(table.faults == [])
    try checkRegions(table)
    guard table.scheme == .gpt else { return }
    for hint in [nil, 4608 - test.sectorSize] {
      #expect(try readTable(scratch, hint: hint)?.sectorSize == test.sectorSize)
    }
    #expect(table.sectorSizeMismatch(target: test.sectorSize) == nil)
    #expect(table.sectorSizeMismatch(target: 4608 - test.sectorSize)?.contains("4096 bytes") == true)
  }

  @Test("Type names are sfdisk's", arguments: ["gpt", "dos"])
  func typeNames(_ label: String) throws {
    let lines = try shell("sfdisk -X \(label) -T | sed 1,2d").output.split(separator: "\n")
    #expect(lines.count > 90)
    for line in lines {
      let code = line.drop { $0 == " " }.prefix { $0 != " " }
      let name = String(line.dropFirst(code.endIndex.utf16Offset(in: line) - line.startIndex.utf16Offset(in: line)))
      let trimmed = name.drop { $0 == " " }
      if label == "dos" {
        let byte = try #require(UInt8(code, radix: 16))
        #expect(PartitionType.mbr(byte).name == trimmed)
      } else {
        #expect(guid(String(code)).partitionTypeName == String(trimmed))
      }
    }
  }
}

/// The table of the disk that a script left in a folder.
func readTable(_ scratch: Scratch, hint: Int?) throws -> PartitionTable? {
  try PartitionTable.read(from: FileSource(FilePath(scratch.path + "/disk")), sectorSizeHint: hint)
}

/// The GUID of a text.
func guid(_ text: String) -> GUID {
  let digits = Array(text.filter { $0 != "-" })
  let bytes = stride(from: 0, to: 32, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0 }
  let stored = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map { bytes[$0] }
  return GUID(stored.raw, at: 0)
}

/// A table in the lines made of what sfdisk prints, which leaves the UUIDs of an MBR's partitions out.
private func linesOfSfdisk(_ table: PartitionTable) -> String {
  let label = table.scheme == .gpt ? "gpt" : "dos"
  var result = "table \(label) \(table.identifier) \(table.sectorSize)\n"
  let size = UInt64(table.sectorSize)
  for partition in table.partitions {
    let active = partition.isActive ? "active" : "-"
    let uuid = table.scheme == .gpt ? partition.uuid ?? "" : "-"
    result += "\(partition.number) \(partition.start / size) \(partition.byteCount / size) \(partition.type.code) "
    result += "\(uuid) \(active) \(partition.attributeNames)|\(partition.label ?? "")\n"
  }
  return result
}

/// A table in the lines that partx prints, which writes all UUIDs in lower case.
private func linesOfPartx(_ table: PartitionTable) -> String {
  table.partitions.map { partition in
    let uuid = partition.uuid?.lowercased() ?? ""
    return "NR=\"\(partition.number)\" START=\"\(partition.start / 512)\" SIZE=\"\(partition.byteCount)\" "
      + "UUID=\"\(uuid)\"\n"
  }.joined()
}

/// A table in the lines made of what sgdisk prints.
private func linesOfSgdisk(_ table: PartitionTable) -> String {
  let size = UInt64(table.sectorSize)
  var result = table.partitions.map { "\($0.number) \($0.start / size) \($0.end / size - 1)\n" }.joined()
  for partition in table.partitions.prefix(4) {
    result += "\(partition.type.code)\n\(partition.uuid ?? "")\n"
    result += "\(partition.attributes.hexadecimal(16).uppercased())\n\(partition.label ?? "")\n"
  }
  return result
}

/// Expects the regions to cover the disk in order, each partition that is no container once.
func checkRegions(_ table: PartitionTable) throws {
  var cursor: UInt64 = 0
  for region in table.regions {
    #expect(region.start == cursor && region.byteCount > 0)
    cursor = region.end
  }
  #expect(cursor == table.diskByteCount)
  let shown = table.regions.compactMap { region -> (Int, UInt64, UInt64)? in
    guard case .partition(let number) = region.kind else { return nil }
    return (number, region.start, region.end)
  }
  let expected = table.partitions.filter { !$0.type.isExtended }.sorted { $0.start < $1.start }
  #expect(shown.map(\.0) == expected.map(\.number))
  #expect(shown.map(\.1) == expected.map(\.start))
  #expect(shown.map(\.2) == expected.map(\.end))
}
