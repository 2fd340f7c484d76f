"""`python -m tools.lint_language`: terms that docs/style.md rules out, long messages.

codespell knows misspelled words. This knows words that are spelled well and that readers stumble
over, and how long a message to a user may be.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.checkout import ROOT

# Letters, digits and spaces of a message, without the values in it and without AWS's own words.
MAX_MESSAGE_LENGTH = 200

# What is written instead stands in docs/style.md.
RULED_OUT = {
    r"besides?": "next to, in addition to",
    r"whoever": "name who it is",
    r"mend(s|ed|ing)?": "repair, fix",
    r"(take|takes|taken|taking|took) (out|off)": "remove, detach, deregister",
    r"shall": "must, should",
    r"way back": "rollback",
    r"(is|are|was|were) no(?! longer| more\b| later)": "is not a, there are none",
}
_PATTERNS = {
    re.compile(rf"\b{word.replace(' ', ' +')}\b", re.IGNORECASE): instead
    for word, instead in RULED_OUT.items()
}
# `there is no ...` says that something is missing, which is what it is for.
_THERE_IS_NO = re.compile(r"\b(there|where) +(is|are|was|were) +no\b", re.IGNORECASE)

# Where the words themselves are the subject.
EXEMPT = {"docs/style.md", "tools/lint_language.py", "tests/tools/test_lint_language.py"}
SUFFIXES = {".py", ".tf", ".hcl", ".md", ".yml", ".toml", ".sh", ".html", ".js", ".css", ".tfvars"}


@dataclass(frozen=True)
class LanguageFinding:
    """One place in the repository.

    Attributes:
        line: number of the line, from 1.
        problem: what is wrong there, in words.
    """

    line: int
    problem: str


def check_words(text: str) -> Iterator[LanguageFinding]:
    """Yield a finding for each term of a text that is ruled out, also over the end of a line."""
    joined = re.sub(r"\n[ \t]*(?:#|//)?[ \t]*", lambda match: " " * len(match[0]), text)
    joined = _THERE_IS_NO.sub(lambda match: "x" * len(match[0]), joined)
    joined = re.sub(r"\s", " ", joined)
    for pattern, instead in _PATTERNS.items():
        for match in pattern.finditer(joined):
            line = text.count("\n", 0, match.start()) + 1
            yield LanguageFinding(line, f'"{match[0]}": write {instead}')


def check_python_messages(text: str) -> Iterator[LanguageFinding]:
    """Yield a finding for each text in a program that is longer than a message may be.

    Docstrings and the descriptions of commands (arguments by the name of `description`, `help`
    and `epilog`) are not messages.
    """
    tree = ast.parse(text)
    ignored: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            ignored.update(ast.walk(node.value) if _is_text(node.value) else ())
        elif isinstance(node, ast.keyword) and node.arg in {"description", "help", "epilog"}:
            ignored.update(ast.walk(node.value))
    for node in ast.walk(tree):
        if node in ignored or not _is_text(node):
            continue
        if isinstance(node, ast.JoinedStr):
            ignored.update(ast.walk(node))
        length = len(_literal(node))
        if length > MAX_MESSAGE_LENGTH and " " in _literal(node):
            yield LanguageFinding(getattr(node, "lineno", 0), f"a message of {length} characters")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _literal(node: ast.AST) -> str:
    """Return a text without the values in it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(value) for value in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ""


_ERROR_MESSAGE = re.compile(
    r"^(?P<indent> *)error_message += (?P<value>.*?)(?=^(?P=indent)\S|^ *}$)",
    re.DOTALL | re.MULTILINE,
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\.")
_CONDITIONAL = re.compile(r'\?\s*("(?:[^"\\]|\\.)*")\s*:\s*("(?:[^"\\]|\\.)*")')


def check_terraform_messages(text: str) -> Iterator[LanguageFinding]:
    """Yield a finding for each error_message that is longer than a message may be."""
    for match in _ERROR_MESSAGE.finditer(text):
        without_values = _without_values(match["value"])
        alternatives = _CONDITIONAL.sub(_longer, without_values)
        length = sum(len(_ESCAPE.sub("x", string)) for string in _STRING.findall(alternatives))
        if length > MAX_MESSAGE_LENGTH:
            line = text.count("\n", 0, match.start()) + 1
            yield LanguageFinding(line, f"a message of {length} characters")


def _longer(match: re.Match[str]) -> str:
    """Return the longer alternative of a conditional expression."""
    return max(match.groups(), key=len)


def _without_values(expression: str) -> str:
    """Return an expression without its interpolations, also those in one another."""
    kept, depth, position = [], 0, 0
    while position < len(expression):
        if expression.startswith("${", position):
            depth, position = depth + 1, position + 2
        elif depth and expression[position] in "{}":
            depth += 1 if expression[position] == "{" else -1
            position += 1
        else:
            kept += [] if depth else [expression[position]]
            position += 1
    return "".join(kept)


def check(path: str, text: str) -> list[LanguageFinding]:
    """Return all findings in one file, by its path from the root."""
    findings = list(check_words(text))
    if path.startswith("scripts/") and path.endswith(".py"):
        findings += check_python_messages(text)
    if path.endswith(".tf"):
        findings += check_terraform_messages(text)
    return sorted(findings, key=lambda finding: finding.line)


def tracked_files(root: Path) -> list[str]:
    """Return the text files that git tracks, without those where the words are the subject."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True
    )
    return [
        path
        for path in listed.stdout.split("\0")
        if Path(path).suffix in SUFFIXES and path not in EXEMPT and (root / path).is_file()
    ]


def main() -> int:
    """Print all findings; return 0 if there are none."""
    clean = True
    for path in tracked_files(ROOT):
        for finding in check(path, (ROOT / path).read_text(encoding="utf-8")):
            print(f"{path}:{finding.line}: {finding.problem}")
            clean = False
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
