/// What a volume that is being changed needs beside its blocks.
struct Writing {
  let changes: Changes
  let commit: Commit
}
