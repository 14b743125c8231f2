import Bytes
import BlockIO

/// What `MD5SUMS`, `SHA1SUMS`, `B2SUMS` and the like in a folder say of its files.
package struct ChecksumFiles: Sendable {
  /// One file's checksum.
  struct Expected: Sendable, Hashable {
    let algorithm: MessageDigest.Algorithm
    /// Lower-case hexadecimal digits.
    let digest: String
  }

  private var known: [String: [Expected]] = [:]
  /// The names of the checksum files that were read.
  package private(set) var lists: [String] = []

  /// No checksums.
  init() {}

  /// Reads the lists in `folder`, whose lines are those of md5sum(1); throws `ImageError` for other lines.
  init(in folder: FolderFiles) throws {
    for algorithm in MessageDigest.Algorithm.allCases {
      guard let text = try folder.text(algorithm.rawValue) else { continue }
      lists.append(algorithm.rawValue)
      for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        guard !line.allSatisfy(\.isWhitespace) else { continue }
        let digits = line.prefix { $0.isHexDigit }
        let rest = line.dropFirst(digits.count)
        guard digits.utf8.count == 2 * algorithm.byteCount, rest.hasPrefix("  ") || rest.hasPrefix(" *") else {
          throw folder.damaged(algorithm.rawValue, "line \(index + 1) is not a checksum and a file's name")
        }
        var name = rest.dropFirst(2)
        if name.hasPrefix("./") { name = name.dropFirst(2) }
        known[String(name), default: []].append(Expected(algorithm: algorithm, digest: digits.lowercased()))
      }
    }
  }

  /// The names of the files that the lists know.
  var names: [String] { Array(known.keys) }

  /// What is known of the file called `name`.
  func expected(_ name: String) -> [Expected] { known[name] ?? [] }

  /// Throws (`damaged`) where `bytes`, the whole of the file called `name`, are not those of the lists.
  func compare(_ bytes: [UInt8], of name: String, in folder: FolderFiles) throws {
    for expected in expected(name) {
      guard let digest = MessageDigest(expected.algorithm) else { continue }
      digest.update(unsafe bytes.span.bytes)
      guard digest.finish() == expected.digest else { throw folder.mismatch(name, expected.algorithm) }
    }
  }
}

extension FolderFiles {
  /// The error for a file that is not what its checksum says.
  func mismatch(_ name: String, _ algorithm: MessageDigest.Algorithm) -> ImageError {
    damaged(
      name,
      "it is not the file that \(algorithm.rawValue) was made of: copy the folder again, or go on with "
        + "--ignore-checksums if it was changed on purpose")
  }
}
