"""`make setup` picks a Python that runs, and says in a line what to do if there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.checkout import ROOT

SETUP = ROOT / "tools" / "setup.sh"


def _run(path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SETUP), *arguments],
        env={"PATH": str(path), "HOME": str(path), **variables},
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_shim_that_fails_is_passed_over(tmp_path: Path) -> None:
    _program(tmp_path / "python3", "exit 127")
    assert _run(tmp_path, "--check").returncode != 0
    _program(tmp_path / "python3.12", f'exec "{os.path.realpath(sys.executable)}" "$@"')
    assert _run(tmp_path, "--check").returncode == 0


def test_no_python(tmp_path: Path) -> None:
    done = _run(tmp_path, "venv")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no Python 3.10 or newer on the PATH" in done.stderr


def test_a_named_python_that_does_not_run(tmp_path: Path) -> None:
    done = _run(tmp_path, "venv", PYTHON="/no/such/python")
    assert done.returncode == 1
    assert "PYTHON=/no/such/python does not run, or is older than 3.10" in done.stderr


def test_a_python_without_venv(tmp_path: Path) -> None:
    # Debian's python3 without python3-venv: everything works but `import ensurepip`.
    _program(tmp_path / "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    done = _run(tmp_path, "venv")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt-get install python3-venv" in done.stderr


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_is_complete(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = [entry for entry in text.replace("\\\n", " ").splitlines() if entry.strip()]
    assert entries
    for entry in entries:
        assert "==" in entry.split()[0], entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text


def test_both_locks_agree() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return {line.split()[0] for line in lines if "==" in line}

    assert pins("requirements.txt") <= pins("requirements-dev.txt")
