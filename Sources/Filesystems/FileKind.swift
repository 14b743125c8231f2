/// What a directory entry stands for.
package enum FileKind: UInt8, Sendable, Hashable, CaseIterable {
  case regular, directory, symbolicLink, characterDevice, blockDevice, fifo, socket

  /// The kind in the upper four bits of a Unix mode (`S_IFMT`, inode(7)); nil where they mean nothing.
  package init?(mode: UInt16) {
    switch mode & 0xf000 {
    case 0x1000: self = .fifo
    case 0x2000: self = .characterDevice
    case 0x4000: self = .directory
    case 0x6000: self = .blockDevice
    case 0x8000: self = .regular
    case 0xa000: self = .symbolicLink
    case 0xc000: self = .socket
    default: return nil
    }
  }

  /// The upper four bits of a Unix mode.
  package var modeBits: UInt16 {
    switch self {
    case .fifo: 0x1000
    case .characterDevice: 0x2000
    case .directory: 0x4000
    case .blockDevice: 0x6000
    case .regular: 0x8000
    case .symbolicLink: 0xa000
    case .socket: 0xc000
    }
  }

  /// The letter that `ls -l` starts with.
  package var letter: Character {
    switch self {
    case .fifo: "p"
    case .characterDevice: "c"
    case .directory: "d"
    case .blockDevice: "b"
    case .regular: "-"
    case .symbolicLink: "l"
    case .socket: "s"
    }
  }

  /// The kind as words: `regular file`, as stat(1) says it.
  package var name: String {
    switch self {
    case .fifo: "fifo"
    case .characterDevice: "character device"
    case .directory: "directory"
    case .blockDevice: "block device"
    case .regular: "regular file"
    case .symbolicLink: "symbolic link"
    case .socket: "socket"
    }
  }
}
