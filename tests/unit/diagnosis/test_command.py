"""Which accounts and Regions the options name, and a reader that has enough."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from iot_ca.diagnosis import command
from iot_ca.diagnosis.facts import WantedCa
from iot_ca.diagnosis.report import Diagnosis
from iot_ca.errors import Failure
from iot_ca.fleet import inventory
from iot_ca.model import Credentials
from iot_ca.provisioning.checks.check import Check
from tests.support.certificates import new_ca
from tests.support.program.broken_streams import broken_stream
from tests.support.status.variable_files import account, write_json

CA = new_ca()


def chosen(*arguments: str) -> list[tuple[str, str, Credentials]]:
    options = command._options(["--certificate", "device.pem", *arguments])
    return [
        (each.account_name, each.target.region, each.target.credentials)
        for each in command._account_regions(options)
    ]


def test_region_is_that_of_accounts_in_the_file_without_one(tmp_path: Path) -> None:
    accounts = {
        "one": {"account_id": "1" * 12},
        "two": {"account_id": "2" * 12, "region": "eu-west-2", "profile": "p"},
    }
    file = str(write_json(tmp_path, {"accounts": accounts}))
    assert chosen(file, "--region", "eu-west-1", "--region", "us-east-1") == [
        ("one", "eu-west-1", Credentials()),
        ("one", "us-east-1", Credentials()),
        ("two", "eu-west-2", Credentials("p")),
    ]
    arguments = (file, "--region", "eu-west-1", "--account", "two")
    assert [name for name, _, _ in chosen(*arguments)] == ["two"]


def test_a_role_without_a_file_may_need_an_external_id() -> None:
    role = ["--region", "eu-west-1", "--role-arn", "arn", "--external-id", "x"]
    assert chosen(*role) == [("", "eu-west-1", Credentials(None, "arn", "x"))]
    with pytest.raises(Failure, match="--external-id goes with --role-arn"):
        chosen("--region", "eu-west-1", "--external-id", "x")


def test_a_missing_account_is_answered_with_those_of_the_file(
    tmp_path: Path,
) -> None:
    accounts = {f"a{number:02}": account() for number in range(12)}
    file = str(write_json(tmp_path, {"accounts": accounts}))
    with pytest.raises(Failure) as raised:
        chosen(file, "--account", "prod")
    assert str(raised.value) == (
        "--account: the file has no account prod; it has a00, a01, a02, a03, a04, a05, a06, a07, "
        "a08, a09 and 2 more"
    )


def test_what_the_file_wants_of_a_ca_is_known(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CA.pem, encoding="ascii")

    def wanted(**settings: object) -> dict[str, WantedCa]:
        cas = {"ca": {"certificate_file": "ca.pem", **settings}}
        variables = {"accounts": {"one": account()}, "certificate_authorities": cas}
        fleet = inventory.read([write_json(tmp_path, variables)])
        return command._wanted(fleet.account_regions[0].cas.values())

    assert wanted() == {CA.id: WantedCa("ACTIVE")}
    assert wanted(status="INACTIVE", auto_registration=False) == {
        CA.id: WantedCa("INACTIVE", auto_registration=False)
    }


def test_a_reader_may_stop_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "device.pem"
    path.write_text(CA.device("sensor-1"), encoding="ascii")
    refused = Diagnosis("1", "1", "r", "refused", (Check("signer", False, "no CA"),))
    monkeypatch.setattr(command, "_diagnose_all", lambda *_: [refused])
    arguments = ["--certificate", str(path), "--region", "eu-west-1"]
    for extra in ([], ["--json"]):
        with broken_stream("without a reader") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            assert command.run([*arguments, *extra]) == 2
