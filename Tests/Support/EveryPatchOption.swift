/// What `qflash patch` is asked for, by each of its options, on volumes of every type.
package enum EveryPatchOption {
  /// A file for `--patch-file`; `keys` are more of its first entry, a line each.
  package static func list(_ keys: String...) -> String {
    """
    [[patch]]
    path = "/etc/listed"
    text = "a\\tb\\n"
    \(keys.map { $0 + "\n" }.joined())\
    [[patch]]
    path = "/etc/listed2"
    file = "name"
    [[patch]]
    path = "/etc/cut"
    truncate = "3K"
    """
  }

  /// The options, for a shell, with those of one type between the first of them and the last; standard input, the files
  /// `name` and `list.toml` and the folder `site` are what goes in.
  package static func words(_ own: String) -> String {
    """
    --patch /etc/hostname=name --patch-text '/etc/t\\=x=1\\n2\\x41' --patch-mkdir /etc/new --patch-text '/etc/new/a=first' \
    --patch-rename /etc/new/a=/etc/new/b --patch-text /etc/new/a=second --patch-rm /var/log/many \
    \(own) --patch-tree 2:/=site --patch-file list.toml --patch /etc/piped=- --patch 2:/etc/hosts
    """
  }
}
