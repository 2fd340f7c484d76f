"""A state keeps its account, Region and certificates; nothing changes before that is checked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform

pytestmark = pytest.mark.one_engine("validations and preconditions are older than both engines")


def test_another_account_is_refused_in_one_line_without_a_change(
    stack: Stack, new_account_by_hand: Callable[[], Account]
) -> None:
    first, other = stack.account, new_account_by_hand()
    jitp, jitr = new_ca("jitp"), new_ca("jitr")
    stack.want(
        {
            "jitp": {"certificate_pem": jitp.pem, "provisioning": {"type": "JITP"}},
            "jitr": {"certificate_pem": jitr.pem, "provisioning": {"type": "JITR"}},
        }
    )
    stack.apply()
    before = {ca.id: first.see(ca.id) for ca in (jitp, jitr)}
    # The credentials are those of the other account, which has one of the CAs as well.
    other.register(jitp)
    env = {"AWS_ACCESS_KEY_ID": other.number}

    refused = stack.plan(fails=True, env=env)
    destroyed = stack.destroy(fails=True, env=env)
    configuration = (stack.terraform.folder / "terraform.tfvars.json").read_text(encoding="utf-8")
    stack.want({})
    emptied = stack.apply(fails=True, env=env)
    stack.terraform.write(configuration, "terraform.tfvars.json")

    for outcome, names in (
        (refused, "jitp, jitr"),
        (destroyed, "jitp, jitr"),
        (emptied, "certificate_authorities"),
    ):
        lines = [line for line in outcome.errors if line.startswith("The state belongs to")]
        assert len(lines) == 1, outcome.errors
        assert (
            f"Region. {names} (account {first.number}, {first.region}): the aws provider works in "
            f"account {other.number}, {other.region}."
        ) in lines[0]
        assert "workspace" in lines[0], "the line says nothing about what to do"
        assert "docs/accounts-and-regions.md" in lines[0], "the line says nothing about a move"
        assert outcome.writes == []
    assert other.see(jitp.id).tags == {}
    assert other.look(jitr.id) is None
    assert other.templates() == set()

    # With the right credentials nothing has happened.
    again = stack.plan()
    assert (again.status, again.changes) == (0, {})
    assert {ca.id: first.see(ca.id) for ca in (jitp, jitr)} == before
    # Nothing was dropped from the state, so the destroy deletes everything.
    stack.destroy()
    assert first.templates() == set()
    assert other.see(jitp.id).tags == {}


def test_a_plan_in_another_region_is_refused(stack: Stack) -> None:
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem, "provisioning": {"type": "JITP"}}})
    stack.apply()
    env = {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-2"}

    refused = stack.plan(fails=True, env=env)

    number = stack.account.number
    assert any(
        f"Region. root (account {number}, {stack.account.region}): " in line
        and f"works in account {number}, us-west-2." in line
        for line in refused.errors
    ), refused.errors
    assert refused.writes == []

    # The move is meant: what docs/accounts-and-regions.md says of a CA that stays registered.
    before = stack.account.see(ca.id)
    stack.terraform.run("state", "rm", "module.ca", env=env)
    moved = stack.plan(env=env)
    assert set(moved.changes.values()) == {"create"}
    assert stack.account.see(ca.id) == before


def test_provisioning_resources_change_after_the_guard_has_passed(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    stack = Stack(
        workspace,
        sandbox,
        account,
        region,
        authorities="""{
    for name, ca in var.certificate_authorities :
    name => merge(ca, { certificate_pem = terraform_data.made[name].output.pem })
  }""",
        extra="""
variable "tags" {
  type    = map(string)
  default = {}
}

resource "terraform_data" "made" {
  for_each = var.certificate_authorities
  input    = { pem = each.value.certificate_pem }
}
""",
        arguments="tags = var.tags",
    )
    old = {name: new_ca(name) for name in ("jitp", "jitr")}
    stack.want(
        {
            name: {"certificate_pem": ca.pem, "provisioning": {"type": name.upper()}}
            for name, ca in old.items()
        }
    )
    stack.apply()
    registered = {name: stack.account.see(ca.id) for name, ca in old.items()}

    # The certificates are only known at apply, and with them the tags of everything change.
    stack.want(
        {
            name: {"certificate_pem": new_ca(name).pem, "provisioning": {"type": name.upper()}}
            for name in old
        }
    )
    refused = stack.apply('-var=tags={"stage":"production"}', fails=True)

    assert any("jitp, jitr: certificate_pem is not the certificate" in e for e in refused.errors), (
        refused.errors
    )
    assert refused.writes == []
    assert {name: stack.account.see(ca.id) for name, ca in old.items()} == registered
