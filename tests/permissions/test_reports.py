"""The policy for `status` and `diagnose` is enough for every step, and none of it is too much."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import CA, new_ca
from tests.support.diagnose.scene import RULE_TOPIC, THING, Scene
from tests.support.permissions.policies import (
    ANY_ID,
    Need,
    allowed_by,
    names,
    needs,
    render,
    without,
)
from tests.support.permissions.roles import Role
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import REGION, Clients

NUMBER = "777000000002"
JITP_ROLE, FUNCTION, FUNCTION_ROLE = "iot-jitp-devices-1", "iot-jitr-proven", "iot-jitr-proven-1"


@dataclass
class Reports:
    """An account, a role in it, and the reports run as that role."""

    scene: Scene
    role: Role
    document: str
    folder: Path
    key: str

    def answers(self) -> dict[str, str]:
        """What a diagnosis says of permissions that are missing, by check."""
        _, (diagnosis,) = self.scene.diagnose("--region", REGION)
        return {
            check["check"]: check["finding"]
            for check in diagnosis["checks"]
            if "may not call" in check["finding"]
        }

    def needed(self, answers: Callable[[], Mapping[str, str]]) -> set[Need]:
        """What the role was allowed to do during a report, in which everything could be told."""
        self.role.grant(self.document)
        self.scene.sandbox.forget_calls()
        assert answers() == {}
        permissions = {each for call in self.role.calls() for each in call.permissions}
        return {allowed_by(self.document, each) for each in permissions}


@pytest.fixture(scope="module")
def function_key(sandbox: Sandbox) -> str:
    """The ARN of the key that the function's environment is encrypted with."""
    made = Account(sandbox, NUMBER, REGION).client("kms").create_key()
    return str(made["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory, function_key: str) -> str:
    """The policy for one CA with JITP and one with JITR."""
    settings = {
        "account_id": NUMBER,
        "regions": [REGION],
        "certificate_ids": [ANY_ID],
        "jitp_template_names": ["devices"],
        "jitr_names": ["proven"],
        "jitr_kms_key_arns": [function_key],
    }
    folder = tmp_path_factory.mktemp("policies") / "configuration"
    return render(folder, {"all": settings})["all"]["report_json"]


@pytest.fixture
def reports(
    sandbox: Sandbox,
    tmp_path: Path,
    document: str,
    function_key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Reports:
    """An account that enforces permissions, with JITP, JITR, a log and devices."""
    aws, account = Clients(sandbox.endpoint), Account(sandbox, NUMBER, REGION)
    scene = Scene(sandbox, aws, sandbox.devices(REGION), tmp_path, NUMBER, monkeypatch)
    role = Role(account, "reader")
    turn_log_on(scene)
    sandbox.enforce_permissions(NUMBER)
    for key, value in role.environment.items():
        monkeypatch.setenv(key, value)
    return Reports(scene, role, document, tmp_path, function_key)


def turn_log_on(scene: Scene) -> None:
    arn = scene.aws.role(NUMBER, "logging")
    scene.iot.set_v2_logging_options(roleArn=arn, defaultLogLevel="INFO")
    logs = scene.aws.kept("logs", NUMBER, REGION)
    logs.create_log_group(logGroupName="AWSIotLogsV2")


def jitp(scene: Scene) -> None:
    """A CA whose template needs type, group, policy, and a role with policies of all kinds."""
    document = json.loads(scene.template(thing={"ThingTypeName": "t", "ThingGroups": ["g"]}))
    document["Resources"]["policy"]["Properties"] = {"PolicyName": "devices"}
    scene.create_policy()
    scene.iot.create_thing_type(thingTypeName="t")
    scene.iot.create_thing_group(thingGroupName="g")
    arn = scene.aws.role(NUMBER, JITP_ROLE)
    iam = scene.iam
    iam.attach_role_policy(RoleName=JITP_ROLE, PolicyArn=fleet.THINGS_REGISTRATION)
    everything = fleet.policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.put_role_policy(RoleName=JITP_ROLE, PolicyName="inline", PolicyDocument=everything)
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=everything)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=JITP_ROLE, PermissionsBoundary=boundary)
    scene.iot.create_provisioning_template(
        templateName="devices",
        templateBody=json.dumps(document),
        provisioningRoleArn=arn,
        enabled=True,
        type="JITP",
    )
    fleet.register(scene.aws, scene.ca, NUMBER, registrationConfig={"templateName": "devices"})


def jitr(scene: Scene, key: str) -> None:
    """A CA with a rule and a function, one of whose events is among the dead letters."""
    role = scene.aws.role(NUMBER, FUNCTION_ROLE, fleet.trust("lambda.amazonaws.com"))
    may = fleet.policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    scene.iam.put_role_policy(RoleName=FUNCTION_ROLE, PolicyName="may", PolicyDocument=may)
    arn = scene.functions.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": fleet.package("")},
        KMSKeyArn=key,
        Environment={
            "Variables": {"JITR_CA_CERTIFICATE_ID": scene.ca.id, "JITR_POLICY_NAME": "devices"}
        },
    )["FunctionArn"]
    sqs = scene.aws.kept("sqs", NUMBER, REGION)
    url = sqs.create_queue(QueueName=f"{FUNCTION}-dead-letters")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"certificateId": "ab" * 32}))
    scene.functions.put_function_event_invoke_config(
        FunctionName=FUNCTION,
        DestinationConfig={
            "OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{NUMBER}:{FUNCTION}-dead-letters"}
        },
    )
    payload = {
        "sql": f"SELECT * FROM '{RULE_TOPIC}{scene.ca.id}'",
        "actions": [{"lambda": {"functionArn": arn}}],
    }
    scene.iot.create_topic_rule(ruleName="iot_jitr_proven", topicRulePayload=payload)
    scene.functions.add_permission(
        FunctionName=FUNCTION,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="iot.amazonaws.com",
        SourceArn=f"arn:aws:iot:{REGION}:{NUMBER}:rule/iot_jitr_proven",
    )
    logs = scene.aws.kept("logs", NUMBER, REGION)
    logs.create_log_group(logGroupName=f"/aws/lambda/{FUNCTION}")
    fleet.register(scene.aws, scene.ca, NUMBER)


