package import BlockIO
package import Filesystems

/// A volume in the file `disk` of a scratch folder, which a driver changes and foreign programs look at.
package protocol ChangedVolume {
  associatedtype Driver: WritableFilesystem
  var scratch: Scratch { get }
  /// What checks a volume in a file, and what repairs it.
  static var checker: String { get }
  static var repairer: String { get }
  /// Opens a volume to change it.
  static func open(_ store: any BlockStore, isRehearsal: Bool) throws -> Driver
  /// Opens the volume in a file with the driver that only reads.
  static func read(_ path: String) throws -> any Filesystem
  /// Expects the checker to find nothing.
  func check(_ comment: String) throws
  /// Has a foreign program copy all files to the folder `out`; false where there is none such.
  func copyOut() throws -> Bool
}

extension ChangedVolume {
  package var path: String { scratch.file("disk") }

  /// Where `copyOut` puts the files.
  package var out: String { scratch.file("out") }

  package func open(isRehearsal: Bool = false) throws -> Driver {
    try Self.open(FileStore(path), isRehearsal: isRehearsal)
  }

  /// Changes the volume and marks it as clean.
  package func change(_ body: (Driver) throws -> Void) throws {
    let volume = try open()
    try body(volume)
    try volume.finish()
  }

  /// How the folder `kept` in `out` differs from the one that it was copied from; empty where it does not.
  package func keptDifference() throws -> String { try scratch.shell("diff -r kept out/kept", expecting: nil).text }

  /// A checksum over the whole volume.
  package func digest() throws -> String { try scratch.shell("sha256sum <disk").output }
}
