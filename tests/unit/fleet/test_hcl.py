"""Which HCL is read, and as which values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_ca.errors import Failure
from iot_ca.fleet import hcl, inventory
from iot_ca.fleet.inventory import Fleet
from tests.support.certificates import pem
from tests.support.status.variable_files import ROOT, account, hcl_literal, write_hcl, write_json


def facts(fleet: Fleet) -> list[Any]:
    """Everything in a fleet, for comparison."""
    return [
        sorted((name, item.certificate_id) for name, item in fleet.certificates.items()),
        [(item.account_name, item.target, dict(item.cas)) for item in fleet.account_regions],
    ]


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
regions = st.sampled_from(["eu-west-1", "us-east-1", "us-gov-west-1", "ap-southeast-2"])
overrides = st.fixed_dictionaries(
    {},
    optional={
        "certificate_mode": st.sampled_from(["SNI_ONLY", "DEFAULT", None]),
        "status": st.sampled_from(["ACTIVE", "INACTIVE"]),
        "auto_registration": st.booleans(),
        "template_name": texts,
    },
)
accounts = st.dictionaries(
    texts.filter(bool),
    st.builds(
        lambda digits, where, more, own: {"account_id": digits, "regions": where, **more, **own},
        st.from_regex(r"[0-9]{12}", fullmatch=True).filter(str.isascii),
        st.one_of(
            st.lists(regions, min_size=1, unique=True),
            st.dictionaries(regions, overrides, min_size=1),
        ),
        st.fixed_dictionaries({}, optional={"profile": texts, "role_arn": texts, "team": texts}),
        overrides,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25)
@given(accounts)
def test_hcl_and_json_mean_the_same(
    tmp_path_factory: pytest.TempPathFactory, by_name: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("fleet")
    variables = {"accounts": by_name, "certificate_file": "root-ca.pem"}

    from_hcl = inventory.read([write_hcl(folder, variables)])

    assert facts(from_hcl) == facts(inventory.read([write_json(folder, variables)]))
    assert [item.account_name for item in from_hcl.account_regions] == [
        name for name, item in by_name.items() for _ in item["regions"]
    ]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])).filter(bool))
def test_a_string_is_read_without_quotes_and_escapes(text: str) -> None:
    literal = "".join(
        rf"\U{ord(character):08x}" if not character.isprintable() else character
        for character in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    literal = literal.replace("${", "$${").replace("%{", "%%{")
    variables = hcl.parse(f'accounts = "{literal}"\n', "accounts.tfvars")
    assert hcl.plain_value(variables["accounts"], "accounts") == text


def test_all_notations_of_hcl_are_read(tmp_path: Path) -> None:
    (tmp_path / "root.tfvars").write_text(
        "\ufeff# the accounts\r\n"
        "accounts = {\r\n"
        '  "a-b" : { account_id : 111111111111, region = "eu-west-1", }, // a number\r\n'
        "  c = {\r\n"
        '    account_id = "\\u0032\\U0000003222222222\\u0032\\u0032"\r\n'
        "    region = null\r\n"
        '    regions = ["us-east-1",\r\n "eu-west-1",]\r\n'
        "    /* not the program's */ tags = { owner = null }\r\n"
        "  }\r\n"
        "}\r\n"
        "certificate_authorities = {\r\n  root = { certificate_pem = <<-EOT\r\n"
        + "".join(f"      {line}\r\n" for line in pem(ROOT).splitlines())
        + "    EOT\r\n  }\r\n}\r\n"
        "elsewhere = [for each in whatever : upper(each)]\r\n",
        newline="",
    )
    fleet = inventory.read([tmp_path / "root.tfvars"])
    assert [(item.account_name, item.target.account_id) for item in fleet.account_regions] == [
        ("a-b", "111111111111"),
        ("c", "222222222222"),
        ("c", "222222222222"),
    ]
    assert list(fleet.certificates) == ["root"]


@pytest.mark.parametrize("scope", ["inputs = {{\n{}\n}}\n", "locals {{\n{}\n}}\n"])
def test_inputs_and_locals_of_terragrunt_are_read(tmp_path: Path, scope: str) -> None:
    write_hcl(tmp_path, {})
    inner = f'accounts = {hcl_literal({"one": account()})}\ncertificate_file = "root-ca.pem"'
    (tmp_path / "terragrunt.hcl").write_text(scope.format(inner))
    assert len(inventory.read([tmp_path / "terragrunt.hcl"]).account_regions) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accounts = {\n  a = \n}\n", "is not valid HCL at line 2"),
        ("accounts = {", "is not valid HCL at "),
        ("accounts = var.accounts\n", "accounts holds an expression"),
        ('accounts = { one = { account_id = "${var.id}" } }\n', "accounts holds an expression"),
        ('accounts = { one = { account_id = "%{if true}%{endif}" } }\n', "holds an expression"),
        ("accounts = { (key) = {} }\n", "accounts holds an expression"),
        ('accounts = { one = "\\q" }\n', "holds an escape that HCL does not have"),
        ('accounts = { one = "\\U99999999" }\n', "a character that Unicode does not have"),
        ('accounts = { "\\ud800" = {} }\n', "accounts holds a character that Unicode does not"),
    ],
)
def test_only_values_are_read_from_hcl(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "accounts.tfvars"
    path.write_text(text)
    with pytest.raises(Failure) as failed:
        inventory.read([path])
    assert message in str(failed.value)
    assert len(str(failed.value).splitlines()) == 1
