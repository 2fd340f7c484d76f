"""The report as JSON."""

from __future__ import annotations

import json
from datetime import timedelta

from iot_ca import utc
from iot_ca.fleet.render import json as json_report
from tests.unit.fleet.support import NOW, a_report, a_row


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
