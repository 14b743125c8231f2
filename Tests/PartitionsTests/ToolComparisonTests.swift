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
    print(number, p["start"], p["size"], p["type"], p.get("uuid", "-"), "active" if p.get("bootable") else "-",
      p.get("attrs", "") + "|" + p.get("name", ""))
  '

  """

@Suite struct ToolComparisonTests {
  @Test("Tables read as sfdisk reads them", arguments: TableCase.all)
  func sfdisk(_ test: TableCase) throws {
    let scratch = try Scratch()
    let expected = try test.make(in: scratch, then: sfdiskLines)
    let table = try #require(try readTable(scratch, hint: test.sectorSize))
    #expect(lines(table) == expected)
    #expect(table.warnings == [])
    #expect(table.faults == [])
    try checkRegions(table)
  }

  @Test("A table's own words count more than the hint", arguments: TableCase.guid + TableCase.large)
  func detection(_ test: TableCase) throws {
    let scratch = try Scratch()
    _ = try test.make(in: scratch)
    let table = try #require(try readTable(scratch, hint: nil))
    guard table.scheme == .gpt else { return }
    #expect(table.sectorSize == test.sectorSize)
    #expect(try readTable(scratch, hint: 4608 - test.sectorSize)?.sectorSize == test.sectorSize)
    #expect(table.sectorSizeMismatch(target: test.sectorSize) == nil)
    #expect(table.sectorSizeMismatch(target: 4608 - test.sectorSize)?.contains("4096 bytes") == true)
  }

  @Test("Partitions lie where partx sees them", arguments: TableCase.all)
  func partx(_ test: TableCase) throws {
    let scratch = try Scratch()
    let expected = try test.make(
      in: scratch, then: "partx -b -g -r -o NR,START,SIZE --sector-size \(test.sectorSize) \"$disk\" || true")
    let table = try #require(try readTable(scratch, hint: test.sectorSize))
    // Inside a link's extended partition partx reports what the kernel makes of it; sizes are bytes, starts 512ths.
    let ours = table.partitions.map { "\($0.number) \($0.start / 512) \($0.byteCount)\n" }.joined()
    #expect(ours == expected)
  }

  @Test("GPTs read as sgdisk reads them", arguments: TableCase.all.filter { !$0.script.contains("dos") })
  func sgdisk(_ test: TableCase) throws {
    let scratch = try Scratch()
    let expected = try test.make(
      in: scratch,
      then: """
        sgdisk -p "$disk" | awk '/^ +[0-9]/ {print $1, $2, $3}'
        for n in $(sgdisk -p "$disk" | awk '/^ +[0-9]/ {print $1}' | head -n 8); do
          sgdisk -i "$n" "$disk" | sed -nE "s/^Partition GUID code: ([^ ]*).*/\\1/p; s/^Partition unique GUID: //p;
            s/^Attribute flags: //p; s/^Partition name: '(.*)'/\\1/p"
        done
        """)
    let table = try #require(try readTable(scratch, hint: nil))
    let size = UInt64(table.sectorSize)
    var ours = table.partitions.map { "\($0.number) \($0.start / size) \($0.end / size - 1)\n" }.joined()
    for partition in table.partitions.prefix(8) {
      ours += "\(partition.type.code)\n\(partition.uuid ?? "")\n"
      ours += "\(partition.attributes.hexadecimal(16).uppercased())\n\(partition.label ?? "")\n"
    }
    #expect(ours == expected)
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

/// A table in the lines that the script above prints.
private func lines(_ table: PartitionTable) -> String {
  let label = table.scheme == .gpt ? "gpt" : "dos"
  var result = "table \(label) \(table.identifier) \(table.sectorSize)\n"
  let size = UInt64(table.sectorSize)
  for partition in table.partitions {
    let active = partition.isActive ? "active" : "-"
    result += "\(partition.number) \(partition.start / size) \(partition.byteCount / size) \(partition.type.code) "
    result += "\(partition.uuid ?? "-") \(active) \(partition.attributeNames)|\(partition.label ?? "")\n"
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
