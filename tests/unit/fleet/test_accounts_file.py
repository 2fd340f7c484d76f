"""The accounts file of `inventory`: what is kept, what is new, what is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iot_ca.errors import Failure
from iot_ca.fleet import accounts_file, inventory_command
from iot_ca.fleet.accounts_file import Merged, merge
from iot_ca.fleet.organization import MemberAccount

ONE, TWO, THREE = "111111111111", "222222222222", "333333333333"


def member(account_id: str, name: str) -> MemberAccount:
    return MemberAccount(account_id, name, "aws-cn", is_active=True)


def merged(variables: dict[str, Any], *accounts: MemberAccount, regions: str = "") -> Merged:
    return merge(variables, accounts, "path/reader", regions.split())


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
