import BlockIO
import Clonezilla
import Images
import Support
import SystemPackage
import Testing

/// Folders that were damaged, or made to mislead.
@Suite struct HostileFolderTests {
  /// A folder, a change to it, and words of the one sentence that must be said of it.
  @Test(arguments: [
    ("mbr", "echo ../../etc/passwd >> parts", "no disk or partition"),
    ("mbr", "echo /etc/shadow > disk", "no disk or partition"), ("mbr", "echo 'a/b' >> parts", "no disk or partition"),
    ("mbr", "echo '/dev/../x ext4 1G' >> dev-fs.list", "no disk or partition"),
    ("mbr", "seq -f sda%.0f 5000 > parts", "more than"), ("mbr", "rm *p5.*", "has no image"),
    ("mbr", "rm *-pt.sf *-mbr *.parted* disk", "names no disk"), ("mbr", "echo rubbish >> *-pt.sf", "line"),
    ("mbr", "sed -i 's/start= *14336/start=14337/' *-pt.sf", "otherwise"),
    ("mbr", "sed -i 's/size= *7936/size=18446744073709551615/' *-pt.sf", "no partition"),
    ("mbr", "rm *-mbr; sed -i 's/size= *7936/size=12000/' *-pt.sf", "share the bytes"),
    ("mbr", "rm *-mbr; sed -i 's/size= *7936/size=99999999999/' *-pt.sf", "none that an MBR can hold"),
    ("mbr", "truncate -s 100 $(cat disk)-mbr", "must have"),
    ("mbr", "head -c 512 /dev/zero > $(cat disk)-mbr", "no partition table"),
    ("mbr", "truncate -s 4G *-pt.sf", "at most"), ("mbr", "truncate -s 10M *-hidden-data-after-mbr", "first partition"),
    ("mbr", "echo 'UUID=\"x\"' > swappt-*p2.info", "no UUID"),
    ("mbr", "rm disk; echo sda | tee disk", "no disk's table"),
    ("mbr", "mv *p5.ext4-ptcl-img.gz /tmp/x$$; ln -s /tmp/x$$ loop1p5.ext4-ptcl-img.gz; rm /tmp/x$$", "No such file"),
    ("mbr", "rm *p5.*; ln -s /etc/passwd $(cat disk)p5.ext4-ptcl-img.gz", "outside"),
    ("mbr", "rm *p5.*; mkfifo $(cat disk)p5.ext4-ptcl-img.gz", "FIFO"),
    ("mbr", "cp *p5.* $(cat disk)p5.dd-img", "more than one image"),
    ("mbr", "split -b 3000 *p5.* $(cat disk)p5.ext4-ptcl-img.gz.; rm *p5.*.gz *.gz.ab", "piece"),
    ("mbr", "split -b 3000 *p5.* $(cat disk)p5.ext4-ptcl-img.gz.; rm *p5.*.gz *.gz.aa", "piece"),
    ("gpt", "rm *-gpt-1st *.gdisk *-gpt-2nd *-pt.sf; touch $(cat disk)-gpt-1st", "no GPT header"),
    ("gpt", "rm *-gpt-1st *.gdisk *-gpt-2nd; sed -i 's/^label-id.*/label-id: x/' *-pt.sf", "identifier"),
    ("gpt", "rm *-gpt-1st *.gdisk *-gpt-2nd; sed -i 's/p5/p500/' *-pt.sf", "no place"),
    ("gpt", "rm *-gpt-1st *.gdisk *-gpt-2nd; sed -i 's/type=0F/type=XX/' *-pt.sf", "no GUID"),
    ("gpt", "sed -i 's/ 49152s/ 99999999999999999s/' *.parted", "more than any disk"),
    ("gpt", "sed -i 's/512B/77B/' *.parted", "sector size"),
    ("gpt", "sed -i 's/^sector-size.*/sector-size: 4096/' *-pt.sf", "counts"),
    ("gpt", "sed -i 's/p5 : start= *26624/p5 : start=26625/' *-pt.sf", "otherwise"),
  ])
  func isRefused(_ name: String, _ script: String, _ words: String) throws {
    let folder = try TestFolder(name, script)
    do {
      let opened = try folder.open()
      _ = try opened.disks[0].image(in: opened.files)
      // A disk of no table is refused by whoever would write it.
      if try opened.disks[0].image(in: opened.files) == nil { throw opened.files.unsupported("no disk's table") }
      Issue.record("nothing was said of \(script)")
    } catch {
      let text = "\(error)"
      #expect(text.contains(words), "\(script): \(text)")
      #expect(error is ImageError || error is IOError, "\(error)")
    }
  }

  @Test func partitionsOfLVMAreNamed() throws {
    let folder = try TestFolder("mbr", "rm *p5.*; echo \"vg0 /dev/$(cat disk)p5 uuid\" > lvm_vg_dev.list").open()
    guard case .unsupported(let reason)? = folder.disks[0].partition(5)?.content else {
      Issue.record("it is restorable")
      return
    }
    #expect(reason.contains("p5") && reason.contains("LVM") && reason.contains("vg0"))
    // One with an image of its own is restored as it is.
    let plain = try TestFolder("mbr", "echo \"vg0 /dev/$(cat disk)p5 uuid\" > lvm_vg_dev.list").open()
    #expect(plain.disks[0].partition(5)?.image != nil)
  }

