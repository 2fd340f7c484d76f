"""The report as JSON."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from iot_ca import utc
from iot_ca.fleet.render import json as json_report
from iot_ca.fleet.report import Provisioning, Unlisted
from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.facts import Unreadable
from tests.support.certificates import NOW
from tests.support.status.reports import a_report, a_row, an_unlisted_row


def test_json_has_every_fact_by_name() -> None:
    denied = not_readable("role", Unreadable("the credentials may not call iam:GetRole"))
    checks = (Check("template enabled", False, "it is disabled", "aws iot"), denied)
    faulty = a_row(
        state="failed",
        wrong=("no",),
        next_steps=("apply",),
        wrong_columns=("provisioning",),
        provisioning=Provisioning("JITP", "factory", checks),
        devices=None,
    )
    report = a_report(a_row(), faulty)
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
        "next_steps": [],
        "wrong_columns": [],
        "provisioning": {"type": "JITP", "name": "factory", "health": "ok", "checks": []},
        "device_certificates": {"count": 12, "pending_activation": 3, "more": False},
    }
    second = document["certificate_authorities"][1]
    assert second["provisioning"] == {
        "type": "JITP",
        "name": "factory",
        "health": "faulty",
        "checks": [
            {
                "check": "template enabled",
                "ok": False,
                "finding": "it is disabled",
                "remedy": "aws iot",
            },
            {
                "check": "role",
                "ok": None,
                "finding": "the credentials may not call iam:GetRole",
                "remedy": None,
            },
        ],
    }
    assert (second["next_steps"], second["wrong_columns"]) == (["apply"], ["provisioning"])
    assert (second["device_certificates"], document["unlisted"]) == (None, None)


def test_json_has_the_unlisted_cas() -> None:
    unlisted = Unlisted((an_unlisted_row(),), (("lab 1: eu-west-1", "denied"),))
    document = json.loads(json_report.render(a_report(unlisted=unlisted)))
    assert document["exit_status"] == 1
    assert document["unlisted"]["failures"] == [{"where": "lab 1: eu-west-1", "reason": "denied"}]
    (row,) = document["unlisted"]["certificate_authorities"]
    assert (row["certificate_id"], row["subject"], row["days"]) == ("cd" * 32, "CN=former", 30)
    devices = {"count": 1000, "pending_activation": 0, "more": True}
    assert row["device_certificates"] == devices


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
