"""Running commands and timing them."""
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time

MIB = 1 << 20


class Failure(Exception):
    """Something that ends the run, told in one sentence."""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def have(tool):
    return shutil.which(tool) is not None


def seconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def spread(values):
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def spread_text(s, form=seconds):
    return f"{form(s['median'])} ({form(s['min'])}–{form(s['max'])})"


running = None


def stop_running():
    """Ends the command that runs now with all that it started."""
    global running
    process, running = running, None
    if process is None or process.returncode is not None:
        return
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 30)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        # The rest of a pipeline may outlive its shell for a moment.
        time.sleep(0.2)


def spawn(argv, **options):
    """Runs to the end; the status, wall seconds and resource usage (children of the command included)."""
    global running
    begin = time.perf_counter()
    running = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    _, status, usage = os.wait4(running.pid, 0)
    wall = time.perf_counter() - begin
    running.returncode = os.waitstatus_to_exitcode(status)
    code, running = running.returncode, None
    return code, wall, usage


def do(command, folder, quiet=True):
    """Runs a preparation (argv, or text for bash); anything but success ends the bench."""
    argv = ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else command
    log = os.path.join(folder, "prepare.log")
    with open(log, "w+b") as out:
        code, _, _ = spawn(argv, stdout=out if quiet else None, stderr=subprocess.STDOUT if quiet else None)
        out.seek(0)
        text = out.read().decode(errors="replace").strip()
    if code != 0:
        shown = command if isinstance(command, str) else shlex.join(command)
        raise Failure(f"{shown}\nended with status {code}: {text[-600:]}")
    return text


def output(*argv):
    """What a small tool prints, empty when it fails."""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False).stdout.decode(errors="replace").strip()


def measure(command, folder):
    """One timed run: wall, user and system seconds, and the memory of its largest process in KiB.

    The run goes through time(1), since a child of Python starts with Python's own size as its maximum.
    """
    argv = shlex.split(command)
    if any(sign in command for sign in "|<>"):
        argv = ["bash", "-o", "pipefail", "-c", command]
    peak, log = os.path.join(folder, "peak"), os.path.join(folder, "run.log")
    with open(log, "wb") as errors:
        timed = ["/usr/bin/time", "-q", "-f", "%M", "-o", peak, *argv]
        code, wall, usage = spawn(timed, stdout=subprocess.DEVNULL, stderr=errors)
    if code != 0:
        with open(log, "rb") as errors:
            text = errors.read().decode(errors="replace").replace("\r", "\n").strip()
        raise Failure(f"{command}\nended with status {code}: {text[-600:]}")
    with open(peak, encoding="ascii") as number:
        rss = int(number.read().split()[-1])
    return {"wall": wall, "user": usage.ru_utime, "sys": usage.ru_stime, "rss": rss}