  /// What ocs-sr writes of a LUKS partition that it opened: its header, and images of the mapping; with LVM inside, the
  /// group's physical volume is the mapping.
  @Test(arguments: [false, true]) func partitionsOfLUKSAreNamed(hasLVM: Bool) throws {
    let folder = try TestFolder(
      "mbr",
      """
      d=$(cat disk); rm *p5.* MD5SUMS SHA1SUMS; sed -i "s#^/dev/${d}p5 [^ ]*#/dev/${d}p5 crypto_LUKS#" dev-fs.list
      printf '# <Block device> <UUID> <Device mapped name>\\n/dev/%sp5 d40857a5-9585-44a2-9a7d-be840ea22520 %sp5_crypt\\n' \
        $d $d > luks-dev.list
      head -c 16M /dev/zero > ${d}p5-luksHeader.bin; echo ${d}p5_crypt /dev/disk/by-uuid/x > luks-crypttab-from-OS.info
      echo "/dev/mapper/${d}p5_crypt ext4 20M" >> dev-fs.list; echo image > ${d}p5_crypt.ext4-ptcl-img.gz
      if \(hasLVM); then
        echo "vg0 /dev/mapper/${d}p5_crypt kVxpEz-uuid" > lvm_vg_dev.list
        echo "/dev/vg0/root  Linux rev 1.0 ext4 filesystem data" > lvm_logv.list; echo image > vg0-root.ext4-ptcl-img.gz
      fi
      """
    ).open()
    guard case .unsupported(let reason)? = folder.disks[0].partition(5)?.content else {
      Issue.record("it is restorable")
      return
    }
    #expect(reason.contains("p5") && reason.contains("LUKS"), "\(reason)")
    #expect(folder.disks[0].partition(5)?.filesystem == "crypto_LUKS")
    #expect(folder.disks[0].partition(1)?.image != nil && folder.disks[0].partitions.count == 6)
  }

  /// ocs-sr saves a LUKS partition that is not opened with dd: its bytes are restored as they are.
  @Test func closedLUKSIsRestored() throws {
    let folder = try TestFolder(
      "mbr",
      """
      d=$(cat disk); rm *p5.* MD5SUMS SHA1SUMS; sed -i "s#^/dev/${d}p5 [^ ]*#/dev/${d}p5 crypto_LUKS#" dev-fs.list
      head -c 6291456 /dev/urandom | gzip > ${d}p5.dd-ptcl-img.gz
      """
    ).open()
    #expect(folder.disks[0].partition(5)?.image?.tool == .dd)
  }

  @Test func encryptedFoldersAreRefused() throws {
    // Names are not encrypted, contents are.
    let script = "for f in *; do head -c 8192 /dev/urandom > $f; done; echo disk_of_img=sda > ecryptfs.info"
    do {
      _ = try TestFolder("mbr", script).open()
      Issue.record("nothing was said")
    } catch let error as ImageError {
      #expect(error.kind == .unsupported && error.description.contains("eCryptfs"), "\(error)")
    }
  }

  @Test(arguments: ["parts", "loop1-mbr", "loop1-pt.sf", "loop1-hidden-data-after-mbr", "swappt-loop1p2.info"])
  func checksumsOfLists(_ file: String) throws {
    let folder = try TestFolder("mbr", "printf ' ' >> \(file.replacing("loop1", with: "$(cat disk)"))")
    do {
      _ = try folder.image(comparing: true)
      Issue.record("nothing was said of \(file)")
    } catch {
      // Hidden data that have grown reach too far.
      #expect("\(error)".contains(file.contains("hidden") ? "first partition" : "MD5SUMS"), "\(error)")
    }
    #expect(throws: Never.self) { try TestFolder("mbr").image(comparing: true) }
    #expect(throws: Never.self) { try TestFolder("gpt").image(comparing: true) }
  }

  /// Without the lists the rest is a shorter image, which shows only when it is read.
  @Test func aLastPieceThatIsMissing() throws {
    let folder = try TestFolder(
      "mbr",
      """
      split -b 3000 *p5.* $(cat disk)p5.ext4-ptcl-img.gz.; rm *p5.*.gz; md5sum * > ../sums; mv ../sums MD5SUMS; rm SHA1SUMS
      rm $(ls *p5.* | tail -n 1)
      """)
    do {
      _ = try folder.open(comparing: true)
      Issue.record("nothing was said")
    } catch { #expect("\(error)".contains("is missing"), "\(error)") }
    #expect(throws: Never.self) { try folder.open() }
  }

  @Test func checksumFilesThatAreNone() throws {
    for line in ["hello", "00  parts", "\(String(repeating: "0", count: 32)) parts"] {
      #expect(throws: ImageError.self) { try TestFolder("mbr", "echo '\(line)' > MD5SUMS").open(comparing: true) }
    }
  }
}
