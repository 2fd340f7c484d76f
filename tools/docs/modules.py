"""The inputs and outputs of a Terraform module, read from its files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2
from lark.exceptions import LarkError

from tools.docs.descriptions import Description, Item, parse_description, plain_text
from tools.docs.types import Type, parse_type
from tools.errors import ToolError

# python-hcl2 takes seconds for the conditions, and the tables need none of them.
_VALIDATION = re.compile(r"^  validation \{\n.*?^  \}\n", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Input:
    """A variable; `default` is its text in HCL, None if the variable is required."""

    name: str
    type: Type
    default: str | None
    description: Description


@dataclass(frozen=True)
class Output:
    """An output."""

    name: str
    description: Description


def read_inputs(folder: Path) -> list[Input]:
    """Return the variables of a module, in the order of its files.

    Raises ToolError if one lacks a type, a description, or the description of an attribute.
    """
    return [_input(*named) for named in _blocks(folder, "variable")]


def read_outputs(folder: Path) -> list[Output]:
    """Return the outputs of a module. Raises ToolError if one lacks a description."""
    return [
        Output(name, _description(where, body, with_list=True))
        for where, name, body in _blocks(folder, "output")
    ]


def as_hcl(value: Any) -> str:
    """Return a value of python-hcl2's on one line of HCL."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(as_hcl, value))}]"
    if isinstance(value, dict):
        entries = ", ".join(f"{key} = {as_hcl(item)}" for key, item in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    text = str(value)
    return text[2:-1] if text.startswith("${") else text


def _input(where: str, name: str, body: dict[str, Any]) -> Input:
    if "type" not in body:
        raise ToolError(f"{where} has no type")
    kind = parse_type(str(body["type"]))
    description = _description(where, body, with_list=kind.object is not None)
    if kind.object:
        _check_items(where, name, kind.object, description.items)
    default = as_hcl(body["default"]) if "default" in body else None
    return Input(name, kind, default, description)


def _description(where: str, body: dict[str, Any], with_list: bool) -> Description:
    text = plain_text(str(body.get("description", "")))
    if not text:
        raise ToolError(f"{where} has no description")
    try:
        return parse_description(text, with_list)
    except ToolError as error:
        raise ToolError(f"{where}: {error}") from None


def _check_items(where: str, path: str, kind: Type, items: tuple[Item, ...]) -> None:
    """Raise ToolError if the items are not exactly those of the object's attributes."""
    described = {name: item for item in items for name in item.names}
    attributes = dict(kind.attributes)
    for name in attributes:
        if name not in described or not described[name].text:
            raise ToolError(f"{where} does not describe `{path}.{name}`; add `- `{name}`: TEXT`")
    for name, item in described.items():
        if name not in attributes:
            raise ToolError(f"{where} describes `{path}.{name}`, which its type does not have")
        inner = attributes[name].type.object
        _check_items(where, f"{path}.{name}", inner or Type("object"), item.items)


def _blocks(folder: Path, kind: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where the block is, in words; its name; and what is in it."""
    for path in sorted(folder.glob("*.tf")):
        where = os.path.relpath(path)
        text = path.read_text(encoding="utf-8")
        if not re.search(rf'^{kind} "', text, re.MULTILINE):
            continue
        try:
            content = hcl2.loads(_VALIDATION.sub("", text))
        except LarkError as error:
            raise ToolError(f"{where} is not HCL: {str(error).splitlines()[0]}") from None
        for block in content.get(kind, []):
            for quoted, body in block.items():
                name = quoted.strip('"')
                yield f"{where}: {kind} `{name}`", name, body
