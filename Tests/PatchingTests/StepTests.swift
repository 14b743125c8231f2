import Filesystems
import Support
import Testing

@testable import Patching

/// What steps do to files, and on which partition.
@Suite struct StepTests {
  @Test func laterStepsSeeEarlierOnes() throws {
    let volumes = MemoryVolumes(2)
    volumes[2].addFolder("etc")
    let report = try volumes.run([
      try step(.makeDirectory, "/etc/sub"), try text("/etc/sub/a", "one\n"),
      try step(.append(.bytes(Array("two\n".utf8))), "/etc/sub/a"), try step(.setMode(0o600), "/etc/sub/a"),
      try step(.setOwner(7, nil), "/etc/sub/a"), try step(.rename(to: PatchPath("/etc/b")), "/etc/sub/a"),
      try step(.link(to: PatchPath("/etc/b")), "/etc/c"), try step(.symbolicLink("b"), "/etc/d"),
      try text("/etc/d", "three"), try step(.remove, "/etc/sub"),
    ])
    #expect(report.outcomes.map(\.partition) == Array(repeating: 2, count: 10))
    #expect(report.outcomes.map(\.verb).first == "created")
    #expect(try volumes[2].text(at: "/etc/b") == "three")
    let node = try #require(try volumes[2].node(at: "/etc/c"))
    #expect((node.attributes.permissions, node.attributes.owner, node.attributes.linkCount) == (0o600, 7, 2))
    #expect(try volumes[2].node(at: "/etc/d")?.target == "b")
    #expect(throws: FileError.self) { try volumes[2].node(at: "/etc/sub") }
    #expect((volumes[1].finishCount, volumes[2].finishCount, volumes[1].transactionCount) == (0, 1, 0))
  }

  @Test func thePartitionThatHasTheDirectory() throws {
    let volumes = MemoryVolumes(3)
    volumes[1].addFolder("boot")
    volumes[2].addFolder("etc")
    volumes[3].addFolder("etc")
    volumes[3].addFolder("deep", in: volumes[3].addFolder("srv"))
    try volumes.run([try text("/boot/x", "x")])
    #expect(try volumes[1].text(at: "/boot/x") == "x")
    let several = volumes.refusal(of: [try text("/etc/x", "x")])
    for words in ["/etc/x", "2, 3", "name one, such as 2:/etc/x", "It has:\n  1 "] {
      #expect(several.contains(words), "\(several)")
    }
    let none = volumes.refusal(of: [try text("/usr/x", "x")])
    #expect(none.contains("no partition of disk has the directory of /usr/x. It has:"), "\(none)")
    try volumes.run([try text("3:/etc/x", "three")])
    try volumes.run([try text("/etc/y", "two")], partition: 2)
    try volumes.run([try text("/srv/deep/er/still/x", "four", parents: true)])
    #expect(try volumes[3].text(at: "/etc/x") == "three")
    #expect(try volumes[2].text(at: "/etc/y") == "two")
    #expect(try volumes[3].text(at: "/srv/deep/er/still/x") == "four")
    #expect(volumes.refusal(of: [try step(.rename(to: PatchPath("3:/etc/q")), "2:/etc/y")]).contains("one partition"))
    #expect(volumes.refusal(of: [try text("9:/etc/x", "x")]).contains("no partition 9"))
    let whole = MemoryVolumes(0)
    try whole.run([try text("/x", "whole")])
    #expect(try whole[1].text(at: "/x") == "whole")
    #expect(whole.refusal(of: [try text("1:/x", "x")]).contains("no partition table"))
  }

  @Test func whatIsReplacedKeepsWhatItIs() throws {
    let volumes = MemoryVolumes(0)
    let volume = volumes[1]
    let file = volume.addFile("a", Array("old contents".utf8))
    volume.link(file, as: "b")
    volume.change(file) {
      $0.attributes.permissions = 0o4710
      ($0.attributes.owner, $0.attributes.group, $0.attributes.linkCount) = (3, 4, 2)
      $0.extended = [ExtendedAttribute(name: "security.selinux", value: [1, 2])]
    }
    volume.addLink("l", to: "a")
    let report = try volumes.run([try text("/l", "new")])
    #expect(report.outcomes[0].sentence == "/a on disk: replaced, 3 bytes (12 bytes before)")
    let node = try #require(volume.nodes[file])
    #expect(node.attributes.permissions == 0o4710 && node.attributes.owner == 3 && node.attributes.group == 4)
    #expect(node.extended.count == 1 && node.attributes.linkCount == 2)
    #expect(try volume.text(at: "/b") == "new")
  }

