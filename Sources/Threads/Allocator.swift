import CLinux

/// The memory allocator of the whole program.
package enum Allocator {
  /// Bytes of the smallest block that passes between threads in numbers.
  package static let passedBlockSize = 1 << 20

  /// From now on blocks that pass between threads go back to the system when they are freed; to be called where a program
  /// starts.
  ///
  /// They are freed by other threads than those that take them, and the allocator would keep them for each thread anew.
  package static func keepNoPassedBlocks() { clinux_map_blocks_from(passedBlockSize) }
}
