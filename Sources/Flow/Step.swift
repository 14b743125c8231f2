import BlockIO

/// One piece of a copy: a range of the target and what is done with it.
struct Step: Sendable {
  var offset: UInt64
  var length: UInt64
  var action: Action
  /// Parts of a written range, all inside partial sectors, that keep the target's old contents.
  var kept: [Range<UInt64>] = []

  var end: UInt64 { offset + length }
}

/// The target's units that steps are cut to.
struct StepUnits: Sendable {
  /// What no two steps share, and what a write holds whole.
  let sector: UInt64
  /// Where writing may change to zeroing: 4096 bytes, or a sector if that is larger.
  let block: UInt64
  /// Written steps never cross a multiple of this.
  let chunk: UInt64
  /// The longest zeroed step: any length where nothing has to be done for it.
  let longestZero: UInt64
  /// Shorter zero ranges beside data are written along with it.
  let shortestZero: UInt64 = 32 << 10

  init(target: any BlockTarget, chunkSize: Int) {
    sector = UInt64(target.sectorSize)
    block = max(4096, sector)
    longestZero = target.isKnownZero ? 1 << 40 : 128 << 20
    chunk = max(UInt64(chunkSize).aligned(down: block), block)
  }

  /// Where a zeroed step from `offset` ends that may reach to `stop`: on a block's border if it is cut short.
  func zeroEnd(from offset: UInt64, to stop: UInt64) -> UInt64 {
    stop - offset <= longestZero ? stop : (offset + longestZero).aligned(down: block)
  }
}

extension UInt64 {
  /// The smallest multiple of `unit` not below this value; disk offsets stay far below the type's end.
  func aligned(up unit: UInt64) -> UInt64 { (self + (unit - 1)) / unit * unit }
  func aligned(down unit: UInt64) -> UInt64 { self / unit * unit }
}
