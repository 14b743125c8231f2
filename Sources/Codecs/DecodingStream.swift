import BlockIO
import Bytes

/// A decoder of one codec's members (streams, frames), one after the other.
package protocol MemberDecoder: AnyObject {
  /// Whether the unused bytes of `input` start a member; reads as many as that takes.
  func isStart(_ input: CompressedInput) throws -> Bool
  /// Gets ready to decode the member that starts at the first unused byte, and may use up its header.
  func begin(_ input: CompressedInput) throws
  /// Decodes some of `input` into `output`, which is not empty, and says how many bytes that made.
  func step(_ input: CompressedInput, _ output: UnsafeMutableRawBufferPointer) throws -> DecodingStep
  /// What may stand between the last member and the end of the input.
  var padding: StreamPadding { get }
}

/// What one call of a decoder did.
package struct DecodingStep {
  /// Bytes that were written to the output.
  package let produced: Int
  /// Whether the member has ended and all its checksums were right.
  package let isEnd: Bool

  package init(produced: Int, isEnd: Bool) {
    self.produced = produced
    self.isEnd = isEnd
  }
}

/// What may follow the last member of a stream.
package enum StreamPadding {
  case nothing
  /// Any number of NUL bytes.
  case zeroes
}

/// A compressed stream of one or more members as the bytes it decodes to, on the caller's thread.
///
/// The end is reported, by a short read, only once everything up to the input's end has been checked.
@safe
package final class DecodingStream: ByteStream {
  private enum Place { case start, inside, between, end }

  private let input: CompressedInput
  private let decoder: any MemberDecoder
  private let isSingle: Bool
  private var place = Place.start

  /// Decodes `input` to its end or, where `isSingle`, one member, leaving what follows it alone.
  package init(_ input: CompressedInput, _ decoder: any MemberDecoder, isSingle: Bool = false) {
    self.input = input
    self.decoder = decoder
    self.isSingle = isSingle
  }

  package func read(into buffer: inout MutableRawSpan) throws -> Int {
    // Safe: the pointer is used inside the closure only.
    try unsafe buffer.withUnsafeMutableBytes { bytes in
      var done = 0
      while done < bytes.count {
        if place != .inside {
          guard try startMember() else { break }
        }
        done += try unsafe step(UnsafeMutableRawBufferPointer(rebasing: bytes[done...]))
      }
      return done
    }
  }

  private func step(_ output: UnsafeMutableRawBufferPointer) throws -> Int {
    try input.fill(1)
    let before = (input.offset, input.count, input.isAtEnd)
    let step = try unsafe decoder.step(input, output)
    if step.isEnd {
      place = .between
    } else if step.produced == 0 && input.offset == before.0 {
      // The decoder can do nothing with what there is.
      if before.2 { throw before.1 == 0 ? input.endsEarly() : input.corrupt("it cannot be decoded") }
      guard before.1 < 1 << 20 else { throw input.corrupt("it cannot be decoded") }
      try input.fill(before.1 + 1)
    }
    return step.produced
  }

  /// Goes to the next member, if there is one; throws if something else is there.
  private func startMember() throws -> Bool {
    guard place != .end, !(isSingle && place == .between) else { return false }
    guard try input.hasMember(of: decoder, isFirst: place == .start) else {
      place = .end
      return false
    }
    place = .inside
    try decoder.begin(input)
    return true
  }
}

extension CompressedInput {
  /// Whether a member starts at the first unused byte; at the end false, anything else is an error.
  package func hasMember(of decoder: any MemberDecoder, isFirst: Bool) throws -> Bool {
    guard try fill(1) else {
      if isFirst { throw endsEarly() }
      return false
    }
    if try decoder.isStart(self) { return true }
    if isFirst { throw corrupt("it does not start with the codec's signature") }
    try skipPadding(decoder.padding)
    return false
  }

  /// Uses up what may stand between the last member and the end; anything else is an error.
  package func skipPadding(_ padding: StreamPadding) throws {
    guard padding == .zeroes else { throw trailingData() }
    while try fill(1) {
      let zeroes = unsafe UnsafeBufferPointer(start: next, count: count).prefix { $0 == 0 }.count
      let isOver = zeroes == count
      consume(zeroes)
      guard isOver else { throw trailingData() }
    }
  }

  /// Whether the unused bytes start with `signature`; the end of input inside it is an error, the rest being cut off.
  package func hasPrefix(_ signature: [UInt8]) throws -> Bool {
    let isWhole = try fill(signature.count)
    for index in 0..<min(count, signature.count) where byte(index) != signature[index] { return false }
    guard isWhole else { throw endsEarly() }
    return true
  }
}
