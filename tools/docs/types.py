"""Type constraints of Terraform variables: from their text to what they consist of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tools.errors import ToolError

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[\w.-]+|[(){}\[\]=,:])')


@dataclass(frozen=True)
class Type:
    """A type constraint: `object` with its attributes, or any other with its element type."""

    name: str
    of: Type | None = None
    attributes: tuple[tuple[str, Attribute], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({self.of})" if self.of else self.name

    @property
    def object(self) -> Type | None:
        """The object type that this type is or has as its elements; None if there is none."""
        if self.name == "object":
            return self
        return self.of.object if self.of else None

    @property
    def names(self) -> set[str]:
        """The names of the attributes, of its own or of its elements."""
        return {name for name, _ in self.object.attributes} if self.object else set()

    def attribute(self, *path: str) -> Attribute:
        """Return the attribute at a path of names. Raises KeyError if there is none."""
        attribute = dict(self.object.attributes if self.object else ())[path[0]]
        return attribute.type.attribute(*path[1:]) if path[1:] else attribute


@dataclass(frozen=True)
class Attribute:
    """An attribute of an object; `default` is its text in HCL, None if it has no default."""

    type: Type
    optional: bool = False
    default: str | None = None


def parse_type(constraint: str) -> Type:
    """Return the type of a constraint as python-hcl2 gives it. Raises ToolError if it is none."""
    text = constraint.removeprefix("${").removesuffix("}")
    tokens = _TOKEN.findall(text)
    try:
        kind = _parse(tokens)
    except (IndexError, ValueError):
        raise ToolError(f"`{text}` is not a type constraint that these tools know") from None
    if tokens:
        raise ToolError(f"`{text}` is not a type constraint: `{tokens[0]}` follows its end")
    return kind


def _parse(tokens: list[str]) -> Type:
    name = tokens.pop(0)
    if not tokens or tokens[0] != "(":
        return Type(name)
    _expect(tokens, "(")
    if name == "object":
        attributes = _attributes(tokens)
        _expect(tokens, ")")
        return Type(name, attributes=attributes)
    inner = _parse(tokens)
    _expect(tokens, ")")
    return Type(name, inner)


def _attributes(tokens: list[str]) -> tuple[tuple[str, Attribute], ...]:
    _expect(tokens, "{")
    attributes = []
    while tokens[0] != "}":
        name = tokens.pop(0)
        _expect(tokens, "=")
        attributes.append((name, _attribute(tokens)))
        if tokens[0] == ",":
            tokens.pop(0)
    _expect(tokens, "}")
    return tuple(attributes)


def _attribute(tokens: list[str]) -> Attribute:
    if tokens[0] != "optional":
        return Attribute(_parse(tokens))
    tokens.pop(0)
    _expect(tokens, "(")
    kind = _parse(tokens)
    default: list[str] = []
    depth = 0
    while depth or tokens[0] != ")":
        token = tokens.pop(0)
        depth += (token in "({[") - (token in ")}]")
        default.append(token)
    _expect(tokens, ")")
    return Attribute(kind, True, _spaced(default[1:]) or None)


def _spaced(tokens: list[str]) -> str:
    """Put an expression together as `terraform fmt` spaces it."""
    text = " ".join(tokens).replace(" ,", ",")
    return re.sub(r"(?<=[(\[]) | (?=[)\]])|(?<=\{) (?=\})", "", text)


def _expect(tokens: list[str], token: str) -> None:
    if tokens.pop(0) != token:
        raise ValueError(token)
