"""The command: its files, its options, what it prints, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iot_ca import cli as program
from tests.support.certificates import ec_key, key_pem, new_ca
from tests.support.diagnose.scene import Scene
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import REGION


@pytest.fixture
def fleet_file(scene: Scene, new_account: Callable[[], str]) -> Path:
    """Three accounts that the scene's account enters by role; the scene's CA is in the first."""
    accounts: dict[str, Any] = {}
    for name in ("one", "two", "three"):
        number = new_account()
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": scene.account}}
        role = scene.aws.role(number, "reader", fleet.policy(trust))
        accounts[name] = {"account_id": number, "role_arn": role, "region": REGION}
    config = fleet.jitp(scene.aws, accounts["one"]["account_id"])
    fleet.register(scene.aws, scene.ca, accounts["one"]["account_id"], registrationConfig=config)
    scene.sandbox.enforce_permissions(accounts["three"]["account_id"])
    path = scene.folder / "accounts.tfvars.json"
    path.write_text(json.dumps({"accounts": accounts}), encoding="ascii")
    return path


def test_each_account_of_a_file_has_its_verdict(scene: Scene, fleet_file: Path) -> None:
    status, diagnoses = scene.diagnose(str(fleet_file))
    verdicts = {diagnosis["account"]: diagnosis["verdict"] for diagnosis in diagnoses}
    assert verdicts == {"one": "would be provisioned", "two": "refused", "three": "unknown"}
    assert status == 1
    for diagnosis in diagnoses:
        assert diagnosis.keys() == {"account", "account_id", "region", "verdict", "checks"}
        for check in diagnosis["checks"]:
            assert check.keys() == {"check", "ok", "finding", "remedy", "remedy_condition"}
            assert check["ok"] in (True, False, None)
    denied = [check["finding"] for check in diagnoses[2]["checks"] if check["ok"] is None]
    assert any("may not call iot:ListCACertificates; allow it" in finding for finding in denied)
    assert sum("as report_json of modules/iam-policies does" in finding for finding in denied) == 1


def test_accounts_are_chosen_by_name(scene: Scene, fleet_file: Path) -> None:
    assert scene.diagnose(str(fleet_file), "--account", "one")[0] == 0
    status, diagnoses = scene.diagnose(str(fleet_file), "--account", "two", "--account", "one")
    assert status == 2
    assert [diagnosis["account"] for diagnosis in diagnoses] == ["one", "two"]


def test_the_text_begins_with_cause_and_remedy(scene: Scene) -> None:
    scene.jitp(setAsActive=False)
    arguments = ["--certificate", str(scene.device.certificate), "--region", REGION]
    status, text = scene.run("diagnose", *arguments)
    assert status == 2
    lines = text.splitlines()
    assert lines[0] == f"{scene.account}, {REGION}: refused"
    assert lines[1].startswith(f"  because status of CA {scene.ca.id} is INACTIVE; if it was ")
    condition = "if the CA was not retired on purpose"
    assert lines[2].startswith(f"  remedy: {condition}: aws iot update-ca-certificate ")
    assert any(line.startswith("  NOT OK  CA status ") for line in lines)
    assert any(line.startswith("  unknown AWS IoT log ") for line in lines)
    assert sum("update-ca-certificate" in line for line in lines) == 1


def test_an_account_that_cannot_be_entered_is_unknown(scene: Scene, fleet_file: Path) -> None:
    settings = json.loads(fleet_file.read_text(encoding="ascii"))
    settings["accounts"]["one"]["role_arn"] = "arn:aws:iam::000000000000:role/none"
    fleet_file.write_text(json.dumps(settings), encoding="ascii")
    status, (diagnosis,) = scene.diagnose(str(fleet_file), "--account", "one")
    assert (status, diagnosis["verdict"]) == (1, "unknown")
    (check,) = diagnosis["checks"]
    assert (check["check"], check["ok"]) == ("account", None)
    assert "may not call sts:AssumeRole" in check["finding"]


def test_diagnose_writes_nothing_to_aws(scene: Scene) -> None:
    scene.jitr()
    queue = scene.aws.kept("sqs", scene.account, REGION)
    queue.send_message(QueueUrl=scene.queue_url, MessageBody="{}")
    scene.sandbox.forget_calls()
    scene.diagnose()
    calls = scene.sandbox.calls(account=scene.account)
    reading = ("Get", "List", "Describe", "Filter", "TestAuthorization", "ReceiveMessage")
    assert calls
    assert [call.operation for call in calls if not call.operation.startswith(reading)] == []
    # The message is still there, and visible.
    assert queue.receive_message(QueueUrl=scene.queue_url)["Messages"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give ACCOUNTS_FILE, or --region for the account of your credentials"),
        (["--region", "nowhere"], "nowhere is not an AWS region"),
        (["--region", "eu-west-1", "--account", "one"], "--account goes with ACCOUNTS_FILE"),
        (["x.tfvars", "--profile", "p"], "--profile, --role-arn and --external-id go without"),
        (["none.tfvars.json"], "none.tfvars.json can't be read"),
    ],
)
def test_a_wrong_option_is_one_line(
    scene: Scene, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    certificate = str(scene.device.certificate)
    assert program.run(["diagnose", "--certificate", certificate, *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no PEM certificate"),
        (key_pem(ec_key()), "holds a private key"),
        (new_ca().pem.replace("M", "!", 1), "is damaged"),
    ],
)
def test_a_file_that_is_no_certificate_is_named_and_not_quoted(
    scene: Scene, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = scene.folder / "bad.pem"
    path.write_text(text, encoding="ascii")
    assert program.run(["diagnose", "--certificate", str(path), "--region", REGION]) == 1
    _, err = capsys.readouterr()
    assert f"{path} {message}" in err
    assert err.count("\n") == 1
