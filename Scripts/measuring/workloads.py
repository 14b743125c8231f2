"""The images that are measured, and what they are made of."""
import glob
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import struct

from .running import MIB, Failure, do, output, say

ESP_BYTES = 64 * MIB


class Workloads:
    """The images, each made when first asked for and kept under the work folder."""

    def __init__(self, folder, size):
        self.folder, self.size = folder, size
        os.makedirs(folder, exist_ok=True)
        for stale in glob.glob(os.path.join(folder, "*.partial*")):
            shutil.rmtree(stale) if os.path.isdir(stale) else os.unlink(stale)
        self.made = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def get(self, name):
        """The path of a workload's file, made if missing."""
        path = self.path(name)
        if name not in self.made:
            self.made[name] = True
            if not os.path.exists(path):
                say(f"making {name}")
                partial = path + ".partial"
                self.make(name, partial)
                os.rename(partial, path)
        return path

    def make(self, name, to):
        q = shlex.quote
        stored = {
            "plain.qcow2": "", "zlib.qcow2": "-c", "zstd.qcow2": "-c -o compression_type=zstd",
            "extended.qcow2": "-o extended_l2=on,cluster_size=128k",
        }
        pack = {
            "gz": "pigz -n -c", "zst": "zstd -q -T0 -c", "xz": "xz -T0 -2 -c", "bz2": "lbzip2 -c", "lz4": "lz4 -q -c",
        }
        if name == "disk.raw":
            self.make_disk(to)
        elif name in stored:
            do(f"qemu-img convert -f raw -O qcow2 {stored[name]} {q(self.get('disk.raw'))} {q(to)}", self.folder)
        elif name == "chain.qcow2":
            self.make_chain(to)
        elif name == "partition.pc":
            self.make_partclone(to)
        elif name == "volume.ntfsclone":
            self.make_ntfsclone(to)
        elif name == "volume.partimage":
            self.make_partimage(to)
        elif name == "folder":
            self.make_folder(to)
        elif name == "large.pc":
            self.make_large(to)
        elif name == "files.ext4":
            self.make_files(to)
        else:
            source, suffix = name.rsplit(".", 1)
            do(f"{pack[suffix]} {q(self.get(source))} > {q(to)}", self.folder)

    def choose_files(self):
        """Files of /usr in an order of their names' hashes until their sizes reach the wanted sum."""
        files = []
        device = os.stat("/usr").st_dev
        for folder, folders, names in os.walk("/usr"):
            folders[:] = [f for f in folders if os.lstat(os.path.join(folder, f)).st_dev == device]
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                if (status.st_mode & 0o170000) == 0o100000 and os.access(path, os.R_OK):
                    files.append((hashlib.sha1(os.fsencode(path)).digest(), path, status.st_size))
        files.sort()
        chosen, total, digest = [], 0, hashlib.sha1()
        for _, path, size in files:
            if total >= self.size:
                break
            if total + size > self.size + 64 * MIB:
                continue
            chosen.append(path)
            total += size
            digest.update(os.fsencode(path) + b" %d\n" % size)
        if total < self.size:
            say(f"note: /usr holds only {total // MIB} of {self.size // MIB} MiB")
        return chosen, total, digest.hexdigest()[:16]

    def make_disk(self, to):
        """GPT, a FAT ESP, and ext4 with the files, about 1.85 times their size; identifiers and times are fixed."""
        chosen, total, digest = self.choose_files()
        tree, part, esp = to + ".tree", to + ".ext4", to + ".esp"
        partition = ((int(self.size * 1.85) + 128 * MIB) // MIB) * MIB
        start = MIB + ESP_BYTES
        try:
            copy_files(chosen, tree)
            with open(part, "wb") as file:
                file.truncate(partition)
            inodes = len(chosen) + sum(len(folders) for _, folders, _ in os.walk(tree)) + 4096
            fixed = "6d1f3d0e-2f53-4b7a-9d6f-5b0f1c7a2e11"
            do(["env", "E2FSPROGS_FAKE_TIME=1700000000", "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0",
                "-N", str(inodes), "-U", fixed, "-E", f"hash_seed={fixed},lazy_itable_init=0", "-L", "bench",
                "-d", tree, part], self.folder)
            with open(esp, "wb") as file:
                file.truncate(ESP_BYTES)
            do(["mkfs.vfat", "-F", "32", "--invariant", "-n", "ESP", esp], self.folder)
            small = [p for p in chosen if 4096 < os.path.getsize(p) < MIB][:24]
            for index, path in enumerate(small):
                do(["mcopy", "-i", esp, path, f"::FILE{index:03}.BIN"], self.folder)
            size = start + partition + MIB
            with open(to, "wb") as file:
                file.truncate(size)
            table = (f"label: gpt\nlabel-id: {fixed}\nfirst-lba: 34\n"
                     f"start=2048, size={ESP_BYTES // 512}, type=uefi, uuid={fixed[:-1]}2, name=ESP\n"
                     f"start={start // 512}, size={partition // 512}, type=linux, uuid={fixed[:-1]}3, name=bench\n")
            do(f"sfdisk -q {shlex.quote(to)} <<'EOF'\n{table}EOF", self.folder)
            copy_data(esp, to, MIB)
            copy_data(part, to, start)
            description = {"start": start, "partition": partition, "size": size, "files": len(chosen), "bytes": total,
                           "names": digest}
            with open(self.path("disk.json"), "w", encoding="utf-8") as file:
                json.dump(description, file)
        finally:
            shutil.rmtree(tree, ignore_errors=True)
            for path in (part, esp):
                if os.path.exists(path):
                    os.unlink(path)

    def description(self):
        self.get("disk.raw")
        with open(self.path("disk.json"), encoding="utf-8") as file:
            return json.load(file)

    def make_chain(self, to):
        """A base that is wrong in parts, and two overlays that put them right: its content is the disk's."""
        disk, pieces, before = self.get("disk.raw"), to + ".pieces", to + ".raw"
        r = random.Random(6)
        taken, at = ([], []), MIB
        size = os.path.getsize(disk)
        while at < size - 3 * MIB:
            count = r.choice([4, 16, 64, 256, 1024]) << 10
            if r.random() < 0.5:
                taken[r.randrange(2)].append((at, count))
            at += count + (r.randrange(16, 768) << 12)
        try:
            os.mkdir(pieces)
            do(["cp", "--sparse=always", disk, before], self.folder)
            with open(disk, "rb") as source, open(before, "r+b") as target:
                for layer in taken:
                    for start, count in layer:
                        target.seek(start)
                        target.write(r.randbytes(4096) * (count >> 12))
                        source.seek(start)
                        with open(f"{pieces}/{start}", "wb") as piece:
                            piece.write(source.read(count))
            names = [self.path("chain-base.qcow2"), self.path("chain-middle.qcow2"), to]
            do(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", before, names[0]], self.folder)
            os.unlink(before)
            for below, layer, ranges in zip(names, names[1:], taken):
                do(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", os.path.basename(below), layer],
                   self.folder)
                for first in range(0, len(ranges), 200):
                    orders = [f"-cwrite -q -s {pieces}/{start} {start} {count}"
                              for start, count in ranges[first:first + 200]]
                    do(["qemu-io", "-t", "unsafe", "-f", "qcow2", *orders, layer], self.folder)
        finally:
            shutil.rmtree(pieces, ignore_errors=True)
            if os.path.exists(before):
                os.unlink(before)

    def make_partclone(self, to):
        about = self.description()
        loop = output("losetup", "-f", "--show", "-r", "-o", str(about["start"]), "--sizelimit",
                      str(about["partition"]), self.get("disk.raw"))
        if not loop:
            raise Failure("no loop device, which making the partclone image needs: run as root")
        try:
            do(["partclone.ext4", "-q", "-c", "-L", self.path("partclone.log"), "-s", loop, "-o", to], self.folder)
        finally:
            output("losetup", "-d", loop)

    def make_folder(self, to):
        """The disk as ocs-sr saves it: partclone and zstd."""
        loop = output("losetup", "-f", "--show", "-r", self.get("disk.raw"))
        if not loop:
            raise Failure("no loop device, which making the Clonezilla folder needs: run as root")
        os.makedirs(to)
        try:
            do(["partx", "-a", loop], self.folder)
            do(f"ocs-sr -batch -nogui -or {shlex.quote(to)} -sc -q2 -j2 -z9p -p true savedisk disk {loop[5:]} "
               f"</dev/null >{shlex.quote(self.path('ocs-sr.log'))} 2>&1", self.folder)
        finally:
            output("partx", "-d", loop)
            output("losetup", "-d", loop)


    def make_large(self, to):
        """The backup of an ext4 of 8 TiB that holds one file."""
        volume = to + ".volume"
        with open(volume, "wb") as file:
            file.truncate(8 << 40)
        try:
            do(["mke2fs", "-q", "-F", "-t", "ext4", "-N", "65536", "-E", "lazy_itable_init=1", volume], self.folder)
            do(["debugfs", "-w", "-R", "write /proc/self/exe file", volume], self.folder)
            do(["partclone.extfs", "-q", "-f", "0", "-c", "-L", self.path("partclone.log"), "-s", volume, "-O", to],
               self.folder)
        finally:
            os.unlink(volume)

    def make_files(self, to):
        """An ext4 with 100 directories of 10^4 empty files each, and a file of 1 GiB."""
        mounted = to + ".mounted"
        with open(to, "wb") as file:
            file.truncate(4 << 30)
        do(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-N", "1010000", "-O", "^has_journal", to], self.folder)
        os.mkdir(mounted)
        do(["mount", "-o", "loop", to, mounted], self.folder)
        try:
            for number in range(100):
                folder = f"{mounted}/{number:03}"
                os.mkdir(folder)
                for name in range(10_000):
                    os.close(os.open(f"{folder}/name-{name:05}", os.O_CREAT | os.O_WRONLY, 0o644))
            r = random.Random(7)
            with open(f"{mounted}/large", "wb") as file:
                for _ in range(1024):
                    file.write(r.randbytes(MIB))
        finally:
            do(["umount", mounted], self.folder)
            os.rmdir(mounted)

    def make_volume(self, name, format_device, fill, save):
        """Makes a volume on a loop device with the files on it, and its backup by `save`."""
        chosen, _, _ = self.choose_files()
        volume = self.path(name)
        with open(volume, "wb") as file:
            file.truncate(((int(self.size * 1.85) + 128 * MIB) // MIB) * MIB)
        loop = None
        try:
            format_device(volume, chosen)
            loop = output("losetup", "-f", "--show", volume)
            if not loop:
                raise Failure("no loop device, which making backups needs: run as root")
            fill(loop, chosen)
            do(save(loop), self.folder)
        finally:
            if loop:
                output("losetup", "-d", loop)
            os.unlink(volume)

    def make_ntfsclone(self, to):
        """An NTFS volume with the files, saved by ntfsclone."""
        mounted = to + ".mounted"

        def fill(loop, chosen):
            os.mkdir(mounted)
            do(["mount", "-t", "ntfs-3g", "-o", "big_writes", loop, mounted], self.folder)
            try:
                copy_files(chosen, os.path.join(mounted, "tree"))
            finally:
                do(["umount", mounted], self.folder)
                os.rmdir(mounted)

        self.make_volume("volume.ntfs.partial", lambda volume, _: do(["mkntfs", "-q", "-Q", "-F", volume], self.folder),
                         fill, lambda loop: ["ntfsclone", "-q", "-s", "-O", to, loop])

    def make_partimage(self, to):
        """An ext3 volume, the newest that partimage knows, with the files, saved by it in one volume."""
        tree = to + ".tree"

        def format_device(volume, chosen):
            try:
                copy_files(chosen, tree)
                do(["mke2fs", "-q", "-F", "-t", "ext3", "-O", "none,has_journal,sparse_super,filetype", "-I", "128", "-b",
                    "4096", "-m", "0", "-N", str(2 * len(chosen) + 8192), "-d", tree, volume], self.folder)
            finally:
                shutil.rmtree(tree, ignore_errors=True)

        save = "partimage -z0 -V0 -b -d -c -M -o save {0} {1}"
        self.make_volume("volume.ext3.partial", format_device, lambda *_: None,
                         lambda loop: ["script", "-qec", save.format(loop, shlex.quote(to)), "/dev/null"])


def copy_files(paths, to):
    """Copies files with their paths, and times where the target keeps them."""
    os.mkdir(to)
    for path in paths:
        copy = to + path
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(path, copy)
        shutil.copystat(path, copy)


def data_ranges(file, size):
    """The parts of a file that are no holes."""
    at = 0
    while at < size:
        try:
            begin = os.lseek(file, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(file, begin, os.SEEK_HOLE)
        yield begin, at


def copy_data(source, target, offset):
    """Copies the data of a sparse file to an offset of another one, holes and blocks of zeroes staying holes."""
    with open(source, "rb", buffering=0) as a, open(target, "r+b", buffering=0) as b:
        for begin, end in data_ranges(a.fileno(), os.path.getsize(source)):
            while begin < end:
                piece = os.pread(a.fileno(), min(65536, end - begin), begin)
                if piece.count(0) != len(piece):
                    os.pwrite(b.fileno(), piece, offset + begin)
                begin += len(piece)


def stored_bytes(path):
    """The bytes of a file that are no holes: what has to be written of it."""
    with open(path, "rb") as file:
        return sum(end - begin for begin, end in data_ranges(file.fileno(), os.path.getsize(path)))


def used_runs(image):
    """Block size, and the runs of used blocks that a partclone 0002 image with its bitmap of bits names."""
    with open(image, "rb") as file:
        head = file.read(110)
        if head[:15] != b"partclone-image" or head[30:34] != b"0002":
            raise Failure(f"{image}: not a partclone image of version 0002")
        total, = struct.unpack_from("<Q", head, 60)
        block, = struct.unpack_from("<I", head, 84)
        bitmap = file.read((total + 7) // 8)
    bits = bin(int.from_bytes(bitmap, "little") | (1 << total))[3:][::-1][:total]
    return block, [(m.start(), m.end()) for m in re.finditer("1+", bits)]
