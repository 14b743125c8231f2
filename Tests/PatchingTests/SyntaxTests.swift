import Filesystems
import Support
import SystemPackage
import Testing

@testable import Patching

/// Paths, escapes and lists of patches.
@Suite struct SyntaxTests {
  @Test func paths() throws {
    let path = try PatchPath(#"12:/a\=b/\x41\\n"#)
    #expect(path.partition == 12 && path.path.names == ["a=b", #"A\n"#])
    #expect(try PatchPath("/1:/x").partition == nil)
    #expect(try PatchPath(#"/\xff\n"#).path.names == [FileName([0xff, 0x5c, 0x6e])])
    for text in ["", "etc", "0:/x", "a:/x", "12:x", #"/a\x00"#] {
      #expect(throws: PatchSyntaxError.self, "\(text)") { try PatchPath(text) }
    }
    #expect(Escapes.split(#"/a\=b=c=d"#) == (#"/a\=b"#, "c=d"))
    #expect(Escapes.split(#"/a\\=c"#) == (#"/a\\"#, "c"))
    #expect(Escapes.split("/a") == ("/a", nil))
  }

  @Test func values() throws {
    #expect(try Escapes.text(#"a\tb\n\\\x00\r\0é"#) == Array("a\tb\n\\\0\r\0é".utf8))
    for text in [#"\q"#, #"\"#, #"\x4"#, #"\x+1"#] {
      #expect(throws: PatchSyntaxError.self, "\(text)") { try Escapes.text(text) }
    }
    #expect(try PatchStep.mode("0600") == 0o600)
    #expect(try PatchStep.mode("4755") == 0o4755)
    for text in ["", "888", "10000", "-1", "+7", "u+x"] {
      #expect(throws: PatchSyntaxError.self, "\(text)") { try PatchStep.mode(text) }
    }
    #expect(try PatchStep.owner("1:2") == (1, 2))
    #expect(try PatchStep.owner("1") == (1, nil))
    #expect(try PatchStep.owner(":2") == (nil, 2))
    for text in ["", ":", "root:root", "1:2:3", "4294967295", "-1:0", "+1"] {
      #expect(throws: PatchSyntaxError.self, "\(text)") { try PatchStep.owner(text) }
    }
    #expect(try PatchStep.size("10M") == 10 << 20)
    for text in ["", "M", "-1", "99999999T", "9223372036854775808", "1.5G"] {
      #expect(throws: PatchSyntaxError.self, "\(text)") { try PatchStep.size(text) }
    }
  }

  @Test func lists() throws {
    let text = #"""
      # what is changed
      [[patch]]
      path = "/etc/hostname"
      text = "node7\n"
      mode = "0600"
      owner = "0:5"

      [[patch]]
      path = "/srv"
      partition = 2
      tree = "files"
      preserve-owner = true

      [[patch]]
      path = "3:/a"
      truncate = "2K"
      parents = true
      """#
    let steps = try PatchFile(text, name: "p.toml", folder: "/spec").steps
    #expect(steps.count == 5)
    guard case .put(.bytes(let bytes)) = steps[0].action, case .setOwner(0, 5) = steps[1].action,
      case .setMode(0o600) = steps[2].action, case .tree("/spec/files", true) = steps[3].action,
      case .truncate(2048) = steps[4].action
    else { return #expect(Bool(false), "\(steps.map(\.action))") }
    #expect(bytes == Array("node7\n".utf8))
    #expect(steps.map(\.path.partition) == [nil, nil, nil, 2, 3])
    #expect(steps[4].makesParents && !steps[0].makesParents)
  }

  @Test(arguments: [
    ("[[patch]]\npath = \"/x\"\n\nfiel = \"y\"\n", "line 4: there is no key 'fiel'"),
    ("[[patch]]\npath = \"/x\"\ntext = \"a\"\n[[patch]]\npath = \"/y\"\nmode = \"9\"\n", "line 6: '9' is no mode"),
    ("[[patch]]\npath = \"/x\"\ntext = \"a\"\nfile = \"b\"\n", "do not go together"),
    ("[[patch]]\npath = \"/x\"\n", "line 1: says nothing to do with /x"),
    ("[[patch]]\ntext = \"\"\n", "line 1: there is no 'path'"),
    ("[[patch]]\npath = \"x\"\ntext = \"\"\n", "line 2: 'x': a path"),
    ("[[patch]]\npath = \"/x\"\ntext = 7\n", "line 3: 'text' is a text"),
    ("[[patch]]\npath = \"2:/x\"\npartition = 3\ntext = \"\"\n", "line 3: 'partition'"),
    ("[[patch]]\npath = \"/x\"\ntext = \"a\"\npreserve-owner = true\n", "line 4: 'preserve-owner'"),
    ("x = 1\n[[patch]]\n", "line 1: there is no 'x'"), ("[patch]\n", "no [[patch]]"), ("", "no [[patch]]"),
    ("patch = [1]\n", "list of tables"), ("[[patch]\n", "line 1"), ("[[patch]]\npath = \"a\n", "line 2"),
  ])
  func wrongLists(_ text: String, _ words: String) {
    let error = #expect(throws: PatchSyntaxError.self) { try PatchFile(text, name: "p.toml", folder: "/") }
    let says = error?.description ?? ""
    #expect(says.hasPrefix("p.toml: ") && says.contains(words), "\(says)")
  }
}