  @Test func whatIsNewInherits() throws {
    let volumes = MemoryVolumes(0)
    let volume = volumes[1]
    let folder = volume.addFolder("d")
    // user::rwx, user:9:rwx, group::r-x, mask::rwx, other::---
    let list: [UInt8] =
      [2, 0, 0, 0] + [1, 0, 7, 0, 255, 255, 255, 255] + [2, 0, 7, 0, 9, 0, 0, 0] + [4, 0, 5, 0, 255, 255, 255, 255]
      + [16, 0, 7, 0, 255, 255, 255, 255] + [32, 0, 0, 0, 255, 255, 255, 255]
    volume.change(folder) {
      $0.attributes.permissions = 0o2775
      $0.attributes.group = 50
      $0.extended = [
        ExtendedAttribute(name: "security.selinux", value: Array("etc_t".utf8)),
        ExtendedAttribute(name: "system.posix_acl_default", value: list),
        ExtendedAttribute(name: "user.other", value: [1]),
      ]
    }
    try volumes.run([try text("/d/f", "x"), try step(.makeDirectory, "/d/s"), try step(.setMode(0o604), "/d/s")])
    let file = try #require(try volume.node(at: "/d/f"))
    // 0644 of a text leaves the mask no more than r.
    #expect(file.attributes.permissions == 0o640 && file.attributes.group == 50 && file.attributes.owner == 0)
    #expect(Set(file.extended.map(\.name)) == ["security.selinux", "system.posix_acl_access"])
    var masked = list
    (masked[6], masked[30]) = (6, 4)
    #expect(file.extended.first { $0.name == "system.posix_acl_access" }?.value == masked)
    let directory = try #require(try volume.node(at: "/d/s"))
    #expect(directory.attributes.permissions == 0o604 && directory.attributes.group == 50)
    let names = Set(directory.extended.map(\.name))
    #expect(names == ["security.selinux", "system.posix_acl_access", "system.posix_acl_default"])
    // chmod(2) changes the owner's entry, the mask and the others', and leaves the rest.
    var changed = list
    (changed[6], changed[30], changed[38]) = (6, 0, 4)
    #expect(directory.extended.first { $0.name == "system.posix_acl_access" }?.value == changed)
  }

  @Test func refusalsLeaveAllAsItWas() throws {
    let volumes = MemoryVolumes(0)
    let volume = volumes[1]
    volume.addFile("f")
    volume.addFile("in", in: volume.addFolder("d"))
    volume.addLink("dangling", to: "nowhere")
    volume.lacks["full"] = .noSpace
    let fine = try text("/fine", "x")
    let cases: [(PatchStep, String)] = [
      (try text("/d", "x"), "/d: is a directory"), (try text("/no/x", "x"), "no such file"),
      (try text("/f/x", "x"), "not a directory"), (try text("/dangling", "x"), "symbolic link to something"),
      (try text("/full", "x"), "not enough free space"), (try step(.makeDirectory, "/d"), "exists already"),
      (try step(.remove, "/no"), "no such file"), (try step(.remove, "/"), "root cannot be removed"),
      (try step(.symbolicLink("x"), "/d"), "is a directory"), (try step(.symbolicLink(""), "/s"), "needs a target"),
      (try step(.link(to: PatchPath("/d")), "/x"), "is a directory"),
      (try step(.link(to: PatchPath("/f")), "/d"), "exists already"),
      (try step(.rename(to: PatchPath("/d/e")), "/d"), "below itself"),
      (try step(.rename(to: PatchPath("/d")), "/f"), "is a directory"),
      (try step(.rename(to: PatchPath("/f")), "/d"), "not a directory"),
      (try step(.setMode(0), "/no"), "no such file"), (try step(.truncate(1), "/d"), "is a directory"),
    ]
    for (step, words) in cases {
      let text = volumes.refusal(of: [fine, step])
      #expect(text.contains(words) && text.hasPrefix(step.text), "\(step.text): \(text)")
    }
    volume.refusal = "the journal of dreams is not supported"
    #expect(volumes.refusal(of: [fine]).contains("journal of dreams"))
  }

  @Test func aFailureInEarnestSaysWhatIsDone() throws {
    let volumes = MemoryVolumes(0)
    var request = PatchRequest()
    request.steps = [try text("/a", "x"), try text("/b", "x"), try text("/c", "x")]
    let patch = try Patch(request, types: [volumes.type]) { false }
    try patch.rehearse(on: volumes.disk, named: "disk")
    volumes[1].lacks["b"] = .noSpace
    let error = #expect(throws: PatchFailure.self) { try patch.run(on: volumes.disk, named: "disk") }
    #expect(error?.isRehearsal == false)
    #expect(
      error?.description.contains("done: /a\nnot done (the first of them perhaps in part, if it is a tree): /b, /c")
        == true)
    #expect(volumes[1].finishCount == 1)
    #expect(try volumes[1].text(at: "/a") == "x")
  }

  @Test func whatTheMediumDoesNotHoldIsNoticed() throws {
    for change in ["contents", "size", "mode", "missing"] {
      let volumes = MemoryVolumes(0)
      let wrong = MemoryFilesystem()
      if change != "missing" {
        let bytes = Array((change == "contents" ? "x" : change == "size" ? "" : "y").utf8)
        let file = wrong.addFile("a", bytes)
        wrong.change(file) { $0.attributes.permissions = change == "mode" ? 0o600 : 0o644 }
      }
      volumes.found[1] = wrong
      let step = try text("/a", "y")
      #expect(throws: PatchMismatch.self, "\(change)") { try volumes.run([step]) }
    }
  }
}
