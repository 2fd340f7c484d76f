"""`make setup` picks a Python that runs; the locks and the package are complete."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.support.project import development_requirements, project
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


def test_without_python_the_setup_names_the_remedy(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-checkov.txt",
        "requirements-dev.txt",
        "requirements-terraform-1.6.txt",
    ],
)
def test_the_lock_is_complete(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    entries = [line for line in lines if line.strip() and not line.startswith("#")]
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


def test_the_lock_names_every_dependency() -> None:
    locked = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    extra = project()["optional-dependencies"]["status"]
    for requirement in [*project()["dependencies"], *extra, *development_requirements()]:
        name = re.split(r"[\[=<> ;]", requirement)[0].lower()
        assert re.search(rf"^{re.escape(name)}==", locked, re.MULTILINE), requirement


def test_the_tools_install_only_packages_of_the_lock() -> None:
    setup = SETUP.read_text(encoding="utf-8")
    assert "--require-hashes -r requirements-dev.txt" in setup
    assert "--ignore-requires-python" not in setup
    checkov = (ROOT / "Makefile").read_text(encoding="utf-8").partition("$(CHECKOV)/.installed:")[2]
    rule = checkov.partition("\n\n")[0].replace("\\\n", " ")
    (install,) = [line for line in rule.splitlines() if "pip install" in line]
    assert "--require-hashes" in install
    assert install.endswith("-r requirements-checkov.txt")
    locked = (ROOT / "requirements-checkov.txt").read_text(encoding="utf-8")
    assert re.search(r"^checkov==", locked, re.MULTILINE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The program's package, built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("pyproject.toml", "README.md", "LICENSE", "scripts"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "dist").glob("terraform_aws_iot_ca-*.whl")
    return zipfile.ZipFile(path)


def test_the_package_holds_the_program_and_its_data(wheel: zipfile.ZipFile) -> None:
    files = [path for path in (ROOT / "scripts" / "iot_ca").rglob("*") if path.is_file()]
    wanted = {
        path.relative_to(ROOT / "scripts").as_posix()
        for path in files
        if "__pycache__" not in path.parts
    }
    assert {Path(name).suffix for name in wanted} == {".py", ".css", ".js"}
    assert wanted <= set(wheel.namelist())
    assert all(name.startswith(("iot_ca/", "terraform_aws_iot_ca-")) for name in wheel.namelist())


def test_the_package_requires_the_dependencies_of_pyproject(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(wheel.read(name))
    required = metadata.get_all("Requires-Dist") or []
    assert set(project()["dependencies"]) == {line for line in required if "extra ==" not in line}
    assert metadata["Requires-Python"] == project()["requires-python"]
    assert metadata.get_all("Provides-Extra") == ["status"]


def test_the_console_script_names_a_function_of_the_program(wheel: zipfile.ZipFile) -> None:
    module, _, function = project()["scripts"]["iot-ca"].partition(":")
    tree = ast.parse(wheel.read(f"{module.replace('.', '/')}.py"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
