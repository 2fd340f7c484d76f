"""`python -m tools.typecheck`: mypy over all Python of the repository."""

from __future__ import annotations

import sys

from mypy import api

from tools.terraform import ROOT

ENTRY = "scripts/iot_ca.py"
TREES = ("tools", "sandbox", "tests", "examples", "scripts/iot_ca", "modules")


def main() -> int:
    """Print what mypy finds; returns 0 if that is nothing."""
    trees = [tree for tree in TREES if any((ROOT / tree).rglob("*.py"))]
    statuses = [_check(trees)]
    # The entry point has the name of the package beside it, so mypy takes it only as a text.
    if (ROOT / ENTRY).exists():
        statuses.append(_check(["-c", (ROOT / ENTRY).read_text(encoding="utf-8")]))
    return max(statuses)


def _check(arguments: list[str]) -> int:
    config = ["--config-file", str(ROOT / "pyproject.toml")]
    found, trouble, status = api.run([*config, *arguments])
    print(found.replace("<string>", ENTRY), end="")
    print(trouble, end="", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
