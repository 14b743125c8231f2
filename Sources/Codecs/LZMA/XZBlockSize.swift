import BlockIO
import CLZMA

/// What the header of an xz file's first block says of the memory that decoding such blocks side by side takes.
enum XZBlockSize {
  /// Bytes of the stream header, behind which the first block's header starts (xz file format 1.1.0, 2.1.1).
  private static let streamHeader = 12

  /// Bytes for decoding a block on each of `workers` threads while another one, decoded, waits to be read; nil where
  /// the block does not state its sizes, so that threads do not help, or is invalid, which decoding will tell.
  ///
  /// Later blocks may shrink less than the first one, which in a disk's image often holds little: half of what is decoded
  /// is allowed for what is stored.
  static func memory(_ input: CompressedInput, workers: Int) throws -> UInt64? {
    guard try input.fill(streamHeader + 1) else { return nil }
    // A size of 0 is the index: there are no blocks.
    let size = (Int(input.byte(streamHeader)) + 1) * 4
    guard size > 4, try input.fill(streamHeader + size) else { return nil }
    let empty = unsafe lzma_filter(id: .max, options: nil)
    var filters = unsafe [lzma_filter](repeating: empty, count: Int(LZMA_FILTERS_MAX) + 1)
    return unsafe filters.withUnsafeMutableBufferPointer { filters -> UInt64? in
      var block = unsafe lzma_block()
      unsafe block.version = 1
      unsafe block.header_size = UInt32(size)
      unsafe block.check = lzma_check(UInt32(input.byte(7) & 0x0f))
      unsafe block.filters = filters.baseAddress
      let header = unsafe UnsafePointer(input.next) + streamHeader
      guard unsafe lzma_block_header_decode(&block, nil, header) == LZMA_OK else { return nil }
      defer { unsafe lzma_filters_free(filters.baseAddress, nil) }
      let (stored, decoded) = unsafe (block.compressed_size, block.uncompressed_size)
      let dictionary = unsafe lzma_raw_decoder_memusage(filters.baseAddress)
      // Sizes are not known where they are the greatest value, and limited before they are added.
      guard max(stored, decoded, dictionary) <= LZMADecoder.memoryLimit else { return nil }
      return UInt64(workers) * (dictionary + max(stored, decoded / 2) + decoded) + decoded
    }
  }
}