def known(scene: Scene) -> None:
    """A device that is registered, and whose policy does not let it connect."""
    fleet.register(scene.aws, scene.ca, NUMBER)
    text = Path(scene.device.certificate).read_text(encoding="ascii")
    scene.iot.register_certificate_without_ca(certificatePem=text, status="ACTIVE")
    document = fleet.policy({"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"})
    scene.iot.create_policy(policyName="other", policyDocument=document)
    scene.iot.attach_policy(policyName="other", target=scene.device_arn)


def neither(scene: Scene) -> None:
    """A CA without a template and without a rule."""
    fleet.register(scene.aws, scene.ca, NUMBER)


def status_answers(reports: Reports, *cas: CA) -> Callable[[], Mapping[str, str]]:
    """What `status` could not look up, by account and Region and what it is."""
    folder = reports.folder
    for ca in cas:
        (folder / f"{ca.id}.pem").write_text(ca.pem, encoding="ascii")
    accounts = folder / "status.tfvars.json"
    target = {"account_id": NUMBER, "region": REGION}
    named = {ca.id: {"certificate_file": f"{ca.id}.pem"} for ca in cas}
    accounts.write_text(
        json.dumps({"certificate_authorities": named, "accounts": {"one": target}}),
        encoding="ascii",
    )

    def answers() -> Mapping[str, str]:
        out = reports.scene.run("status", "--json", "--unlisted", str(accounts))[1]
        report = json.loads(out)
        unknown = {
            f"{row['ca']} {number}": wrong
            for row in report["certificate_authorities"]
            for number, wrong in enumerate(row["wrong"])
            if ("may not call" in wrong and "not readable" in wrong) or row["state"] == "failed"
        }
        unlisted = report["unlisted"] or {"failures": (), "certificate_authorities": ()}
        unknown |= {failure["where"]: failure["reason"] for failure in unlisted["failures"]}
        return unknown | {
            row["certificate_id"]: row["unreadable"]
            for row in unlisted["certificate_authorities"]
            if row["unreadable"]
        }

    return answers


def test_each_report_needs_all_its_permissions_and_no_others_exist(
    reports: Reports, record_property: Callable[[str, object], None]
) -> None:
    tried: set[Need] = set()

    def try_without_each(
        answers: Callable[[], Mapping[str, str]], skipped: Collection[Need] = ()
    ) -> set[Need]:
        needed = reports.needed(answers)
        for missing in sorted(needed.difference(skipped)):
            reports.role.grant(without(reports.document, missing))
            unknown = answers()
            assert any(
                re.search(rf"may not call {missing[1]}\b", finding) for finding in unknown.values()
            ), (missing, unknown)
            tried.add(missing)
        return needed

    scene = reports.scene
    cas: list[CA] = []
    for arrange in (jitp, partial(jitr, key=reports.key), known, neither):
        scene.ca = new_ca(f"CA {len(cas)}")
        cas.append(scene.ca)
        scene.reissue(THING)
        arrange(scene)
        try_without_each(reports.answers, tried)
    # All but the last one are in the file.
    of_status = try_without_each(status_answers(reports, *cas[:-1]))

    assert tried == needs(reports.document)
    assert {action for _, action in of_status} >= {
        "cloudwatch:DescribeAlarms",
        "iam:GetRole",
        "iot:GetTopicRule",
        "iot:ListCACertificates",
        "iot:ListCertificatesByCA",
        "lambda:GetFunctionConfiguration",
        "sqs:GetQueueAttributes",
    }
    record_property("permissions", names(tried))


def test_reports_write_nothing(document: str) -> None:
    reading = r"[a-z-]+:(Get|List|Describe|Filter|Test|Receive)\w+|kms:Decrypt|sts:AssumeRole"
    actions = {action for _, action in needs(document)}
    assert {action for action in actions if not re.fullmatch(reading, action)} == set()
