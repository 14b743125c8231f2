import BlockIO
import Bytes
import CLZMA

/// Decodes xz, lzma-alone and lzip with liblzma, which verifies every checksum that the format has.
@safe
package final class LZMADecoder: MemberDecoder {
  /// The formats that liblzma decodes.
  package enum Format {
    /// Streams, padding and index as one member, blocks on `workers` threads while they fit in `memory` bytes.
    case xz(workers: Int, memory: UInt64)
    case alone
    case lzip
  }

  /// The most memory that a stream may need, in bytes.
  package static let memoryLimit: UInt64 = 1 << 30

  private let format: Format
  // On the heap: liblzma keeps state with it.
  private let stream: UnsafeMutablePointer<lzma_stream>

  package init(_ format: Format) {
    self.format = format
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: lzma_stream())
  }

  deinit {
    unsafe lzma_end(stream)
    unsafe stream.deallocate()
  }

  package var padding: StreamPadding {
    if case .lzip = format { .zeroes } else { .nothing }
  }

  package func isStart(_ input: CompressedInput) throws -> Bool {
    switch format {
    case .xz: try input.hasPrefix([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])
    case .lzip: try input.hasPrefix(Array("LZIP".utf8))
    // One member only: whatever follows it is left over.
    case .alone: unsafe stream.pointee.internal == nil
    }
  }

  package func begin(_ input: CompressedInput) throws {
    let result =
      switch format {
      case .xz(let workers, let memory): try begin(input, workers: workers, memory: memory)
      case .alone: unsafe lzma_alone_decoder(stream, Self.memoryLimit)
      case .lzip: unsafe lzma_lzip_decoder(stream, Self.memoryLimit, 0)
      }
    guard result == LZMA_OK else { throw error(result, input) }
  }

  private func begin(_ input: CompressedInput, workers: Int, memory: UInt64) throws -> lzma_ret {
    let flags = clzma_concatenated | clzma_tell_unsupported_check
    guard workers > 1 else { return unsafe lzma_stream_decoder(stream, Self.memoryLimit, flags) }
    var options = unsafe lzma_mt()
    unsafe options.flags = flags
    unsafe options.threads = UInt32(min(workers, 256))
    // Blocks are mostly of one size: more memory would only hold more of them that nobody reads yet.
    unsafe options.memlimit_threading = min(memory, try XZBlockSize.memory(input, workers: workers) ?? memory)
    unsafe options.memlimit_stop = Self.memoryLimit
    return unsafe lzma_stream_decoder_mt(stream, &options)
  }

  package func step(_ input: CompressedInput, _ output: UnsafeMutableRawBufferPointer) throws -> DecodingStep {
    let held = input.count
    unsafe stream.pointee.next_in = UnsafePointer(input.next)
    unsafe stream.pointee.avail_in = held
    unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = output.count
    let result = unsafe lzma_code(stream, input.isAtEnd ? LZMA_FINISH : LZMA_RUN)
    input.consume(held - (unsafe stream.pointee.avail_in))
    switch result {
    case LZMA_OK, LZMA_STREAM_END, LZMA_BUF_ERROR: break
    default: throw error(result, input)
    }
    return unsafe DecodingStep(produced: output.count - stream.pointee.avail_out, isEnd: result == LZMA_STREAM_END)
  }

  /// What liblzma's result says, in a sentence.
  private func error(_ result: lzma_ret, _ input: CompressedInput) -> ImageError {
    func unsupported(_ detail: String) -> ImageError {
      ImageError(.unsupported, format: input.codec, file: input.name, offset: input.offset, detail)
    }
    return switch result {
    case LZMA_MEM_ERROR: input.outOfMemory()
    case LZMA_MEMLIMIT_ERROR:
      unsupported(
        "decoding needs \(shortSize(unsafe lzma_memusage(stream))) of memory, above the limit of "
          + "\(shortSize(Self.memoryLimit)); compress it again with a smaller dictionary")
    case LZMA_UNSUPPORTED_CHECK: unsupported("the stream's check is of a kind that cannot be verified")
    case LZMA_OPTIONS_ERROR: unsupported("the stream uses a filter or option that liblzma does not support")
    case LZMA_FORMAT_ERROR: input.corrupt("a header is invalid")
    default: input.corrupt("invalid data or a wrong checksum")
    }
  }
}

/// The first bytes of the formats that liblzma decodes.
package enum LZMASignature {
  /// Whether `head` starts an xz stream: signature and a stream flag field without reserved bits.
  package static func probeXZ(_ head: RawSpan) -> Bool {
    head.byteCount >= 12 && head.bigEndian(at: 0, as: UInt32.self) == 0xfd37_7a58
      && head.bigEndian(at: 4, as: UInt16.self) == 0x5a00
  }

  /// Whether `head` starts a lzip member: signature, version and a dictionary of 4 KiB to 512 MiB.
  package static func probeLzip(_ head: RawSpan) -> Bool {
    guard head.byteCount >= 6, head.bigEndian(at: 0, as: UInt32.self) == 0x4c5a_4950 else { return false }
    let power = head.littleEndian(at: 5, as: UInt8.self) & 0x1f
    return head.littleEndian(at: 4, as: UInt8.self) <= 1 && (12...29).contains(power)
  }

  /// Whether `head` can start a lzma-alone file, which has no signature: valid properties, a dictionary size of 2^n or
  /// 2^n + 2^(n-1) from 4 KiB, an unknown or sane size, and the range coder's first byte, which is always 0.
  package static func probeAlone(_ head: RawSpan) -> Bool {
    guard head.byteCount >= 18, head.littleEndian(at: 13, as: UInt8.self) == 0 else { return false }
    let properties: UInt8 = head.littleEndian(at: 0)
    guard properties < 225, properties % 9 + properties / 9 % 5 <= 4 else { return false }
    let dictionary: UInt32 = head.littleEndian(at: 1)
    let size: UInt64 = head.littleEndian(at: 5)
    guard dictionary >= 4096, size == .max || (1...(1 << 50)).contains(size) else { return false }
    let ones = dictionary.nonzeroBitCount
    return dictionary == .max || ones == 1 || ones == 2 && dictionary & (dictionary >> 1) != 0
  }
}
