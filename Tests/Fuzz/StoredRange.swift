/// Stands for the range of a file, which no disk that is fuzzed has, so that the files behind it are not compiled too.
package struct StoredRange {}
