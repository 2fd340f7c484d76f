"""Which accounts, Regions and CAs the files name, and what they configure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iot_ca.errors import Failure
from iot_ca.fleet import inventory, lookup, status
from iot_ca.fleet.inventory import Fleet
from iot_ca.model import Credentials
from tests.support.certificates import pem
from tests.support.readmes import code_blocks
from tests.support.status.variable_files import (
    ONE,
    ROOT,
    account,
    failure_text,
    write_hcl,
    write_json,
)
from tools.checkout import ROOT as REPOSITORY


def fleet_of_one(folder: Path, **more: Any) -> Fleet:
    """The fleet of one account with these settings."""
    variables = {"accounts": {"one": account(**more)}, "certificate_file": "root-ca.pem"}
    return inventory.read([write_json(folder, variables)])


def test_the_file_of_the_workspaces_example_is_read(tmp_path: Path) -> None:
    readme = (REPOSITORY / "examples" / "workspaces" / "README.md").read_text()
    (block,) = [b for b in code_blocks(readme, "hcl") if b.startswith("# terraform.tfvars\n")]
    (tmp_path / "ca.pem").write_text(pem(ROOT))
    (tmp_path / "terraform.tfvars").write_text(block)

    fleet = inventory.read(
        [tmp_path / "terraform.tfvars"], [f"factory={tmp_path / 'ca.pem'}"], ["eu-west-1"]
    )

    targets = {item.account_name: item.target for item in fleet.account_regions}
    assert {name: (target.account_id, target.region) for name, target in targets.items()} == {
        "production": ("111111111111", "eu-west-1"),
        "staging": ("222222222222", "eu-west-1"),
        "development": ("333333333333", "eu-central-1"),
    }
    assert targets["production"].credentials == Credentials(
        role_arn="arn:aws:iam::111111111111:role/terraform"
    )
    assert targets["staging"].credentials == Credentials(profile="iot-staging")
    modes = {
        item.account_name: item.cas["factory"].desired.certificate_mode
        for item in fleet.account_regions
    }
    assert modes == {"production": "DEFAULT", "staging": "SNI_ONLY", "development": "SNI_ONLY"}


def test_the_accounts_file_of_the_documentation_is_read(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "accounts-and-regions.md").read_text(encoding="utf-8")
    (block,) = [b for b in code_blocks(page, "hcl") if b.startswith("# accounts.tfvars\n")]
    (tmp_path / "device-ca.pem").write_text(pem(ROOT))
    (tmp_path / "accounts.tfvars").write_text(block)

    fleet = inventory.read([tmp_path / "accounts.tfvars"])

    modes = {
        (item.account_name, item.target.region): item.cas["factory-2025"].desired.certificate_mode
        for item in fleet.account_regions
    }
    assert modes == {
        ("production", "eu-west-1"): "DEFAULT",
        ("production", "us-east-1"): "SNI_ONLY",
        ("development", "eu-west-1"): "SNI_ONLY",
        ("development", "us-east-1"): "SNI_ONLY",
    }


def test_a_variable_of_a_later_file_replaces_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    first = write_hcl(tmp_path, {"accounts": {"one": account()}, "certificate_file": "root-ca.pem"})
    second = write_hcl(tmp_path / "more", {"accounts": {"two": account()}})
    fleet = inventory.read([first, second])
    assert [item.account_name for item in fleet.account_regions] == ["two"]
    assert list(fleet.certificates) == ["root-ca"]


def test_defaults_are_those_of_the_root_module(tmp_path: Path) -> None:
    (account_region,) = fleet_of_one(tmp_path).account_regions
    ca = account_region.cas["root-ca"]
    assert (ca.desired.certificate_mode, ca.desired.status) == ("SNI_ONLY", "ACTIVE")
    assert not ca.desired.auto_registration
    assert not ca.template_configured
    assert not ca.auto_registration_configured


@pytest.mark.parametrize(
    ("settings", "auto_registration"),
    [
        ({"provisioning": {"type": "JITP"}}, True),
        ({"provisioning": {"type": "JITR"}}, True),
        ({"provisioning": {"type": "NONE"}}, False),
        ({"provisioning": {"type": "NONE"}, "auto_registration": True}, True),
        ({"provisioning": {"type": "JITR"}, "auto_registration": False}, False),
        ({"template_name": "factory"}, True),
        ({"auto_registration": True}, True),
    ],
)
def test_auto_registration_defaults_as_in_the_root_module(
    settings: dict[str, Any], auto_registration: bool, tmp_path: Path
) -> None:
    (account_region,) = fleet_of_one(tmp_path, **settings).account_regions
    ca = account_region.cas["root-ca"]
    assert ca.auto_registration_configured
    assert ca.desired.auto_registration is auto_registration


@pytest.mark.parametrize(
    ("settings", "provisioning"),
    [
        ({}, None),
        ({"auto_registration": True}, None),
        ({"provisioning": {"type": "JITR"}}, "JITR"),
        ({"provisioning": {"type": "NONE"}}, "NONE"),
        ({"template_name": "factory"}, "JITP"),
        ({"provisioning": {"type": "JITP"}, "template_name": ""}, None),
        ({"provisioning": {"type": "JITR"}, "template_name": ""}, "JITR"),
    ],
)
def test_how_devices_are_provisioned_is_known_if_the_file_says_so(
    settings: dict[str, Any], provisioning: str | None, tmp_path: Path
) -> None:
    (account_region,) = fleet_of_one(tmp_path, **settings).account_regions
    assert account_region.cas["root-ca"].provisioning == provisioning


def test_the_most_specific_layer_with_a_setting_wins(tmp_path: Path) -> None:
    """In rising order: the CA, the account, the Region in the account, the CA there."""
    variables = {
        "certificate_authorities": {
            "root": {"certificate_file": "root-ca.pem", "status": "INACTIVE"},
            "other": {
                "certificate_file": "other-ca.pem",
                "provisioning": {"type": "JITP"},
                "auto_registration": "false",
            },
        },
        "accounts": {
            "one": {
                "account_id": "111111111111",
                "certificate_mode": "DEFAULT",
                "regions": {
                    "eu-west-1": {},
                    "us-east-1": {
                        "certificate_mode": "SNI_ONLY",
                        "certificate_authorities": {"other": {"template_name": "mine"}},
                    },
                },
            },
            "two": account(certificate_authorities=["root"], status="ACTIVE"),
        },
    }
    fleet = inventory.read([write_json(tmp_path, variables)])
    configured = {
        (item.account_name, item.target.region, name): (
            ca.desired.certificate_mode,
            ca.desired.status,
            ca.desired.auto_registration,
            ca.desired.template_name,
            ca.template_configured,
        )
        for item in fleet.account_regions
        for name, ca in item.cas.items()
    }
    assert configured == {
        ("one", "eu-west-1", "root"): ("DEFAULT", "INACTIVE", False, None, False),
        ("one", "eu-west-1", "other"): ("DEFAULT", "ACTIVE", False, "other", True),
        ("one", "us-east-1", "other"): ("SNI_ONLY", "ACTIVE", False, "mine", True),
        ("two", "eu-west-1", "root"): ("SNI_ONLY", "ACTIVE", False, None, False),
    }


def test_an_empty_template_name_means_no_template(tmp_path: Path) -> None:
    (account_region,) = fleet_of_one(tmp_path, template_name="").account_regions
    assert account_region.cas["root-ca"].template_configured
    assert account_region.cas["root-ca"].desired.template_name is None


def test_default_mode_in_two_accounts_of_a_region_is_noted(tmp_path: Path) -> None:
    default = {"certificate_mode": "DEFAULT"}
    variables = {
        "certificate_file": "root-ca.pem",
        "accounts": {
            "one": account(**default),
            "two": account(account_id="2" * 12, **default),
            "three": account(account_id="3" * 12, **default, region="us-east-1"),
        },
    }
    (note,) = inventory.contradictions(inventory.read([write_json(tmp_path, variables)]))
    assert note.startswith("one, two all want root-ca in DEFAULT mode in eu-west-1")


def test_one_account_under_two_names_is_noted_once(tmp_path: Path) -> None:
    both = {"regions": ["eu-west-1", "us-east-1"], "region": None, "certificate_mode": "DEFAULT"}
    variables = {
        "certificate_file": "root-ca.pem",
        "accounts": {
            "lab": account(**both),
            "staging": account(**both, role_arn="arn:aws:iam::111111111111:role/other"),
            "other region": account(region="ap-south-1"),
            "other account": account(account_id="2" * 12),
        },
    }
    fleet = inventory.read([write_json(tmp_path, variables)])
    assert len(fleet.account_regions) == 6
    assert inventory.notes(fleet) == [
        "lab, staging are the same account 111111111111 in eu-west-1, us-east-1, whose CAs are "
        "reported once for each name"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accounts": None}, "the file names no accounts"),
        ({"accounts": []}, "accounts must be an object"),
        ({"accounts": {"one": "x"}}, 'accounts["one"] must be an object'),
        ({"accounts": {"one": account(account_id="1")}}, "must be twelve digits"),
        ({"accounts": {"one": account(account_id="\u0661" * 12)}}, "must be twelve digits"),
        ({"accounts": {"one": account(account_id=True)}}, "account_id must be a string"),
        ({"accounts": {"one": {"account_id": "1" * 12}}}, "has no region"),
        ({"accounts": {"one": account(regions=["us-east-1"])}}, "both region and regions"),
        ({"accounts": {"one": {"account_id": "1" * 12, "regions": []}}}, "a list of names or"),
        ({"accounts": {"one": {"account_id": "1" * 12, "regions": [1]}}}, "a list of names or"),
        ({"accounts": {"one": account(region="eu west")}}, "is not an AWS region"),
        ({"accounts": {"one": account(region="x.evil.example/")}}, "is not an AWS region"),
        ({"accounts": {"one": account(certificate_mode="sni")}}, '"SNI_ONLY" or "DEFAULT"'),
        ({"accounts": {"one": account(status=["ACTIVE"])}}, '"ACTIVE" or "INACTIVE"'),
        (
            {"accounts": {"one": account(provisioning={"type": "jitp"})}},
            'accounts["one"].provisioning.type must be "JITP" or "JITR" or "NONE"',
        ),
        ({"accounts": {"one": account(auto_registration="no")}}, "must be true or false"),
        ({"accounts": {"one": account(auto_registration=[])}}, "must be true or false"),
        ({"accounts": {"one": account(certificate_authorities=["x"])}}, "names the CA x"),
        ({"certificate_file": None}, "no CA is named; give --ca NAME=FILE.pem"),
        ({"certificate_file": "none.pem"}, "none.pem can't be read: No such file"),
        ({"certificate_file": "\0"}, "\\u0000\" can't be the path of a file"),
        ({"certificate_file": "a" * 300}, "a can't be read: File name too long"),
        ({"accounts": {"\ud800": account()}}, "accounts holds a character that Unicode does not"),
        ({"accounts": {"one": account(template_name="\udfff")}}, "accounts holds a character"),
        ({"certificate_file": "\ud800.pem"}, "certificate_file holds a character that Unicode"),
        ({"certificate_authorities": {"a": {}}}, "either certificate_file or certificate_pem"),
        (
            {"certificate_authorities": {n: {"certificate_file": "root-ca.pem"} for n in "ab"}},
            "a and b are the same certificate",
        ),
    ],
)
def test_an_error_in_the_variables_is_reported_in_one_line(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    text = failure_text({**ONE, **change}, tmp_path)
    assert message in text
    assert len(text.splitlines()) == 1


def test_chosen_accounts_keep_the_cas_of_their_other_names(tmp_path: Path) -> None:
    cas = {name: {"certificate_file": f"{name}-ca.pem"} for name in ("root", "other")}
    accounts = {
        "one": account(certificate_authorities={"root": {}}),
        "same": account(certificate_authorities={"other": {}}),
        "two": account(account_id="222222222222"),
    }
    variables = {"accounts": accounts, "certificate_authorities": cas}
    file = write_json(tmp_path, variables)
    fleet = inventory.choose(inventory.read([file]), ["one"])
    (one,) = fleet.account_regions
    assert one.account_name == "one"
    # `--unlisted` must not call a CA unlisted that the account's other name has.
    ids = {certificate.certificate_id for certificate in fleet.certificates.values()}
    assert lookup._listed(fleet) == {one: ids}
    with pytest.raises(Failure, match="the file has no account prod; it has one, same, two"):
        status.run([str(file), "--account", "prod"])
