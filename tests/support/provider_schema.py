"""What configurations use of the aws provider, and whether a version of it has that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.hcl import read

# Of Terraform, not of the provider.
META_ARGUMENTS = {"count", "depends_on", "for_each", "lifecycle", "provider", "provisioner"}
_REFERENCE = re.compile(r"\b((?:data\.)?aws_\w+)\.\w+(?:\[[^\]]*\])*\.(\w+)")
# A local that is a whole data source, and a try() that takes the first attribute that there is.
_WHOLE = re.compile(r"\$\{((?:data\.)?aws_\w+)\.\w+\}")
_TRY = re.compile(r"\btry\(([^()]*)\)")


@dataclass(frozen=True)
class Use:
    """A block, an argument that it sets, or the attributes that a reference reads.

    Attributes:
        kind: the resource's type; `data.` before that of a data source.
        path: the argument, below the blocks that it is in.
        alternatives: the attributes; of several, try() takes the first that there is.
    """

    folder: str
    kind: str
    path: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """Arguments and attributes of a version of the provider, by the resource's type.

    Attributes:
        arguments, attributes: their paths; an argument's with the blocks that it is in.
        deprecated: the paths of both.
        depth: how many names of an argument's path are known.
    """

    arguments: Mapping[str, frozenset[tuple[str, ...]]]
    attributes: Mapping[str, frozenset[str]]
    deprecated: Mapping[str, frozenset[tuple[str, ...]]]
    depth: int = 10

    def problem(self, use: Use) -> str | None:
        """Return what is wrong with a use; None if it is right."""
        if use.kind not in self.arguments:
            return f"{use.folder}: the schema has no {use.kind}"
        deprecated = self.deprecated.get(use.kind, frozenset())
        if use.path:
            path, known = use.path[: self.depth], self.arguments[use.kind]
            what = "no argument" if path not in known else "deprecated"
            wrong = path not in known or path in deprecated
            return f"{use.folder}: {use.kind}: {what} {'.'.join(path)}" if wrong else None
        if not use.alternatives:
            return None
        names = [name for name in use.alternatives if name in self.attributes[use.kind]]
        if not names:
            return f"{use.folder}: {use.kind}: no attribute {' or '.join(use.alternatives)}"
        if (names[0],) in deprecated:
            return f"{use.folder}: {use.kind}: deprecated {names[0]}"
        return None


def uses(folder: str) -> list[Use]:
    """Return what a folder's configuration uses of the aws provider."""
    content = _without_comments(read(folder))
    return [*_arguments(folder, content), *_references(folder, content)]


def _arguments(folder: str, content: Mapping[str, Any]) -> Iterator[Use]:
    for prefix, kind in (("", "resource"), ("data.", "data")):
        for block in content.get(kind, []):
            for name, bodies in block.items():
                if name.startswith("aws_"):
                    for body in bodies.values():
                        # The block itself, which may be without an argument.
                        yield Use(folder, f"{prefix}{name}")
                        for path in _paths(body):
                            yield Use(folder, f"{prefix}{name}", path)


def _paths(body: Mapping[str, Any], top: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in body.items():
        if not top and name in META_ARGUMENTS:
            continue
        blocks = value if isinstance(value, list) else []
        nested = [
            block for block in blocks if isinstance(block, dict) and block.get("__is_block__")
        ]
        if not nested and not name.startswith("__"):
            yield (*top, name)
        for block in nested:
            yield from _paths(block, (*top, name))


def _references(folder: str, content: Mapping[str, Any]) -> Iterator[Use]:
    whole = {
        name: match[1]
        for block in content.get("locals", [])
        for name, value in block.items()
        if isinstance(value, str) and (match := _WHOLE.fullmatch(value))
    }
    for text in _texts(content):
        for kind, name in _REFERENCE.findall(text):
            yield Use(folder, kind, alternatives=(name,))
        rest = text
        for arguments in _TRY.findall(text):
            for local, kind in whole.items():
                names = tuple(re.findall(rf"\blocal\.{local}\.(\w+)", arguments))
                if names:
                    yield Use(folder, kind, alternatives=names)
                    rest = rest.replace(f"try({arguments})", "")
        for local, kind in whole.items():
            for name in re.findall(rf"\blocal\.{local}\.(\w+)", rest):
                yield Use(folder, kind, alternatives=(name,))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _without_comments(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if not key.endswith("comments__")}
        return {key: _without_comments(item) for key, item in kept.items()}
    return [_without_comments(item) for item in value] if isinstance(value, list) else value


def schema_of_names(document: Mapping[str, Any]) -> Schema:
    """Return the schema in a file that has the names of arguments and attributes only."""
    resources = document["resources"]
    return Schema(
        {
            kind: frozenset((name,) for name in resource["arguments"])
            for kind, resource in resources.items()
        },
        {kind: frozenset(resource["attributes"]) for kind, resource in resources.items()},
        {
            kind: frozenset((name,) for name in resource.get("deprecated", []))
            for kind, resource in resources.items()
        },
        depth=1,
    )


def schema_of_provider(document: Mapping[str, Any]) -> Schema:
    """Return the schema in the answer of `terraform providers schema -json`."""
    (provider,) = (
        provider for name, provider in document["provider_schemas"].items() if name.endswith("/aws")
    )
    blocks = {
        f"{prefix}{name}": schema["block"]
        for prefix, part in (("", "resource_schemas"), ("data.", "data_source_schemas"))
        for name, schema in provider[part].items()
    }
    walked = {kind: list(_walk(block)) for kind, block in blocks.items()}
    return Schema(
        {
            kind: frozenset(path for path, member in members if member.get("optional", True))
            | frozenset(path for path, member in members if member.get("required"))
            for kind, members in walked.items()
        },
        {kind: frozenset(path[0] for path, _ in members) for kind, members in walked.items()},
        {
            kind: frozenset(path for path, member in members if member.get("deprecated"))
            for kind, members in walked.items()
        },
    )


def _walk(
    block: Mapping[str, Any], top: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    for name, attribute in block.get("attributes", {}).items():
        is_argument = attribute.get("optional", False) or attribute.get("required", False)
        yield (*top, name), {**attribute, "optional": is_argument}
    for name, nested in block.get("block_types", {}).items():
        yield (*top, name), {"deprecated": nested["block"].get("deprecated", False)}
        yield from _walk(nested["block"], (*top, name))
