"""`python -m tools.bench [--json]`: what the program and the plans cost.

Everything runs on the sandbox, in turns with what it is compared with, so that a busy machine
slows both. A ratio is the median of the ratios turn by turn, its spread their middle half; times
are medians. The exit status says whether everything ran, not whether the targets are met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from sandbox.control import Call, Sandbox, SandboxError, start
from tools.bench.configurations import Case, write_ours, write_theirs
from tools.bench.fleet import HUB, LATENCY_SECONDS, REGIONS, make_fleet
from tools.checkout import ROOT
from tools.engine.discovery import Engine, find_engine
from tools.engine.terraform import Terraform
from tools.errors import ToolError
from tools.providers.environment import environment
from tools.providers.resolution import Providers, resolve

PROGRAM = ROOT / "scripts" / "iot_ca"
REGION = "eu-west-1"
OURS, THEIRS = "ours", "theirs"

# The program puts this into its user agent; the aws provider's calls come with another.
USER_AGENT = "terraform-aws-iot-ca"
# One CA's tags are no listing: it is a call about that CA.
LISTINGS = {"ListCACertificates", "ListCertificatesByCA", "ListCertificates"}

# The accounts that a script is timed on; the rest of the fleet is reckoned from the two.
FEW, FEWER = 4, 2

# Turns of plans go on up to here, so that the whole stays below five minutes on a slow machine.
PLANS_UNTIL_SECONDS = 230
FEWEST_PLANS = 5


@dataclass(frozen=True)
class Command:
    """A command to measure. `expects` must be in what it writes."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    expects: str
    cwd: Path = ROOT
    stdin: str = ""


@dataclass(frozen=True)
class Run:
    """What one run of a command took."""

    seconds: float
    peak_kib: int


@dataclass(frozen=True)
class Measurement:
    """One comparison. `ratio` is what the target is about; without a target it is information."""

    name: str
    against: str
    unit: str
    ours: float
    theirs: float | None
    ratio: float
    spread: tuple[float, float] | None
    runs: int
    target: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.ratio <= self.target


class Bench:
    """Runs commands in a small process each, and remembers what they took."""

    def __init__(self, sandbox: Sandbox, folder: Path, base: Mapping[str, str]) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self._base = {k: v for k, v in base.items() if not k.startswith("PYTHON")}

    def environment(self, account: str) -> dict[str, str]:
        """What a command sees: the sandbox as `account`, and compiled Python in the folder."""
        return {
            **self._base,
            **self.sandbox.environment(account, REGION),
            "PYTHONPYCACHEPREFIX": str(self.folder / "compiled"),
        }

    def measure(self, command: Command) -> Run:
        """Run a command. Raises ToolError if it fails or does not write what it should."""
        given, output = self.folder / "stdin", self.folder / "output"
        given.write_text(command.stdin, encoding="utf-8")
        order = {
            "argv": list(command.argv),
            "cwd": str(command.cwd),
            "environment": dict(command.environment),
            "stdin": str(given),
            "output": str(output),
        }
        child = subprocess.run(
            [sys.executable, "-I", "-S", str(ROOT / "tools" / "bench" / "child.py")],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=False,
        )
        written = output.read_text(encoding="utf-8", errors="replace")
        if child.returncode or json.loads(child.stdout)["status"]:
            raise ToolError(f"{' '.join(command.argv)} failed\n{written}{child.stderr}")
        if command.expects not in written:
            raise ToolError(f"{' '.join(command.argv)} does not say {command.expects}\n{written}")
        result = json.loads(child.stdout)
        return Run(result["seconds"], result["peak_kib"])

    def in_turns(self, commands: Mapping[str, Command], turns: int) -> dict[str, list[Run]]:
        """Run all commands `turns` times in turns, in the other order every second time."""
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        for turn in range(turns):
            order = list(commands.items())
            for name, command in reversed(order) if turn % 2 else order:
                runs[name].append(self.measure(command))
        return runs


