// What only files and devices have, which no disk that is fuzzed is, so that the files behind it are not compiled too.

/// Stands for the range of a file.
package struct StoredRange {}

/// Stands for the pipe of a file's pages.
package final class PagePipe {}
