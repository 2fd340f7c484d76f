"""JITR comes and goes: a CA sends events only while there is a function that answers them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from iot_ca import cli as program
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.terraform.outcome import Outcome
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform

EXTRA = """
variable "upstream" {
  default = "before"
}

resource "terraform_data" "upstream" {
  input = var.upstream
}

output "jitr" {
  value = module.ca.jitr
}
"""
JITP = {"type": "JITP"}
DENY = {"Effect": "Deny", "Action": "iot:*", "Resource": "*"}
SETTINGS = {
    "type": "JITR",
    "device_policy": json.dumps({"Version": "2012-10-17", "Statement": DENY}),
    "thing_type_name": "pump",
    "subject_attributes": {"maker": "Organization"},
    "hook_function_arn": "arn:aws:lambda:eu-west-1:111122223333:function:hook",
    "on_refusal": "REVOKED",
    "on_permanent_failure": "KEEP",
    "alarm_actions": ["arn:aws:sns:eu-west-1:111122223333:on-call"],
    "log_retention_days": 30,
    "reserved_concurrency": 5,
    "runtime": "python3.13",
    "permissions_boundary_arn": "arn:aws:iam::aws:policy/PowerUserAccess",
}


def address(name: str, resource: str) -> str:
    """Of a resource that JITR makes for a CA."""
    return f'module.ca.module.jitr["{name}"].{resource}'


def accounts_file(
    folder: Path, account: str, region: str, authorities: dict[str, dict[str, Any]]
) -> Path:
    """Write the file of the account and its CAs, for `status`."""
    cas = {
        name: {"certificate_pem": ca["certificate_pem"], "provisioning": ca["provisioning"]}
        for name, ca in authorities.items()
    }
    accounts = {"one": {"account_id": account, "region": region}}
    file = folder / "accounts.tfvars.json"
    variables = {"certificate_authorities": cas, "accounts": accounts}
    file.write_text(json.dumps(variables), encoding="utf-8")
    return file


def reported(file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `status` says of each CA."""
    program.run(["status", str(file), "--json"])
    report = json.loads(capsys.readouterr().out)
    return {row["ca"]: row for row in report["certificate_authorities"]}


