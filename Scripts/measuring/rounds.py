"""The measuring itself: rounds of ours and all peers by turns."""
import json
import os
import shlex
import time

from .jobs import JOBS
from .parts import PARTS, Parts
from .running import MIB, Failure, measure, output, say, spread
from .small import EXTRAS, SmallThings
from .table import row_key, row_text
from .targets import digest_of, same_disk, same_partition
from .workloads import stored_bytes, used_runs

QUICK_SECONDS = 165
ALLOWED_LOSS = 1.15
ROOFLINE_SLACK = 1.25


class Bench(Parts, SmallThings):
    """A whole run: measures what was chosen and keeps the rows of the table."""

    def __init__(self, chosen, programs, workloads, targets):
        self.chosen, self.programs, self.workloads, self.targets = chosen, programs, workloads, targets
        self.rows, self.extras, self.begin = [], [], time.monotonic()
        self.techniques, self.simulations = [], []
        self.baseline, self.load = {}, None

    def late(self):
        return self.chosen.quick and time.monotonic() - self.begin > QUICK_SECONDS

    def run(self, keep):
        """Measures all that was chosen; keep is called after each part."""
        for job in JOBS:
            if job.name in self.chosen.names:
                self.measure_job(job)
                keep()
        for extra in EXTRAS + PARTS:
            if extra in self.chosen.names:
                getattr(self, "measure_" + extra)()
                keep()

    def warm(self, path):
        names = [path]
        if path.endswith("chain.qcow2"):
            names += [self.workloads.path("chain-base.qcow2"), self.workloads.path("chain-middle.qcow2")]
        for name in names:
            with open(name, "rb", buffering=0) as file:
                while file.read(4 * MIB):
                    pass

    def measure_job(self, job):
        if self.late():
            return say(f"{job.name}: left out, the time is up")
        image = self.workloads.get(job.image)
        self.workloads.description()
        if job.is_volume:
            about = json.loads(output(self.programs["restore"], "--info", "--json", image))
            written = about["used-size"]
        elif job.partition:
            block, runs = used_runs(self.workloads.get("partition.pc"))
            written = sum(b - a for a, b in runs) * block
        else:
            written = stored_bytes(self.workloads.get("disk.raw"))
        decode = None
        for target in sorted(self.chosen.targets, key=["null", "loop", "file"].index):
            if self.late():
                return say(f"{job.name} to {target}: left out, the time is up")
            self.warm(image)
            if decode is None:
                # Ours with nowhere to write to: what decoding alone takes on all cores.
                decode = min(measure(job.ours(self.programs, image, "null", "-"), self.targets.folder)["wall"]
                             for _ in range(1 if self.chosen.quick or self.chosen.pairs == 1 else 2))
            self.measure_target(job, image, target, written, decode)
        return None

    def measure_target(self, job, image, target, written, decode):
        # Of others, before anything of this runs.
        self.load = round(os.getloadavg()[0], 1)
        if target == "loop":
            self.targets.attach()
        where = self.targets.path(target)
        peers = [peer for peer in job.peers(image, target, where)
                 if not self.chosen.peers or peer[0].startswith(tuple(self.chosen.peers.split(",")))]
        if self.chosen.quick:
            # One that does not end on a tick of two seconds, which would hide or feign a loss.
            peers = [(n, c.replace("partclone.restore ", "partclone.restore -f 0 "), *rest) for n, c, *rest in peers[:1]]
        ours = job.ours(self.programs, image, target, where)
        runners = {"ours": (ours, False)}
        for name, command, zeroed, option in peers:
            runners[name] = (command, zeroed)
            if option:
                runners["ours beside " + name] = (f"{ours} {option}", zeroed)
        # A device made zero before takes longer to write: that has a roofline of its own.
        states = [False, *[True][:any(option for *_, option in peers)]]
        writes = {zeroed: [] if target == "null" else [self.time_dd(target, written, zeroed)] for zeroed in states}
        if not self.chosen.quick:
            self.check_content(job, target, runners, filled=True)
        samples = {name: [] for name in runners}
        order = list(runners)
        for number in range(self.chosen.pairs):
            self.round(order, runners, target, samples)
            order = order[1:] + order[:1]
            if number == 0 and self.chosen.quick:
                self.check_content(job, target, runners, filled=False)
        for zeroed, walls in writes.items():
            if walls and not self.chosen.quick:
                walls.append(self.time_dd(target, written, zeroed))
        for name, _, _, option in peers:
            mine = "ours beside " + name if option else "ours"
            walls = writes[bool(option)]
            again = self.row(job, target, name, option, samples[mine], samples[name], decode, walls, written)
            if self.chosen.quick and self.lost(again) and not self.late():
                # A single slow round is no loss: asked again before it is called one.
                for _ in range(3):
                    self.round(list(runners), runners, target, samples)
                again = self.row(job, target, name, option, samples[mine], samples[name], decode, walls, written)
            self.rows.append(again)
            say(row_text(again))
        if not peers:
            row = self.row(job, target, None, "", samples["ours"], None, decode, writes[False], written)
            self.rows.append(row)
            say(row_text(row))

    def round(self, order, runners, target, samples):
        for name in order:
            samples[name].append(self.timed(runners[name], target))

    def timed(self, runner, target):
        command, zeroed = runner
        size = self.targets.size if zeroed else None
        self.targets.ready(target, zeroed, size)
        sample = measure(command, self.targets.folder)
        sample["synced"] = sample["wall"] + self.targets.flush(target)
        return sample

    def check_content(self, job, target, runners, filled):
        """Runs each once, untimed, over a target full of 0xAA where that can be, and compares what it wrote."""
        if target == "null":
            return
        digest = None
        for name, (command, zeroed) in runners.items():
            if self.chosen.quick and name != "ours":
                continue
            # Ours over 0xAA, so that what is not written shows; peers over what is right already but for backups, where
            # unused blocks are looked at, too.
            fills = name.startswith("ours") or job.partition
            pattern = 0xAA if filled and fills and target == "loop" and not zeroed else None
            if pattern is not None:
                self.targets.fill(pattern)
            self.targets.ready(target, zeroed, self.targets.size if zeroed else None)
            try:
                measure(command, self.targets.folder)
                self.targets.flush(target)
                if job.is_volume:
                    found = digest_of(self.targets.path(target))
                    if digest not in (None, found):
                        raise Failure("it did not write what ours wrote")
                    digest = found
                elif job.partition:
                    same_partition(self.workloads, self.targets, target, 0 if target == "file" else pattern)
                else:
                    same_disk(self.workloads, self.targets, target)
            except Failure as failure:
                raise Failure(f"{job.name} to {target}, {name}: {failure}") from None

    def time_dd(self, target, written, zeroed):
        """Seconds of one dd that writes as many bytes as the image holds."""
        self.targets.ready(target, zeroed)
        where = shlex.quote(self.targets.path(target))
        command = f"dd if=/dev/zero of={where} oflag=direct bs=2M count={max(1, written // (2 * MIB))} status=none"
        return measure(command, self.targets.folder)["wall"]

    def row(self, job, target, peer, option, ours, theirs, decode, writes, written):
        def of(samples):
            both = {f: spread([s[f] for s in samples]) for f in ("wall", "synced", "user", "sys", "rss")}
            both["cpu"] = spread([s["user"] + s["sys"] for s in samples])
            return both

        roofline = max([decode, *([min(writes)] if writes else [])])
        row = {"workload": job.name, "target": target, "peer": peer, "option": option, "ours": of(ours),
               "written": written, "decode": decode, "write": min(writes) if writes else None, "roofline": roofline,
               "rounds": len(ours), "files": self.workloads.description()["bytes"], "load": self.load,
               "in_memory": target != "null" and self.targets.in_memory}
        row["share"] = roofline / row["ours"]["wall"]["median"]
        if theirs:
            row["theirs"] = of(theirs)
            row["ratio"] = spread([a["wall"] / b["wall"] for a, b in zip(ours, theirs)])
            # What disturbs a run makes it slower: the best ones of both say most of what they can do.
            row["ratio_best"] = row["ours"]["wall"]["min"] / row["theirs"]["wall"]["min"]
            row["ratio_synced"] = spread([a["synced"] / b["synced"] for a, b in zip(ours, theirs)])
            row["ratio_cpu"] = spread([(a["user"] + a["sys"]) / max(0.001, b["user"] + b["sys"])
                                       for a, b in zip(ours, theirs)])
            row["goal"] = job.goal(peer, target)
            if row["goal"]:
                row["met"] = ("ratio" if row["ratio"]["median"] <= row["goal"] else
                              "roofline" if row["share"] >= 1 / ROOFLINE_SLACK else "no")
        return row

    def lost(self, row):
        """Whether the ratio to the peer is more than 15 % above the saved table's."""
        saved = self.baseline.get(row_key(row))
        return bool(saved and "ratio" in row and row["ratio_best"] > saved * ALLOWED_LOSS)
