"""Parts by themselves, which the bench executable runs: each technique on and off, and made-up devices."""
import json
import os
import shlex

from .running import measure, say, spread, spread_text
from .targets import same_disk

PARTS = ["techniques", "simulate"]

# Name, image, whether it writes to the loop device, and what it is.
TECHNIQUES = [
    ("direct", "plain.qcow2", True, "writing past the page cache (O_DIRECT)"),
    ("splicing", "plain.qcow2", True, "cached pages of the image handed to the device by splice instead of read and written"),
    ("splicing", "extended.qcow2", True, "the same with subclusters"),
    ("coalescing", "plain.qcow2", True, "writes of up to 1 MiB instead of one for each cluster"),
    ("chunk", "plain.qcow2", True, "writes of up to 1 MiB instead of 256 KiB"),
    ("chunk", "zlib.qcow2", True, "the same with decoding"),
    ("chunk", "partition.pc", True, "the same with a stream"),
    ("long-chunk", "plain.qcow2", True, "writes of up to 1 MiB instead of 4 MiB"),
    ("long-chunk", "zlib.qcow2", True, "the same with decoding"),
    ("zero-offload", "plain.qcow2", True, "zeroing left to the device"),
    ("inline", "plain.qcow2", True, "a chunk read and written by one thread instead of handed on through a ring"),
    ("workers", "zlib.qcow2", True, "one worker for each core and one more, instead of one"),
    ("spare-worker", "plain.qcow2", True, "one worker more than there are cores, instead of as many"),
    ("spare-worker", "zlib.qcow2", True, "the same with decoding"),
    ("short-writes-cached", None, True, "writes of less than 256 KiB to a file left to the page cache"),
    ("decode-ahead", "partition.pc.gz", True, "decoding beside checking and writing"),
    ("parallel-decoding", "partition.pc.xz", False, "blocks of xz on all cores"),
    ("parallel-decoding", "partition.pc.bz2", False, "blocks of bzip2 on all cores"),
    ("parallel-decoding", "partition.pc.lz4", False, "blocks of lz4 on all cores"),
    ("isa-l", "partition.pc.gz", False, "gzip by ISA-L instead of zlib"),
    ("libdeflate", "disk.raw", False, "deflated clusters by libdeflate instead of zlib"),
    ("decoder-reuse", "disk.raw", False, "one zstd context for all clusters instead of one for each"),
    ("crc32", "disk.raw", False, "CRC-32 by libdeflate instead of a table of bytes"),
    ("sum-vectors", "disk.raw", False, "sums for verification by the widest vectors of the processor instead of SSE2"),
    ("zero-test", "disk.raw", False, "zeroes found by memcmp instead of byte by byte"),
    ("bitmap-words", "disk.raw", False, "bitmaps by words instead of bits"),
]
SIMULATED = {"slow": 48 << 20, "memory": 1 << 30}


class Parts:
    """The tables of techniques and of made-up devices; a part of ``Bench``."""

    def run_part(self, words):
        """One run of the bench executable: what it prints, and its memory in KiB."""
        printed = os.path.join(self.targets.folder, "printed")
        command = shlex.join([self.programs["bench"], *words]) + " > " + shlex.quote(printed)
        sample = measure(command, self.targets.folder)
        with open(printed, encoding="utf-8") as file:
            return json.load(file), sample["rss"]

    def measure_techniques(self):
        wanted = self.chosen.techniques.split(",") if self.chosen.techniques else [t[0] for t in TECHNIQUES]
        for name, image, writes, text in (t for t in TECHNIQUES if t[0] in wanted):
            path = self.workloads.get(image) if image else "nothing"
            words = ["technique", name, "--image", path, "--rounds", str(min(self.chosen.pairs, 2) if name == "parallel-decoding" else self.chosen.pairs)]
            if image:
                self.warm(path)
            if not image:
                words += ["--target", self.targets.file]
            elif writes:
                self.targets.attach()
                self.targets.fill(0xAA)
                words += ["--target", self.targets.loop]
            found, _ = self.run_part(words)
            if image and writes and image.endswith(".qcow2"):
                same_disk(self.workloads, self.targets, "loop")
            on, off = found["on"], found["off"]
            entry = {
                "name": f"{name} ({image.rsplit('.', 1)[1]})" if name == "parallel-decoding" else name, "text": text,
                "workload": f"{image}{' to the loop device' if writes else ''}" if image else "fragments to a file",
                "on": spread([s["wall"] for s in on]), "off": spread([s["wall"] for s in off]),
                "ratio": spread([a["wall"] / b["wall"] for a, b in zip(on, off)]),
                "ratio_cpu": spread([a["cpu"] / max(b["cpu"], 1e-6) for a, b in zip(on, off)]),
            }
            self.techniques.append(entry)
            say(f"{entry['name']}, {entry['workload']}: on {spread_text(entry['on'])} s, off "
                f"{spread_text(entry['off'])} s, ratio {spread_text(entry['ratio'])}, CPU "
                f"{entry['ratio_cpu']['median']:.2f}")

    def measure_simulate(self):
        for device, size in SIMULATED.items():
            for image in ("plain", "zlib"):
                for chunk in (256 << 10, 1 << 20, 4 << 20):
                    for workers in (1, 2, 3, 4, 8, 16):
                        found, rss = self.run_part(
                            ["simulate", "--device", device, "--image", image, "--workers", str(workers), "--chunk",
                             str(chunk), "--size", str(size)])
                        rate = size / found["wall"] / 1e6
                        self.simulations.append(
                            {"device": device, "image": image, "chunk": chunk, "workers": workers, "rate": rate,
                             "depth": found["depth"], "deepest": found["deepest"], "busy": found["busy"], "rss": rss})
                    say(f"{device}, {image}, {chunk >> 10} KiB: " + ", ".join(
                        f"{r['workers']}: {r['rate']:.0f} MB/s, depth {r['depth']:.1f}, {r['rss'] / 1024:.0f} MiB"
                        for r in self.simulations[-6:]))
