package import BlockIO
package import Bytes

/// An opened disk image.
package struct Image {
  /// The two shapes a decoded image comes in.
  package enum Content {
    /// Any offset, any thread.
    case disk(any BlockSource)
    /// One forward pass.
    case stream(any ExtentStream)
  }

  /// The format's name, such as `qcow2`.
  package let format: String
  package let content: Content
  /// What `info` shows: the header's fields, layers, snapshots.
  package let facts: Record
  /// Header internals, for `-debug`.
  package let internals: Record
  /// What the user should know before the image is used, each a sentence.
  package let warnings: [String]
  /// Every file that was opened for the image, so that none of them becomes its own target.
  package let files: [ImageFile]
  /// The disk at any offset, for looking inside; where `content` is a stream, unchecked; nil if there is none.
  package let browsable: (any BlockSource)?
  /// What was found damaged and passed over, where the options asked for that.
  package let damage: DamageLog?
  /// Tells how much of the disk is stored and how, where the format can say; it walks the whole map.
  package let allocation: (@Sendable () throws -> Record)?
  /// The unit, in bytes, that is decoded as a whole, so that reads of whole units do no work twice; 1 without one.
  package let decodingUnit: Int

  package init(
    format: String, content: Content, facts: Record = Record(), internals: Record = Record(), warnings: [String] = [],
    files: [ImageFile] = [], allocation: (@Sendable () throws -> Record)? = nil,
    browsable: (any BlockSource)? = nil, damage: DamageLog? = nil,
    decodingUnit: Int = 1
  ) {
    self.format = format
    self.content = content
    self.facts = facts
    self.internals = internals
    self.warnings = warnings
    self.files = files
    self.damage = damage
    if case .disk(let disk) = content { self.browsable = disk } else { self.browsable = browsable }
    self.allocation = allocation
    self.decodingUnit = decodingUnit
  }

  /// The disk's size in bytes, if it is known before the end.
  package var byteCount: UInt64? {
    switch content {
    case .disk(let disk): disk.byteCount
    case .stream(let stream): stream.byteCount
    }
  }
}
