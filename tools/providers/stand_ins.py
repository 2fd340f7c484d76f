"""The stand-ins of tools/standin, placed where Terraform looks for providers."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

from tools.checkout import ROOT
from tools.providers.configuration import write_once
from tools.providers.mirrors import HOST, platform_name

STAND_INS = {"hashicorp/external": "2.3.5"}


def stand_ins_run() -> bool:
    """Return whether the framework of the stand-ins is installed: it needs Python 3.11."""
    return importlib.util.find_spec("tf") is not None


def install_stand_in(provider: str, cache: Path, python: str = sys.executable) -> Path:
    """Write a mirror that holds the stand-in for the provider; returns the mirror."""
    name, version = provider.split("/")[1], STAND_INS[provider]
    # A shebang line would break on spaces and on long paths.
    command = [python, "-I", str(ROOT / "tools" / "standin"), name, str(cache / "home")]
    script = f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n'
    relative_path = (
        f"{HOST}/{provider}/{version}/{platform_name()}/terraform-provider-{name}_v{version}"
    )
    program = write_once(cache, "standin", relative_path, script, mode=0o755)
    return program.parents[len(Path(relative_path).parts) - 1]
