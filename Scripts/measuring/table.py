"""The tables: as text, and compared with saved ones."""
import glob
import json
import os
import platform

from .running import output, seconds, spread_text

# Processor time of ours beside the peer's.
CPU_GOAL = 0.5


def row_key(row):
    return f"{row['workload']}/{row['target']}/{row['peer']}" + place(row)


def place(row):
    """What is said of a row's target where it does not lie on the disk."""
    return " in memory" if row.get("in_memory") else ""


def row_text(row):
    head = f"{row['workload']} to {row['target']}: {spread_text(row['ours']['wall'])} s"
    share = f", {row['share'] * 100:.0f} % of the roofline"
    if not row["peer"]:
        return head + share
    met = {"ratio": "met", "roofline": "met by the roofline", "no": "MISSED"}.get(row.get("met"))
    goal = f", goal {row['goal']}: {met}" if met else ""
    return (f"{head}, {row['peer']} {spread_text(row['theirs']['wall'])} s, ratio {spread_text(row['ratio'])}, "
            f"with sync {spread_text(row['ratio_synced'])}, CPU {row['ratio_cpu']['median']:.2f}{share}{goal}")


def markdown(result):
    """The tables as they go into performance.md."""
    about, machine = result["workload"], result["machine"]
    lines = [
        f"Commit {result['commit']}, {result['date']}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory']} GiB, Linux {machine['kernel']}, {machine['filesystem']}, loop device "
        f"{machine['loop']}. Disk of {about['size'] / 2**30:.2f} GiB holding "
        f"{about['files']} files, {about['bytes'] / 2**30:.2f} GiB (names {about['names']}). "
        f"{machine['tools']}.",
        "",
        "| workload | to | rounds | load | peer | ours, s | peer, s | ratio | ours synced | peer synced | ratio synced "
        "| ours user+sys | peer user+sys | CPU ratio | ours MiB | peer MiB | decode | dd | share of roofline | goal |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    met = {"ratio": "met", "roofline": "met (roofline)", "no": "**missed**"}
    for row in result["rows"]:
        ours, theirs = row["ours"], row.get("theirs")
        cpu = [f"{s['user']['median']:.2f}+{s['sys']['median']:.2f}" if s else "–" for s in (ours, theirs)]
        peak = [f"{s['rss']['max'] / 1024:.0f}" if s else "–" for s in (ours, theirs)]
        peer = (row["peer"] or "–") + (f" (ours with {row['option']})" if row["option"] else "")
        cells = [
            row["workload"] + sized(row, about), row["target"] + place(row), str(row["rounds"]),
            str(row.get("load", "–")), peer.replace("|", "\\|"), spread_text(ours["wall"]),
            spread_text(theirs["wall"]) if theirs else "–", spread_text(row["ratio"]) if theirs else "–",
            seconds(ours["synced"]["median"]), seconds(theirs["synced"]["median"]) if theirs else "–",
            spread_text(row["ratio_synced"]) if theirs else "–", cpu[0], cpu[1],
            cpu_ratio(row) if theirs else "–", peak[0], peak[1], seconds(row["decode"]),
            seconds(row["write"]) if row["write"] else "–", f"{row['share'] * 100:.0f} %",
            f"{row['goal']:.2f} {met[row['met']]}" if row.get("goal") else "–",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += small_lines(result) + technique_lines(result) + simulation_lines(result)
    return "\n".join(lines) + "\n"


def cpu_ratio(row):
    """Processor time beside the peer's, and whether it is more than the half that is aimed at."""
    ratio = row["ratio_cpu"]["median"]
    return f"{ratio:.2f}" + (" **missed**" if ratio > CPU_GOAL else "")


def sized(row, about):
    """Of what size a row's workload is, where that is not as in the heading."""
    files = row.get("files", about["bytes"])
    return "" if files == about["bytes"] else f" ({files / 2**30:.2f} GiB of files)"


def small_lines(result):
    lines = []
    if result["extras"]:
        lines += ["", "| small things | measured | limit | |", "|---|---|---|---|"]
        for extra in result["extras"]:
            state = {True: "met", False: "**missed**"}.get(extra.get("met"), "")
            lines.append(f"| {extra['name']} | {extra['text']} | {extra['limit']} | {state} |")
    return lines


def technique_lines(result):
    """Each technique on and off."""
    if not result.get("techniques"):
        return []
    lines = ["", "| technique | name | workload | on, s | off, s | on/off | CPU on/off |", "|---|---|---|---|---|---|---|"]
    for t in result["techniques"]:
        cells = [t["text"], t["name"], t["workload"], spread_text(t["on"], fine), spread_text(t["off"], fine),
                 spread_text(t["ratio"]), f"{t['ratio_cpu']['median']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def fine(value):
    return f"{value:.4f}" if value < 0.1 else seconds(value)


def simulation_lines(result):
    """Throughput, queue depth and memory over the number of workers, for each device, image and chunk."""
    runs = result.get("simulations")
    if not runs:
        return []
    counts = sorted({r["workers"] for r in runs})
    lines = ["", "| device | image | chunk, KiB | " + " | ".join(f"{n} workers" for n in counts) + " |",
             "|---|---|---|" + "---|" * len(counts)]
    cells = {}
    for r in runs:
        text = f"{r['rate']:.0f} MB/s, {r['depth']:.1f}, {r['rss'] / 1024:.0f} MiB"
        cells.setdefault((r["device"], r["image"], r["chunk"] // 1024), {})[r["workers"]] = text
    for (device, image, chunk), row in cells.items():
        lines.append(f"| {device} | {image} | {chunk} | " + " | ".join(row.get(n, "–") for n in counts) + " |")
    return lines


def machine_facts(work, targets):
    processor = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                      if line.startswith("model name")), platform.machine())
    tools = [output("qemu-img", "--version").split("\n")[0].replace("qemu-img version", "qemu-img").split(" (")[0],
             "partclone " + output("bash", "-c", "partclone.restore -v 2>&1 | grep -o 'v\\?[0-9.]\\+' | head -n 1"),
             output("pigz", "--version") or "", "zstd " + output("bash", "-c", "zstd -V | grep -o 'v[0-9.]*'")]
    direct = {None: "not used", True: "with direct I/O", False: "buffered"}[targets.direct]
    return {"processor": processor, "cores": os.cpu_count(), "kernel": platform.release().split("-")[0], "loop": direct,
            "memory": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "filesystem": output("df", "--output=fstype", work).split()[-1], "tools": ", ".join(t for t in tools if t)}


def last_saved(chosen, results, kept):
    """The table to compare with: the given one, the repository's, or the newest of the work folder."""
    found = sorted(glob.glob(os.path.join(results, "*.json")), key=os.path.getmtime)
    complete = [f for f in found if not os.path.basename(f).startswith("quick-")]
    order = [chosen.against] if chosen.against else [*[kept][:os.path.exists(kept)], *complete[-1:], *found[-1:]]
    if not order:
        return None, {}
    with open(order[0], encoding="utf-8") as file:
        saved = json.load(file)
    # A quick run has a smaller disk: it is compared with another quick one where there is one.
    rows = saved.get("quick_rows") or saved["rows"]
    return order[0], {row_key(r): r.get("ratio_best", r["ratio"]["median"]) for r in rows if "ratio" in r}


def save(result, path, is_quick):
    """Saves a table; a quick one beside the whole one that the file holds, measured rows in place of older ones."""
    saved = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
    if is_quick:
        saved["quick_rows"] = result["rows"]
        saved.setdefault("rows", [])
    else:
        for part, key in (("rows", row_key), ("extras", named), ("techniques", technique_key), ("simulations", simulation_key)):
            fresh = {key(entry): entry for entry in result[part]}
            merged = [fresh.pop(key(entry), entry) for entry in saved.get(part, [])]
            saved[part] = merged + list(fresh.values())
        for part in ("date", "commit", "machine"):
            saved[part] = result[part]
        if result["workload"]["bytes"] >= saved.get("workload", {"bytes": 0})["bytes"]:
            saved["workload"] = result["workload"]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(saved, file, indent=1)
        file.write("\n")
    return saved


def named(entry):
    return entry["name"]


def technique_key(entry):
    return entry["name"], entry["workload"]


def simulation_key(entry):
    return tuple(entry[k] for k in ("device", "image", "chunk", "workers"))


def compare(bench, against):
    """Says which ratios were lost against the saved table; the exit status."""
    if against is None:
        print("nothing saved to compare with: this table is the first")
        return 0
    lost, compared = 0, 0
    for row in bench.rows:
        saved = bench.baseline.get(row_key(row))
        if saved is None or "ratio" not in row:
            continue
        compared += 1
        now = row["ratio_best"]
        worse = bench.lost(row)
        lost += worse
        print(f"{'LOST' if worse else 'ok':4} {row_key(row)}: ratio of the best {now:.3f}, saved {saved:.3f} "
              f"({(now / saved - 1) * 100:+.0f} %)")
    if not compared:
        print(f"{against} has no such rows: a quick run with --save FILE keeps some")
    print(f"{compared} compared with {against}, {lost} lost more than 15 %")
