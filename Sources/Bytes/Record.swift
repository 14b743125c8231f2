/// An ordered list of named facts, printed as a table for people and as JSON for programs.
package struct Record: Sendable, Hashable {
  /// One fact's value.
  package indirect enum Value: Sendable, Hashable {
    case text(String)
    case count(UInt64)
    case signed(Int64)
    /// A number of bytes: a plain number in JSON, scaled in a table.
    case size(UInt64)
    /// Hundredths of a percent.
    case percent(UInt64)
    case flag(Bool)
    case none
    case list([Value])
    case record(Record)
  }

  /// A key as JSON spells it (`cluster-size`) and its value.
  package struct Fact: Sendable, Hashable {
    package let key: String
    package let value: Value
  }

  package private(set) var facts: [Fact] = []

  package init() {}

  /// The value of the first fact called `key`.
  package subscript(key: String) -> Value? { facts.first { $0.key == key }?.value }

  /// Adds a fact at the end.
  package mutating func add(_ key: String, _ value: Value) { facts.append(Fact(key: key, value: value)) }

  /// Adds a fact at the end unless it is nil.
  package mutating func add(_ key: String, _ value: Value?) {
    if let value { facts.append(Fact(key: key, value: value)) }
  }

  /// The record as one line of JSON.
  package var json: String { Value.record(self).json }
}

extension Record.Value {
  /// The value as one line of JSON (RFC 8259).
  package var json: String {
    switch self {
    case .text(let text): Self.quoted(text)
    case .count(let count), .size(let count): String(count)
    case .signed(let number): String(number)
    case .percent(let hundredths): Self.decimal(hundredths)
    case .flag(let flag): flag ? "true" : "false"
    case .none: "null"
    case .list(let values): "[" + values.map(\.json).joined(separator: ",") + "]"
    case .record(let record):
      "{" + record.facts.map { Self.quoted($0.key) + ":" + $0.value.json }.joined(separator: ",") + "}"
    }
  }

  /// Hundredths as a decimal number.
  package static func decimal(_ hundredths: UInt64) -> String {
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension Record: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral elements: (String, Value)...) {
    facts = elements.map { Fact(key: $0.0, value: $0.1) }
  }
}
