import BlockIO
import Flow
import Testing

struct CopyOptionsTests {
  @Test(arguments: [(1, 2), (2, 3), (7, 8), (15, 16), (64, 16), (0, 2)])
  func oneWorkerMoreThanCores(cores: Int, workers: Int) {
    let options = CopyOptions(cores: cores, queue: nil)
    #expect(options.workers == workers)
    #expect(options.chunkSize == 1 << 20)
  }

  /// The chunk is the multiple of the device's best size next below 1 MiB, or the best size itself.
  @Test(arguments: [
    (0, 1 << 20), (4096, 1 << 20), (64 << 10, 1 << 20), (96 << 10, 960 << 10), (768 << 10, 768 << 10),
    (2 << 20, 2 << 20), (8 << 20, 1 << 20), (33553920, 1 << 20), (5000, 1 << 20),
  ])
  func chunkFollowsTheDevice(best: Int, chunk: Int) {
    #expect(CopyOptions(cores: 2, queue: DeviceQueue(bestRequest: best)).chunkSize == chunk)
  }

  /// No cluster lies in two chunks.
  @Test(arguments: [
    (96 << 10, 64 << 10, 1 << 20), (96 << 10, 2 << 20, 2 << 20), (128 << 10, 64 << 10, 1 << 20),
    (4 << 20, 2 << 20, 4 << 20),
  ])
  func chunkHoldsWholeClusters(best: Int, cluster: Int, chunk: Int) {
    #expect(
      CopyOptions(cores: 2, queue: DeviceQueue(bestRequest: best), decodingUnit: cluster).chunkSize == chunk)
  }

  /// What is under way fits the device's queue, but two writers there are always.
  @Test(arguments: [(120 << 10, 64, 7), (120 << 10, 1, 2), (4 << 20, 2, 2), (1 << 20, 128, 16), (0, 2, 16)])
  func workersFitTheQueue(longest: Int, depth: Int, workers: Int) {
    let queue = DeviceQueue(longestRequest: longest, depth: depth)
    #expect(CopyOptions(cores: 32, queue: queue).workers == workers)
  }
}
