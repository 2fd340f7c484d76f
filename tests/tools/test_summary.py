"""The lines at the end of a run of the tests."""

from __future__ import annotations

import pytest

from tests.support.summary import proved


def report(**properties: object) -> pytest.TestReport:
    """A test that has passed and recorded this."""
    location = ("test_one.py", 1, "test_one")
    recorded = list(properties.items())
    return pytest.TestReport(
        "test_one.py::test_one", location, {}, "passed", None, "call", user_properties=recorded
    )


def test_the_summary_counts_faults_permissions_and_rules() -> None:
    reports = [
        report(faults=7),
        report(faults=5, other="of a plugin"),
        report(permissions=["Read iot:Describe", "Write iot:Update"]),
        report(permissions=["Read iot:Describe"]),
        report(rules=4),
        report(),
    ]
    assert proved(reports) == ["proved: 12 faults on 2 paths, 2 permissions, 4 rules"]


def test_a_run_without_proofs_has_no_line() -> None:
    assert proved([report()]) == []
