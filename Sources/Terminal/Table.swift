package import Bytes

/// Facts as lines for people: `key: value`, nested ones indented, lists of records as blocks.
package struct FactTable {
  /// The lines.
  package let lines: [String]

  package init(_ record: Record) { lines = Self.lines(of: record, indent: 0) }

  private static func lines(of record: Record, indent: Int) -> [String] {
    let margin = String(repeating: " ", count: indent)
    let width = record.facts.map { $0.key.count }.max() ?? 0
    return record.facts.flatMap { fact -> [String] in
      let key = fact.key.replacing("-", with: " ")
      let label = margin + key + ":" + String(repeating: " ", count: width - key.count + 1)
      switch fact.value {
      case .record(let inner): return [margin + key + ":"] + lines(of: inner, indent: indent + 2)
      case .list(let values) where values.contains(where: \.isRecord):
        return [margin + key + ":"] + values.flatMap { item(of: $0, indent: indent + 2) }
      default: return [label + text(of: fact.value)]
      }
    }
  }

  private static func item(of value: Record.Value, indent: Int) -> [String] {
    guard case .record(let record) = value else {
      return [String(repeating: " ", count: indent) + "- " + text(of: value)]
    }
    var block = lines(of: record, indent: indent + 2)
    if let first = block.first {
      block[0] = String(repeating: " ", count: indent) + "- " + first.dropFirst(indent + 2)
    }
    return block
  }

  private static func text(of value: Record.Value) -> String {
    switch value {
    case .text(let text): text.printable
    case .count(let count): String(count)
    case .signed(let number): String(number)
    case .size(let size): describeSize(size)
    case .percent(let hundredths): Record.Value.decimal(hundredths) + " %"
    case .flag(let flag): flag ? "yes" : "no"
    case .none: "-"
    case .list(let values): values.isEmpty ? "none" : values.map(text(of:)).joined(separator: ", ")
    case .record(let record): record.json
    }
  }
}

extension Record.Value {
  fileprivate var isRecord: Bool { if case .record = self { true } else { false } }
}

/// Columns for people: a header, then rows, each column as wide as its widest cell.
package struct ColumnTable {
  /// The lines.
  package let lines: [String]

  /// `rightAligned` are the columns of numbers.
  package init(header: [String], rows: [[String]], rightAligned: Set<Int> = []) {
    let all = [header] + rows.map { $0.map(\.printable) }
    let widths = header.indices.map { column in all.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    lines = all.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += rightAligned.contains(column) ? padding + cell : cell + padding
        line += "  "
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}
