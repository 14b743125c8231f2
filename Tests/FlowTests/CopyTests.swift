import BlockIO
import Flow
import Support
import Synchronization
import Testing

/// A disk with a random extent map, and what a target full of 0xAA must hold after a copy of it.
struct RandomCase {
  let source: MemoryDisk
  let map: [Extent]

  init(seed: UInt64, size: Int, unit: Int) {
    var random = SeededRandom(seed: seed)
    var bytes = [UInt8](repeating: 0, count: size)
    var map: [Extent] = []
    var offset = 0
    while offset < size {
      let scale = [1, 3, 20, 300].randomElement(using: &random) ?? 1
      let length = min(unit * Int.random(in: 1...scale, using: &random), size - offset)
      let kind: Extent.Kind = [.data, .data, .zero, .unallocated, .unused].randomElement(using: &random) ?? .data
      map.append(Extent(kind, offset: UInt64(offset), length: UInt64(length)))
      if kind == .data, Bool.random(using: &random) || length < 4096 {
        let value = UInt8.random(in: 1...255, using: &random)
        for i in offset..<(offset + length) { bytes[i] = value &+ UInt8(truncatingIfNeeded: i / 7) }
      }
      offset += length
    }
    source = MemoryDisk(bytes, map: map)
    self.map = map
  }

  /// What the target must hold, byte for byte: everything outside the image and what is kept stays 0xAA.
  func expected(policy: CopyPolicy, targetSize: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0xaa, count: targetSize)
    let bytes = source.contents
    for extent in map {
      let range = Int(extent.offset)..<Int(extent.end)
      let action: Action =
        switch extent.kind {
        case .data, .zero: .write
        case .unallocated: policy.unallocated
        case .unused: policy.unused
        }
      if action != .keep { result.replaceSubrange(range, with: bytes[range]) }
    }
    return result
  }
}

@Suite(.timeLimit(.minutes(10))) struct CopyTests {
  static let policies = [
    CopyPolicy(unallocated: .zero, unused: .keep), CopyPolicy(unallocated: .keep, unused: .zero),
    CopyPolicy(unallocated: .keep, unused: .keep), CopyPolicy(unallocated: .zero, unused: .zero),
  ]

  /// Every unit of extents, sector size and worker count gives exactly the bytes that the policy says, from both shapes
  /// of source, and the same digests cover them.
  @Test(arguments: [(512, 512), (512, 4096), (1024, 4096), (4096, 4096), (1, 512), (700, 4096)], [1, 2, 7])
  func everyByteIsAsThePolicySays(units: (extent: Int, sector: Int), workers: Int) throws {
    var exchangeCount = 0
    for seed in 0..<6 {
      let size = [200_000, 262_144, 131_072 + 512, 100_001, 4096, 511][seed]
      let made = RandomCase(seed: UInt64(seed), size: size, unit: units.extent)
      let targetSize = (size + units.sector - 1) / units.sector * units.sector + seed % 2 * units.sector * 3
      for policy in Self.policies {
        let options = CopyOptions(workers: workers, chunkSize: 32 << 10, policy: policy)
        let expected = made.expected(policy: policy, targetSize: targetSize)
        for (isStream, exchanges) in [(false, false), (true, false), (true, true)] {
          let target = MemoryDisk([UInt8](repeating: 0xaa, count: targetSize), sectorSize: units.sector)
          let digests = try Digests(byteCount: UInt64(targetSize))
          let progress = Progress()
          if isStream {
            let stream = StreamedDisk(made.source, exchanges: exchanges)
            let size = try copy(stream, to: target, options: options, digests: digests, progress: progress)
            #expect(size == made.source.byteCount)
            exchangeCount += stream.exchangeCount
          } else {
            try copy(made.source, to: target, options: options, digests: digests, progress: progress)
          }
          let contents = target.contents
          #expect(contents == expected, "seed \(seed), \(policy), stream \(isStream)")
          let bad = try verify(target, against: digests, map: made.source, options: options, progress: progress)
          #expect(bad.isEmpty, "seed \(seed), \(policy), stream \(isStream): \(bad)")
          #expect(progress.copied >= made.source.byteCount)
        }
      }
    }
    #expect(units.extent < 4096 || exchangeCount > 0)
  }

  @Test func aWriteErrorStopsBothShapes() {
    let source = MemoryDisk([UInt8](repeating: 1, count: 1_000_000))
    let options = CopyOptions(workers: 3, chunkSize: 8192)
    for isStream in [false, true] {
      let target = FaultyTarget(MemoryDisk([UInt8](repeating: 0, count: 1_000_000)), .failsWrite(500_000))
      #expect(throws: FaultyTarget.Failure.self) {
        if isStream {
          _ = try copy(StreamedDisk(source), to: target, options: options, progress: Progress())
        } else {
          try copy(source, to: target, options: options, progress: Progress())
        }
      }
    }
  }

  @Test func aStreamLongerThanTheTargetStopsBeforeItsEnd() throws {
    let target = MemoryDisk([UInt8](repeating: 0xaa, count: 100_352))
    let source = StreamedDisk(MemoryDisk([UInt8](repeating: 1, count: 200_000)))
    #expect(throws: TargetTooSmall.self) {
      _ = try copy(source, to: target, options: CopyOptions(workers: 2, chunkSize: 8192), progress: Progress())
    }
  }

  @Test func aStreamShorterThanAnnouncedFails() throws {
    let source = StreamedDisk(MemoryDisk([UInt8](repeating: 1, count: 5000)), announced: 6000)
    let target = MemoryDisk([UInt8](repeating: 0xaa, count: 8192))
    #expect(throws: StreamLengthError.self) { _ = try copy(source, to: target, progress: Progress()) }
  }

  @Test func interruptStops() throws {
    let source = MemoryDisk([UInt8](repeating: 1, count: 1_000_000))
    let target = MemoryDisk([UInt8](repeating: 0, count: 1_000_000))
    var options = CopyOptions(workers: 2, chunkSize: 4096)
    options.isInterrupted = { true }
    #expect(throws: Interrupted.self) { try copy(source, to: target, options: options, progress: Progress()) }
  }
}

