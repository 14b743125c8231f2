"""Where is written, and how what was written is compared."""
import hashlib
import mmap
import os
import shutil
import signal
import time

from .running import MIB, Failure, do, output, say, stop_running
from .workloads import used_runs


class Targets:
    """Where is written: a loop device on a preallocated file, a new file, or nothing; all removed at the end."""

    def __init__(self, work, size, in_memory=False):
        """With in_memory files, the loop device's too, lie in memory, where there is room for them."""
        self.folder = os.path.join(work, f"targets-{os.getpid()}")
        self.size, self.loop, self.direct = size, None, None
        self.backing, self.file = (os.path.join(self.folder, name) for name in ("backing", "target.raw"))
        self.in_memory = in_memory and has_memory(size)
        if in_memory and not self.in_memory:
            say("note: too little memory is free for targets, which lie on the disk: short runs depend on that")
        os.makedirs(self.folder)
        if self.in_memory:
            do(["mount", "-t", "tmpfs", "-o", f"size={2 * size + (64 << 20)}", "qflash-bench", self.folder], work)

    def attach(self):
        """The loop device, over direct I/O where the filesystem allows that."""
        if self.loop:
            return self.loop
        do(["fallocate", "-l", str(self.size), self.backing], self.folder)
        # One name is kept before the device exists, so that a signal between the two finds it by its file.
        self.loop = (output("losetup", "-f", "--show", "--direct-io=on", self.backing)
                     or output("losetup", "-f", "--show", self.backing))
        if not self.loop:
            raise Failure("no loop device: run as root, or choose --targets file,null")
        with open(f"/sys/block/{os.path.basename(self.loop)}/loop/dio", encoding="ascii") as file:
            self.direct = file.read().strip() == "1"
        if not self.direct:
            say("note: the loop device is buffered, direct I/O being refused here")
        return self.loop

    def fill(self, byte):
        """Writes one byte over the whole device, so that what is not written shows."""
        buffer = mmap.mmap(-1, 2 * MIB)
        buffer.write(bytes([byte]) * len(buffer))
        device = os.open(self.attach(), os.O_WRONLY | os.O_DIRECT)
        try:
            done = 0
            while done < self.size:
                done += os.write(device, memoryview(buffer)[:min(len(buffer), self.size - done)])
        finally:
            os.close(device)

    def zero(self):
        """Makes the device read as zeroes, as --target-is-zero promises."""
        do(["fallocate", "-z", "-o", "0", "-l", str(self.size), self.backing], self.folder)
        output("blockdev", "--flushbufs", self.loop)

    def ready(self, target, zeroed=False, file_size=None):
        """The same start for every run: nothing dirty, the device's file wholly allocated, no old file."""
        if target == "loop":
            self.attach()
            if zeroed:
                self.zero()
            else:
                do(["fallocate", "-l", str(self.size), self.backing], self.folder)
            self.flush("loop")
        if os.path.exists(self.file):
            os.unlink(self.file)
        # What an earlier run left to be written or given back would be paid for by this one.
        do(["sync", "-f", self.folder], self.folder)
        if target == "file" and file_size:
            with open(self.file, "wb") as file:
                file.truncate(file_size)

    def flush(self, target):
        """Seconds that it takes until what was written is on the medium."""
        if target == "null":
            return 0.0
        begin = time.perf_counter()
        for path in [self.loop, self.backing] if target == "loop" else [self.file]:
            file = os.open(path, os.O_RDWR)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        if target == "loop":
            output("blockdev", "--flushbufs", self.loop)
        return time.perf_counter() - begin

    def path(self, target):
        return {"loop": self.loop, "file": self.file, "null": "-"}[target]

    def remove(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop_running()
        clear_targets(self.folder)


def has_memory(size):
    """Whether there is room in memory for two files of size bytes, and 1 GiB is left."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    return free > 2 * size + (1 << 30)


def clear_targets(folder):
    """Detaches the loop devices on files of a targets folder, and removes it with the memory mounted there."""
    for line in output("losetup", "-l", "-n", "-O", "NAME,BACK-FILE").splitlines():
        name, _, backing = line.strip().partition(" ")
        if backing.strip().startswith(folder + "/"):
            output("losetup", "-d", name)
    if os.path.ismount(folder):
        output("umount", folder)
    shutil.rmtree(folder, ignore_errors=True)


def same_disk(workloads, targets, target):
    disk, written = workloads.get("disk.raw"), targets.path(target)
    if target == "file" and os.path.getsize(written) != os.path.getsize(disk):
        raise Failure(f"the file written has {os.path.getsize(written)} bytes, the disk {os.path.getsize(disk)}")
    do(["cmp", disk, written], targets.folder)


def same_partition(workloads, targets, target, filling):
    """Used blocks are those of the partition, unused ones still what the target was filled with."""
    about = workloads.description()
    block, runs = used_runs(workloads.get("partition.pc"))
    end = about["partition"] // block

    with open(workloads.get("disk.raw"), "rb") as a, open(targets.path(target), "rb") as b:
        def check(first, last, used):
            at, stop = first * block, last * block
            while at < stop:
                count = min(4 * MIB, stop - at)
                b.seek(at)
                found = b.read(count)
                if used:
                    a.seek(about["start"] + at)
                    wanted = a.read(count)
                else:
                    wanted = bytes([filling]) * count
                if not used and target == "file" and len(found) < count:
                    found += bytes(count - len(found))
                if found != wanted:
                    raise Failure(f"{'used' if used else 'unused'} blocks differ within {count} bytes at {at}")
                at += count
        before = 0
        for first, last in runs:
            if filling is not None:
                check(before, first, False)
            check(first, last, True)
            before = last
        if filling is not None:
            check(before, end, False)


def digest_of(path):
    """SHA-1 of a whole file or device."""
    with open(path, "rb") as file:
        digest = hashlib.sha1()
        while piece := file.read(4 * MIB):
            digest.update(piece)
        return digest.hexdigest()
