"""A real Terraform and the real aws provider, as roles with exactly the module's policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca, new_leaf
from tests.support.permissions.policies import Need, allowed_by, names, needs, render
from tests.support.permissions.roles import Role
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform

pytestmark = pytest.mark.one_engine("permissions are those of the program and of the provider")

POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


def asked(role: Role) -> list[str]:
    """What the role's calls in the last command have asked for and got."""
    refused = {"AccessDenied", "AccessDeniedException"}
    calls = [call for call in role.calls() if call.error not in refused]
    return [permission for call in calls for permission in call.permissions]


def meddle(account: Account) -> None:
    """Change by hand what only somebody's hand can change."""
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": ["iot.amazonaws.com", "lambda.amazonaws.com"]},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    for role in account.iam.list_roles()["Roles"]:
        if role["RoleName"].startswith("iot-"):
            name = role["RoleName"]
            account.iam.update_role_description(RoleName=name, Description="changed by hand")
            account.iam.update_assume_role_policy(RoleName=name, PolicyDocument=policy)
    account.iot.update_provisioning_template(templateName="devices", enabled=False)
    (rule,) = account.iot.list_topic_rules()["rules"]
    account.iot.disable_topic_rule(ruleName=rule["ruleName"])
    sqs = account.client("sqs")
    queue = sqs.get_queue_url(QueueName="iot-jitr-proven-dead-letters")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MessageRetentionPeriod": "60"})


def key_for_logs(account: Account) -> str:
    """A key that CloudWatch Logs may use, by a policy as in the README of modules/jitr."""
    arn = f"arn:aws:logs:{account.region}:{account.number}:log-group:/aws/lambda/iot-jitr-*"
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account.number}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{account.region}.amazonaws.com"},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    key: str = account.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
    return key


def test_a_plan_and_an_apply_need_all_permissions_of_their_policies(
    workspace: Terraform,
    sandbox: Sandbox,
    account: str,
    region: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    # The alarms of JITP have the module's tags, whose keys change with those of a CA.
    stack = Stack(
        workspace,
        sandbox,
        account,
        region,
        arguments="""
          jitp_alarms = {}
          tags = { for key in keys(var.certificate_authorities.plain.tags) : "all-${key}" => "x" }
        """,
    )
    by_hand: Account = stack.account
    plain, proven = new_ca("plain"), new_ca("proven")
    code = by_hand.iot.get_registration_code()["registrationCode"]
    key = key_for_logs(by_hand)
    documents = render(
        tmp_path / "policies",
        {
            "both": {
                "account_id": account,
                "regions": [region],
                "certificate_ids": [plain.id, proven.id],
                "default_mode": True,
                "jitp_template_names": ["devices"],
                "jitp_alarms": True,
                "jitr_names": ["proven"],
                "jitr_kms_key_arns": [key],
            }
        },
    )["both"]
    planner, applier = Role(by_hand, "planner"), Role(by_hand, "applier")
    planner.grant(documents["plan_json"])
    applier.grant(documents["apply_json"])
    sandbox.enforce_permissions(account)
    planned: set[Need] = set()
    applied: set[Need] = set()

    def note_planned() -> None:
        planned.update(allowed_by(documents["plan_json"], each) for each in asked(planner))

    def apply(*arguments: str) -> None:
        stack.apply(*arguments, env=applier.environment)
        applied.update(allowed_by(documents["apply_json"], each) for each in asked(applier))

    jitp = {"type": "JITP", "template_name": "devices"}
    jitr = {"type": "JITR"}
    authorities: dict[str, dict[str, Any]] = {
        "plain": {"certificate_pem": plain.pem, "provisioning": jitp, "tags": {"team": "fleet"}},
        "proven": {
            "certificate_pem": proven.pem,
            "certificate_mode": "DEFAULT",
            "verification": {"certificate_pem": new_leaf(proven, code).pem},
            "provisioning": {**jitr, "reserved_concurrency": 5, "kms_key_arn": key},
            "tags": {"team": "fleet"},
        },
    }
    stack.want(authorities)

    # Who plans gets as far as the first write.
    refused = stack.apply(fails=True, env=planner.environment)
    assert "not authorized to perform: iam:CreateRole on resource: " in " ".join(refused.errors)
    assert not [call for call in planner.calls() if call.write and call.error is None]
    note_planned()
    assert by_hand.look(plain.id) is by_hand.look(proven.id) is None

    apply()
    assert (by_hand.see(plain.id).mode, by_hand.see(plain.id).template) == ("SNI_ONLY", "devices")
    assert by_hand.see(proven.id).mode == "DEFAULT"
    assert stack.plan(env=planner.environment).status == 0
    note_planned()

    # Everything that can be changed is changed, in the configuration and by hand.
    authorities["plain"]["provisioning"] = {**jitp, "device_policy": POLICY}
    authorities["plain"]["tags"] = {"stage": "production"}
    authorities["plain"]["on_destroy"] = "deactivate"
    authorities["proven"]["status"] = "INACTIVE"
    authorities["proven"]["tags"] = {"stage": "production"}
    authorities["proven"]["provisioning"] = {
        **jitr,
        "device_policy": POLICY,
        "log_retention_days": 30,
        "on_refusal": "REVOKED",
        "reserved_concurrency": -1,
    }
    stack.want(authorities)
    meddle(by_hand)
    by_hand.untag(plain, "team")
    apply()
    # The change has taken the key from the log group, which gets it back.
    logs = by_hand.client("logs")
    authorities["proven"]["provisioning"]["kms_key_arn"] = key
    stack.want(authorities)
    assert "kmsKeyId" not in logs.describe_log_groups()["logGroups"][0]
    apply('-target=module.ca.module.jitr["proven"].aws_cloudwatch_log_group.function')
    assert logs.describe_log_groups()["logGroups"][0]["kmsKeyId"] == key

    # A device that has the policy when its CA leaves JITR; it is not of the CA, which could not be
    # deleted then.
    device = by_hand.iot.create_keys_and_certificate(setAsActive=True)["certificateArn"]
    by_hand.iot.attach_policy(policyName="iot-jitr-proven", target=device)
    stack.destroy(env=applier.environment)
    applied.update(allowed_by(documents["apply_json"], each) for each in asked(applier))

    assert by_hand.see(plain.id).status == "INACTIVE"
    assert by_hand.look(proven.id) is None
    assert by_hand.templates() == set()
    assert planned == needs(documents["plan_json"])
    # The function's code changes with the next version of the module, and not before.
    code_change = {("JitrFunctions", "lambda:UpdateFunctionCode")}
    assert applied | code_change == needs(documents["apply_json"])
    record_property("permissions", names(planned | applied))
