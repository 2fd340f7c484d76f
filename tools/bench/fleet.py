"""How long `status` takes of a fleet on the sandbox.

`python -m tools.bench.fleet` measures `status` of 200 accounts in 4 Regions, every call taking
50 ms more than the sandbox does, and prints the seconds. No test holds it to its target of 30 s:
how fast a shared machine is says nothing about the program. `make bench` also compares.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox.control import start
from tools.bench.fleet_setup import HUB, REGIONS, make_fleet
from tools.bench.measurement import Measurement, compare
from tools.bench.runner import PROGRAM, Bench, Command

ACCOUNTS = 200
LATENCY_SECONDS = 0.05  # added to every call, as over a network
TARGET_SECONDS = 30
# The accounts that the script is timed on; the time for the whole fleet is calculated from the two.
MORE_ACCOUNTS, FEWER_ACCOUNTS = 4, 2


def compare_status(bench: Bench, count: int) -> Measurement:
    """Compare `status` of many accounts with a script that queries one after the other.

    The script runs for a few accounts. The time that it would take for all is calculated from
    that, with its start counted once.
    """
    file = make_fleet(bench.sandbox.endpoint, bench.folder, count)
    variables = bench.environment(HUB)
    status = (sys.executable, str(PROGRAM), "status", str(file), "--json")
    ours = Command(status, variables, f'"in_sync": {count * len(REGIONS)}')
    script = (sys.executable, "-m", "tools.bench.one_by_one", str(file))
    theirs = {
        number: Command((*script, str(number)), variables, f"{number * len(REGIONS)} found")
        for number in (FEWER_ACCOUNTS, MORE_ACCOUNTS)
    }
    bench.measure(theirs[FEWER_ACCOUNTS])  # compiles all Python
    bench.sandbox.fault("latency", times=None, seconds=LATENCY_SECONDS)
    try:
        status_seconds = bench.measure(ours).seconds
        seconds = {number: bench.measure(command).seconds for number, command in theirs.items()}
    finally:
        bench.sandbox.forget_faults()
    fewer, more = seconds[FEWER_ACCOUNTS], seconds[MORE_ACCOUNTS]
    per_account = (more - fewer) / (MORE_ACCOUNTS - FEWER_ACCOUNTS)
    calculated = fewer + per_account * (count - FEWER_ACCOUNTS)
    return compare(
        f"status, {count} accounts in {len(REGIONS)} regions",
        "a boto3 script, reckoned",
        [status_seconds],
        [calculated],
        0.25,
    )


def measure(count: int) -> float:
    """Return the seconds of `status`, as a process, of so many accounts in all Regions."""
    with tempfile.TemporaryDirectory(prefix="iot-ca-bench-") as folder, start() as sandbox:
        file = make_fleet(sandbox.endpoint, Path(folder), count)
        sandbox.fault("latency", times=None, seconds=LATENCY_SECONDS)
        command = [sys.executable, str(PROGRAM), "status", str(file)]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--json"],
            env={**os.environ, **sandbox.environment(HUB, REGIONS[0])},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
    if done.returncode or json.loads(done.stdout)["counts"]["in_sync"] != count * len(REGIONS):
        raise OSError(f"status ended with {done.returncode}: {done.stderr}")
    return seconds


def main() -> int:
    """Measure `status` and print the seconds; returns the exit status."""
    seconds = measure(ACCOUNTS)
    verdict = "met" if seconds <= TARGET_SECONDS else "missed"
    print(
        f"status, {ACCOUNTS} accounts in {len(REGIONS)} regions, "
        f"{LATENCY_SECONDS * 1000:.0f} ms a call: {seconds:.1f} s "
        f"(target {TARGET_SECONDS} s, {verdict})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
