package import BlockIO
import Bytes
import Glibc

/// An ntfsclone image in a seekable file, as the partition it was made from.
package final class NtfscloneDisk: BlockSource {
  private let file: any BlockSource
  private let header: NtfscloneHeader
  private let index: NtfscloneIndex
  private let map: BackupMap
  private let errors: BackupErrors

  /// What `file` stores where `index` says.
  init(
    _ file: any BlockSource, header: NtfscloneHeader, index: NtfscloneIndex, map: BackupMap, errors: BackupErrors
  ) {
    self.file = file
    self.header = header
    self.index = index
    self.map = map
    self.errors = errors
  }

  package var byteCount: UInt64 { map.byteCount }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent { map.extent(at: offset, limit: limit) }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try map.read(at: offset, into: &buffer) { position, part in
      try readStored(at: position, into: &part)
    }
  }

  /// Fills `buffer` with stored bytes of the partition from `start` on.
  private func readStored(at start: UInt64, into buffer: inout MutableRawSpan) throws {
    let size = UInt64(header.clusterSize)
    var done = 0
    while done < buffer.byteCount {
      let position = start + UInt64(done)
      let cluster = position / size
      let inside = position % size
      let rest = UInt64(buffer.byteCount - done)
      let place = index.place(of: cluster, limit: (inside + rest - 1) / size + 1, clusterSize: size)
      let count = Int(min(rest, place.count * size - inside))
      var part = buffer.mutableSlice(done, count)
      try readRun(from: place.offset + inside, untilCommand: Int(size - inside), at: position, into: &part)
      done += count
    }
  }

  /// Fills `buffer` with clusters that follow each other in the image from `offset` on, a command byte between them.
  ///
  /// The first of those comes after `first` bytes; the clusters belong at `target` on the partition. All is read in place, then moved together over the command bytes, so that a long run takes two or three reads.
  private func readRun(
    from offset: UInt64, untilCommand first: Int, at target: UInt64, into buffer: inout MutableRawSpan
  ) throws {
    var offset = offset
    var first = first
    var done = 0
    while done < buffer.byteCount {
      let count = buffer.byteCount - done
      var part = buffer.mutableSlice(done, count)
      try file.read(at: offset, into: &part)
      let (kept, next, wrong) = unsafe part.withUnsafeMutableBytes {
        unsafe Self.dropCommands($0, first: first, step: header.clusterSize)
      }
      if let wrong {
        throw errors.damaged(
          "a byte other than 1 stands before a cluster: the image was changed while it was read",
          image: offset + UInt64(wrong), target: target + UInt64(done))
      }
      done += kept
      offset += UInt64(count)
      first = next
    }
  }

  /// Takes the command bytes out of `bytes`, the first being behind `first` bytes and the others after `step` more
  /// each; says how many bytes are left, how many come before the next command, and where one is wrong.
  private static func dropCommands(
    _ bytes: UnsafeMutableRawBufferPointer, first: Int, step: Int
  ) -> (kept: Int, next: Int, wrong: Int?) {
    guard let base = bytes.baseAddress, first < bytes.count else { return (bytes.count, first - bytes.count, nil) }
    var kept = first
    var from = first
    var next = step
    while from < bytes.count {
      guard unsafe bytes[from] == NtfscloneRecord.nextCommand else { return (kept, 0, from) }
      let length = min(step, bytes.count - from - 1)
      unsafe memmove(base + kept, base + from + 1, length)
      kept += length
      from += length + 1
      next = step - length
    }
    return (kept, next, nil)
  }
}
