"""What all forms of a report say."""

from __future__ import annotations

from iot_ca.fleet.render.summary import findings
from tests.support.status.reports import a_report, a_row


def test_a_finding_of_several_rows_is_reported_once() -> None:
    down = {"state": "failed", "wrong": ("no answer",)}
    off = {"state": "drifted", "wrong": ("status is INACTIVE, wanted ACTIVE",)}
    rows = [
        *(a_row(account="lab", ca=ca, region=r, **down) for r in ("a-1", "b-1") for ca in "xy"),
        a_row(**off),
        a_row(**off, region="us-east-1", ca="x"),
        *(a_row(**off, account=f"a{number}", account_id=f"{number:012}") for number in range(6)),
        a_row(),
    ]
    first, second = findings(a_report(*rows))
    assert (first.text, first.where) == ("no answer", "lab 111111111111: a-1, b-1 (x, y)")
    assert second.where.startswith("production 111111111111: eu-west-1 (root), us-east-1 (x); a0 ")
    assert second.where.endswith("; and 2 more accounts")
