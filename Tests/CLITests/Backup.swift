import Support

/// A small volume, partclone's backup of it, and what the backup must become; made once for all tests.
struct Backup: Sendable {
  /// The folder with `img` (16 blocks of 1 KiB to a CRC32), `filled` and `zeroed` (the restored partition where
  /// everything else was 0xAA or 0), and `gz`, the image compressed.
  let folder: String
  /// The partition's size in bytes.
  let size: Int
  /// Where the blocks begin in the image, and the image's size, in bytes.
  let dataStart, imageSize: Int
  /// Of the damaged copy `bad`: the byte that was changed, and where on the partition the blocks of its strip are.
  let badOffset, badStart, badEnd: Int

  /// The images could not be made.
  struct Unmade: Error {
    let text: String
  }

  /// Makes everything in `scratch`.
  init(in scratch: Scratch) throws {
    folder = scratch.path
    try scratch.shell(
      """
      mkdir files; for i in $(seq 40); do head -c $((i * 2500)) /dev/urandom > files/f$i; done
      truncate -s 8M raw; mkfs.ext2 -q -F -b 1024 -d files raw
      for i in 3 9 17 18 30; do debugfs -w -R "rm f$i" raw 2> /dev/null; done
      partclone.extfs -c -q -f 0 -s raw -O img -L log -k 16; gzip -k -1 -c img > gz
      cat > overlay.py <<'PYTHON'
      import struct
      image, raw = bytearray(open("img", "rb").read()), open("raw", "rb").read()
      total, = struct.unpack_from("<Q", image, 60)
      size, = struct.unpack_from("<I", image, 84)
      start = 110 + (total + 7) // 8 + 4
      used = [b for b in range(total) if image[110 + b // 8] >> b % 8 & 1]
      for name, fill in ("filled", 0xAA), ("zeroed", 0):
          disk = bytearray([fill]) * len(raw)
          for b in used:
              disk[b * size:(b + 1) * size] = raw[b * size:(b + 1) * size]
          open(name, "wb").write(disk)
      # A strip in the middle whose blocks are neighbours.
      strip = next(s for s in range(len(used) // 32, len(used) // 16) if used[s * 16 + 15] - used[s * 16] == 15)
      bad = start + strip * (16 * size + 4) + 5 * size + 7
      image[bad] ^= 4
      open("bad", "wb").write(image)
      print(len(raw), start, len(image), bad, used[strip * 16] * size, (used[strip * 16 + 15] + 1) * size)
      PYTHON
      python3 overlay.py > numbers
      """)
    let numbers = try scratch.shell("cat numbers").output.split { " \n".contains($0) }.compactMap { Int($0) }
    guard numbers.count == 6 else { throw Unmade(text: "overlay.py printed \(numbers)") }
    (size, dataStart, imageSize) = (numbers[0], numbers[1], numbers[2])
    (badOffset, badStart, badEnd) = (numbers[3], numbers[4], numbers[5])
  }
}

/// Runs the built restore; words are a shell's.
@discardableResult
func restore(_ words: String, in folder: String, expecting: Int32? = nil) throws -> Finished {
  try shell("exec '\(Machine.binaries)/restore' \(words)", in: folder, expecting: expecting)
}

extension Finished {
  /// Standard error's lines that say what is wrong: neither what state the target is in, nor warnings.
  var complaints: [Substring] {
    error.split(separator: "\n").filter { !$0.contains("nothing was written") && !$0.contains("do not use it") }
  }
}
