import BlockIO
import Bytes
import Images
import Support
import Testing

/// Images that the installed partclone makes, against what it restores itself.
@Suite struct RealImageTests {
  /// A filesystem: its maker, the tool that saves it, and the volume's size in MiB.
  struct Filesystem: Sendable, CustomTestStringConvertible {
    let name: String
    let make: String
    let tool: String
    let size: Int
    /// How to put files into it without mounting, `$V` being the volume and `$F` a folder with files.
    let fill: String

    var testDescription: String { name }

    static let all = [
      Filesystem(name: "ext4", make: "mkfs.ext4 -q -b 1024 -d $F $V", tool: "extfs", size: 16, fill: ":"),
      Filesystem(name: "ext2", make: "mkfs.ext2 -q -b 4096 -d $F $V", tool: "extfs", size: 13, fill: ":"),
      Filesystem(name: "xfs", make: "mkfs.xfs -q $V", tool: "xfs", size: 300, fill: ":"),
      Filesystem(name: "btrfs", make: "mkfs.btrfs -q --rootdir $F $V", tool: "btrfs", size: 128, fill: ":"),
      Filesystem(
        name: "ntfs", make: "mkntfs -q -Q -F $V", tool: "ntfs", size: 16,
        fill: "for f in $F/*; do ntfscp -q $V $f ${f##*/}; done"),
      Filesystem(
        name: "fat32", make: "mkfs.fat -F 32 $V", tool: "fat32", size: 40, fill: "mcopy -i $V $F/* ::"),
      Filesystem(name: "fat16", make: "mkfs.fat -F 16 $V", tool: "fat16", size: 20, fill: "mcopy -i $V $F/* ::"),
      Filesystem(name: "fat12", make: "mkfs.fat -F 12 $V", tool: "fat12", size: 4, fill: "mcopy -i $V $F/a1 ::"),
      Filesystem(name: "exfat", make: "mkfs.exfat $V", tool: "exfat", size: 16, fill: ":"),
      Filesystem(name: "f2fs", make: "mkfs.f2fs -q $V", tool: "f2fs", size: 64, fill: ":"),
    ]
  }

  static let options = ["", "-a 0", "-k 1", "-k 7", "-K", "-z 524288"]

  @Test(arguments: Filesystem.all) func restoresLikePartclone(_ filesystem: Filesystem) throws {
    let folder = try memoryFolder()
    let setUp = """
      cd \(folder.path); V=volume; F=files; mkdir files
      for n in 1 2 3 4 5; do head -c $((n * 91234)) /dev/urandom > files/a$n; done
      truncate -s \(filesystem.size)M $V
      \(filesystem.make); \(filesystem.fill)
      """
    try shell(setUp)
    // All at once: each waits a second for its own progress display.
    let saves = Self.options.enumerated().map { index, option in
      "partclone.\(filesystem.tool) -c -q -F \(option) -L log\(index) -s volume -O image\(index) & all+=\" $!\""
    }
    try shell(
      "cd \(folder.path); all=; \(saves.joined(separator: "; ")); for one in $all; do wait $one; done")
    for (index, option) in Self.options.enumerated() {
      let bytes = try contents("\(folder.path)/image\(index)")
      if index == 0 {
        // What partclone itself makes of the first one; it dies on some of the others.
        try shell(
          """
          cd \(folder.path); head -c $(stat -c %s volume) /dev/zero | tr '\\0' '\\252' > theirs
          partclone.restore -q -C -F -L log -s image0 -O theirs; truncate -s $(stat -c %s volume) theirs
          """)
      }
      var theirs = try contents("\(folder.path)/theirs")
      let volume = try contents("\(folder.path)/volume")
      for way in Way.fast {
        let image = try open(bytes, as: way)
        let ours = try Restored(image, way, fill: 0xaa)
        if filesystem.name == "ntfs" {
          // The backup boot sector, which partclone leaves out.
          let copy = Array(volume[0..<512])
          #expect(Array(ours.disk.suffix(512)) == copy && Array(volume.suffix(512)) == copy)
          theirs.replaceSubrange((theirs.count - 512)..., with: copy)
        }
        #expect(ours.disk.count == volume.count)
        let (ourSum, theirSum) = (ours.crc32, CRC32.of(theirs.span.bytes))
        #expect(ourSum == theirSum, "\(option) \(way)")
      }
    }
  }
}
