"""The report as JSON."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from iot_ca import utc
from iot_ca.fleet.render import json as json_report
from tests.support.certificates import NOW
from tests.support.status.reports import a_report, a_row


def test_json_has_every_fact_by_name() -> None:
    report = a_report(a_row(), a_row(state="failed", wrong=("no",)))
    document = json.loads(json_report.render(report))
    assert document["counts"]["in_sync"] == document["counts"]["failed"] == 1
    assert document["exit_status"] == 1
    first = document["certificate_authorities"][0]
    assert first == {
        "account": "production",
        "account_id": "111111111111",
        "region": "eu-west-1",
        "ca": "root",
        "certificate_id": "ab" * 32,
        "state": "in_sync",
        "wrong": [],
        "wanted_mode": "SNI_ONLY",
        "wanted_status": "ACTIVE",
        "registered": True,
        "mode": "SNI_ONLY",
        "status": "ACTIVE",
        "auto_registration_status": "ENABLE",
        "template": "factory",
        "managed": "registered",
        "revision": "register 1",
        "not_after": utc.rfc3339(NOW + timedelta(days=400, hours=1)),
        "days": 400,
    }


@pytest.mark.parametrize("ascii_only", [False, True])
def test_json_has_no_control_character_and_loses_none(ascii_only: bool) -> None:
    hostile = '\x1b[2J\x00\x7f\x9b1m\u2028\u202e\ud800\U000e0001 é日😀\\"\n'
    report = a_report(a_row(template=hostile, wrong=(hostile,)), notes=(hostile,))
    text = json_report.render(report, ascii_only=ascii_only)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert text.isascii() == ascii_only
    assert ("é日😀" in text) != ascii_only
    document = json.loads(text)
    (row,) = document["certificate_authorities"]
    assert (row["template"], row["wrong"], document["notes"]) == (hostile, [hostile], [hostile])
