import Glibc

/// Writes a line to standard error.
package func printError(_ line: String) {
  var text = line
  text.append("\n")
  text.withUTF8 { bytes in
    var done = 0
    while done < bytes.count {
      let count = unsafe write(STDERR_FILENO, bytes.baseAddress?.advanced(by: done), bytes.count - done)
      guard count > 0 || (count < 0 && errno == EINTR) else { return }
      done += max(count, 0)
    }
  }
}

/// Whether a person sits at standard input and standard error.
package var isInteractive: Bool { isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0 }

/// Shows `text` and asks for `yes`; false for any other answer and at the end of input.
package func confirm(_ text: String) -> Bool {
  printError(text)
  printError("Type yes to go on:")
  return readLine() == "yes"
}