@Suite(.timeLimit(.minutes(5))) struct VerifyTests {
  /// Copies `made` through a fault and returns what verification finds.
  func bad(_ fault: FaultyTarget.Fault, size: Int = 6 << 20, withSource: Bool = true) throws -> [BadRange] {
    var random = SeededRandom(seed: 9)
    var bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
    for i in (3 << 20)..<(4 << 20) { bytes[i] = 0 }
    let map = [Extent(.zero, offset: 3 << 20, length: 1 << 20)]
    let source = MemoryDisk(bytes, map: map)
    let target = FaultyTarget(MemoryDisk([UInt8](repeating: 0xaa, count: size)), fault)
    let digests = try Digests(byteCount: UInt64(size))
    let options = CopyOptions(workers: 2)
    try copy(source, to: target, options: options, digests: digests, progress: Progress())
    return try verify(
      target, against: digests, map: source, source: withSource ? source : nil, options: options, progress: Progress())
  }

  @Test(arguments: [0, 1, 4095, 4096, 1 << 20, (6 << 20) - 1]) func oneFlippedByteIsNamed(offset: UInt64) throws {
    let found = try bad(.flips(offset))
    #expect(found == [BadRange(range: offset..<(offset + 1), isUnstable: false, firstDifference: offset)])
  }

  @Test func withoutTheSourceTheWindowIsNamed() throws {
    let found = try bad(.flips(5 << 20), withSource: false)
    #expect(found.count == 1 && found[0].range.contains(5 << 20) && found[0].firstDifference == nil)
  }

  @Test func zeroesThatWereNotWrittenShow() throws {
    let found = try bad(.skipsZero(3 << 20))
    #expect(found == [BadRange(range: (3 << 20)..<(4 << 20), isUnstable: false, firstDifference: 3 << 20)])
  }

  @Test func rightOnlyTheSecondTimeIsUnstable() throws {
    let found = try bad(.misreadsOnce(12345))
    #expect(found.count == 1 && found[0].isUnstable)
  }

  @Test func digestsStayBelow16MiB() throws {
    // 8 EiB of windows: the type's own bound.
    let digests = try Digests(byteCount: 1 << 62)
    #expect(digests.memory <= 16 << 20)
  }
}
