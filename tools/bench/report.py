"""The report as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tools.bench.measurement import Measurement


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
    for measurement in measurements:
        table.add_row(*_row(measurement))
    console.print(f"\n{report['engine']}; {report['providers']}", style="dim")
    console.print(
        f"Python {report['python']}, {report['cores']} cores, load {' to '.join(map(str, load))}, "
        f"{report['seconds']} seconds in all\n",
        style="dim",
    )
    console.print(table)


def _row(measured: Measurement) -> tuple[str, ...]:
    digits = {"s": 2, "MB": 0, "": 1}[measured.unit]
    spread = f"{measured.spread[0]:.2f}-{measured.spread[1]:.2f}" if measured.spread else ""
    verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[measured.met]
    return (
        measured.name,
        measured.against,
        f"{measured.ours:.{digits}f} {measured.unit}".strip(),
        "" if measured.theirs is None else f"{measured.theirs:.{digits}f} {measured.unit}".strip(),
        f"{measured.ratio:.2f}",
        spread,
        "" if measured.target is None else f"≤ {measured.target:g}",
        verdict,
    )


def as_json(report: Mapping[str, object]) -> str:
    """The report for programs."""
    measurements = report["measurements"]
    assert isinstance(measurements, list)
    return json.dumps(
        {**report, "measurements": [{**asdict(m), "met": m.met} for m in measurements]}, indent=2
    )
