package import BlockIO
import Bytes
import CLinux
package import Filesystems
import Glibc
package import SystemPackage

/// Copies files and trees out of a volume to a folder of this system.
///
/// Nothing lands outside that folder: names come from directory entries alone and are checked, and no symbolic link is
/// followed. Files appear under their names only once they are whole. What fails is noted and the rest goes on.
package final class Extraction: TreeVisitor {
  private let filesystem: any Filesystem
  private let options: ExtractionOptions
  private let reader: ContentsReader
  private let walk: TreeWalk
  /// The folders from the root to the one that is being filled.
  private var folders: [DestinationFolder]
  private var links = LinkRegister()
  package private(set) var report = ExtractionReport()
  /// Bytes of contents written so far, for progress.
  package let progress: ByteCounter
  /// The name that the next file or folder gets, in place of its own.
  private var newName: FileName?
  /// Whether the next directory's contents go into the root itself.
  private var fillsRoot = false

  /// Extracts to the folder `root`, which exists.
  package init(
    from filesystem: any Filesystem, to root: FilePath, options: ExtractionOptions,
    progress: ByteCounter = ByteCounter(),
    isStopped: @escaping () -> Bool
  ) throws(DestinationError) {
    self.filesystem = filesystem
    self.options = options
    self.progress = progress
    reader = ContentsReader(isStopped: isStopped)
    walk = TreeWalk(filesystem, isStopped: isStopped)
    folders = [try DestinationFolder(root: root)]
  }

  /// Extracts what is at `place`, and below it, as `name` in the root; nil is its own name, and for the volume's root
  /// directory the destination itself.
  package func extract(_ place: PathWalk.Place, as name: FileName? = nil) throws {
    newName = name
    fillsRoot = name == nil && place.names.isEmpty
    defer { folders.removeLast(folders.count - 1) }
    let path = FileName(Array("/".utf8)).appending(place.names)
    try walk.walk(place.file, named: place.names.last ?? FileName("/"), path: path, self)
  }

  package func enter(_ directory: TreeWalk.Node) throws -> Bool {
    if fillsRoot {
      fillsRoot = false
      folders.append(folders[0])
      return true
    }
    do {
      folders.append(try folders[folders.count - 1].makeFolder(takeName(directory)))
      report.folders += 1
      return true
    } catch {
      fail(directory.path, error)
      return false
    }
  }

  package func leave(_ directory: TreeWalk.Node) throws {
    let folder = folders.removeLast()
    // The user's own folder stays as it is.
    guard folder !== folders[0] else { return }
    do {
      let place = AttributeSetter.Place.open(try folder.descriptor())
      try setAttributes(of: directory, at: place) { folder.failure($0, nil) }
    } catch { fail(directory.path, error) }
    folder.close()
  }

  package func visit(_ file: TreeWalk.Node) throws {
    let name = takeName(file)
    do {
      try make(file, as: name, in: folders[folders.count - 1])
    } catch let error as Stopped { throw error } catch { fail(file.path, error) }
  }

  package func fail(_ path: FileName, _ error: any Error) { report.fail(path.description, error) }

  private func takeName(_ node: TreeWalk.Node) -> FileName {
    defer { newName = nil }
    return newName ?? node.name
  }

  private func make(_ file: TreeWalk.Node, as name: FileName, in folder: DestinationFolder) throws {
    let kind = file.attributes.kind
    if kind == .characterDevice || kind == .blockDevice, !options.makesDevices {
      report.devicesLeftOut += 1
      return
    }
    let temporary = folder.temporaryName()
    do {
      if try link(file, as: temporary, in: folder) {
        report.links += 1
      } else if kind == .regular {
        try makeRegular(file, as: temporary, in: folder)
      } else {
        try makeSpecial(file, as: temporary, in: folder)
      }
      try folder.finish(temporary, as: name)
    } catch {
      try? folder.remove(temporary)
      throw error
    }
    // rename(2) of one name of a file to another name of the same file leaves both.
    if file.attributes.linkCount > 1 {
      try? folder.remove(temporary)
      if let status = try folder.status(of: name) { links.note(file, in: folder, name: name, status.identity) }
    }
    report.files += 1
  }

  /// Makes `name` another name of a file that was extracted already; false where there is none.
  private func link(_ file: TreeWalk.Node, as name: FileName, in folder: DestinationFolder) throws -> Bool {
    guard let first = links.first(of: file) else { return false }
    // What was extracted may have been replaced since by another file of that name.
    guard try first.folder.status(of: first.name)?.identity == first.identity else { return false }
    let source = try first.folder.descriptor()
    let target = try folder.descriptor()
    let result = unsafe first.name.withCString { from in
      unsafe name.withCString { unsafe linkat(source, from, target, $0, 0) }
    }
    if result == 0 { return true }
    // Some filesystems have no hard links, or no more for this file: then the file is made again.
    guard [EPERM, EMLINK, EOPNOTSUPP, EXDEV].contains(errno) else { throw folder.failure("link", name) }
    return false
  }

  private func makeRegular(_ file: TreeWalk.Node, as name: FileName, in folder: DestinationFolder) throws {
    let contents = try filesystem.contents(of: file.file)
    let opened = try folder.createFile(name)
    try reader.forEachStoredRange(of: contents) { range in
      try reader.forEachPiece(of: contents, from: range.lowerBound, to: range.upperBound) { bytes, offset in
        do throws(IOError) { try opened.write(bytes, at: offset) } catch { throw DestinationError(error) }
        progress.add(UInt64(bytes.byteCount))
      }
    }
    do throws(IOError) { try opened.resize(to: contents.byteCount) } catch { throw DestinationError(error) }
    try setAttributes(of: file, at: .open(opened.descriptor)) { folder.failure($0, file.name) }
    report.byteCount += contents.byteCount
  }

  private func makeSpecial(_ file: TreeWalk.Node, as name: FileName, in folder: DestinationFolder) throws {
    let descriptor = try folder.descriptor()
    if file.attributes.kind == .symbolicLink {
      let target = try filesystem.symbolicLinkTarget(of: file.file)
      guard !target.bytes.contains(0), !target.bytes.isEmpty else {
        throw ImageError(.damaged, format: filesystem.type, "the symbolic link's target is empty or holds NUL")
      }
      let result = unsafe target.withCString { to in unsafe name.withCString { unsafe symlinkat(to, descriptor, $0) } }
      guard result == 0 else { throw folder.failure("symlink", file.name) }
    } else {
      let device = file.attributes.device
      let mode = UInt32(file.attributes.kind.modeBits) | 0o600
      let result = unsafe name.withCString {
        unsafe clinux_make_node_at(descriptor, $0, mode, device?.major ?? 0, device?.minor ?? 0)
      }
      guard result == 0 else { throw folder.failure("mknod", file.name) }
    }
    try setAttributes(of: file, at: .name(name, folder: descriptor)) { folder.failure($0, file.name) }
  }

  private func setAttributes(
    of file: TreeWalk.Node, at place: AttributeSetter.Place, failure: @escaping (String) -> DestinationError
  ) throws {
    if !options.setsOwners, file.attributes.permissions & 0o6000 != 0 { report.setIDsLeftOut += 1 }
    let extended = try filesystem.extendedAttributes(of: file.file)
    try AttributeSetter(options: options, place: place, failure: failure).set(file.attributes, extended) { name in
      // Names of extended attributes start with their namespace.
      let parts = name.bytes.split(separator: UInt8(ascii: "."), maxSplits: 1)
      let kind = FileName(Array(parts.first ?? [])).description
      report.attributesLeftOut[parts.count > 1 ? "\(kind).* attribute" : kind, default: 0] += 1
    }
  }
}

extension FileName {
  /// The path that leads through `names` below the directory that this one leads to.
  package func appending(_ names: [FileName]) -> FileName { names.reduce(self) { $0.appending($1) } }
}
