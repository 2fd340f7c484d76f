"""The accounts file of `inventory`: what is kept, what is new, what is gone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iot_ca.aws.session import Account
from iot_ca.errors import Failure
from iot_ca.fleet import accounts_file, inventory_command, organization
from iot_ca.fleet.accounts_file import Merged, NewEntry, merge
from iot_ca.fleet.organization import MemberAccount
from iot_ca.model import Credentials, Target

ONE, TWO, THREE = "111111111111", "222222222222", "333333333333"


def member(account_id: str, name: str) -> MemberAccount:
    return MemberAccount(account_id, name, "aws-cn", is_active=True)


def merged(variables: dict[str, Any], *accounts: MemberAccount, regions: str = "") -> Merged:
    return merge(variables, accounts, NewEntry("path/reader", tuple(regions.split())))


def test_an_account_of_the_file_is_kept_unchanged() -> None:
    mine = {"account_id": ONE, "profile": "p", "certificate_mode": "DEFAULT"}
    again = {"account_id": ONE, "region": "us-east-1"}
    present = {
        "certificate_file": "root.pem",
        "accounts": {"my name": mine, "again": again, "gone": {"account_id": THREE}},
    }
    result = merged(present, member(ONE, "Renamed"), member(TWO, "Plant (EU) 2"))
    assert (result.added, result.removed) == (("plant-eu-2",), ("gone",))
    role = f"arn:aws-cn:iam::{TWO}:role/path/reader"
    assert result.variables == {
        "certificate_file": "root.pem",
        "accounts": {
            "my name": mine,
            "again": again,
            "plant-eu-2": {"account_id": TWO, "role_arn": role},
        },
    }


def test_a_name_that_is_not_unique_gets_the_account_id() -> None:
    present = {"accounts": {"taken": {"account_id": "444444444444"}}}
    names = {ONE: "Same", TWO: "same!", THREE: "Taken", "555555555555": "日本"}
    accounts = [member(account_id, name) for account_id, name in names.items()]
    result = merged(present, *accounts)
    expected = (f"same-{ONE}", f"same-{TWO}", f"taken-{THREE}", "account")
    assert result.added == expected


@pytest.mark.parametrize(
    ("present", "names"),
    [
        # In the file, the name with the ID is that of another account.
        ({"a": {"account_id": ONE}, f"a-{TWO}": {"account_id": ONE}}, {TWO: "a"}),
        # In the organization, another account's name ends in the ID.
        ({}, {ONE: f"Same {TWO}", TWO: "same", THREE: "Same"}),
    ],
)
def test_no_account_takes_the_name_of_another(
    present: dict[str, Any], names: dict[str, str]
) -> None:
    accounts = [member(account_id, name) for account_id, name in names.items()]
    with pytest.raises(Failure, match=f'{TWO} would get the name "(a|same)-{TWO}"'):
        merged({"accounts": present}, *accounts, *([member(ONE, "x")] if present else []))


def test_one_run_for_each_environment_writes_the_same_file() -> None:
    present = {
        "staging": {"account_id": ONE, "environment": "staging"},
        "old": {"account_id": TWO, "environment": "production"},
        "mine": {"account_id": THREE},
    }
    accounts = (member(THREE, "mine"), member("444444444444", "new"))
    result = merge({"accounts": present}, accounts, NewEntry("reader", environment="production"))
    assert (result.added, result.removed) == (("new",), ("old",))
    written = result.variables["accounts"]
    assert {name: entry["environment"] for name, entry in written.items()} == {
        "staging": "staging",
        "mine": "production",
        "new": "production",
    }


@pytest.mark.parametrize("document", [{"State": "ACTIVE"}, {"Status": "ACTIVE"}, {}])
def test_an_account_without_a_state_asks_for_a_newer_boto3(document: dict[str, str]) -> None:
    arn = f"arn:aws:organizations::{ONE}:account/o-1/{TWO}"

    class Reader(Account):
        def client(self, _service: str, _region: str | None = None) -> Any:
            return SimpleNamespace(
                list_accounts=lambda **_: {"Accounts": [{"Id": TWO, "Arn": arn, **document}]}
            )

    reader = Reader(Target("", "eu-west-1", Credentials()))
    if document:
        assert organization.list_accounts(reader, [], {})[0].is_active
        return
    with pytest.raises(Failure, match="update boto3"):
        organization.list_accounts(reader, [], {})


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ("", {}),
        ("eu-west-1", {"region": "eu-west-1"}),
        ("eu-west-1 us-east-1", {"regions": ["eu-west-1", "us-east-1"]}),
    ],
)
def test_regions_are_written_as_status_reads_the_file(
    regions: str, expected: dict[str, Any]
) -> None:
    (entry,) = merged({}, member(ONE, "a"), regions=regions).variables["accounts"].values()
    assert {name: entry[name] for name in entry.keys() - {"account_id", "role_arn"}} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON; correct or remove the file"),
        ("[]", "must be an object"),
        ('{"accounts": []}', "accounts must be an object"),
        ('{"accounts": {"a": {}}}', 'accounts["a"].account_id must be twelve digits, in quotes'),
    ],
)
def test_an_unusable_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "accounts.tfvars.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Failure) as caught:
        merged(accounts_file.read(path), member(ONE, "a"))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "--role-name"),
        ("--role-name a/", "'a/' is not the name of a role"),
        ("--role-name a --ou Production", "'Production' is not the ID of an organizational unit"),
        ("--role-name a --tag x", "'x' must be KEY=VALUE"),
        ("--role-name a --tag x=1 --tag y=1 x=2", "--tag x is given twice"),
        ("--role-name a --environment a/b", "'a/b' is not a name of letters, digits, - and _"),
        ("--role-name a --regions eu", "'eu' is not an AWS Region"),
        ("--role-name a --exclude 1", "'1' is not an account ID"),
        ("--role-name a --output a.tfvars", "'a.tfvars' must end in .tfvars.json"),
    ],
)
def test_a_wrong_option_is_one_line(arguments: str, message: str) -> None:
    with pytest.raises(Failure) as caught:
        inventory_command.run(arguments.split())
    assert message in str(caught.value)
    assert str(caught.value).endswith("; see iot_ca inventory --help")
