"""`python -m tools.bench [--json]`: what the program and the plans cost.

Everything runs on the sandbox, in turns with what it is compared with, so that a busy machine
slows both. A ratio is the median of the ratios turn by turn, its spread their middle half; times
are medians. The exit status says whether everything ran, not whether the targets are met.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sandbox.control import SandboxError, start
from tools.bench.applies import measure_applies
from tools.bench.configurations import BenchCase
from tools.bench.fleet import compare_status
from tools.bench.lookups import measure_lookups
from tools.bench.plans import Plans
from tools.bench.report import as_json, show
from tools.bench.runner import Bench
from tools.engine.discovery import find_engine
from tools.errors import ToolError
from tools.providers.environment import environment
from tools.providers.resolution import Providers, resolve

# Turns of plans go on up to here, so that the whole stays below ten minutes on a slow machine.
PLANS_UNTIL_SECONDS = 230


def run(options: argparse.Namespace, console: Console) -> dict[str, object]:
    """All measurements, with what they were taken on."""
    began = time.monotonic()
    load = os.getloadavg()[0]
    engine = find_engine()
    providers = resolve(engine, say=console.print)
    cases = (BenchCase(1, jitp=True), BenchCase(options.many, jitp=False))
    with (
        tempfile.TemporaryDirectory(prefix="iot-ca-bench-") as folder,
        _progress(console) as progress,
        start() as sandbox,
    ):
        task = progress.add_task("", total=None)
        bench = Bench(sandbox, Path(folder).resolve(), environment(providers))
        plans = Plans(bench, engine, cases, _stands_in(providers), "plans")
        applied = [BenchCase(count, jitp=False) for count in options.apply_cas]
        applies = Plans(bench, engine, applied, _stands_in(providers), "applies")
        for case, side in plans.accounts:
            progress.update(task, description=f"setting up plans: {case}, {side}")
            plans.set_up(case, side)
        progress.update(task, description="lookups")
        measured = measure_lookups(plans, cases[0], options.lookups)
        progress.update(task, description="plans")
        counted = [plans.count_calls(case) for case in cases]
        measured += plans.measure(options.plans, began + PLANS_UNTIL_SECONDS)
        progress.update(task, description="first applies and destroys")
        measured += measure_applies(applies, options.applies)
        progress.update(task, description="status of a fleet")
        measured.append(compare_status(bench, options.fleet))
    return {
        "engine": str(engine),
        "providers": str(providers),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "seconds": round(time.monotonic() - began),
        "measurements": measured + counted,
    }


def _stands_in(providers: Providers) -> bool:
    return any(
        located.provider == "hashicorp/external" and located.origin == "a stand-in"
        for located in providers.located
    )


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(style="cyan"),
        TextColumn("{task.description}", style="dim"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--lookups", type=int, default=15, help="turns of lookups (15)")
    parser.add_argument("--plans", type=int, default=7, help="turns of plans (7)")
    parser.add_argument("--many", type=int, default=50, help="CAs in the larger plan (50)")
    parser.add_argument("--applies", type=int, default=3, help="turns of first applies (3)")
    parser.add_argument(
        "--apply-cas", type=int, nargs="+", default=[10, 50], help="CAs in each of them (10 50)"
    )
    parser.add_argument("--fleet", type=int, default=200, help="accounts of the fleet (200)")
    options = parser.parse_args(arguments)
    # With --json, all that is not JSON goes to the other stream.
    console = Console(highlight=False, stderr=options.json)
    if not console.is_terminal:
        console = Console(highlight=False, stderr=options.json, width=100)
    try:
        report = run(options, console)
    except (ToolError, SandboxError) as error:
        console.print(f"the benchmarks could not run: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    if options.json:
        print(as_json(report))
    else:
        show(report, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
