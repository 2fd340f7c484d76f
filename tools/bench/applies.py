"""First applies and destroys: this module against the resource of the aws provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tools.bench.configurations import BenchCase
from tools.bench.measurement import Measurement, compare
from tools.bench.plans import LATENCY, OURS, THEIRS, Plans
from tools.bench.runner import Command

# Ours to theirs: a process for each CA costs more than a call. Up to ten CAs, and above.
TARGETS = (10, 1.5), (1_000, 2.0)


def measure_applies(plans: Plans, turns: int) -> list[Measurement]:
    """Apply each case for the first time and destroy it, in turns, each in a new account."""
    keys = [(case, side) for case in plans.cases for side in (OURS, THEIRS)]
    applies: dict[tuple[BenchCase, str], list[float]] = {key: [] for key in keys}
    destroys: dict[tuple[BenchCase, str], list[float]] = {key: [] for key in keys}
    for case, side in keys:
        plans.write(case, side)
    with plans.latency():
        for turn in range(turns):
            for key in reversed(keys) if turn % 2 else keys:
                applies[key].append(_seconds(plans, *key, "apply"))
                destroys[key].append(_seconds(plans, *key, "destroy"))
    return [
        measurement
        for case in plans.cases
        for measurement in (
            _compared(f"first apply, {case}{LATENCY}", case, applies, _target(case)),
            _compared(f"destroy, {case}{LATENCY}", case, destroys, None),
        )
    ]


def _seconds(plans: Plans, case: BenchCase, side: str, command: str) -> float:
    expects = {"apply": "Apply complete!", "destroy": "Destroy complete!"}[command]
    return plans.bench.measure(
        Command(
            (*plans.engine.argv, command, "-auto-approve", "-no-color"),
            plans.bench.environment(plans.accounts[case, side]),
            expects,
            plans.folder(case, side),
        )
    ).seconds


def _compared(
    name: str,
    case: BenchCase,
    seconds: Mapping[tuple[BenchCase, str], Sequence[float]],
    target: float | None,
) -> Measurement:
    ours, theirs = seconds[case, OURS], seconds[case, THEIRS]
    return compare(name, "aws_iot_ca_certificate", ours, theirs, target)


def _target(case: BenchCase) -> float:
    return next(target for most, target in TARGETS if case.count <= most)
