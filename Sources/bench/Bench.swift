import ArgumentParser
import Threads

/// Measures what the two tools cannot show from outside.
///
/// `Scripts/bench` runs it; it is not installed.
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures parts of qflash by themselves.",
    subcommands: [TechniqueCommand.self, SimulationCommand.self])

  static func main() {
    // As the tools do.
    Allocator.keepNoPassedBlocks()
    main(nil)
  }
}
