package import ArgumentParser
package import Terminal

/// Which volume is looked into; shared by the commands that look inside images.
package struct BrowseOptions: ParsableArguments {
  @Option(
    name: .either("partition"),
    help: ArgumentHelp("The partition's number, as behind the colon of IMG:N.", valueName: "n"))
  package var partition: Int?
  @Option(name: .either("progress"), help: "How progress is shown: auto, bar, plain, json or none.")
  package var progress = ProgressStyle.auto

  package init() {}

  package func validate() throws {
    if let partition, partition < 1 { throw ValidationError("-partition takes a number from 1 on") }
  }
}
