"""Report at the end of a run which tests did not run, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest


def not_run(skipped: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line for each file and reason, with the number of tests that were skipped."""
    counts: Counter[tuple[str, str]] = Counter()
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "no reason given"
        file = report.nodeid.partition("::")[0]
        counts[file, str(reason).removeprefix("Skipped: ")] += 1
    return [
        f"NOT RUN: {count} {'test' if count == 1 else 'tests'} of {file}: {reason}"
        for (file, reason), count in sorted(counts.items())
    ]
