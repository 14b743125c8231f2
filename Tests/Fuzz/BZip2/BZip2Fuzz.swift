// The own decoder of bzip2 blocks, over bits that the fuzzer writes: whatever it takes for a block libbz2 has to decode
// to the same bytes.
//
// Input: a block from its magic on. It ends where the decoder says, and its CRC is made right.

/// Kept from one input to the next, as workers keep theirs.
nonisolated(unsafe) let decoder = BZip2BlockDecoder()

/// Decodes one block; libFuzzer calls it by its C name.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 14 else { return 0 }
  var bytes = Array(UnsafeBufferPointer(start: data, count: count))
  for index in 0..<6 { bytes[index] = UInt8(truncatingIfNeeded: BZip2Header.blockMagic >> UInt64(40 - 8 * index)) }
  // The decoder wants to know where the block ends: first it is told a wrong end.
  _ = decoder.decode(BZip2Block(bits: bytes, bitCount: bytes.count * 8, level: 0x31, checksum: 0, offset: 0))
  let bitCount = decoder.bitsUsed
  guard bitCount > 80, bitCount <= bytes.count * 8 else { return 0 }
  bytes.removeLast(bytes.count - (bitCount + 7) / 8)
  if bitCount % 8 != 0 { bytes[bytes.count - 1] &= ~(0xff >> UInt8(bitCount % 8)) }
  let whole = BZip2Block(bits: bytes, bitCount: bitCount, level: 0x31, checksum: 0, offset: 0)
  guard decoder.decode(whole) else { return 0 }
  var runs = BZip2Runs(decoder.text, decoder.count)
  var found = [UInt8](repeating: 0, count: 1 << 20)
  var length = found.withUnsafeMutableBytes { runs.read($0) }
  // Longer ones are of no other kind.
  guard length < found.count, !runs.isCutOff else { return 0 }
  found.removeLast(found.count - length)
  let checksum = BZip2Checksum()
  found.withUnsafeBytes { checksum.update($0) }
  for index in 0..<4 { bytes[6 + index] = UInt8(truncatingIfNeeded: checksum.value >> UInt32(24 - 8 * index)) }
  let block = BZip2Block(bits: bytes, bitCount: bitCount, level: 0x31, checksum: checksum.value, offset: 0)
  do {
    let stream = try Codec.bzip2.open(
      MemoryByteStream(block.stream), name: "fuzz", options: DecodingOptions(workers: 0))
    var buffer = Buffer(count: 1 << 20)
    length = try buffer.fill { try stream.read(into: &$0) }
    let expected = buffer.prefix(length).withUnsafeBytes { Array($0) }
    precondition(found == expected, "libbz2 decodes it to something else")
  } catch { preconditionFailure("libbz2 does not decode it: \(error)") }
  return 0
}