@pytest.mark.timeout(600)
@pytest.mark.one_engine("what either engine makes of it is tested with JITP and with modules/jitr")
def test_a_rule_exists_before_and_after_the_ca(
    workspace: Terraform,
    sandbox: Sandbox,
    account: str,
    region: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable, value in sandbox.environment(account, region).items():
        monkeypatch.setenv(variable, value)
    stack = Stack(workspace, sandbox, account, region, extra=EXTRA)
    aws = stack.account
    cas = {name: new_ca(name) for name in ("joins", "leaves", "moves")}
    authorities: dict[str, dict[str, Any]] = {
        "joins": {"certificate_pem": cas["joins"].pem, "provisioning": JITP},
        "leaves": {"certificate_pem": cas["leaves"].pem, "provisioning": SETTINGS},
        "moves": {"certificate_pem": cas["moves"].pem, "provisioning": {"type": "JITR"}},
    }
    stack.want(authorities)

    first = stack.apply()

    made = first.outputs["jitr"]
    assert set(made) == {"leaves", "moves"}
    for name in made:
        registered = first.position("RegisterCACertificate", certificateId=cas[name].id)
        assert answering(first, made[name]) < registered
        assert first.calls_about(cas[name].id, write=True) == ["RegisterCACertificate"]
        observed = aws.see(cas[name].id)
        assert (observed.template, observed.auto_registration) == (None, "ENABLE")
    check_settings(aws, made["leaves"])
    before = {name: aws.see(ca.id).generation for name, ca in cas.items()}
    file = accounts_file(tmp_path, account, region, authorities)
    rows = reported(file, capsys)
    assert {name: rows[name]["state"] for name in ("joins", "moves")} == {
        "joins": "in_sync",
        "moves": "in_sync",
    }, rows
    assert rows["moves"]["provisioning"]["name"] == made["moves"]["rule_name"]
    assert rows["joins"]["provisioning"]["type"] == "JITP"

    aws.iot.disable_topic_rule(ruleName=made["leaves"]["rule_name"])

    disabled = f"the rule {made['leaves']['rule_name']} is disabled"
    assert disabled in reported(file, capsys)["leaves"]["wrong"]

    # And nothing else: without that the plan would be empty.
    assert stack.plan().changes == {
        address("leaves", "aws_iot_topic_rule.registered"): "update",
    }

    authorities["joins"]["provisioning"] = {"type": "JITR"}
    authorities["leaves"].pop("provisioning")
    # Without it, auto-registration would end with the provisioning.
    authorities["leaves"]["auto_registration"] = True
    authorities["moves"]["provisioning"] = JITP
    stack.want(authorities)

    change = stack.apply()

    assert {name: aws.see(ca.id).generation for name, ca in cas.items()} == before
    joined = aws.see(cas["joins"].id)
    assert (joined.template, joined.status, joined.auto_registration) == (None, "ACTIVE", "ENABLE")
    let_go = change.position(
        "UpdateCACertificate", certificateId=cas["joins"].id, removeAutoRegistration="true"
    )
    joins = change.outputs["jitr"]["joins"]
    rule = joins["rule_name"]
    assert answering(change, joins) < let_go
    assert let_go < change.position("DeleteProvisioningTemplate", templateName="joins")
    # Nothing about the CA itself is another.
    assert change.calls_about(cas["leaves"].id, write=True) == []
    moved = change.position("UpdateCACertificate", certificateId=cas["moves"].id)
    assert change.position("CreateProvisioningTemplate", templateName="moves") < moved
    assert aws.see(cas["moves"].id).template == "moves"
    # While a device has the policy it stays, which must not keep the CA from its template.
    assert moved < change.position("DeletePolicy", policyName=made["moves"]["policy_name"])
    # No moment without either.
    assert moved < change.position("DeleteTopicRule", ruleName=made["moves"]["rule_name"])
    rules = aws.iot.list_topic_rules()["rules"]
    assert [topic_rule["ruleName"] for topic_rule in rules] == [rule]
    assert aws.templates() == {"moves"}

    assert stack.plan().status == 0

    # What is replaced under the name that it has is made before it goes, and is gone then: README
    # says to apply twice. The second time is the apply below.
    replaced = {
        address("joins", "aws_cloudwatch_metric_alarm.lost"),
        address("joins", "aws_lambda_function_event_invoke_config.function"),
    }
    stack.apply(*(f"-replace={resource}" for resource in replaced))

    # With depends_on on the whole module no plan knows the CA: nothing may come of that. The rule
    # that is gone comes back, and its permission with it.
    aws.iot.delete_topic_rule(ruleName=rule)
    (permission,) = permissions(aws, joins)
    main = (workspace.folder / "main.tf").read_text(encoding="utf-8")
    depends_on = "  depends_on = [terraform_data.upstream]\n"
    workspace.write(
        re.sub(r"^  certificate_authorities =", depends_on + r"\g<0>", main, flags=re.M)
    )
    deferred = stack.apply("-var=upstream=after")
    assert deferred.changes[address("joins", "aws_lambda_function.function")] == "update"
    assert {resource for resource in replaced if deferred.changes[resource] == "create"} == replaced
    assert sorted(deferred.writes) == [
        "AddPermission",
        "CreateTopicRule",
        "PutFunctionEventInvokeConfig",
        "PutMetricAlarm",
        "RemovePermission",
    ]
    alarms = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert f"{joins['function_name']}-lost" in {alarm["AlarmName"] for alarm in alarms}
    assert failures_go_to(aws, joins) == joins["dead_letter_queue_arn"]
    (renewed,) = permissions(aws, joins)
    # It is made before the old one goes, which Lambda takes under another name only.
    assert renewed["Sid"] != permission["Sid"]
    assert renewed["Condition"] == permission["Condition"]

    destruction = stack.destroy()

    deleted = destruction.position("DeleteCACertificate", certificateId=cas["joins"].id)
    assert deleted < destruction.position("DeleteTopicRule", ruleName=rule)
    assert all(aws.look(ca.id) is None for ca in cas.values())
    assert aws.templates() == set()
    assert aws.iot.list_topic_rules()["rules"] == []
    assert aws.iot.list_policies()["policies"] == []
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []
    assert aws.client("logs").describe_log_groups()["logGroups"] == []
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert aws.iam.list_roles()["Roles"] == []


def answering(outcome: Outcome, made: dict[str, Any]) -> int:
    """From which call on a rule reaches its function: it is there and may call it."""
    return max(
        outcome.position("CreateTopicRule", ruleName=made["rule_name"]),
        outcome.position("AddPermission", FunctionName=made["function_name"]),
    )


def failures_go_to(account: Account, made: dict[str, Any]) -> str:
    """Where Lambda keeps the events that a function failed for."""
    functions = account.client("lambda")
    config = functions.get_function_event_invoke_config(FunctionName=made["function_name"])
    return str(config["DestinationConfig"]["OnFailure"]["Destination"])


def permissions(account: Account, made: dict[str, Any]) -> list[dict[str, Any]]:
    """Who may call a function, as its policy has it."""
    policy = account.client("lambda").get_policy(FunctionName=made["function_name"])["Policy"]
    statements: list[dict[str, Any]] = json.loads(policy)["Statement"]
    return statements


def check_settings(account: Account, made: dict[str, Any]) -> None:
    """What was set for a CA is what AWS has."""
    functions = account.client("lambda")
    function = functions.get_function(FunctionName=made["function_name"])
    configuration = function["Configuration"]
    variables = configuration["Environment"]["Variables"]
    assert (configuration["Runtime"], variables["JITR_ON_REFUSAL"]) == ("python3.13", "REVOKED")
    assert variables["JITR_ON_PERMANENT_FAILURE"] == "KEEP"
    assert variables["JITR_ACCOUNT_ID"] == account.number
    assert variables["JITR_THING_TYPE_NAME"] == SETTINGS["thing_type_name"]
    assert json.loads(variables["JITR_SUBJECT_ATTRIBUTES"]) == SETTINGS["subject_attributes"]
    assert variables["JITR_HOOK_FUNCTION_ARN"] == SETTINGS["hook_function_arn"]
    assert function["Concurrency"]["ReservedConcurrentExecutions"] == 5
    policy = account.iot.get_policy(policyName=made["policy_name"])
    assert json.loads(policy["policyDocument"])["Statement"] == DENY
    (group,) = account.client("logs").describe_log_groups(
        logGroupNamePrefix=made["log_group_name"]
    )["logGroups"]
    assert group["retentionInDays"] == 30
    alarms = account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    queue = made["dead_letter_queue_arn"].rpartition(":")[2]
    (alarm,) = [alarm for alarm in alarms if alarm["AlarmName"] == queue]
    assert alarm["AlarmActions"] == SETTINGS["alarm_actions"]
    roles = [role["RoleName"] for role in account.iam.list_roles()["Roles"]]
    bounded = [
        name for name in roles if name.startswith(("iot-jitr-leaves-", "iot-jitr-rule-leaves-"))
    ]
    assert len(bounded) == 2
    for name in bounded:
        boundary = account.iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"]
        assert boundary["PermissionsBoundaryArn"] == SETTINGS["permissions_boundary_arn"]
