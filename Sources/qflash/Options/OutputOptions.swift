import ArgumentParser
import Terminal

/// What is shown; shared by all commands.
struct OutputOptions: ParsableArguments {
  @Flag(name: .either("json"), help: "Print the result as JSON.")
  var json = false
  @Flag(name: .either("debug"), help: "Add the header's internals.")
  var debug = false
}

extension ProgressStyle: ExpressibleByArgument {}
