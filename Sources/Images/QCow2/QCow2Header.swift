import Bytes

/// The header at the start of a qcow2 file, 72 bytes in version 2 and at least 104 in version 3
/// (qemu docs/interop/qcow2.txt, "Header").
///
/// Offsets are in the file. Features' bits are those of ``QCow2Features``.
struct QCow2Header: Sendable {
  /// 2 or 3.
  let version: UInt32
  /// Where the backing file's name is, 0 without one.
  let backingNameOffset: UInt64
  /// Length of the backing file's name, at most 1023.
  let backingNameLength: UInt32
  /// The cluster's size is 2 to this power: 9 to 21.
  let clusterBits: Int
  /// The disk's size in bytes.
  let size: UInt64
  /// 0 none, 1 AES, 2 LUKS.
  let encryption: UInt32
  /// Entries of the active L1 table.
  let l1Count: UInt32
  let l1Offset: UInt64
  let refcountTableOffset: UInt64
  let refcountTableClusters: UInt32
  let snapshotCount: UInt32
  let snapshotTableOffset: UInt64
  let incompatible: UInt64
  let compatible: UInt64
  let autoclear: UInt64
  /// A refcount has 2 to this power bits: 0 to 6.
  let refcountOrder: UInt32
  /// The header's length: 72, or 104 and more.
  let length: UInt32
  /// 0 zlib, 1 zstd.
  let compression: UInt8

  /// The size of a cluster in bytes.
  var clusterSize: UInt64 { 1 << UInt64(clusterBits) }
  /// The size of the refcount table in bytes.
  var refcountTableBytes: UInt64 { UInt64(refcountTableClusters) << UInt64(clusterBits) }
  var isExtended: Bool { incompatible & QCow2Features.extendedL2 != 0 }
  var hasDataFile: Bool { incompatible & QCow2Features.externalData != 0 }
  var compressionName: String { compression == 0 ? "zlib" : "zstd" }

  /// Reads the header from a file's first bytes; the version must be 2 or 3.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(72, of: "header")
    version = bytes.bigEndian(at: 4)
    backingNameOffset = bytes.bigEndian(at: 8)
    backingNameLength = bytes.bigEndian(at: 16)
    let bits = bytes.bigEndian(at: 20, as: UInt32.self)
    guard 9...21 ~= bits else {
      throw LayoutError("the cluster size is 2 to the power of \(bits); 9 to 21 are possible", at: 20)
    }
    clusterBits = Int(bits)
    size = bytes.bigEndian(at: 24)
    encryption = bytes.bigEndian(at: 32)
    l1Count = bytes.bigEndian(at: 36)
    l1Offset = bytes.bigEndian(at: 40)
    refcountTableOffset = bytes.bigEndian(at: 48)
    refcountTableClusters = bytes.bigEndian(at: 56)
    snapshotCount = bytes.bigEndian(at: 60)
    snapshotTableOffset = bytes.bigEndian(at: 64)
    guard version > 2 else {
      (incompatible, compatible, autoclear, refcountOrder, length, compression) = (0, 0, 0, 4, 72, 0)
      return
    }
    try bytes.require(104, of: "header")
    incompatible = bytes.bigEndian(at: 72)
    compatible = bytes.bigEndian(at: 80)
    autoclear = bytes.bigEndian(at: 88)
    refcountOrder = bytes.bigEndian(at: 96)
    length = bytes.bigEndian(at: 100)
    guard length >= 104, length % 8 == 0, UInt64(length) <= 1 << UInt64(bits) else {
      throw LayoutError(
        "the header's length is \(length); a multiple of 8 from 104 to the cluster size is possible", at: 100)
    }
    if length > 104 {
      try bytes.require(105, of: "header")
      compression = bytes.bigEndian(at: 104)
    } else {
      compression = 0
    }
  }

  /// Checks fields that need no other part of the file.
  func checkFields() throws(LayoutError) {
    guard size <= UInt64(Int64.max) else { throw LayoutError("the disk's size \(size.hex) is out of range", at: 24) }
    guard refcountOrder <= 6 else {
      throw LayoutError("refcounts have 2 to the power of \(refcountOrder) bits; 0 to 6 are possible", at: 96)
    }
    guard refcountTableClusters > 0 else { throw LayoutError("the refcount table is empty", at: 56) }
    guard refcountTableBytes <= 8 << 20 else {
      throw LayoutError("the refcount table has \(refcountTableBytes) bytes; at most 8 MiB are possible", at: 56)
    }
    let marked = incompatible & QCow2Features.compressionType != 0
    guard marked == (compression != 0) else {
      throw LayoutError("the compression type \(compression) contradicts the feature bits", at: 104)
    }
    guard !isExtended || clusterBits >= 14 else {
      throw LayoutError("extended L2 entries need clusters of 16 KiB at least, and these have \(clusterSize)", at: 20)
    }
    if backingNameOffset != 0 {
      guard UInt64(backingNameLength) <= min(1023, clusterSize), backingNameOffset >= UInt64(length),
        backingNameOffset <= clusterSize - UInt64(backingNameLength)
      else {
        throw LayoutError(
          "the backing file's name (\(backingNameLength) bytes at \(backingNameOffset.hex)) is not in the header",
          at: 8)
      }
    }
  }
}