def compare(
    name: str,
    against: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    target: float | None,
    unit: str = "s",
) -> Measurement:
    """The ratio of two series that were taken in turns."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    spread = None
    if len(ratios) > 1:
        first, _, last = statistics.quantiles(ratios, n=4, method="inclusive")
        spread = (first, last)
    return Measurement(
        name,
        against,
        unit,
        statistics.median(ours),
        statistics.median(theirs),
        statistics.median(ratios),
        spread,
        len(ratios),
        target,
    )


class Plans:
    """Both sides of each case, applied once and then planned in turns."""

    def __init__(self, bench: Bench, engine: Engine, cases: Sequence[Case], external: bool) -> None:
        self.bench = bench
        self.engine = engine
        self.cases = cases
        self.external = external
        self.accounts = {
            (case, side): f"{2 + index}{number:011d}"
            for index, side in enumerate((OURS, THEIRS))
            for number, case in enumerate(cases)
        }

    def folder(self, case: Case, side: str) -> Path:
        """Where the configuration of a case and side is."""
        return self.bench.folder / f"{side}-{case.count}"

    def set_up(self, case: Case, side: str) -> None:
        """Write a configuration and apply it."""
        folder = self.folder(case, side)
        variables = self.bench.environment(self.accounts[case, side])
        terraform = Terraform(folder, self.engine, variables)
        if side == OURS:
            write_ours(folder, case, os.path.relpath(ROOT, folder.resolve()))
        else:
            write_theirs(folder, case, self.external)
        terraform.init()
        terraform.apply()

    def lookup(self, case: Case) -> dict[str, Any]:
        """What the lookup was asked, and what it answered: `query` and `result`."""
        variables = self.bench.environment(self.accounts[case, OURS])
        shown = Terraform(self.folder(case, OURS), self.engine, variables).show_json()
        (module,) = shown["values"]["root_module"]["child_modules"]
        resources = [r for child in module["child_modules"] for r in child["resources"]]
        (found,) = [r["values"] for r in resources if r["type"] == "external"]
        return dict(found)

    def command(self, case: Case, side: str) -> Command:
        """The plan to measure; it fails where there is something to do."""
        return Command(
            (*self.engine.argv, "plan", "-detailed-exitcode", "-no-color"),
            self.bench.environment(self.accounts[case, side]),
            "No changes.",
            self.folder(case, side),
        )

    def count_calls(self, case: Case) -> Measurement:
        """The program's calls of AWS IoT in one plan."""
        account = self.accounts[case, OURS]
        self.bench.sandbox.forget_calls()
        self.bench.measure(self.command(case, OURS))
        calls = self.bench.sandbox.calls(account=account, service="iot")
        ours = [call for call in calls if USER_AGENT in call.user_agent]
        listings = [call for call in ours if call.operation in LISTINGS]
        each = len(ours) / case.count
        name = f"calls, {case}"
        told = f"{len(ours)} of IoT, {_listed(listings)}"
        # Two per CA are met only without a listing, whatever the number.
        ratio = each if not listings else float("inf")
        return Measurement(name, told, "", each, None, ratio, None, 1, 2.0)

    def measure(self, turns: int, until: float) -> list[Measurement]:
        """Plan in turns; fewer of them if time runs out."""
        keys = [(case, side) for case in self.cases for side in (OURS, THEIRS)]
        seconds: dict[tuple[Case, str], list[float]] = {key: [] for key in keys}
        for turn in range(turns):
            if turn >= FEWEST_PLANS and time.monotonic() > until:
                break
            for key in reversed(keys) if turn % 2 else keys:
                seconds[key].append(self.bench.measure(self.command(*key)).seconds)
        return [
            compare(
                f"plan, {case}",
                "aws_iot_ca_certificate",
                seconds[case, OURS],
                seconds[case, THEIRS],
                1.0,
            )
            for case in self.cases
        ]


def lookup_commands(plans: Plans, case: Case) -> dict[str, Command]:
    """The four ways to look the one CA of a case up; the program's as Terraform runs it."""
    lookup = plans.lookup(case)
    (answer,) = lookup["result"].values()
    certificate_id = json.loads(answer)["certificate_id"]
    variables = plans.bench.environment(plans.accounts[case, OURS])
    python = sys.executable
    # As its first line starts it, which may hold a path that is too long for that.
    aws = (python, "-m", "awscli", "iot", "describe-ca-certificate")
    request = (python, str(ROOT / "tools" / "bench" / "request.py"))
    # In sync, or the program would have more to do.
    drift = '\\"drift\\": []'
    query = json.dumps(lookup["query"])
    program = (python, str(PROGRAM), "inspect")
    return {
        "program": Command(program, variables, drift, stdin=query),
        "aws": Command((*aws, "--certificate-id", certificate_id), variables, certificate_id),
        "botocore": Command((*request, "botocore", certificate_id), variables, certificate_id),
        "stdlib": Command((*request, "stdlib", certificate_id), variables, certificate_id),
    }


def measure_lookups(plans: Plans, case: Case, turns: int) -> list[Measurement]:
    """One lookup, and the memory it takes."""
    commands = lookup_commands(plans, case)
    plans.bench.in_turns(commands, 2)  # compiles all Python, fills the machine's caches
    runs = plans.bench.in_turns(commands, turns)
    seconds = {name: [run.seconds for run in each] for name, each in runs.items()}
    peaks = {name: [run.peak_kib / 1024 for run in each] for name, each in runs.items()}
    cli = "AWS CLI"
    ours = seconds["program"]
    return [
        compare("lookup", cli, ours, seconds["aws"], 0.6),
        compare("lookup", "botocore's signer alone", ours, seconds["botocore"], 2.0),
        compare("lookup", "standard library alone", ours, seconds["stdlib"], None),
        compare("peak memory", cli, peaks["program"], peaks["aws"], 1.0, "MB"),
    ]


