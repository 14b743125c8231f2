import Support

/// A tree with what filesystems get wrong: names, sizes, holes, links, kinds, times and attributes at their limits.
enum AwkwardTree {
  /// A Python program that fills the folder named first with `count` names in one directory.
  private static let program = """
    import os, random, socket, struct, sys, errno
    root, count, options = os.fsencode(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")
    rnd = random.Random(11)
    os.chdir(root)
    def write(path, data, at=0):
      with open(path, "wb" if at == 0 else "r+b" if os.path.exists(path) else "wb") as f:
        f.seek(at); f.write(data)
    def attr(path, name, value):
      try: os.setxattr(path, name, value, follow_symlinks=False)
      except OSError as e:
        if e.errno not in (errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EPERM): raise
    os.mkdir(b"many")
    for i in range(8): write(b"many/base%d" % i, b"x" * i)
    for i in range(count):
      name = b"many/n%07d-%s" % (i, b"\\xff" * (i % 40))
      if i % 10 == 0: write(name, b"%d" % i)
      else: os.link(b"many/base%d" % (i % 8), name)
    for i in range(0, count, 7): os.unlink(b"many/n%07d-%s" % (i, b"\\xff" * (i % 40)))
    os.mkdir(b"sizes")
    for size in (0, 1, 59, 60, 61, 100, 160, 161, 200, 1023, 1024, 1025, 4095, 4096, 4097, 12288, 49152, 49153, 70000, 1 << 20):
      write(b"sizes/%d" % size, rnd.randbytes(size))
    write(b"sparse", b"first"); write(b"sparse", b"middle", 5 << 30 if "small" not in options else 5 << 20)
    if "huge" in options: write(b"sparse", b"last", 3 << 40)
    os.truncate(b"sparse", os.path.getsize(b"sparse") + 12345)
    for i in range(900): write(b"pieces", b"%d" % i, 1 + i * 8192)
    for i in range(40): write(b"one", rnd.randbytes(3000), i * 9000); write(b"two", rnd.randbytes(5000), i * 5000)
    if "fallocate" in options:
      fd = os.open(b"reserved", os.O_CREAT | os.O_RDWR)
      os.posix_fallocate(fd, 0, 1 << 20); os.pwrite(fd, b"in the middle", 300000); os.close(fd)
    path = b"deep"
    for i in range(14):
      os.mkdir(path); path += b"/" + b"d%d-" % i + b"x" * 200
    os.mkdir(b"kinds")
    os.mkfifo(b"kinds/fifo", 0o640)
    os.mknod(b"kinds/null", 0o20666, os.makedev(1, 3)); os.mknod(b"kinds/disk", 0o60600, os.makedev(259, 70000))
    os.mknod(b"kinds/wide", 0o20600, os.makedev(4095, 1048575)); os.mknod(b"kinds/zero", 0o20600, 0)
    s = socket.socket(socket.AF_UNIX); s.bind(b"kinds/socket")
    os.mkdir(b"names")
    for name in (b"a" * 255, b"\\xff\\xfe\\x80", b"new\\nline", b" ", b"...", "Gr\\u00f6\\u00dfe".encode(), b"\\x01\\x1b[31m"):
      write(b"names/" + name, name)
    os.mkdir(b"links")
    for length in (1, 5, 58, 59, 60, 61, 100, 200, 1000, 3000, 4000):
      try: os.symlink(b"t" * length, b"links/%d" % length)
      except OSError: pass
    os.symlink(b"../sizes/1024", b"links/real")
    os.mkdir(b"attributes")
    for i, sizes in enumerate(((0,), (1, 2, 3), (20, 30), (100,), (500, 300), (900,), (3000,), (60000,), (65536, 65536))):
      name = b"attributes/%d" % i
      write(name, b"contents")
      for j, size in enumerate(sizes): attr(name, "user.%d" % j, rnd.randbytes(size))
      attr(name, "trusted.t", b"t"); attr(name, "security.s", b"s")
    for i in range(5):
      write(b"attributes/same%d" % i, b""); attr(b"attributes/same%d" % i, "user.shared", b"v" * 700)
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in
      ((1, 6, 2**32 - 1), (2, 7, 1000), (2, 5, 70000), (4, 4, 2**32 - 1), (8, 6, 4000000), (16, 7, 2**32 - 1), (32, 0, 2**32 - 1)))
    os.mkdir(b"attributes/d"); write(b"attributes/acl", b"")
    attr(b"attributes/acl", "system.posix_acl_access", acl); attr(b"attributes/d", "system.posix_acl_default", acl)
    attr(b"attributes/d", "user.on-directory", b"yes"); attr(b"links/real", "trusted.on-link", b"yes")
    os.mkdir(b"times")
    for i, ns in enumerate((0, 1, -1, -10**18, 2**31 * 10**9 - 1, 2**31 * 10**9, 2**32 * 10**9 + 5, 10 * 10**18 // 1, 123456789012345678)):
      write(b"times/%d" % i, b""); os.utime(b"times/%d" % i, ns=(ns, ns + 7))
    os.mkdir(b"owners")
    for i, (u, g, m) in enumerate(((1, 2, 0o4755), (65535, 65536, 0o2711), (4000000000, 3000000000, 0o1777), (0, 0, 0))):
      write(b"owners/%d" % i, b""); os.chown(b"owners/%d" % i, u, g); os.chmod(b"owners/%d" % i, m)
    for i in range(60):
      os.makedirs(b"small/%d/sub" % i)
      for j in range(i % 7): write(b"small/%d/f%d" % (i, j), b"s")
    """

  /// Fills `folder`; `options`: `small` (no file past 4 GiB), `huge` (one past 2 TiB), `fallocate`.
  static func fill(_ folder: String, count: Int, options: String = "-") throws {
    try run(["python3", "-c", program, folder, String(count), options], expecting: 0)
  }
}
