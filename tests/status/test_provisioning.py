"""What provisions a CA's devices, broken for real: `status` says so, and the remedy repairs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Sandbox, start
from tests.support.certificates import new_ca
from tests.support.diagnose import jitp_cases, jitr_cases
from tests.support.diagnose.scene import Scene, carry_out
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import REGION, Clients
from tests.support.status.hub import TAGS

JITP, JITR = {"type": "JITP", "template_name": "fleet"}, {"type": "JITR"}
NONE = {"type": "NONE"}
MANAGED: dict[str, Any] = {"tags": [{"Key": key, "Value": value} for key, value in TAGS.items()]}
ALARM = "iot-jitp-client-errors"
# Fails for any device.
FAILING = "def handler(event, context):\n    raise ValueError('no such tenant')\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A local AWS whose functions run."""
    with start(run_functions=True) as running:
        yield running


@pytest.fixture(scope="module")
def aws(sandbox: Sandbox) -> Clients:
    """Clients of that sandbox."""
    return Clients(sandbox.endpoint)


@pytest.fixture
def scene(
    sandbox: Sandbox, aws: Clients, tmp_path: Path, account: str, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    """An empty account, a CA that is not registered, and a device of it."""
    return Scene(sandbox, aws, sandbox.devices(REGION), tmp_path, account, monkeypatch)


def report(
    scene: Scene, provisioning: dict[str, str] | None, *options: str
) -> tuple[int, dict[str, Any]]:
    """Run `status --json` of the scene's account and CA; return its exit status and the JSON."""
    (scene.folder / "root.pem").write_text(scene.ca.pem, encoding="ascii")
    file = scene.folder / "accounts.tfvars.json"
    account: dict[str, Any] = {"account_id": scene.account, "region": REGION}
    account |= {"provisioning": provisioning} if provisioning else {}
    variables = {"certificate_file": "root.pem", "accounts": {"one": account}}
    file.write_text(json.dumps(variables), encoding="utf-8")
    status, out = scene.run("status", str(file), "--json", *options)
    return status, json.loads(out)


def row(
    scene: Scene, provisioning: dict[str, str] | None, *options: str
) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the one row of the report."""
    status, document = report(scene, provisioning, *options)
    (only,) = document["certificate_authorities"]
    return status, only


def jitp(scene: Scene) -> None:
    scene.jitp(**MANAGED)


def jitr(scene: Scene) -> None:
    scene.jitr(**MANAGED)


def disable_template(scene: Scene) -> None:
    scene.iot.update_provisioning_template(templateName="fleet", enabled=False)


def raise_alarm(scene: Scene) -> None:
    cloudwatch = scene.aws.kept("cloudwatch", scene.account, REGION)
    cloudwatch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/IoT",
        MetricName="ProvisionThing.ClientError",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")


def calm_alarm(scene: Scene) -> None:
    cloudwatch = scene.aws.kept("cloudwatch", scene.account, REGION)
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="test")


def let_a_device_fail(scene: Scene) -> None:
    scene.functions.update_function_code(FunctionName="jitr", ZipFile=fleet.package(FAILING))
    assert not scene.visit().accepted
    scene.sandbox.settle()


def purge(scene: Scene) -> None:
    sqs = scene.aws.kept("sqs", scene.account, REGION)
    sqs.purge_queue(QueueUrl=scene.queue_url)


@dataclass(frozen=True)
class Fault:
    """One way in which provisioning does not work.

    Attributes:
        arrange: makes an account in which it works.
        break_it: breaks it.
        check: the first check that is not ok.
        finding: a part of what is found.
        step: a part of the next step; the module has created the template alone.
        by_hand: does what the remedy says, if that is not a command.
    """

    arrange: Callable[[Scene], None]
    break_it: Callable[[Scene], object]
    check: str
    finding: str
    step: str
    by_hand: Callable[[Scene], None] | None = None


FAULTS = {
    "template disabled": Fault(
        jitp, disable_template, "template enabled", "the template fleet is disabled",
        "enables the template",
    ),
    "role detached": Fault(
        jitp, jitp_cases.detach, "role permissions", "may not call iot:UpdateCertificate",
        "run its remedy",
    ),
    "role distrusts AWS IoT": Fault(
        jitp, jitp_cases.distrust, "role trust", "does not trust iot.amazonaws.com",
        "run its remedy",
    ),
    "alarm": Fault(
        jitp, raise_alarm, "alarms", f"{ALARM} is in ALARM", "run `diagnose`", calm_alarm,
    ),
    "rule disabled": Fault(
        jitr, lambda scene: scene.iot.disable_topic_rule(ruleName="registered"), "rule enabled",
        "the rule registered is disabled", "run its remedy",
    ),
    "rule may not call the function": Fault(
        jitr, jitr_cases.forget_permission, "function permission", "may not call the function",
        "run its remedy",
    ),
    "function never runs": Fault(
        jitr, jitr_cases.stop_function, "function concurrency", "reserved concurrency of 0",
        "run its remedy",
    ),
    "dead letters": Fault(
        jitr, let_a_device_fail, "dead letters", "in dead-letters: events of devices that failed",
        "run `diagnose`", purge,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_does_not_provision_is_faulty_until_repaired(scene: Scene, fault: Fault) -> None:
    wanted = JITP if fault.arrange is jitp else JITR
    fault.arrange(scene)
    exit_status, before = row(scene, wanted)
    assert (exit_status, before["state"], before["wrong"]) == (0, "in_sync", [])
    name = "fleet" if wanted is JITP else "registered"
    provisioning = before["provisioning"]
    assert (provisioning["type"], provisioning["name"]) == (wanted["type"], name)
    assert provisioning["health"] == "ok"

    fault.break_it(scene)

    exit_status, faulty = row(scene, wanted)
    assert (exit_status, faulty["state"]) == (2, "faulty"), faulty
    (cause,) = (check for check in faulty["provisioning"]["checks"] if check["ok"] is False)
    assert cause["check"] == fault.check
    assert fault.finding in cause["finding"]
    # A device that failed waits, and there is no other.
    waits = fault.break_it is let_a_device_fail
    assert faulty["wrong"][0] == cause["finding"]
    assert faulty["wrong_columns"] == ["provisioning", *(["devices"] if waits else [])]
    assert len(faulty["wrong"]) == len(faulty["next_steps"]) == 1 + waits
    assert fault.step in faulty["next_steps"][0]

    if fault.by_hand is None:
        carry_out(cause["remedy"], scene.account)
    else:
        fault.by_hand(scene)
    _, repaired = row(scene, wanted)
    assert (repaired["state"], len(repaired["wrong"])) == ("in_sync", waits)


@pytest.mark.parametrize(
    ("arrange", "break_it", "check", "finding"),
    [
        (jitp, jitp_cases.delete_role, "role", "does not exist"),
        (jitr, jitr_cases.delete_function, "function", "does not exist"),
        (
            jitr,
            lambda scene: scene.iot.delete_topic_rule(ruleName="registered"),
            "rule",
            "CA {ca} has no provisioning template, and no topic rule listens for its events",
        ),
    ],
    ids=["role", "function", "rule"],
)
def test_what_is_gone_is_faulty(
    scene: Scene, arrange: Callable[[Scene], None], break_it: Any, check: str, finding: str
) -> None:
    arrange(scene)
    break_it(scene)
    exit_status, faulty = row(scene, JITP if arrange is jitp else JITR)
    assert (exit_status, faulty["state"]) == (2, "faulty")
    causes = [each for each in faulty["provisioning"]["checks"] if each["ok"] is False]
    assert [cause["check"] for cause in causes] == [check]
    assert finding.format(ca=scene.ca.id) in causes[0]["finding"]


def test_a_detached_template_is_drift(scene: Scene) -> None:
    jitp(scene)
    scene.iot.update_ca_certificate(certificateId=scene.ca.id, removeAutoRegistration=True)
    exit_status, drifted = row(scene, JITP)
    assert (exit_status, drifted["state"]) == (2, "drifted")
    assert "template is none, wanted fleet" in drifted["wrong"]
    assert "provisioning" in drifted["wrong_columns"]
    assert drifted["provisioning"]["type"] == "none"
    assert drifted["next_steps"] == ["apply the module there: it repairs the CA"]


def test_device_certificates_are_counted_with_those_that_wait(scene: Scene) -> None:
    jitp(scene)
    jitp_cases.detach(scene)
    assert not scene.visit().accepted
    _, counted = row(scene, JITP)
    devices = {"count": 1, "pending_activation": 1, "more": False}
    assert counted["device_certificates"] == devices


def test_a_ca_without_provisioning_is_in_sync_only_as_wanted(scene: Scene) -> None:
    fleet.register(scene.aws, scene.ca, scene.account, **MANAGED)
    exit_status, silent = row(scene, None)
    assert (exit_status, silent["state"]) == (2, "faulty")
    assert "no topic rule listens for its events" in silent["wrong"][0]
    scene.iot.update_ca_certificate(certificateId=scene.ca.id, newAutoRegistrationStatus="DISABLE")
    exit_status, unknown = row(scene, None)
    assert (exit_status, unknown["state"]) == (1, "unknown")
    assert unknown["provisioning"]["health"] == "unknown"
    exit_status, plain = row(scene, NONE)
    assert (exit_status, plain["state"]) == (0, "in_sync")
    assert plain["provisioning"] == {"type": "none", "name": None, "health": "ok", "checks": []}
    assert plain["device_certificates"] == {"count": 0, "pending_activation": 0, "more": False}


def test_what_cannot_be_read_is_not_in_sync(scene: Scene) -> None:
    jitp(scene)
    scene.sandbox.fault(
        "error",
        operation="DescribeProvisioningTemplate",
        account=scene.account,
        times=None,
        code="UnauthorizedException",
        status=401,
    )
    exit_status, unknown = row(scene, JITP)
    assert (exit_status, unknown["state"]) == (1, "not_readable")
    assert unknown["wrong"] == [
        "not readable (template): the credentials may not call "
        "iot:DescribeProvisioningTemplate; allow it in their policy"
    ]
    assert unknown["next_steps"] == ["give the role the policy report_json of modules/iam-policies"]
    assert unknown["provisioning"]["health"] == "not_readable"
    exit_status, left_out = row(scene, JITP, "--no-provisioning")
    assert (exit_status, left_out["state"]) == (0, "in_sync")
    assert (left_out["provisioning"], left_out["device_certificates"]) == (None, None)


def test_without_provisioning_the_report_says_so(scene: Scene) -> None:
    jitp(scene)
    scene.sandbox.forget_calls()
    _, document = report(scene, JITP, "--no-provisioning")
    assert document["notes"] == [
        "provisioning was not looked up (--no-provisioning): a CA in sync might not let new "
        "devices in"
    ]
    operations = {call.operation for call in scene.sandbox.calls(account=scene.account)}
    assert operations == {"GetCallerIdentity", "DescribeCACertificate", "ListTagsForResource"}


def test_unlisted_cas_are_shown_and_change_no_exit_status(scene: Scene) -> None:
    fleet.register(scene.aws, scene.ca, scene.account, allowAutoRegistration=False, **MANAGED)
    other = new_ca("Former CA")
    fleet.register(scene.aws, other, scene.account, setAsActive=False)
    exit_status, document = report(scene, NONE)
    assert (exit_status, document["unlisted"]) == (0, None)

    exit_status, document = report(scene, NONE, "--unlisted")

    assert exit_status == 0
    (unlisted,) = document["unlisted"]["certificate_authorities"]
    assert unlisted.pop("days") > 0
    assert unlisted.pop("not_after").endswith("Z")
    assert unlisted == {
        "account": "one",
        "account_id": scene.account,
        "region": REGION,
        "certificate_id": other.id,
        "subject": "CN=Former CA",
        "status": "INACTIVE",
        "mode": "SNI_ONLY",
        "device_certificates": {"count": 0, "pending_activation": 0, "more": False},
        "unreadable": None,
    }
    assert document["unlisted"]["failures"] == []


def test_unlisted_cas_that_cannot_be_listed_are_a_failure(scene: Scene) -> None:
    fleet.register(scene.aws, scene.ca, scene.account, **MANAGED)
    scene.sandbox.fault(
        "error",
        operation="ListCACertificates",
        account=scene.account,
        times=None,
        code="UnauthorizedException",
        status=401,
    )
    exit_status, document = report(scene, None, "--unlisted")
    assert exit_status == document["exit_status"] == 1
    (failure,) = document["unlisted"]["failures"]
    assert failure["where"] == f"one {scene.account}: {REGION}"
    assert "iot:ListCACertificates" in failure["reason"]


def test_what_several_cas_share_is_read_once(scene: Scene) -> None:
    jitp(scene)
    second = new_ca("Second CA")
    config = {"templateName": "fleet"}
    fleet.register(scene.aws, second, scene.account, registrationConfig=config, **MANAGED)
    for name, ca in (("root", scene.ca), ("second", second)):
        (scene.folder / f"{name}.pem").write_text(ca.pem, encoding="ascii")
    file = scene.folder / "accounts.tfvars.json"
    account = {"account_id": scene.account, "region": REGION}
    cas = {name: {"certificate_file": f"{name}.pem"} for name in ("root", "second")}
    variables = {"certificate_authorities": cas, "accounts": {"one": account}}
    file.write_text(json.dumps(variables), encoding="utf-8")
    scene.sandbox.forget_calls()

    status, _ = scene.run("status", str(file), "--json")

    assert status == 0
    operations = [call.operation for call in scene.sandbox.calls(account=scene.account)]
    assert sorted(operations) == [
        "DescribeAlarms",
        *["DescribeCACertificate"] * 2,
        "DescribeProvisioningTemplate",
        "GetCallerIdentity",
        "GetPolicy",
        "GetPolicyVersion",
        "GetRole",
        "ListAttachedRolePolicies",
        *["ListCertificatesByCA"] * 2,
        "ListRolePolicies",
        *["ListTagsForResource"] * 2,
    ]
    assert not [call for call in scene.sandbox.calls(account=scene.account) if call.write]
