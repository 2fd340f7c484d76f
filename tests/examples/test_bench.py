"""`make bench` runs, says what it measured, and leaves nothing; the numbers are not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.terraform.on_path import quick_terraform
from tools.bench.measurement import Measurement, compare
from tools.checkout import ROOT
from tools.engine.discovery import find_engine


@pytest.mark.timeout(600)
def test_the_benchmark_measures_everything(tmp_path: Path, installed: Path) -> None:
    options = [
        *("--json", "--lookups", "2", "--plans", "1", "--many", "2"),
        *("--applies", "1", "--apply-cas", "2", "--fleet", "4"),
    ]
    # The times do not count here, so the providers need not be each command's own.
    with quick_terraform(find_engine(), installed, os.environ["PATH"]) as path:
        done = subprocess.run(
            [sys.executable, "-m", "tools.bench", *options],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    targets = {(each["name"], each["against"]): each["target"] for each in report["measurements"]}
    assert sorted(filter(None, targets.values())) == [
        *(0.25, 0.6, 0.97, 1.0, 1.05, 1.1, 1.15, 1.5, 2.0, 2.0, 2.0)
    ]
    calls = [each for each in report["measurements"] if each["name"].startswith("calls, ")]
    assert len(calls) == 2
    assert all(each["met"] for each in calls)
    assert list(tmp_path.iterdir()) == []


def test_a_ratio_is_the_median_of_the_turns() -> None:
    measured = compare("lookup", "other", [1.0, 2.0, 9.0], [4.0, 4.0, 3.0], 0.6)

    assert measured.ratio == 0.5
    assert measured.spread == pytest.approx((0.375, 1.75))
    assert measured.met


def test_without_a_target_nothing_is_met_or_missed() -> None:
    assert Measurement("", "", "s", 1.0, 1.0, 1.0, None, 1, None).met is None
