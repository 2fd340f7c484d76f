"""Which Terraform a configuration needs, going by the constructs that are in it.

OpenTofu began as Terraform 1.5: what needs no later one, it has too. Sources: the changelogs of
Terraform 1.0 to 1.15.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hcl2
from lark import Token, Tree

Version = tuple[int, int]
Node = Tree[Token]

LEAST: Version = (1, 0)

# Every function of 1.5, those of the last versions before it by version.
FUNCTIONS: dict[str, Version] = {
    **dict.fromkeys(
        """
        abs abspath alltrue anytrue base64decode base64encode base64gzip base64sha256
        base64sha512 basename bcrypt can ceil chomp chunklist cidrhost cidrnetmask
        cidrsubnet cidrsubnets coalesce coalescelist compact concat contains csvdecode
        dirname distinct element file filebase64 filebase64sha256 filebase64sha512
        fileexists filemd5 fileset filesha1 filesha256 filesha512 flatten floor format
        formatdate formatlist indent index join jsondecode jsonencode keys length log lookup
        lower matchkeys max md5 merge min nonsensitive one parseint pathexpand pow range
        regex regexall replace reverse rsadecrypt sensitive setintersection setproduct
        setsubtract setunion sha1 sha256 sha512 signum slice sort split strrev substr sum
        templatefile textdecodebase64 textencodebase64 timeadd timestamp title tobool tolist
        tomap tonumber toset tostring transpose trim trimprefix trimspace trimsuffix try
        upper urlencode uuid uuidv5 values yamldecode yamlencode zipmap
        """.split(),  # noqa: SIM905 - to be read, not to be counted
        LEAST,
    ),
    **dict.fromkeys(("endswith", "startswith", "timecmp"), (1, 3)),
    **dict.fromkeys(("plantimestamp", "strcontains"), (1, 5)),
    "issensitive": (1, 8),
    "templatestring": (1, 9),
    "ephemeralasnull": (1, 10),
    "convert": (1, 15),
}
PROVIDER_FUNCTIONS: Version = (1, 8)
WRITE_ONLY: Version = (1, 11)
REFERENCES_IN_VALIDATION: Version = (1, 9)

BLOCKS: dict[str, Version] = {
    **dict.fromkeys(
        ("terraform", "provider", "variable", "output", "locals", "data", "resource", "module"),
        LEAST,
    ),
    "moved": (1, 1),
    "import": (1, 5),
    "check": (1, 5),
    "removed": (1, 7),
    "ephemeral": (1, 10),
    "action": (1, 14),
}
# What may stand directly in these blocks.
MEMBERS: dict[str, dict[str, Version]] = {
    "variable": {
        **dict.fromkeys(("description", "type", "default", "sensitive", "validation"), LEAST),
        "nullable": (1, 1),
        "ephemeral": (1, 10),
        "deprecated": (1, 15),
    },
    "output": {
        **dict.fromkeys(("description", "value", "sensitive", "depends_on"), LEAST),
        "precondition": (1, 2),
        "ephemeral": (1, 10),
        "deprecated": (1, 15),
        "type": (1, 15),
    },
    "import": {"to": (1, 5), "id": (1, 5), "provider": (1, 5), "for_each": (1, 7)},
    "terraform": {
        **dict.fromkeys(("required_version", "required_providers", "backend"), LEAST),
        "cloud": (1, 1),
    },
}
LIFECYCLE: dict[str, Version] = {
    **dict.fromkeys(("create_before_destroy", "prevent_destroy", "ignore_changes"), LEAST),
    **dict.fromkeys(("replace_triggered_by", "precondition", "postcondition"), (1, 2)),
    "destroy": (1, 7),
    "action_trigger": (1, 14),
}
# What is in none of the tables above is newer than they are.
UNKNOWN: Version = (99, 0)


@dataclass(frozen=True)
class Need:
    """A construct, and the version that it came with."""

    version: Version
    construct: str


def needs_of(folder: Path) -> list[Need]:
    """All that a folder's files need, in the order of the text."""
    return [
        need
        for path in sorted(folder.glob("*.tf"))
        for need in needs(path.read_text(encoding="utf-8"))
    ]


