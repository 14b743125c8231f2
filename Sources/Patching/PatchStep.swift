package import Filesystems

/// Where new contents come from.
package enum PatchSource: Sendable, Hashable {
  /// A file of the host.
  case file(String)
  case standardInput
  case bytes([UInt8])
}

/// One change inside a disk.
package struct PatchStep: Sendable {
  /// What is changed.
  package enum Action: Sendable {
    /// Gives a file new contents and makes it where there is none.
    case put(PatchSource)
    /// Writes behind the end of a file and makes it where there is none.
    case append(PatchSource)
    case makeDirectory
    /// Takes a file or a tree away.
    case remove
    /// Makes a symbolic link, in place of a file that is no directory.
    case symbolicLink(FileName)
    /// Makes another name for an existing file.
    case link(to: PatchPath)
    case setMode(UInt16)
    /// Sets owner and group; nil stays as it is.
    case setOwner(UInt32?, UInt32?)
    /// Gives a file another name or place.
    case rename(to: PatchPath)
    /// Copies what is in a folder of the host.
    case tree(folder: String, keepsOwners: Bool)
    /// Makes an empty file, or sets the times to now.
    case touch
    case truncate(UInt64)
  }

  package let action: Action
  package var path: PatchPath
  /// Makes directories on the way that are not there.
  package var makesParents = false
  /// A name to be used below the path (or the new name of a rename) if that is a directory, as cp(1) and mv(1) do.
  package var nameInDirectory: FileName?
  /// Whether only a directory will do, for what goes into one.
  package var requiresDirectory = false
  /// Whether what is already there is an error rather than replaced.
  package var refusesExisting = false
  /// Whether what is missing is no error.
  package var allowsMissing = false
  /// Whether a directory is taken away with what is in it; else it must be empty or none.
  package var isRecursive = true
  /// Whether a change of mode or owner goes for all that is below a directory too.
  package var changesAllBelow = false
  /// How the user wrote it, for messages: `--patch /etc/hostname=name`.
  package var text: String

  package init(_ action: Action, _ path: PatchPath, text: String) {
    self.action = action
    self.path = path
    self.text = text
  }
}

extension PatchStep {
  /// A mode in octal digits.
  package static func mode(_ text: String) throws(PatchSyntaxError) -> UInt16 {
    guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "7") ~= $0 }),
      let mode = UInt16(text, radix: 8), mode <= 0o7777
    else { throw PatchSyntaxError("'\(text)' is no mode in octal digits, such as 0644") }
    return mode
  }

  /// `uid:gid`, `uid` or `:gid` in numbers.
  package static func owner(_ text: String) throws(PatchSyntaxError) -> (UInt32?, UInt32?) {
    let words = text.split(separator: ":", omittingEmptySubsequences: false)
    // -1 stands for "unchanged" in chown(2), so no file has it.
    let numbers = words.map { word in
      word.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ? UInt32(word) : nil
    }
    guard 1...2 ~= words.count, words.contains(where: { !$0.isEmpty }),
      !zip(words, numbers).contains(where: { !$0.isEmpty && ($1 ?? .max) == .max })
    else { throw PatchSyntaxError("'\(text)' is no owner in numbers, such as 1000:1000, 1000 or :1000") }
    return (numbers[0], numbers.count > 1 ? numbers[1] : nil)
  }

  /// A size in bytes, with K, M, G or T for powers of 1024.
  package static func size(_ text: String) throws(PatchSyntaxError) -> UInt64 {
    let units: [Character: UInt64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40]
    let unit = text.last.flatMap { units[$0] }
    let digits = unit == nil ? text[...] : text.dropLast()
    guard digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let count = UInt64(digits),
      case let (bytes, overflow) = count.multipliedReportingOverflow(by: unit ?? 1), !overflow, bytes <= Int64.max
    else { throw PatchSyntaxError("'\(text)' is no size, such as 4096, 10M or 2G") }
    return bytes
  }
}
