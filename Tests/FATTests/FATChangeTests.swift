import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// Each change alone, on each kind of FAT, seen through mtools.
@Suite struct FATChangeTests {
  static let layouts = [
    ("-F 12", "1440K"), ("-F 16 -s 1", "8M"), ("-F 32 -s 1", "34M"), ("-F 32 -S 4096 -s 2", "600M"),
  ]

  private func list(_ writing: FATWriting, _ path: String = "") throws -> [String] {
    try writing.scratch.shell(FATCase.environment + "mdir -i disk -a -b '::\(path)' | sed 's,^::/,,'").output
      .split(separator: "\n").map { String($0) }.sorted()
  }

  private func read(_ writing: FATWriting, _ name: String) throws -> String {
    try writing.scratch.shell(FATCase.environment + "mtype -i disk '::\(name)'").output
  }

  @Test("Files and directories are made, changed, renamed and removed", arguments: layouts)
  func each(_ options: String, _ size: String) throws {
    let writing = try FATWriting(options, size: size, script: FATWriting.kept)
    try writing.change { try $0.make("hello.txt", Array("hello\n".utf8)) }
    try writing.check("made")
    #expect(try list(writing) == ["hello.txt", "kept/"] && read(writing, "hello.txt") == "hello\n")
    try writing.change { volume in
      let directory = try volume.makeDirectory("A Directory")
      try volume.make("inside it.text", in: directory, Array("inside".utf8))
      let file = try #require(try volume.lookup("HELLO.TXT", in: volume.root))
      try volume.transaction { try volume.replaceContents(of: file, with: BytesContents(Array("other".utf8))) }
      try volume.transaction { try volume.append(BytesContents(Array(" words".utf8)), to: file) }
    }
    try writing.check("changed")
    #expect(try read(writing, "hello.txt") == "other words" && read(writing, "A Directory/inside it.text") == "inside")
    try writing.change { volume in
      let directory = try #require(try volume.lookup("A Directory", in: volume.root))
      _ = try volume.transaction {
        try volume.rename("hello.txt", in: volume.root, to: "Moved Away.txt", in: directory)
      }
      let file = try #require(try volume.lookup("Moved Away.txt", in: directory))
      try volume.transaction { try volume.truncate(file, to: 5) }
      try volume.transaction { try volume.remove("inside it.text", from: directory) }
    }
    try writing.check("renamed")
    #expect(
      try list(writing) == ["A Directory/", "kept/"] && list(writing, "A Directory") == ["A Directory/Moved Away.txt"])
    #expect(try read(writing, "A Directory/Moved Away.txt") == "other")
    try writing.change { volume in
      let directory = try #require(try volume.lookup("A Directory", in: volume.root))
      #expect(throws: FileError(.directoryNotEmpty, "A Directory")) {
        try volume.transaction { try volume.remove("A Directory", from: volume.root) }
      }
      try volume.transaction { try volume.remove("MOVED AWAY.TXT", from: directory) }
      try volume.transaction { try volume.remove("a directory", from: volume.root) }
    }
    try writing.check("removed")
    _ = try writing.copyOut()
    try writing.checkKept()
  }

  @Test func shortNamesAreThoseOfWindowsAndLinux() throws {
    let writing = try FATWriting("-F 16 -s 4", size: "16M")
    let names = [
      "README.TXT", "lower.txt", "lower.TXT2", "UPPER.low", "lower", "Mixed.txt", "long name here.text",
      "long name there.text", "LONGNA~3.TEX", "a+b=c.txt", ".profile", "archive.tar.gz", "Größe.txt", "ё.txt", "..x",
      "ÅÄÖ", "12345678.123", "123456789.123", "a b", "σ",
    ]
    try writing.change { volume in
      for name in names { try volume.make(FileName(name), Array(name.utf8)) }
    }
    try writing.check()
    let volume = try FATCase.open(writing.scratch)
    var found: [String: String] = [:]
    var hasLong: Set<String> = []
    try volume.directory(volume.root).forEach(from: 0) { entry in
      let name = FileName(utf16: entry.name).description
      found[name] = FileName(utf16: ShortName(bytes: entry.entry.name.bytes).utf16).description
      if entry.longName != nil { hasLong.insert(name) }
      return true
    }
    let expected = [
      "README.TXT": "README.TXT", "lower.txt": "LOWER.TXT", "lower.TXT2": "LOWER~1.TXT", "UPPER.low": "UPPER.LOW",
      "lower": "LOWER", "Mixed.txt": "MIXED.TXT", "long name here.text": "LONGNA~1.TEX",
      "long name there.text": "LONGNA~2.TEX", "LONGNA~3.TEX": "LONGNA~3.TEX", "a+b=c.txt": "A_B_C~1.TXT",
      ".profile": "PROFIL~1", "archive.tar.gz": "ARCHIV~1.GZ", "Größe.txt": "GRÖßE.TXT", "ё.txt": "_~1.TXT",
      "..x": "X~1",
      "ÅÄÖ": "ÅÄÖ", "12345678.123": "12345678.123", "123456789.123": "123456~1.123", "a b": "AB~1", "σ": "Σ",
    ]
    #expect(found == expected)
    #expect(
      hasLong.isDisjoint(with: ["README.TXT", "lower.txt", "UPPER.low", "lower", "LONGNA~3.TEX", "12345678.123"]))
    #expect(hasLong.isSuperset(of: ["Mixed.txt", "Größe.txt", "ÅÄÖ", "lower.TXT2", "σ"]))
    let shown = try model(writing)
    #expect(shown == Set(expected.keys))
  }

  private func model(_ writing: FATWriting) throws -> Set<String> { Set(try list(writing)) }

  @Test func namesDifferingInCaseOnlyAreOne() throws {
    let writing = try FATWriting(
      "-F 12", size: "1440K", script: "for i in {1..9}; do echo x >\"name $i\"; mcopy -i disk \"name $i\" ::; done")
    try writing.change { volume in
      for (old, new) in [
        ("name 1", "NAME 1"), ("name 2", "name2"), ("name 3", "a much longer name than it had"), ("name 9", "N9"),
      ] {
        let file = try volume.transaction {
          try volume.rename(FileName(old), in: volume.root, to: FileName(new), in: volume.root)
        }
        #expect(try volume.lookup(FileName(new), in: volume.root) == file)
      }
      #expect(throws: FileError(.alreadyExists, "Name 4")) { try volume.make("Name 4", []) }
      #expect(throws: FileError(.alreadyExists, "name4~1")) { try volume.make("name4~1", []) }
      try volume.transaction { _ = try volume.rename("name 5", in: volume.root, to: "NAME 6", in: volume.root) }
    }
    try writing.check()
    #expect(
      try list(writing) == [
        "N9", "NAME 1", "NAME 6", "a much longer name than it had", "name 4", "name 7", "name 8", "name2",
      ])
  }

  /// A file that keeps its short name under a new long one, which has no room beside the old one, keeps it from others.
  @Test func aShortNameThatStaysIsNobodyElses() throws {
    let writing = try FATWriting(
      "-F 12", size: "1440K",
      script: """
        echo x >'A longer name 1.text'; mcopy -i disk 'A longer name 1.text' ::
        for i in {1..13}; do echo x >F$i; mcopy -i disk F$i ::; done
        """)
    let renamed: FileName = "A longer name with more words 1.text"
    try writing.change { volume in
      try volume.transaction {
        _ = try volume.rename("A longer name 1.text", in: volume.root, to: renamed, in: volume.root)
      }
      _ = try volume.make("A longer name 2.text", [])
      #expect(throws: FileError(.alreadyExists, "alonge~1.tex")) { try volume.make("alonge~1.tex", []) }
    }
    try writing.check()
    #expect(try list(writing).filter { $0.hasPrefix("A") } == ["A longer name 2.text", renamed.description])
  }

  @Test func timesAndAttributesAreKept() throws {
    let writing = try FATWriting("-F 32 -s 1", size: "34M")
    try writing.change { volume in
      var attributes = newAttributes(modified: 1_234_567_890)
      attributes.created = Timestamp(seconds: 1_000_000_001, nanoseconds: 990_000_000)
      attributes.accessed = Timestamp(seconds: 1_300_000_000)
      attributes.flags = ["hidden"]
      let file = try volume.transaction { try volume.create("file", in: volume.root, attributes: attributes) }
      var found = try volume.attributes(of: file)
      #expect(found.modified.seconds == 1_234_567_890 && found.created == attributes.created)
      #expect(found.accessed?.seconds == 1_300_000_000 / 86400 * 86400 && found.flags == ["hidden", "archive"])
      found.permissions = 0o444
      found.flags = ["system"]
      found.modified = Timestamp(seconds: 1_400_000_000)
      try volume.transaction { try volume.setAttributes(found, of: file) }
      #expect(try volume.attributes(of: file).permissions == 0o444)
      for wrong in [{ $0.owner = 5 }, { $0.group = 5 }, { $0.permissions = 0o600 }] as [(inout FileAttributes) -> Void]
      {
        var attributes = found
        wrong(&attributes)
        #expect(throws: FileError.self) { try volume.transaction { try volume.setAttributes(attributes, of: file) } }
      }
    }
    try writing.check()
    let shown = try writing.scratch.shell(FATCase.environment + "mattrib -i disk ::file; mdir -i disk -a ::file").output
    #expect(shown.contains("S R") && !shown.contains("H") && shown.contains("2014-05-13  16:53"))
  }

  @Test func manyChangesInOneTransaction() throws {
    for (options, size) in Self.layouts {
      let writing = try FATWriting(options, size: size, script: FATWriting.kept)
      try writing.change { volume in
        try volume.transaction {
          let directory = try volume.create("dir", in: volume.root, attributes: newAttributes(.directory))
          for number in 0..<80 {
            let file = try volume.create(FileName("file number \(number)"), in: directory, attributes: newAttributes())
            try volume.replaceContents(of: file, with: BytesContents(Array("contents \(number)".utf8)))
            if number % 3 == 0 { try volume.truncate(file, to: 4) }
            if number % 6 == 0 { try volume.append(BytesContents(Array(repeating: 65, count: 3000)), to: file) }
            if number % 4 == 1 { try volume.remove(FileName("file number \(number)"), from: directory) }
          }
          let old = try #require(try volume.lookup("kept", in: volume.root))
          let file = try #require(try volume.lookup("file1", in: old))
          try volume.truncate(file, to: 700)
          try volume.append(BytesContents(Array(repeating: 66, count: 5000)), to: file)
          try volume.append(BytesContents(Array(repeating: 67, count: 5000)), to: file)
          try volume.truncate(file, to: 9000)
          _ = try volume.rename("file1", in: old, to: "elsewhere", in: directory)
        }
      }
      try writing.check(options)
      #expect(try list(writing, "dir").count == 61)
      #expect(try read(writing, "dir/file number 3") == "cont")
      #expect(try read(writing, "dir/file number 6") == "cont" + String(repeating: "A", count: 3000))
      try writing.scratch.shell(
        "head -c 700 kept/file1 >expected; for i in {1..5000}; do printf B; done >>expected; for i in {1..3300}; do printf C; done >>expected"
      )
      #expect(
        try writing.scratch.shell(
          FATCase.environment + "mtype -i disk ::dir/elsewhere | cmp - expected", expecting: nil
        ).status == 0)
    }
  }
}
