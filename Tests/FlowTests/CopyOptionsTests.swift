import BlockIO
import Flow
import Testing

struct CopyOptionsTests {
  /// Cores, and workers for them.
  static let cores: [(Int, Int)] = [(1, 2), (2, 3), (7, 8), (15, 16), (64, 16), (0, 2)]

  @Test(arguments: cores)
  func oneWorkerMoreThanCores(cores: Int, workers: Int) {
    let options = CopyOptions(cores: cores, queue: nil)
    #expect(options.workers == workers)
    #expect(options.chunkSize == 1_048_576)
  }

  /// A device's best size in KiB, and the chunk's.
  static let sizes: [(Int, Int)] = [
    (0, 1024), (4, 1024), (64, 1024), (96, 960), (768, 768), (2048, 2048), (8192, 1024), (5, 1024),
  ]

  /// The chunk is the multiple of the device's best size next below 1 MiB, or the best size itself.
  @Test(arguments: sizes)
  func chunkFollowsTheDevice(best: Int, chunk: Int) {
    let options = CopyOptions(cores: 2, queue: DeviceQueue(bestRequest: best * 1024))
    #expect(options.chunkSize == chunk * 1024)
  }

  /// A device's best size, the cluster's and the chunk's in KiB.
  static let clusters: [[Int]] = [[96, 64, 1024], [96, 2048, 2048], [128, 64, 1024], [4096, 2048, 4096]]

  /// No cluster lies in two chunks.
  @Test(arguments: clusters)
  func chunkHoldsWholeClusters(sizes: [Int]) {
    let queue = DeviceQueue(bestRequest: sizes[0] * 1024)
    let options = CopyOptions(cores: 2, queue: queue, decodingUnit: sizes[1] * 1024)
    #expect(options.chunkSize == sizes[2] * 1024)
  }

  /// The longest request in KiB, how many wait at once, and workers for 32 cores.
  static let queues: [[Int]] = [[120, 64, 7], [120, 1, 2], [4096, 2, 2], [1024, 128, 16], [0, 2, 16]]

  /// What is under way fits the device's queue, but two writers there are always.
  @Test(arguments: queues)
  func workersFitTheQueue(numbers: [Int]) {
    let queue = DeviceQueue(longestRequest: numbers[0] * 1024, depth: numbers[1])
    let options = CopyOptions(cores: 32, queue: queue)
    #expect(options.workers == numbers[2])
  }
}
