"""Plans with nothing to do: this module against the resource of the aws provider."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.control import Call
from tools.bench.configurations import BenchCase, write_ours, write_theirs
from tools.bench.measurement import Measurement, compare
from tools.bench.runner import REGION, Bench, Command
from tools.checkout import ROOT
from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform

OURS, THEIRS = "ours", "theirs"

# The program puts this into its user agent; the aws provider's calls come with another.
USER_AGENT = "terraform-aws-iot-ca"
# To read one CA's tags is a call about that CA, not a listing.
LISTINGS = {"ListCACertificates", "ListCertificatesByCA", "ListCertificates"}
FEWEST_PLANS = 5
# Of each call, as from a CI runner to AWS.
LATENCY_SECONDS = 0.08
LATENCY = f", {1000 * LATENCY_SECONDS:.0f} ms a call"
# Of a plan with nothing to do, ours to theirs: 1 CA with JITP, and many CAs.
TARGETS = (1.10, 1.15)
TARGETS_WITH_LATENCY = (0.97, 1.05)


class Plans:
    """Both sides of each case, applied once and then planned in turns."""

    def __init__(
        self, bench: Bench, engine: Engine, cases: Sequence[BenchCase], external: bool, name: str
    ) -> None:
        self.bench = bench
        self.name = name
        self.engine = engine
        self.cases = cases
        self.external = external
        self.accounts = {
            (case, side): f"{2 + index}{len(name)}{number:010d}"
            for index, side in enumerate((OURS, THEIRS))
            for number, case in enumerate(cases)
        }

    def folder(self, case: BenchCase, side: str) -> Path:
        """Where the configuration of a case and side is."""
        return self.bench.folder / f"{self.name}-{side}-{case.count}"

    def set_up(self, case: BenchCase, side: str) -> None:
        """Write a configuration and apply it."""
        self.write(case, side).apply()

    def write(self, case: BenchCase, side: str) -> Terraform:
        """Write a configuration and initialise it."""
        folder = self.folder(case, side)
        variables = self.bench.environment(self.accounts[case, side])
        terraform = Terraform(folder, self.engine, variables)
        if side == OURS:
            write_ours(folder, case, os.path.relpath(ROOT, folder.resolve()), REGION)
        else:
            write_theirs(folder, case, self.external)
        terraform.init()
        return terraform

    @contextmanager
    def latency(self) -> Iterator[None]:
        """Let each call take as long as from a CI runner to AWS."""
        self.bench.sandbox.fault("latency", times=None, seconds=LATENCY_SECONDS)
        try:
            yield
        finally:
            self.bench.sandbox.forget_faults()

    def lookup(self, case: BenchCase) -> dict[str, Any]:
        """Return the `query` and the `result` of the lookup."""
        variables = self.bench.environment(self.accounts[case, OURS])
        shown = Terraform(self.folder(case, OURS), self.engine, variables).show_json()
        (module,) = shown["values"]["root_module"]["child_modules"]
        resources = [r for child in module["child_modules"] for r in child["resources"]]
        (lookup,) = [r["values"] for r in resources if r["type"] == "external"]
        return dict(lookup)

    def command(self, case: BenchCase, side: str) -> Command:
        """Return the plan to measure; it fails if there is something to do."""
        return Command(
            (*self.engine.argv, "plan", "-detailed-exitcode", "-no-color"),
            self.bench.environment(self.accounts[case, side]),
            "No changes.",
            self.folder(case, side),
        )

    def count_calls(self, case: BenchCase) -> Measurement:
        """The program's calls of AWS IoT in one plan."""
        account = self.accounts[case, OURS]
        self.bench.sandbox.forget_calls()
        self.bench.measure(self.command(case, OURS))
        calls = self.bench.sandbox.calls(account=account, service="iot")
        ours = [call for call in calls if USER_AGENT in call.user_agent]
        listings = [call for call in ours if call.operation in LISTINGS]
        per_ca = len(ours) / case.count
        summary = f"{len(ours)} of IoT, {_operations(listings)}"
        # Two per CA are met only without a listing, whatever the number.
        ratio = per_ca if not listings else float("inf")
        return Measurement(f"calls, {case}", summary, "", per_ca, None, ratio, None, 1, 2.0)

    def measure(self, turns: int, until: float) -> list[Measurement]:
        """Plan in turns, without and with latency; fewer of them if time runs out."""
        measured = self._measure("", TARGETS, turns, until)
        with self.latency():
            return measured + self._measure(LATENCY, TARGETS_WITH_LATENCY, turns, until)

    def _measure(
        self, suffix: str, targets: Sequence[float], turns: int, until: float
    ) -> list[Measurement]:
        keys = [(case, side) for case in self.cases for side in (OURS, THEIRS)]
        seconds: dict[tuple[BenchCase, str], list[float]] = {key: [] for key in keys}
        for turn in range(turns):
            if turn >= FEWEST_PLANS and time.monotonic() > until:
                break
            for key in reversed(keys) if turn % 2 else keys:
                seconds[key].append(self.bench.measure(self.command(*key)).seconds)
        return [
            compare(
                f"plan, {case}{suffix}",
                "aws_iot_ca_certificate",
                seconds[case, OURS],
                seconds[case, THEIRS],
                target,
            )
            for case, target in zip(self.cases, targets, strict=True)
        ]


def _operations(listings: Sequence[Call]) -> str:
    return ", ".join(sorted({call.operation for call in listings})) or "no listing"
