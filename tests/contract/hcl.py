"""Reads Terraform files into plain Python, as far as the contract tests need it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).parents[2]
MODULES = (
    ".",
    "modules/iam-policies",
    "modules/jitp",
    "modules/jitr",
    "modules/lookup",
    "modules/registration",
)

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[\w.]+|[(){}\[\]=,:])')


@dataclass(frozen=True)
class Type:
    """A type constraint: `object` with its attributes, or any other with what is in it."""

    name: str
    of: Type | None = None
    attributes: tuple[tuple[str, Attribute], ...] = ()

    def attribute(self, *path: str) -> Attribute:
        """An attribute of an object, or of the objects in a map."""
        kind = self.of if self.name == "map" and self.of else self
        found = dict(kind.attributes)[path[0]]
        return found.type.attribute(*path[1:]) if path[1:] else found

    @property
    def names(self) -> set[str]:
        """The attributes of an object, or of the objects in a map."""
        kind = self.of if self.name == "map" and self.of else self
        return {name for name, _ in kind.attributes}


@dataclass(frozen=True)
class Attribute:
    """An attribute of an object; `default` is its text, None where there is none."""

    type: Type
    optional: bool = False
    default: str | None = None


def folders() -> list[str]:
    """Every folder with a reusable module; a new one must be added to MODULES."""
    found = [path.parent for path in sorted(ROOT.glob("modules/*/main.tf"))]
    return [".", *(path.relative_to(ROOT).as_posix() for path in found)]


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


def parse_type(constraint: str) -> Type:
    """A type constraint as python-hcl2 gives it."""
    tokens = _TOKEN.findall(constraint.removeprefix("${").removesuffix("}"))
    return _parse(tokens)


def _parse(tokens: list[str]) -> Type:
    name = tokens.pop(0)
    if not tokens or tokens[0] != "(":
        return Type(name)
    tokens.pop(0)
    if name != "object":
        inner = _parse(tokens)
        assert tokens.pop(0) == ")"
        return Type(name, inner)
    assert tokens.pop(0) == "{"
    attributes = []
    while tokens[0] != "}":
        if tokens[0] == ",":
            tokens.pop(0)
            continue
        key = tokens.pop(0)
        assert tokens.pop(0) == "="
        attributes.append((key, _attribute(tokens)))
    assert (tokens.pop(0), tokens.pop(0)) == ("}", ")")
    return Type(name, attributes=tuple(attributes))


def _attribute(tokens: list[str]) -> Attribute:
    if tokens[0] != "optional":
        return Attribute(_parse(tokens))
    assert (tokens.pop(0), tokens.pop(0)) == ("optional", "(")
    kind = _parse(tokens)
    default: list[str] = []
    depth = 0
    while depth or tokens[0] != ")":
        token = tokens.pop(0)
        depth += (token in "({[") - (token in ")}]")
        default.append(token)
    tokens.pop(0)
    return Attribute(kind, True, " ".join(default[1:]) or None)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        inner = value[1:-1]
        return inner if inner.startswith("<<") else inner.replace('\\"', '"')
    return value
