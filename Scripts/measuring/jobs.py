"""What is run: ours and the peers of each workload."""
import shlex

from .running import have


class Job:
    """One workload: its image, our command, and the peers' for each target."""

    def __init__(self, name, image, partition=False, goals=None):
        self.name, self.image, self.partition, self.goals = name, image, partition, goals or {}

    def ours(self, programs, image, target, where, extra="--no-verify"):
        q, w = shlex.quote(image), shlex.quote(where)
        quiet = f"{extra} --progress none --yes"
        if self.partition:
            tool = shlex.quote(programs["restore"])
            return f"{tool} --check {q} --progress none" if target == "null" else f"{tool} {q} {w} {quiet}"
        return f"{shlex.quote(programs['qflash'])} -src {q} -dst {w} {quiet}"

    @property
    def is_volume(self):
        """Whether the image is a backup whose oracle is the tool that made it."""
        return self.image.startswith("volume.")

    def peers(self, image, target, where):
        """Each peer: name, command, what its start needs (zeroed target), and our options for the same job."""
        q, w = shlex.quote(image), shlex.quote(where)
        if self.is_volume:
            return [(n, c, False, "") for n, c in self.volume_peers(q, w, target)]
        if self.partition:
            return [(n, c, False, "") for n, c in self.partclone_peers(q, w, target)]
        if self.image.endswith(".qcow2"):
            return self.qemu_peers(q, w, target)
        return [(n, c, False, "") for n, c in self.raw_peers(q, w, target)]

    def decoders(self):
        suffix = self.image.rsplit(".", 1)[1]
        return [(n, c) for n, c in {
            "gz": [("pigz", "pigz -dc"), ("igzip", "igzip -dc"), ("rapidgzip", "rapidgzip -q -dc")],
            "zst": [("zstd", "zstd -q -dc")],
            "xz": [("pixz", "pixz -d -i"), ("xz", "xz -T0 -dc")],
            "bz2": [("lbzip2", "lbzip2 -dc")],
            "lz4": [("lz4", "lz4 -q -dc")],
        }.get(suffix, []) if have(n)]

    def volume_peers(self, q, w, target):
        if target != "loop":
            return []
        if self.image.startswith("volume.ntfsclone"):
            return [("ntfsclone", f"ntfsclone -q -r -O {w} {q}")]
        # It draws on a terminal, and may die of its own pipe once all is written: what it wrote is compared.
        return [("partimage", f"script -qec 'partimage -b -c -M -o restore {w} {q}' /dev/null > /dev/null; true")]

    def partclone_peers(self, q, w, target):
        tail = ("partclone.chkimg -L /dev/null -s {0}" if target == "null" else
                "partclone.restore -q -C -L /dev/null -s {0} -o {1}" if target == "loop" else
                "partclone.restore -q -C -W -L /dev/null -s {0} -O {1}")
        if self.image == "partition.pc":
            # Its progress thread ends on a tick of 2 seconds, which -f 0 does away with.
            return [("partclone", tail.format(q, w)), ("partclone -f 0", tail.format(q, w).replace(" -C", " -f 0 -C"))
                    ][:1 if target == "null" else 2]
        return [(f"{n} | partclone", f"{c} {q} | {tail.format('-', w)}") for n, c in self.decoders()]

    def qemu_peers(self, q, w, target):
        nbd = f"nbdcopy -- [ qemu-nbd -r -f qcow2 {q} ] "
        if target == "null":
            return [("nbdcopy", nbd + "null:", False, "")] if have("nbdcopy") else []
        tuned = f"qemu-img convert -f qcow2 -O raw -t none -T none -m 16 -W -n {q} {w}"
        zero = tuned.replace(" -n ", " -n --target-is-zero ", 1)
        plain = f"qemu-img convert -f qcow2 {'-n ' if target == 'loop' else ''}-O raw {q} {w}"
        peers = [("qemu-img", plain, False, "")]
        if target == "loop":
            peers.append(("qemu-img tuned", tuned, False, ""))
            peers.append(("qemu-img tuned, zeroed", zero, True, "--unallocated keep"))
        else:
            peers.append(("qemu-img tuned", zero, True, ""))
        if have("nbdcopy") and have("qemu-nbd"):
            peers.append(("nbdcopy", nbd + w, False, ""))
        return peers

    def raw_peers(self, q, w, target):
        if target == "null":
            return [(n, f"{c} {q}") for n, c in self.decoders()]
        peers = [(f"{n} | dd", f"{c} {q} | dd of={w} oflag=direct iflag=fullblock bs=2M status=none")
                 for n, c in self.decoders()]
        if have("bmaptool"):
            peers.insert(min(1, len(peers)), ("bmaptool", f"bmaptool -q copy --nobmap {q} {w}"))
        return peers

    def goal(self, peer, target):
        """The largest ratio wanted to a peer on the loop device, if one is set."""
        if target != "loop":
            return None
        return next((g for name, g in self.goals.items() if name == "*" or peer.startswith(name)), None)


JOBS = [
    Job("plain", "plain.qcow2", goals={"*": 0.70}),
    Job("zlib", "zlib.qcow2", goals={"*": 0.30}),
    Job("zstd", "zstd.qcow2", goals={"*": 0.45}),
    Job("extended", "extended.qcow2", goals={"*": 0.70}),
    Job("chain", "chain.qcow2", goals={"*": 0.70}),
    Job("raw-gz", "disk.raw.gz", goals={"bmaptool": 0.60, "*": 0.40}),
    Job("raw-zst", "disk.raw.zst", goals={"bmaptool": 0.60, "*": 0.40}),
    Job("pc", "partition.pc", True, {"*": 0.27}),
    Job("pc-gz", "partition.pc.gz", True, {"pigz": 0.40}),
    Job("pc-zst", "partition.pc.zst", True, {"*": 0.30}),
    Job("pc-lz4", "partition.pc.lz4", True, {"*": 0.30}),
    Job("pc-xz", "partition.pc.xz", True, {"pixz": 0.55}),
    Job("pc-bz2", "partition.pc.bz2", True, {"*": 0.60}),
    Job("ntfsclone", "volume.ntfsclone", True, {"*": 0.60}),
    Job("partimage", "volume.partimage", True, {"*": 0.30}),
]
