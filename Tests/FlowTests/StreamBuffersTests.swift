import BlockIO
import Bytes
import Flow
import Glibc
import Support
import Testing
import Threads

/// How far a copy reads a stream while the target takes nothing.
@Suite(.timeLimit(.minutes(5))) struct StreamBuffersTests {
  private static let chunk = 4096
  private static let chunkCount = 64

  /// What has happened so far.
  private struct Progressed {
    var readCount = 0
    var writerCount = 0
    var isOpen = false
  }

  /// Chunks of ones, counted as they are read.
  private final class CountedStream: ExtentStream {
    private let state: Monitor<Progressed>
    private var count = 0

    init(_ state: Monitor<Progressed>) { self.state = state }

    var byteCount: UInt64? { nil }

    func next(into buffer: inout MutableRawSpan) -> Extent? {
      guard count < chunkCount else { return nil }
      for index in 0..<chunk { buffer.storeBytes(of: 1, toByteOffset: index, as: UInt8.self) }
      defer { count += 1 }
      state.update { $0.readCount += 1 }
      return Extent(.data, offset: UInt64(count * chunk), length: UInt64(chunk))
    }
  }

  /// A disk whose writes wait until it is opened.
  private final class HeldDisk: BlockTarget {
    private let disk = MemoryDisk([UInt8](repeating: 0, count: chunk * chunkCount))
    private let state: Monitor<Progressed>

    init(_ state: Monitor<Progressed>) { self.state = state }

    var byteCount: UInt64 { disk.byteCount }
    var sectorSize: Int { disk.sectorSize }
    var contents: [UInt8] { disk.contents }

    func write(_ bytes: RawSpan, at offset: UInt64) {
      state.update { $0.writerCount += 1 }
      state.update(when: { $0.isOpen }) { _ in }
      disk.write(bytes, at: offset)
    }

    func writeZeroes(at offset: UInt64, count: UInt64) { disk.writeZeroes(at: offset, count: count) }
    func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) { disk.read(at: offset, into: &buffer) }
    func flush() {}
  }

  /// One chunk in the hands of each worker, one that waits and one that has just been filled.
  @Test(arguments: [1, 3, 8]) func oneForEachWorkerAndTwo(workers: Int) throws {
    let state = Monitor(Progressed())
    let readAhead = Monitor(0)
    let opener = Thread(name: "opener") {
      _ = state.wait(.seconds(10)) { $0.writerCount == workers && $0.readCount >= workers + 2 }
      // Time to go too far.
      usleep(50_000)
      let count = state.update {
        $0.isOpen = true
        return $0.readCount
      }
      readAhead.update { $0 = count }
    }
    let target = HeldDisk(state)
    let options = CopyOptions(workers: workers, chunkSize: Self.chunk)
    let size = try copy(CountedStream(state), to: target, options: options, progress: Progress())
    opener?.join()
    #expect(readAhead.update { $0 } == workers + 2)
    #expect(size == UInt64(Self.chunk * Self.chunkCount))
    #expect(target.contents == [UInt8](repeating: 1, count: Self.chunk * Self.chunkCount))
  }
}
