"""`python -m tools.lint_unused`: find Terraform locals, variables and data that nothing uses."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hcl2
from lark import Token, Tree

from tools.checkout import ROOT

Node = Tree[Token]
# Where an address such as `data.aws_region.current` ends, by its first word.
ADDRESS_WORDS = {"local": 2, "var": 2, "data": 3}
_IN_TEXT = re.compile(r"\b(?:local|var)\.[\w-]+|\bdata\.[\w-]+\.[\w-]+")


@dataclass(frozen=True)
class Declaration:
    """Something that a module declares for its own use. `line` is of its file, from 1."""

    address: str
    file: Path
    line: int


def main() -> int:
    """Print what is not used in any folder of the checkout; return 0 if there is nothing."""
    unused = [item for folder in terraform_folders(ROOT) for item in unused_declarations(folder)]
    for item in unused:
        file = item.file.relative_to(ROOT)
        print(f"{file}:{item.line}: {item.address} is not used", file=sys.stderr)
    return 1 if unused else 0


def terraform_folders(root: Path) -> list[Path]:
    """Return each folder below `root` with a configuration, without what `terraform init` wrote."""
    trees = [root / "modules", root / "examples"]
    files = [*root.glob("*.tf"), *(path for tree in trees for path in tree.rglob("*.tf"))]
    visible = (path for path in files if not _is_hidden(path.relative_to(root)))
    return sorted({path.parent for path in visible})


def unused_declarations(folder: Path) -> list[Declaration]:
    """Return what the module in `folder` declares and does not use.

    A variable that only its own validation refers to is not used. A data source with a `lifecycle`
    block is: its conditions are its purpose. A name in the text of a heredoc counts as a use.
    """
    declared: list[Declaration] = []
    used: set[str] = set()
    for file in sorted(folder.glob("*.tf")):
        for block in _blocks(file):
            own = _declarations(block, file)
            declared += own
            used |= _uses(block) - ({own[0].address} if _type(block) == "variable" else set())
    return [item for item in declared if item.address not in used]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _blocks(file: Path) -> list[Node]:
    # The parser wants a line break at the end.
    tree = hcl2.parses_to_tree(file.read_text(encoding="utf-8") + "\n")
    (body,) = _children(tree, "body")
    return _children(body, "block")


def _declarations(block: Node, file: Path) -> list[Declaration]:
    kind = _type(block)
    (body,) = _children(block, "body")
    if kind == "locals":
        names = [_first_token(attribute) for attribute in _children(body, "attribute")]
        return [Declaration(f"local.{name}", file, name.line or 0) for name in names]
    labels = [_text(label) for label in _children(block, "string")]
    if kind == "variable":
        return [Declaration(f"var.{labels[0]}", file, _first_token(block).line or 0)]
    if kind == "data" and "lifecycle" not in map(_type, _children(body, "block")):
        return [Declaration(".".join(["data", *labels]), file, _first_token(block).line or 0)]
    return []


def _uses(block: Node) -> set[str]:
    """Return the addresses that a block refers to, such as `local.tags`."""
    addresses: set[str] = set()
    for node in block.iter_subtrees():
        if node.data == "get_attr_expr_term":
            words = _words(node)
            length = ADDRESS_WORDS.get(words[0]) if words else None
            if length and len(words) >= length:
                addresses.add(".".join(words[:length]))
    heredocs = (token for token in _tokens(block) if token.type.startswith("HEREDOC"))
    return addresses.union(*(_IN_TEXT.findall(heredoc) for heredoc in heredocs))


def _words(node: Node) -> list[str]:
    """Return `a.b.c` as its words; nothing if the first is not a plain name."""
    if node.data == "identifier":
        return [_text(node)]
    if node.data == "get_attr_expr_term":
        term, attribute = _children(node)
        before = _words(term)
        return [*before, _text(attribute).lstrip(".")] if before else []
    children = _children(node)
    if node.data == "expr_term" and len(node.children) == len(children) == 1:
        return _words(children[0])
    return []


def _type(block: Node) -> str:
    return str(_first_token(block))


def _children(node: Node, data: str | None = None) -> list[Node]:
    trees = (child for child in node.children if isinstance(child, Tree))
    return [tree for tree in trees if data is None or tree.data == data]


def _first_token(node: Node) -> Token:
    return next(_tokens(node))


def _text(node: Node) -> str:
    return "".join(map(str, _tokens(node))).strip().strip('"')


def _tokens(node: Node) -> Iterator[Token]:
    return node.scan_values(lambda value: isinstance(value, Token))


if __name__ == "__main__":
    sys.exit(main())
