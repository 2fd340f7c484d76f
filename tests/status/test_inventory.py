"""`inventory` on the sandbox: an organization becomes the accounts file that `status` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from iot_ca import cli
from iot_ca.fleet import inventory
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.permissions.roles import Role
from tests.support.readmes import code_blocks
from tools.checkout import ROOT

REGION = "eu-west-1"


class Organization:
    """An organization whose management account is new."""

    def __init__(self, management: Account) -> None:
        self.management = management
        self.client = management.client("organizations")
        self.client.create_organization(FeatureSet="ALL")
        self.root = self.client.list_roots()["Roots"][0]["Id"]

    def unit(self, parent: str, name: str) -> str:
        made = self.client.create_organizational_unit(ParentId=parent, Name=name)
        return str(made["OrganizationalUnit"]["Id"])

    def account(self, name: str, unit: str, **tags: str) -> str:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        made = self.client.create_account(AccountName=name, Email="a@example.com", Tags=pairs)
        number = str(made["CreateAccountStatus"]["AccountId"])
        self.client.move_account(
            AccountId=number, SourceParentId=self.root, DestinationParentId=unit
        )
        return number


def test_an_organization_becomes_the_file_that_status_reads(
    sandbox: Sandbox,
    new_account: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    organization = Organization(Account(sandbox, new_account(), REGION))
    plants = organization.unit(organization.root, "plants")
    europe = organization.unit(plants, "europe")
    # More than AWS answers on one page.
    numbers = [organization.account(f"plant {n}", europe, iot="yes") for n in range(22)]
    organization.account("no tag", europe)
    elsewhere = organization.account("elsewhere", organization.root, iot="yes")
    closed = organization.account("closed", plants, iot="yes")
    organization.client.close_account(AccountId=closed)
    # The policy of the page is enough, and each of its actions is needed.
    role = Role(organization.management)
    page = (ROOT / "docs" / "accounts-and-regions.md").read_text(encoding="utf-8")
    (policy,) = code_blocks(page, "json")
    role.grant(policy)
    sandbox.enforce_permissions(organization.management.number)
    for name, value in role.environment.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "accounts.tfvars.json"
    mine = {"account_id": numbers[0], "region": "us-east-1", "certificate_mode": "DEFAULT"}
    gone = {"account_id": elsewhere}
    path.write_text(json.dumps({"accounts": {"mine": mine, "other": gone}}), encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str]:
        status = cli.run(["inventory", "--role-name", "reader", *arguments])
        return status, capsys.readouterr().err

    selection = ("--ou", plants, "--tag", "iot=yes", "--regions", REGION, "--output", str(path))
    status, said = run(*selection)
    assert status == 0, said
    assert said.splitlines()[0] == "iot_ca: 22 accounts, 21 new, 1 gone"
    assert "gone (not among the accounts selected; its CAs stay registered): other" in said
    assert said.splitlines()[-1] == f"iot_ca: left out (not active): {closed}"
    written = path.read_text(encoding="utf-8")
    accounts = json.loads(written)["accounts"]
    assert accounts["mine"] == mine
    assert {account["account_id"] for account in accounts.values()} == set(numbers)
    fleet = inventory.read([path], needs_cas=False)
    (last,) = (row for row in fleet.account_regions if row.account_name == "plant-21")
    assert last.target.account_id == numbers[21]
    assert last.target.credentials.role_arn == f"arn:aws:iam::{numbers[21]}:role/reader"
    assert run(*selection)[0] == 0
    assert path.read_text(encoding="utf-8") == written
    assert run()[0] == 0  # all accounts, on standard output
    called = {call.operation for call in role.calls() if call.service == "organizations"}
    assert {f"organizations:{name}" for name in called} == set(
        json.loads(policy)["Statement"]["Action"]
    )

    # Nothing is written if the selection is empty or AWS refuses.
    status, said = run("--tag", "iot=no", "--output", str(path))
    assert (status, said.count("\n")) == (1, 1)
    assert "no active account with these tags" in said
    role.grant(policy.replace("ListAccountsForParent", "ListRoots"))
    status, said = run(*selection)
    assert (status, said.count("\n")) == (1, 1)
    assert "may not call organizations:ListAccountsForParent" in said
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", numbers[0])
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert "may not call organizations:ListAccounts; " in run()[1]
    assert path.read_text(encoding="utf-8") == written
