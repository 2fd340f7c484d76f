"""`python -m tools.typecheck`: mypy over all Python of the repository."""

from __future__ import annotations

import sys

from mypy import api

from tools.checkout import ROOT

TREES = ("tools", "sandbox", "tests", "examples", "scripts/iot_ca", "modules")


def main() -> int:
    """Print what mypy finds; return 0 if that is nothing."""
    trees = [tree for tree in TREES if any((ROOT / tree).rglob("*.py"))]
    findings, trouble, status = api.run(["--config-file", str(ROOT / "pyproject.toml"), *trees])
    print(findings, end="")
    print(trouble, end="", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
