import ArgumentParser

/// Runs a job with a technique and without it, by turns, and prints what each round took as a line of JSON.
struct TechniqueCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "technique", abstract: "Measures a job with one technique and without it.")

  @Argument(help: "\(Technique.all.map(\.name).joined(separator: ", "))")
  var name: String
  @Option(help: "The image to read.")
  var image: String
  @Option(help: "The block device to write, whose contents are lost.")
  var target: String?
  @Option(help: "Rounds after one that does not count.")
  var rounds = 5

  func run() throws {
    guard let technique = Technique.all.first(where: { $0.name == name }) else {
      throw ValidationError("there is no technique '\(name)'")
    }
    let (on, off) = try technique.make(Workload(image: image, target: target))
    var samples: (on: [Sample], off: [Sample]) = ([], [])
    for round in 0...rounds {
      let with = try Sample(of: on)
      let without = try Sample(of: off)
      guard round > 0 else { continue }
      samples.on.append(with)
      samples.off.append(without)
    }
    func list(_ samples: [Sample]) -> String { "[" + samples.map(\.json).joined(separator: ", ") + "]" }
    print("{\"name\": \"\(name)\", \"on\": \(list(samples.on)), \"off\": \(list(samples.off))}")
  }
}

/// A technique that makes the tools faster, and how to do the same without it.
struct Technique: Sendable {
  /// A job with the technique and the same job without it.
  typealias Pair = (on: () throws -> Void, off: () throws -> Void)

  let name: String
  let make: @Sendable (Workload) throws -> Pair

  static let all = copying + decoding + computing
}
