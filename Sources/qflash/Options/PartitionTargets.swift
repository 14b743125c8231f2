import ArgumentParser
import Flashing

/// The value of -write-parts: numbers and targets.
struct PartitionTargets {
  let targets: [FlashRequest.PartitionTarget]

  /// Reads `1=/dev/sda1,3=p3.img`; a comma in a name is written `\,`.
  init(_ text: String) throws {
    var words = [""]
    var isEscaped = false
    for character in text {
      if isEscaped {
        words[words.count - 1].append(character)
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else if character == "," {
        words.append("")
      } else {
        words[words.count - 1].append(character)
      }
    }
    targets = try words.map { word in
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let number = Int(parts[0]), number > 0, !parts[1].isEmpty else {
        throw RequestError("-write-parts takes numbers and targets, such as 1=/dev/sda1,3=p3.img, not '\(word)'")
      }
      return FlashRequest.PartitionTarget(number: number, target: String(parts[1]))
    }
  }
}