def needs(text: str) -> list[Need]:
    """All that a configuration needs."""
    return [need for block in _blocks(_body(hcl2.parses_to_tree(text))) for need in _needs(block)]


def _needs(block: Node) -> Iterator[Need]:
    kind, name = _labels(block)[0], _labels(block)[-1]
    yield Need(BLOCKS.get(kind, UNKNOWN), kind)
    known = MEMBERS.get(kind)
    for member in _members(_body(block)):
        if known is not None:
            yield Need(known.get(member, UNKNOWN), f"{kind}: {member}")
        elif kind in ("resource", "data") and member.endswith("_wo"):
            yield Need(WRITE_ONLY, f"{kind}: {member}")
    for inner in _blocks(_body(block)):
        if _labels(inner)[0] == "lifecycle":
            for member in _members(_body(inner)):
                yield Need(LIFECYCLE.get(member, UNKNOWN), f"lifecycle: {member}")
        if kind == "variable" and _labels(inner)[0] == "validation":
            for other in _references(inner) - {f"var.{name}"}:
                yield Need(REFERENCES_IN_VALIDATION, f"validation of {name}: {other}")
    yield from _functions(block, in_variable=kind == "variable")


def _functions(block: Node, in_variable: bool) -> Iterator[Need]:
    for child in _children(_body(block)):
        # A type constraint only looks like a call.
        if in_variable and child.data == "attribute" and _name(child) == "type":
            continue
        yield from map(_function, child.find_data("function_call"))
        for heredoc in child.scan_values(_is_heredoc):
            # The parser takes these as they are.
            expressions = re.findall(r"(?<!\$)\$\{([^{}]*)\}", heredoc)
            assert len(expressions) == len(re.findall(r"(?<!\$)\$\{", heredoc)), heredoc
            for expression in expressions:
                tree = hcl2.parses_to_tree(f"a = {expression}\n")
                yield from map(_function, tree.find_data("function_call"))


def _function(call: Node) -> Need:
    names = [str(each.children[0]) for each in _children(call) if each.data == "identifier"]
    function = "::".join(names)
    if len(names) > 1 and names[0] != "core":
        return Need(PROVIDER_FUNCTIONS, f"{function}()")
    return Need(FUNCTIONS.get(names[-1], UNKNOWN), f"{function}()")


def _is_heredoc(node: object) -> bool:
    return isinstance(node, Token) and node.type.startswith("HEREDOC")


def _references(node: Node) -> set[str]:
    """The values outside of it that an expression uses, as `var.name`, `local.name` ..."""
    text = " ".join(str(t) for t in node.scan_values(lambda each: isinstance(each, Token)))
    text = re.sub(r"\s*\.\s*", ".", text)
    return set(re.findall(r"(?<![\w.])(?:var|local|data|module|path|terraform)\.\w+", text))


def _body(node: Node) -> Node:
    (body,) = (each for each in _children(node) if each.data == "body")
    return body


def _blocks(body: Node) -> list[Node]:
    return [each for each in _children(body) if each.data == "block"]


def _members(body: Node) -> list[str]:
    named = (each for each in _children(body) if each.data in ("attribute", "block"))
    return [_name(each) for each in named]


def _name(node: Node) -> str:
    return _labels(node)[0]


def _labels(node: Node) -> list[str]:
    """The words before a block's brace, or before an attribute's equals sign."""
    labels = (each for each in _children(node) if each.data in ("identifier", "keyword", "string"))
    return [
        "".join(map(str, each.scan_values(lambda token: isinstance(token, Token)))).strip(' "')
        for each in labels
    ]


def _children(node: Node) -> list[Node]:
    return [each for each in node.children if isinstance(each, Tree)]
