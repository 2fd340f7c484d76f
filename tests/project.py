"""What pyproject.toml says of the program's package."""

from __future__ import annotations

import sys
from typing import Any

from tools.terraform import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def project() -> dict[str, Any]:
    """Return the table `[project]`."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    table: dict[str, Any] = settings["project"]
    return table
