import BlockIO
import Clonezilla
import Images
import SystemPackage

/// What a source's name means where it names a Clonezilla folder or something in one.
enum FolderSource {
  /// A folder with a single disk, or one disk of it.
  case disk(ClonezillaFolder, SavedDisk)
  /// One partition: `FOLDER:sda2`.
  case partition(ClonezillaFolder, SavedDisk, SavedPartition)

  /// Looks whether `request` names a folder; nil if it does not.
  ///
  /// Throws `RequestError` for a disk or partition that the folder does not have.
  static func find(_ request: SourceRequest) throws -> FolderSource? {
    guard let (path, member) = split(request.name) else { return nil }
    let folder = try ClonezillaFolder(path, options: request.options)
    guard let member else {
      guard folder.disks.count == 1 else {
        let names = folder.disks.map(\.device.name)
        throw RequestError(
          "\(path) holds \(names.count) disks: \(names.joined(separator: ", ")); name one, as \(path):\(names[0])")
      }
      return whole(folder.disks[0], in: folder)
    }
    if let disk = folder.disk(member) { return whole(disk, in: folder) }
    if let (disk, partition) = folder.partition(member) { return .partition(folder, disk, partition) }
    let known = folder.disks.flatMap { [$0.device.name] + $0.partitions.map(\.device.name) }
    throw RequestError("\(path) has no disk or partition \(member); it has \(known.joined(separator: ", "))")
  }

  /// A disk, or the one image of a disk that has no partitions.
  private static func whole(_ disk: SavedDisk, in folder: ClonezillaFolder) -> FolderSource {
    if disk.partitions.count == 1, disk.partitions[0].number == nil {
      return .partition(folder, disk, disk.partitions[0])
    }
    return .disk(folder, disk)
  }

  /// The folder in `name` and what is named behind its colon; nil where it is none of Clonezilla's.
  private static func split(_ name: String) -> (path: FilePath, member: String?)? {
    let whole = FilePath(name)
    if ClonezillaFolder.isFolder(whole) { return (whole, nil) }
    guard let colon = name.lastIndex(of: ":"), (try? FileStatus.of(whole)) == nil else { return nil }
    let path = FilePath(String(name[..<colon]))
    guard ClonezillaFolder.isFolder(path) else { return nil }
    return (path, String(name[name.index(after: colon)...]))
  }
}
