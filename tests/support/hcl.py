"""Reads Terraform files into plain Python, as far as the contract tests need it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import hcl2

from tools.checkout import ROOT
from tools.docs.types import Type, parse_type

MODULES = (
    ".",
    "modules/_account",
    "modules/_device_policy",
    "modules/_identity",
    "modules/iam-policies",
    "modules/jitp",
    "modules/jitp-alarms",
    "modules/jitr",
    "modules/lookup",
    "modules/registration",
)
# A folder that begins with "_" is for the other modules only, and has no README: the Terraform
# Registry then shows it as internal.
PUBLIC_MODULES = tuple(folder for folder in MODULES if "/_" not in folder)


def folders() -> list[str]:
    """Every folder with a reusable module; a new one must be added to MODULES."""
    modules = [path.parent for path in sorted(ROOT.glob("modules/*/main.tf"))]
    return [".", *(path.relative_to(ROOT).as_posix() for path in modules)]


@cache
def text(folder: str) -> str:
    """All of a module's files."""
    paths = sorted((ROOT / folder).glob("*.tf"))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


@cache
def read(folder: str) -> dict[str, Any]:
    """A module as nested dictionaries; strings without their quotes."""
    return {kind: _plain(blocks) for kind, blocks in hcl2.loads(text(folder)).items()}


def blocks(folder: str, kind: str) -> dict[str, dict[str, Any]]:
    """The blocks of one kind by name, such as `variable` or `output`."""
    named: dict[str, dict[str, Any]] = {}
    for block in read(folder).get(kind, []):
        named.update({name: body for name, body in block.items() if not name.startswith("__")})
    return named


def variable_type(folder: str, name: str) -> Type:
    """The type constraint of a variable."""
    return parse_type(blocks(folder, "variable")[name]["type"])


def output_attributes(name: str) -> set[str]:
    """The attributes of each object in an output of the root module that is a map of them."""
    outputs = (ROOT / "outputs.tf").read_text(encoding="utf-8")
    (block,) = re.findall(rf'^output "{name}" {{\n(.*?)^}}', outputs, re.DOTALL | re.MULTILINE)
    return set(re.findall(r"^      (\w+) +=", block, re.MULTILINE))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        inner = value[1:-1]
        return inner if inner.startswith("<<") else inner.replace('\\"', '"')
    return value
