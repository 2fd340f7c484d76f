"""Report at the end of a run what was proved, which tests did not run, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest


def proved(finished: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line with the numbers of faults, permissions and rules, to compare versions by.

    They come from the tests' `record_property`: "faults" is how many were tried on a path,
    "permissions" are the names of those without which something fails, and "rules" is how many
    rules of a module were broken. No line if no test has recorded any.
    """
    recorded: dict[str, list[Any]] = {"faults": [], "permissions": [], "rules": []}
    for report in finished:
        for name, value in report.user_properties:
            if name in recorded:
                recorded[name].append(value)
    if not any(recorded.values()):
        return []
    faults, rules = recorded["faults"], recorded["rules"]
    # Several tests prove the same permission in different ways.
    permissions = {name for names in recorded["permissions"] for name in names}
    return [
        f"proved: {sum(faults)} faults on {len(faults)} paths, {len(permissions)} permissions, "
        f"{sum(rules)} rules"
    ]


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
