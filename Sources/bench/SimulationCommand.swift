import ArgumentParser
import Flow

/// Copies a made-up image to a made-up device, and prints throughput and queue depth as a line of JSON.
struct SimulationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Copies a made-up image to a made-up device of known speed.")

  /// What stands for the device.
  enum Device: String, CaseIterable, ExpressibleByArgument {
    /// 30 MB/s, and a stall of 20 ms for each 4 MiB.
    case slow
    /// Takes what it gets at the speed of memory.
    case memory
  }

  /// What stands for the image.
  enum Stored: String, CaseIterable, ExpressibleByArgument {
    case plain, zlib
  }

  @Option var device = Device.memory
  @Option var image = Stored.plain
  @Option var workers = 3
  @Option(help: "Bytes of a write at most.") var chunk = 1 << 20
  @Option(help: "Bytes of the whole image.") var size: UInt64 = 1 << 30

  func run() throws {
    let target = SimulatedDevice(byteCount: size, isSlow: device == .slow)
    let source = try SimulatedImage(byteCount: size, isCompressed: image == .zlib)
    let options = CopyOptions(workers: workers, chunkSize: chunk)
    let sample = try Sample { try copy(source, to: target, options: options, progress: Progress()) }
    let depth = target.depth
    print(
      """
      {"wall": \(sample.wall), "cpu": \(sample.cpu), "depth": \(depth.mean), "deepest": \(depth.most), \
      "busy": \(depth.busy)}
      """)
  }
}
