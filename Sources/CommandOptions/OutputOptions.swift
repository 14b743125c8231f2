import ArgumentParser
package import Terminal

/// What is shown; shared by all commands.
package struct OutputOptions: ParsableArguments {
  @Flag(name: .either("json"), help: "Print the result as JSON.")
  package var json = false
  @Flag(name: .either("debug"), help: "Add the header's internals.")
  package var debug = false

  package init() {}
}

extension ProgressStyle: ExpressibleByArgument {}
