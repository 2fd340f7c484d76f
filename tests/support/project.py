"""What pyproject.toml says of the program's package and of its development."""

from __future__ import annotations

import sys
from typing import Any

from tools.checkout import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def project() -> dict[str, Any]:
    """Return the table `[project]`."""
    table: dict[str, Any] = _settings()["project"]
    return table


def development_requirements() -> list[str]:
    """Return the requirements of all dependency groups but those that have a lock of their own."""
    groups: dict[str, list[str | dict[str, str]]] = _settings()["dependency-groups"]
    shared = [group for name, group in groups.items() if name != "checkov"]
    return [line for group in shared for line in group if isinstance(line, str)]


def _settings() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings
