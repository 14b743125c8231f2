import Glibc
import SystemPackage

/// A pipe, socket or terminal read front to back; a reader that waits for it can be told to stop.
package final class PipeByteStream: ByteStream {
  private let file: OpenFile
  private let stop: StopFlag

  package init(_ file: consuming OpenFile, stop: StopFlag) {
    self.file = file
    self.stop = stop
  }

  package func read(into buffer: inout MutableRawSpan) throws -> Int {
    var done = 0
    while done < buffer.byteCount {
      try waitForBytes()
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
        return unsafe Glibc.read(file.descriptor, rest.baseAddress, rest.count)
      }
      if count > 0 {
        done += count
      } else if count == 0 {
        break
      } else if errno != EINTR && errno != EAGAIN {
        throw IOError("read", file.path, Errno(rawValue: errno))
      }
    }
    return done
  }

  /// Waits until there is something to read or the end (poll(2)); throws once told to stop.
  private func waitForBytes() throws(IOError) {
    var wait = pollfd(fd: file.descriptor, events: Int16(POLLIN), revents: 0)
    while true {
      if stop.isRaised { throw IOError("read", file.path, .canceled) }
      let ready = unsafe poll(&wait, 1, 100)
      if ready > 0 { return }
      if ready < 0 && errno != EINTR && errno != EAGAIN { throw IOError("poll", file.path, Errno(rawValue: errno)) }
    }
  }
}
