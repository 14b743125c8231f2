/// A command line that cannot be understood, and why, in a sentence.
package struct UsageError: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}

/// A command line with its subcommand put first, checked for what a parser of options would let pass silently.
package struct CommandLineArguments {
  /// The arguments for the parser.
  package let prepared: [String]
  /// Whether all of the program is asked about.
  package let asksForRootHelp: Bool

  /// Looks through `arguments`; `repeatable` names options that may be given more than once.
  package init(
    _ arguments: [String], subcommands: [String], default standard: String, repeatable: Set<String> = []
  ) throws(UsageError) {
    asksForRootHelp = arguments.isEmpty || [["-h"], ["--help"], ["-help"], ["help"]].contains(arguments)
    let first = arguments.first ?? ""
    if subcommands.contains(first) || first.hasPrefix("--generate-completion-script") || first == "--version"
      || first == "-version" || first.hasPrefix("--experimental-dump-help")
    {
      prepared = first == "-version" ? ["--version"] : arguments
    } else if first.hasPrefix("-") || first.isEmpty {
      prepared = [standard] + arguments
    } else {
      let close = subcommands.min { Self.distance($0, first) < Self.distance($1, first) }
      let hint = close.map { Self.distance($0, first) <= 2 ? "; did you mean '\($0)'?" : "" } ?? ""
      throw UsageError("there is no subcommand '\(first)'\(hint) An image is named with -src. See --help.")
    }
    try Self.refuseRepeated(in: prepared, repeatable: repeatable)
  }

  /// Throws where an option that takes one value is given twice, of which a parser would silently take the last.
  package static func refuseRepeated(in arguments: [String], repeatable: Set<String> = []) throws(UsageError) {
    var seen: Set<String> = []
    for argument in arguments {
      if argument == "--" { return }
      guard argument.hasPrefix("-"), argument.count > 2 else { continue }
      let name = String(argument.drop { $0 == "-" }.prefix { $0 != "=" })
      guard seen.insert(name).inserted || repeatable.contains(name) else {
        throw UsageError("-\(name) is given more than once")
      }
    }
  }

  /// How many letters must change to make `b` of `a`.
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
        diagonal = above
      }
    }
    return row[b.count]
  }
}
