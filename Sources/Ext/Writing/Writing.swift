/// What a volume that is being changed needs beside its blocks.
struct Writing {
  let changes: Changes
  let commit: Commit
  let transactions: Transactions

  init(_ changes: Changes, _ commit: Commit) {
    self.changes = changes
    self.commit = commit
    transactions = Transactions(changes, commit)
  }
}
