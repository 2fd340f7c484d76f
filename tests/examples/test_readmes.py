"""The Terraform in the documents: it is HCL, it is valid, and complete blocks plan as they stand.

A block is complete if it begins with a comment that says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hcl2
import pytest

from tests.support.accounts import TEMPLATE_BODY, Account
from tests.support.certificates import new_ca
from tests.support.openssl import make_ca
from tests.support.readmes import code_blocks
from tools.checkout import ROOT
from tools.engine.terraform import Terraform

if TYPE_CHECKING:
    from sandbox.control import Sandbox

COMPLETE = re.compile(r"\A\s*(#|//)[^\n]*\bcomplete\b", re.IGNORECASE)
SOURCE = re.compile(r'source(\s*)=(\s*)"<namespace>/iot-ca/aws(?://([\w/-]+))?"')
VERSION = re.compile(r"^  version\s*=.*\n", re.MULTILINE)
FILE_NAME = re.compile(r'"(?:\$\{path\.module\}/)?([\w-]+)\.(?:pem|key)"')
FILE = re.compile(r'file(?:sha256)?\("(?:\$\{path\.module\}/)?([\w.-]+)"\)')
ROLE = re.compile(r'"arn:aws:iam::(\d{12}):role/([\w-]+)"')
# What is not Terraform's configuration: files of variables, of tests, and of Terragrunt.
VARIABLES = re.compile(r"\A# [\w.-]+\.tfvars\n")
TESTS = re.compile(r"^(run|mock_provider|override_module) ", re.MULTILINE)
TERRAGRUNT = re.compile(r"\A# [\w/-]+/terragrunt\.hcl\n")
# What a block refers to and leaves to the reader: the two parts of its declaration.
LEFT_OUT = {
    "aws_sns_topic.on_call.": ('resource "aws_sns_topic" "on_call" {', "}"),
    "aws_iam_role.provisioning.": (
        'resource "aws_iam_role" "provisioning" {',
        '  assume_role_policy = "{}"\n}',
    ),
    "local.certificate_authorities": (
        "locals {",
        '  certificate_authorities = { factory = { certificate_pem = "PEM" } }\n}',
    ),
    "module.iot_ca.": (
        'module "iot_ca" {',
        '  source = "<namespace>/iot-ca/aws"\n  certificate_authorities = {}\n}',
    ),
    "module.lookup.": (
        'module "lookup" {',
        '  source = "<namespace>/iot-ca/aws//modules/lookup"\n  certificate_authorities = {}\n}',
    ),
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: str
    number: int
    text: str

    @property
    def complete(self) -> bool:
        """Whether it works as it stands."""
        return bool(COMPLETE.match(self.text))

    @property
    def is_configuration(self) -> bool:
        """Whether it is a part of a Terraform configuration."""
        others = (VARIABLES, TESTS, TERRAGRUNT)
        return not any(pattern.search(self.text) for pattern in others)

    def __str__(self) -> str:
        return f"{self.document}-{self.number}"


def blocks_of(root: Path) -> list[Block]:
    """All blocks of all documents that users read."""
    places = ["*.md", "docs/*.md", "examples/*/*.md", "modules/*/*.md", "sandbox/*.md"]
    documents = [document for place in places for document in sorted(root.glob(place))]
    return [
        Block(str(document.relative_to(root)), number, text)
        for document in documents
        for number, text in enumerate(code_blocks(document.read_text(encoding="utf-8"), "hcl"), 1)
    ]


BLOCKS = blocks_of(ROOT)
# Complete blocks for the account of the caller, and those that assume roles in other accounts.
ASSUMES_ROLES = "assume_role {"
COMPLETE_HERE = [block for block in BLOCKS if block.complete and ASSUMES_ROLES not in block.text]
COMPLETE_THERE = [block for block in BLOCKS if block.complete and ASSUMES_ROLES in block.text]


def in_checkout(text: str, terraform: Terraform, above: str = "") -> str:
    """The text of a block whose modules are those of the checkout; `above` leads to the folder."""
    local = SOURCE.sub(
        lambda found: f'source{found[1]}={found[2]}"{above}{terraform.source(found[3] or ".")}"',
        text,
    )
    return VERSION.sub("", local) if local != text else text


def with_left_out(text: str) -> str:
    """The text of a block with declarations of what it leaves to the reader."""
    parts = [text]
    for reference, (begin, rest) in LEFT_OUT.items():
        if reference in text and begin not in text:
            parts.append(f"{begin}\n{rest}\n")
    return "\n".join(parts)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_hcl(block: Block) -> None:
    assert hcl2.loads(block.text)


@pytest.mark.one_engine("how HCL is formatted does not depend on Terraform's version")
def test_every_block_is_formatted(workspace: Terraform) -> None:
    for number, block in enumerate(BLOCKS):
        workspace.write(f"# {block}\n{block.text}", f"block-{number}.tf")

    formatted = workspace.run("fmt", "-check", "-diff", check=False)

    assert formatted.status == 0, formatted.output


@pytest.mark.one_engine("the module is tested on both; a document only calls it")
def test_every_block_of_a_configuration_is_valid(workspace: Terraform) -> None:
    """One run of Terraform for all blocks, each in a module of its own."""
    blocks = [block for block in BLOCKS if block.is_configuration]
    assert len(blocks) > 20
    calls = []
    for number, block in enumerate(blocks):
        folder = f"block-{number}"
        text = in_checkout(with_left_out(block.text), workspace, "../")
        (workspace.folder / folder).mkdir()
        workspace.write(f"# {block}\n{text}", f"{folder}/main.tf")
        for name in FILE.findall(block.text):
            workspace.write(TEMPLATE_BODY, name)
            workspace.write(TEMPLATE_BODY, f"{folder}/{name}")
        calls.append(f'module "block_{number}" {{\n  source = "./{folder}"\n}}\n')
    workspace.write("".join(calls))
    workspace.init()

    validated = workspace.run("validate", check=False)

    assert validated.status == 0, validated.output


@pytest.mark.one_engine("the module is tested on both; a document only calls it")
@pytest.mark.parametrize("block", COMPLETE_HERE, ids=str)
def test_a_complete_block_plans(
    block: Block, workspace: Terraform, account: str, region: str, sandbox: Sandbox
) -> None:
    workspace.write(in_checkout(block.text, workspace))
    for name in FILE_NAME.findall(block.text):
        make_ca(workspace.folder, name)
    workspace.init()

    planned = workspace.plan()

    assert planned.status == 2
    if block.document == "README.md":  # as docs/getting-started.md says of the first CA
        assert "Plan: 9 to add, 0 to change, 0 to destroy." in planned.output
    assert Account(sandbox, account, region).left() == []


@pytest.mark.one_engine("the module is tested on both; a document only calls it")
def test_the_sample_of_several_accounts_provisions_devices(
    workspace: Terraform, account: str, new_account: Callable[[], str], sandbox: Sandbox
) -> None:
    (block,) = COMPLETE_THERE
    text = in_checkout(block.text, workspace)
    regions = re.findall(r'^  region +\= "([\w-]+)"\n  allowed', text, re.MULTILINE)
    accounts = []
    for (number, role), region in zip(ROLE.findall(block.text), regions, strict=True):
        accounts.append(Account(sandbox, new_account(), region))
        text = text.replace(number, accounts[-1].number)
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account}}
        accounts[-1].iam.create_role(
            RoleName=role,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
        )
    ca = new_ca()
    workspace.write(ca.pem, "device-ca.pem")
    workspace.write(text)
    workspace.init()

    workspace.apply()

    assert len(accounts) == 2
    for where in accounts:
        device = where.meet(ca, "sensor-1", workspace.folder)
        sandbox.settle()
        found = where.iot.describe_certificate(certificateId=device.id)["certificateDescription"]
        assert found["status"] == "ACTIVE"
        principals = where.iot.list_thing_principals(thingName="sensor-1")["principals"]
        assert principals == [found["certificateArn"]]


def test_the_root_readme_begins_with_usage_of_the_module() -> None:
    first = next(block for block in BLOCKS if block.document == "README.md")
    assert first.complete
    assert SOURCE.search(first.text)
    assert VERSION.search(first.text)
    assert "device-ca.pem" in first.text


def test_blocks_are_found_and_told_apart(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(
        "```hcl\na = 1\n```\n```sh\nls\n```\n```hcl\n# Complete: all of it.\nb = 2\n```\n"
    )
    (tmp_path / "modules" / "one").mkdir(parents=True)
    (tmp_path / "modules" / "one" / "README.md").write_text("```hcl\nc = 3\n```\n")

    found = blocks_of(tmp_path)

    assert [block.text for block in found] == [
        "a = 1\n",
        "# Complete: all of it.\nb = 2\n",
        "c = 3\n",
    ]
    assert [block.complete for block in found] == [False, True, False]
