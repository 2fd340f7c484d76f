"""The Terraform in the READMEs: each block is HCL, and the complete ones work as they stand.

A block is complete if it begins with a comment that says so, as is the root README's first one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hcl2
import pytest

from tests.support.accounts import Account
from tests.support.openssl import make_ca
from tests.support.readmes import code_blocks
from tools.checkout import ROOT
from tools.engine.terraform import Terraform

if TYPE_CHECKING:
    from sandbox.control import Sandbox

COMPLETE = re.compile(r"\A\s*(#|//)[^\n]*\bcomplete\b", re.IGNORECASE)
SOURCE = re.compile(r'source(\s*)=(\s*)"<namespace>/iot-ca/aws(?://([\w/-]+))?"')
VERSION = re.compile(r"^  version\s*=.*\n", re.MULTILINE)
FILE_NAME = re.compile(r'"([^"/]+)\.(?:pem|key)"')


@dataclass(frozen=True)
class Block:
    """A fenced block of a README."""

    readme: str
    number: int
    text: str

    @property
    def complete(self) -> bool:
        """Whether it works as it stands."""
        first = (self.readme, self.number) == ("README.md", 1)
        return first or bool(COMPLETE.match(self.text))

    def __str__(self) -> str:
        return f"{self.readme}-{self.number}"


def blocks_of(root: Path) -> list[Block]:
    """All blocks of all READMEs that belong to the repository."""
    places = ["README.md", "examples/*/README.md", "modules/*/README.md", "sandbox/README.md"]
    readmes = [readme for place in places for readme in sorted(root.glob(place))]
    return [
        Block(str(readme.relative_to(root)), number, text)
        for readme in readmes
        for number, text in enumerate(code_blocks(readme.read_text(encoding="utf-8"), "hcl"), 1)
    ]


BLOCKS = blocks_of(ROOT)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_hcl(block: Block) -> None:
    assert hcl2.loads(block.text)


@pytest.mark.one_engine("the module is tested on both; a README only calls it")
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.complete], ids=str)
def test_a_complete_block_plans(
    block: Block, workspace: Terraform, account: str, region: str, sandbox: Sandbox
) -> None:
    text = SOURCE.sub(
        lambda found: f'source{found[1]}={found[2]}"{workspace.source(found[3] or ".")}"',
        block.text,
    )
    workspace.write(VERSION.sub("", text) if text != block.text else text)
    for name in {"root-ca", *FILE_NAME.findall(block.text)}:
        make_ca(workspace.folder, name)
    workspace.init()

    assert workspace.plan().status == 2
    assert Account(sandbox, account, region).left() == []


def test_the_root_readme_begins_with_usage_of_the_module() -> None:
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("no README.md yet")
    first = next(block for block in BLOCKS if block.readme == "README.md")
    assert SOURCE.search(first.text)
    assert "root-ca.pem" in first.text


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
    assert [block.complete for block in found] == [True, True, False]
