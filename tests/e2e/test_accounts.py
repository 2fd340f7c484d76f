"""The right account: whose credentials the program takes, and what it does with the wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.terraform.outcome import PROGRAM, Outcome
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform

pytestmark = pytest.mark.one_engine("whose credentials are used is decided in the program alone")

Accounts = Callable[[], Account]


def provider_of(account: str) -> str:
    """Settings that tie the aws provider to an account, whatever the environment says."""
    return f"""
  access_key = "{account}"
  secret_key = "sandbox"
"""


def test_credentials_of_another_account_write_and_report_nothing(
    workspace: Terraform, sandbox: Sandbox, region: str, account: str, new_account_by_hand: Accounts
) -> None:
    stack = Stack(workspace, sandbox, account, region, provider=provider_of(account))
    right, wrong = stack.account, new_account_by_hand()
    ca, present_in_both = new_ca("root"), new_ca("both")
    wrong.register(present_in_both)
    stack.want(
        {
            "root": {"certificate_pem": ca.pem},
            "both": {"certificate_pem": present_in_both.pem, "on_destroy": "delete"},
        }
    )
    stack.plan("-out=right.plan")

    def refused(outcome: Outcome, *names: str, named_by: str = "the aws provider") -> None:
        for name in names:
            line = outcome.error(name)
            assert f"belong to account {wrong.number}" in line
            assert f"{named_by}'s to account {right.number}" in line
        # A saved plan repeats what was seen with the right credentials.
        if outcome.completed.arguments[-1] != "right.plan":
            assert not any("not registered" in line for line in outcome.warnings)
        assert [call for call in outcome.calls if call.write] == []
        assert wrong.look(ca.id) is None
        assert wrong.see(present_in_both.id).tags == {}

    env = {"AWS_ACCESS_KEY_ID": wrong.number}
    refused(stack.plan(fails=True, env=env), "root", "both")
    refused(stack.run("apply", "right.plan", expected={1}, env=env), "root", "both")
    stack.apply()
    refused(stack.plan(fails=True, env=env), "root", "both")
    refused(stack.destroy(fails=True, env=env), "root", "both")
    # Without a look before: what takes a CA out must find out by itself.
    outcome = stack.destroy("-refresh=false", fails=True, env=env)
    refused(outcome, "root", "both", named_by="the state")
    assert right.see(ca.id).status == right.see(present_in_both.id).status == "ACTIVE"


def test_a_lookup_with_the_region_reports_no_other_account_or_region(
    workspace: Terraform, sandbox: Sandbox, region: str, account: str, new_account_by_hand: Accounts
) -> None:
    def stack(of_the_module: str) -> Stack:
        made = Stack(
            workspace,
            sandbox,
            account,
            region,
            provider=provider_of(account),
            arguments=f'region = "{of_the_module}"',
        )
        made.want({"root": {"certificate_pem": ca.pem}, "new": {"certificate_pem": new.pem}})
        return made

    ca, new = new_ca("root"), new_ca("new")
    wrong = new_account_by_hand()
    wrong.register(ca, setAsActive=False)

    def refused(outcome: Outcome, where: str) -> None:
        lines = [line for line in outcome.errors if "The lookup worked in" in line]
        assert len(lines) == 1
        assert f"The lookup worked in {where}" in lines[0]
        assert f"the aws provider in account {account}, {region}" in lines[0]
        assert not any("INACTIVE" in line for line in [*outcome.errors, *outcome.warnings])
        assert [call for call in outcome.calls if call.write] == []

    other_region = stack("eu-central-1")
    refused(other_region.plan(fails=True), f"account {account}, eu-central-1")

    made = stack(region)
    other = {"AWS_ACCESS_KEY_ID": wrong.number}
    refused(made.plan(fails=True, env=other), f"account {wrong.number}, {region}")
    refused(made.apply(fails=True, env=other), f"account {wrong.number}, {region}")

    made.apply()
    assert made.plan().status == 0
    refused(made.plan(fails=True, env=other), f"account {wrong.number}, {region}")
    made.account.update(ca, newStatus="INACTIVE")
    assert made.plan().warning("root")
    assert wrong.see(ca.id).tags == {}
    made.destroy()
    assert made.account.look(ca.id) is None


def test_a_role_with_external_id_and_session_name_is_assumed(
    workspace: Terraform, sandbox: Sandbox, region: str, account: str, new_account_by_hand: Accounts
) -> None:
    target, source = Account(sandbox, account, region), new_account_by_hand()
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": source.number},
            "Condition": {"StringEquals": {"sts:ExternalId": "fleet-7"}},
        },
    }
    role = target.iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=json.dumps(trust))
    stack = Stack(
        workspace,
        sandbox,
        account,
        region,
        provider=provider_of(account),
        extra='variable "external_id" {\n  default = "fleet-7"\n}',
        arguments=f"""
  credentials = {{
    role_arn     = "{role["Role"]["Arn"]}"
    external_id  = var.external_id
    session_name = "iot-ca-pipeline"
  }}
""",
    )
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem}})

    applied = stack.apply(env={"AWS_ACCESS_KEY_ID": source.number})

    assert target.see(ca.id).status == "ACTIVE"
    assert source.look(ca.id) is None
    calls = [c for c in applied.calls if c.service == "iot" and PROGRAM in c.user_agent]
    assert {call.principal for call in calls} == {
        f"arn:aws:sts::{target.number}:assumed-role/deploy/iot-ca-pipeline"
    }

    refused = stack.plan(
        "-var=external_id=fleet-8", fails=True, env={"AWS_ACCESS_KEY_ID": source.number}
    )

    line = refused.error("root")
    assert "sts:AssumeRole" in line
    assert refused.writes == ["AssumeRole"] or refused.writes == []


def test_two_module_calls_each_take_a_profile_of_their_own(
    workspace: Terraform,
    sandbox: Sandbox,
    region: str,
    new_account_by_hand: Accounts,
    tmp_path: Path,
) -> None:
    one, two = new_account_by_hand(), new_account_by_hand()
    ca = new_ca()
    config = tmp_path / "aws-config"
    config.write_text(
        "".join(
            f"[profile {name}]\naws_access_key_id = {account.number}\n"
            "aws_secret_access_key = sandbox\n\n"
            for name, account in (("development", one), ("production", two))
        )
    )
    stack = Stack(
        workspace,
        sandbox,
        one.number,
        region,
        provider='profile = "development"',
        arguments="""
  credentials = { profile = "development" }
""",
        extra=f"""
variable "profile" {{
  default = "production"
}}

provider "aws" {{
  alias   = "production"
  profile = "production"
}}

module "production" {{
  source    = "{workspace.source()}"
  providers = {{ aws = aws.production }}

  certificate_authorities = var.certificate_authorities
  credentials             = {{ profile = var.profile }}
}}
""",
    )
    stack.want({"root": {"certificate_pem": ca.pem, "provisioning": {"type": "JITP"}}})
    # Without keys in the environment, the profiles are all there is.
    env = {
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
    }

    stack.apply(env=env)

    for account in (one, two):
        registered = account.see(ca.id)
        assert (registered.status, registered.template) == ("ACTIVE", "root"), account
    assert stack.plan(env=env).status == 0

    missing = stack.plan("-var=profile=staging", fails=True, env=env)

    line = missing.error("root")
    assert "(staging)" in line
    assert "name one that exists on this machine (of the module: credentials.profile" in line