def measure_fleet(bench: Bench, count: int) -> Measurement:
    """`status` of many accounts, against a script that asks one after the other.

    The script is run for a few accounts, and as long as it would take for all is reckoned from
    that, its start counted once.
    """
    file = make_fleet(bench.sandbox.endpoint, bench.folder, count)
    variables = bench.environment(HUB)
    status = (sys.executable, str(PROGRAM), "status", str(file), "--json")
    ours = Command(status, variables, f'"in_sync": {count * len(REGIONS)}')
    script = (sys.executable, "-m", "tools.bench.fleet", str(file))
    theirs = {
        some: Command((*script, str(some)), variables, f"{some * len(REGIONS)} found")
        for some in (FEWER, FEW)
    }
    bench.measure(theirs[FEWER])  # compiles all Python
    bench.sandbox.fault("latency", times=None, seconds=LATENCY_SECONDS)
    try:
        taken = bench.measure(ours).seconds
        seconds = {some: bench.measure(command).seconds for some, command in theirs.items()}
    finally:
        bench.sandbox.forget_faults()
    each = (seconds[FEW] - seconds[FEWER]) / (FEW - FEWER)
    reckoned = seconds[FEWER] + each * (count - FEWER)
    return compare(
        f"status, {count} accounts in {len(REGIONS)} regions",
        "a boto3 script, reckoned",
        [taken],
        [reckoned],
        0.25,
    )


def _listed(listings: Sequence[Call]) -> str:
    return ", ".join(sorted({call.operation for call in listings})) or "no listing"


def run(options: argparse.Namespace, console: Console) -> dict[str, object]:
    """All measurements, with what they were taken on."""
    began = time.monotonic()
    load = os.getloadavg()[0]
    engine = find_engine()
    providers = resolve(engine, say=console.print)
    cases = (Case(1, jitp=True), Case(options.many, jitp=False))
    with (
        tempfile.TemporaryDirectory(prefix="iot-ca-bench-") as place,
        _progress(console) as progress,
        start() as sandbox,
    ):
        task = progress.add_task("", total=None)
        bench = Bench(sandbox, Path(place).resolve(), environment(providers))
        plans = Plans(bench, engine, cases, external=_stands_in(providers))
        for case, side in plans.accounts:
            progress.update(task, description=f"setting up plans: {case}, {side}")
            plans.set_up(case, side)
        progress.update(task, description="lookups")
        measured = measure_lookups(plans, cases[0], options.lookups)
        progress.update(task, description="plans")
        counted = [plans.count_calls(case) for case in cases]
        measured += plans.measure(options.plans, began + PLANS_UNTIL_SECONDS)
        progress.update(task, description="status of a fleet")
        measured.append(measure_fleet(bench, options.fleet))
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
        found.provider == "hashicorp/external" and found.origin == "a stand-in"
        for found in providers.located
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


def show(report: Mapping[str, object], console: Console) -> None:
    """The report as a table."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "against"):
        table.add_column(column, no_wrap=True)
    for column in ("ours", "other", "ratio", "spread", "target"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    measurements = report["measurements"]
    load = report["load"]
    assert isinstance(measurements, list)
    assert isinstance(load, list)
    for each in measurements:
        table.add_row(*_row(each))
    console.print(f"\n{report['engine']}; {report['providers']}", style="dim")
    console.print(
        f"Python {report['python']}, {report['cores']} cores, load {' to '.join(map(str, load))}, "
        f"{report['seconds']} seconds in all\n",
        style="dim",
    )
    console.print(table)


def _row(each: Measurement) -> tuple[str, ...]:
    digits = {"s": 2, "MB": 0, "": 1}[each.unit]
    spread = f"{each.spread[0]:.2f}-{each.spread[1]:.2f}" if each.spread else ""
    verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[each.met]
    return (
        each.name,
        each.against,
        f"{each.ours:.{digits}f} {each.unit}".strip(),
        "" if each.theirs is None else f"{each.theirs:.{digits}f} {each.unit}".strip(),
        f"{each.ratio:.2f}",
        spread,
        "" if each.target is None else f"≤ {each.target:g}",
        verdict,
    )


def as_json(report: Mapping[str, object]) -> str:
    """The report for programs."""
    measurements = report["measurements"]
    assert isinstance(measurements, list)
    return json.dumps(
        {**report, "measurements": [{**asdict(m), "met": m.met} for m in measurements]}, indent=2
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--lookups", type=int, default=15, help="turns of lookups (15)")
    parser.add_argument("--plans", type=int, default=7, help="turns of plans (7)")
    parser.add_argument("--many", type=int, default=50, help="CAs in the larger plan (50)")
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
