"""Run one command and measure it: `python -I -S tools/bench/child.py`, a JSON object in, one out.

A process of its own, and a small one: Linux counts the memory of the process that starts a
program into that program's peak, up to the moment of its start. The benchmarks themselves are
too big for that.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Measure what standard input asks for."""
    order = json.load(sys.stdin)
    with (
        open(order["stdin"], "rb") as given,  # noqa: PTH123 - pathlib would be half of the memory
        open(order["output"], "wb") as output,  # noqa: PTH123
    ):
        started = time.perf_counter()
        process = subprocess.Popen(
            order["argv"],
            cwd=order["cwd"],
            env=order["environment"],
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    # In bytes on macOS, in KiB elsewhere.
    peak = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    result = {
        "seconds": seconds,
        "peak_kib": peak,
        "status": os.waitstatus_to_exitcode(status),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
