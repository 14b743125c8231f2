"""What is measured beside the rounds: starting, verifying, huge and odd images."""
import os
import random
import shlex
import shutil
import subprocess

from .jobs import JOBS
from .running import MIB, Failure, do, have, measure, output, say, seconds, spawn, spread, spread_text

EXTRAS = ["verify", "start", "split", "huge", "large", "files", "folder"]
# Images of their own, made before anything is measured.
EXTRA_IMAGES = {"large": "large.pc", "files": "files.ext4", "folder": "folder"}


class SmallThings:
    """The rows of the second table; a part of ``Bench``."""

    def add(self, name, values, limit="", kept=None):
        """A row of the second table; values is a text, kept the numbers for the file."""
        entry = {"name": name, "text": values, "limit": limit, **(kept or {})}
        self.extras.append(entry)
        say(f"{name}: {values}" + (f" (limit {limit})" if limit else ""))

    def measure_verify(self):
        """What reading back adds, beside one read of the device with O_DIRECT."""
        if "loop" not in self.chosen.targets:
            return say("verify: left out, it needs the loop device")
        self.targets.attach()
        for job in (j for j in JOBS if j.name in ("plain", "zlib", "pc")):
            image, where = self.workloads.get(job.image), self.targets.loop
            size = self.workloads.description()["partition" if job.partition else "size"]
            self.warm(image)
            runs = {"without": [], "with": [], "read": []}
            for number in range(self.chosen.pairs):
                kinds = [("without", "--no-verify"), ("with", "--verify")]
                # Whichever comes second finds a disk that has more behind it.
                for name, option in kinds if number % 2 == 0 else reversed(kinds):
                    self.targets.ready("loop")
                    command = job.ours(self.programs, image, "loop", where, option)
                    runs[name].append(measure(command, self.targets.folder)["wall"])
                    if name == "without":
                        # Of a device that has just been written, as verification reads it.
                        read = f"dd if={where} of=/dev/null iflag=direct bs=2M count={size // (2 * MIB)} status=none"
                        runs["read"].append(measure(read, self.targets.folder)["wall"])
            added = spread([a - b for a, b in zip(runs["with"], runs["without"])])
            read = spread(runs["read"])
            text = (f"{spread_text(spread(runs['with']))} s with, {spread_text(spread(runs['without']))} s without: "
                    f"{spread_text(added)} s added; one O_DIRECT read {spread_text(read)} s")
            self.add(f"verification, {job.name}", text, f"{seconds(read['median'])} s added",
                     {"runs": runs, "met": added["median"] <= read["median"]})
        return None

    def measure_start(self):
        qflash, restore = shlex.quote(self.programs["qflash"]), shlex.quote(self.programs["restore"])
        qcow2, pc = shlex.quote(self.workloads.get("zlib.qcow2")), shlex.quote(self.workloads.get("partition.pc"))
        for name, command in (("qflash --help", f"{qflash} --help"), ("qflash -src (zlib)", f"{qflash} -src {qcow2}"),
                              ("restore --help", f"{restore} --help"), ("restore --info", f"{restore} --info {pc}")):
            self.time_start(name, command, 15)

    def time_start(self, name, command, limit):
        """Median wall of 20 starts after 3 that do not count; the limit is in milliseconds."""
        walls = []
        for number in range(23):
            code, wall, _ = spawn(shlex.split(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if code != 0:
                raise Failure(f"{command} ended with status {code}")
            if number >= 3:
                walls.append(wall * 1000)
        s = spread(walls)
        self.add(name, f"{spread_text(s, lambda v: f'{v:.1f}')} ms", f"{limit} ms",
                 {"milliseconds": s, "met": s["median"] <= limit})

    def measure_split(self):
        """Opening a set of 5000 pieces."""
        folder = os.path.join(self.targets.folder, "split")
        image = self.workloads.get("partition.pc")
        os.mkdir(folder)
        try:
            piece = -(-os.path.getsize(image) // 5000)
            do(["split", "-a", "3", "-b", str(piece), image, folder + "/part.pc."], self.targets.folder)
            count = len(os.listdir(folder))
            command = f"{shlex.quote(self.programs['restore'])} --info {shlex.quote(folder + '/part.pc.aaa')}"
            self.time_start(f"restore --info, {count} pieces", command, 50)
        finally:
            shutil.rmtree(folder)

    def measure_folder(self):
        """A disk out of a Clonezilla folder, beside ocs-sr, which restores to a device of the saved one's name alone."""
        if not (have("ocs-sr") and have("partx")):
            return say("folder: left out, ocs-sr is not installed")
        images = self.workloads.get("folder")
        with open(os.path.join(images, "disk", "disk"), encoding="ascii") as file:
            name = file.read().strip()
        loop, target = "/dev/" + name, os.path.join(self.targets.folder, "folder.img")
        where = shlex.quote(os.path.join(images, "disk"))
        commands = {
            "ours": f"{shlex.quote(self.programs['restore'])} {where} {loop} --no-verify --progress none --yes",
            "theirs": f"ocs-sr -or {shlex.quote(images)} -batch -nogui -scr -icds -r -j2 -k0 -p true restoredisk disk {name}"
                      " </dev/null",
        }
        runs, attached = {"ours": [], "theirs": []}, False
        try:
            # ocs-sr takes minutes whatever the disk's size: two rounds tell enough.
            for _ in range(min(2, self.chosen.pairs)):
                for who, command in commands.items():
                    with open(target, "wb") as file:
                        file.truncate(self.workloads.description()["size"])
                    do(["losetup", loop, target], self.targets.folder)
                    attached = True
                    runs[who].append(measure(command, self.targets.folder))
                    output("partx", "-d", loop)
                    do(["sfdisk", "--verify", loop], self.targets.folder)
                    do(["losetup", "-d", loop], self.targets.folder)
                    attached = False
        except Failure as failure:
            return say(f"folder: left out, {failure}")
        finally:
            # Somebody else may have a device of that name.
            if attached:
                output("partx", "-d", loop)
                output("losetup", "-d", loop)
            if os.path.exists(target):
                os.unlink(target)
        ratio = spread([a["wall"] / b["wall"] for a, b in zip(runs["ours"], runs["theirs"])])
        walls = {n: spread_text(spread([s["wall"] for s in samples])) for n, samples in runs.items()}
        self.add("Clonezilla folder to a disk",
                 f"{walls['ours']} s; ocs-sr restoredisk {walls['theirs']} s; ratio {spread_text(ratio)}", "ratio 0.50",
                 {"runs": runs, "ratio": ratio, "met": ratio["median"] <= 0.5})
        return None

    def measure_huge(self):
        """15 TiB with a few hundred written places, to a sparse file."""
        image = os.path.join(self.targets.folder, "huge.qcow2")
        where = os.path.join(self.targets.folder, "huge.raw")
        q, w = shlex.quote(image), shlex.quote(where)
        r = random.Random(15)
        writes = [f"-cwrite -q -P {r.randrange(1, 256)} {r.randrange(15 << 24) << 16} {r.choice([4, 64, 1024])}k"
                  for _ in range(400)]
        do(["qemu-img", "create", "-q", "-f", "qcow2", image, "15361G"], self.targets.folder)
        for first in range(0, len(writes), 200):
            do(["qemu-io", "-t", "unsafe", "-f", "qcow2", *writes[first:first + 200], image], self.targets.folder)
        ours = f"{shlex.quote(self.programs['qflash'])} -src {q} -dst {w} --no-verify --progress none --yes"
        commands = {"ours": ours, "theirs": f"qemu-img convert -f qcow2 -O raw {q} {w}"}
        runs = {"ours": [], "theirs": []}
        try:
            for number in range(self.chosen.pairs):
                for name, command in commands.items():
                    runs[name].append(measure(command, self.targets.folder))
                    if number == 0:
                        do(["qemu-img", "compare", "-f", "qcow2", "-F", "raw", image, where], self.targets.folder)
                    os.unlink(where)
        finally:
            for path in (image, where):
                if os.path.exists(path):
                    os.unlink(path)
        ratio = spread([a["wall"] / b["wall"] for a, b in zip(runs["ours"], runs["theirs"])])
        memory = {n: max(s["rss"] for s in samples) / 1024 for n, samples in runs.items()}
        walls = {n: spread_text(spread([s["wall"] for s in samples])) for n, samples in runs.items()}
        self.add("15 TiB mostly empty qcow2",
                 f"{walls['ours']} s, {memory['ours']:.0f} MiB; qemu-img {walls['theirs']} s, {memory['theirs']:.0f} "
                 f"MiB; ratio {spread_text(ratio)}", "ratio 0.50, 32 MiB",
                 {"runs": runs, "ratio": ratio, "met": ratio["median"] <= 0.5 and memory["ours"] < 32})

    def beside(self, commands, check=None, clean=()):
        """Runs ours and the peers by turns; samples by name, each checked once by ``check``."""
        runs = {name: [] for name in commands}
        for number in range(self.chosen.pairs):
            for name, command in commands.items():
                runs[name].append(measure(command, self.targets.folder))
                if number == 0 and check:
                    check(name)
                for path in clean:
                    if os.path.exists(path):
                        os.unlink(path)
        return runs

    def add_beside(self, name, runs, most, memory):
        """A row of ours beside each peer: the ratio at most ``most``, ours within ``memory`` MiB."""
        peak = max(s["rss"] for s in runs["ours"]) / 1024
        texts, ratios = [f"{spread_text(spread([s['wall'] for s in runs['ours']]))} s, {peak:.0f} MiB"], {}
        for peer in list(runs)[1:]:
            ratios[peer] = spread([a["wall"] / b["wall"] for a, b in zip(runs["ours"], runs[peer])])
            texts.append(f"{peer} {spread_text(spread([s['wall'] for s in runs[peer]]))} s, "
                         f"{max(s['rss'] for s in runs[peer]) / 1024:.0f} MiB: ratio {spread_text(ratios[peer])}")
        met = peak <= memory and all(r["median"] <= most for r in ratios.values())
        self.add(name, "; ".join(texts), f"ratio {most:.2f}, {memory} MiB" if ratios else f"{memory} MiB",
                 {"runs": runs, "ratios": ratios, "met": met})

    def measure_large(self):
        """A backup of 8 TiB of nearly nothing: its bitmap is one bit for each of 2^31 blocks, 256 MiB."""
        image, file = self.workloads.get("large.pc"), os.path.join(self.targets.folder, "large.raw")
        runs = {"ours": [], "partclone": []}
        for number in range(self.chosen.pairs):
            for name, samples in runs.items():
                with open(file, "wb") as backing:
                    backing.truncate(8 << 40)
                loop = output("losetup", "-f", "--show", "--direct-io=on", file)
                if not loop:
                    raise Failure("no loop device, which the image of 8 TiB needs: run as root")
                commands = {
                    "ours": f"{shlex.quote(self.programs['restore'])} {shlex.quote(image)} {loop} --no-verify --progress "
                            "none --yes",
                    "partclone": f"partclone.restore -q -f 0 -C -L /dev/null -s {shlex.quote(image)} -o {loop}",
                }
                try:
                    samples.append(measure(commands[name], self.targets.folder))
                    if number == 0:
                        self.has_backup(loop, image)
                finally:
                    do(["losetup", "-d", loop], self.targets.folder)
                    os.unlink(file)
        self.add_beside("8 TiB partclone image", runs, 0.33, 256 + 32)

    def has_backup(self, loop, image):
        """Fails unless a backup of the device is `image` again."""
        again = os.path.join(self.targets.folder, "again.pc")
        do(["partclone.extfs", "-q", "-f", "0", "-c", "-L", "/dev/null", "-s", loop, "-O", again], self.targets.folder)
        do(["cmp", image, again], self.targets.folder)
        os.unlink(again)

    def measure_files(self):
        """Looking inside: 10^6 names listed, a file of 1 GiB read, and a sparse volume of 15 TiB."""
        volume = self.workloads.get("files.ext4")
        mounted = os.path.join(self.targets.folder, "mounted")
        os.makedirs(mounted, exist_ok=True)
        qflash, q, m = (shlex.quote(t) for t in (self.programs["qflash"], volume, mounted))
        orders = os.path.join(self.targets.folder, "orders")
        with open(orders, "w", encoding="ascii") as file:
            file.writelines(f"ls -l /{number:03}\n" for number in range(100))
        counts = {}

        def counted(name):
            with open(self.path_of_output, "rb") as file:
                counts[name] = sum(1 for line in file if b"name-" in line)

        out = shlex.quote(self.path_of_output)
        listing = {"ours": f"{qflash} ls -l -R {q} > {out}",
                   "debugfs": f"debugfs -f {shlex.quote(orders)} {q} > {out}",
                   "mount": f"mount -o ro,loop {q} {m} && ls -l -U -R {m} > {out}; umount {m}"}
        runs = self.beside(listing, counted, [self.path_of_output])
        if set(counts.values()) != {1_000_000}:
            raise Failure(f"files: not every one of 10^6 names was listed: {counts}")
        self.add_beside("listing 10^6 files", runs, 1.0, 64)
        digests = {}

        def hashed(name):
            digests[name] = output("sha256sum", self.path_of_output).split(" ")[0]

        reading = {"ours": f"{qflash} cat {q} /large > {out}",
                   "debugfs": f"debugfs -R 'cat /large' {q} > {out}",
                   "mount": f"mount -o ro,loop {q} {m} && cat {m}/large > {out}; umount {m}"}
        runs = self.beside(reading, hashed, [self.path_of_output])
        if len(set(digests.values())) != 1:
            raise Failure("files: what cat gave differs")
        self.add_beside("cat of 1 GiB", runs, 1.0, 64)
        sparse = os.path.join(self.targets.folder, "sparse.ext4")
        with open(sparse, "wb") as file:
            file.truncate(15 << 40)
        do(["mke2fs", "-q", "-F", "-t", "ext4", "-N", "65536", "-E", "lazy_itable_init=1", sparse], self.targets.folder)
        do(["debugfs", "-w", "-R", "write /proc/self/exe file", sparse], self.targets.folder)
        listing = {"ours": f"{qflash} ls -l -R {shlex.quote(sparse)}"}
        self.add_beside("ls of a sparse ext4 of 15 TiB", self.beside(listing), 1.0, 64)
        checking = {"ours": f"{qflash} cat {shlex.quote(sparse)} /file"}
        self.add_beside("cat in a sparse ext4 of 15 TiB", self.beside(checking), 1.0, 64)
        os.unlink(sparse)

    @property
    def path_of_output(self):
        return os.path.join(self.targets.folder, "output")
