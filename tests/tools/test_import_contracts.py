"""The import contracts in pyproject.toml refuse what they are there to refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.checkout import ROOT

MODULES = (
    "iot_ca/__main__.py",
    "iot_ca/cli.py",
    "iot_ca/errors.py",
    "iot_ca/model.py",
    "iot_ca/isolation.py",
    "iot_ca/streams.py",
    "iot_ca/utc.py",
    "iot_ca/waiting.py",
    *(
        f"iot_ca/{package}/{name}.py"
        for package in ("terraform", "reconcile", "certificates", "ownership", "aws", "fleet")
        for name in ("__init__", "one", "other")
    ),
    "iot_ca/diagnosis/__init__.py",
    *(
        f"iot_ca/diagnosis/{name}.py"
        for name in (
            "command",
            "device_files",
            "facts",
            "render",
            "report",
            "template",
            "observe/__init__",
            "observe/one",
            "steps/__init__",
            "steps/one",
        )
    ),
    "iot_ca/provisioning/__init__.py",
    *(
        f"iot_ca/provisioning/{name}.py"
        for name in (
            "facts",
            "policies",
            "remedies",
            "topics",
            "checks/__init__",
            "checks/one",
            "observe/__init__",
            "observe/one",
        )
    ),
    "sandbox/one.py",
    "tools/one.py",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with the packages of the program, whose modules are empty."""
    for module in MODULES:
        path = tmp_path / "scripts" / module if module.startswith("iot_ca") else tmp_path / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for package in ("scripts/iot_ca", "sandbox", "tools"):
            (tmp_path / package).mkdir(parents=True, exist_ok=True)
            (tmp_path / package / "__init__.py").touch()
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check(tree: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts on a tree, as `make lint` does."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": f".{os.pathsep}scripts"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_may_import_the_fleet_report_late(tree: Path) -> None:
    lazily = "def run() -> None:\n    from iot_ca import fleet\n"
    (tree / "scripts/iot_ca/cli.py").write_text(lazily, encoding="utf-8")
    done = check(tree)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("scripts/iot_ca/terraform/one.py", "import iot_ca.fleet.one", "report on a fleet"),
        ("scripts/iot_ca/__main__.py", "import iot_ca.fleet", "report on a fleet"),
        ("scripts/iot_ca/fleet/one.py", "import iot_ca.diagnosis.report", "diagnosis of a device"),
        ("scripts/iot_ca/fleet/one.py", "import iot_ca.diagnosis.report", "imports run one way"),
        (
            "scripts/iot_ca/diagnosis/steps/one.py",
            "import botocore",
            "import no AWS SDK",
        ),
        (
            "scripts/iot_ca/diagnosis/steps/one.py",
            "import iot_ca.aws.one",
            "import no AWS SDK",
        ),
        (
            "scripts/iot_ca/diagnosis/steps/one.py",
            "import iot_ca.diagnosis.observe.one",
            "make no call to AWS",
        ),
        (
            "scripts/iot_ca/provisioning/checks/one.py",
            "import iot_ca.aws.one",
            "import no AWS SDK",
        ),
        (
            "scripts/iot_ca/provisioning/checks/one.py",
            "import iot_ca.provisioning.observe.one",
            "make no call to AWS",
        ),
        ("scripts/iot_ca/reconcile/one.py", "import botocore", "know neither the AWS SDK"),
        ("scripts/iot_ca/certificates/one.py", "import boto3.session", "know neither the AWS SDK"),
        ("scripts/iot_ca/reconcile/one.py", "import iot_ca.terraform", "know neither the AWS SDK"),
        ("scripts/iot_ca/model.py", "import iot_ca.certificates.one", "imports run one way"),
        ("scripts/iot_ca/errors.py", "import iot_ca.model", "imports run one way"),
        ("scripts/iot_ca/new.py", "import json", "imports run one way"),
        ("scripts/iot_ca/aws/one.py", "import sandbox.one", "do not import each other"),
        ("sandbox/one.py", "import iot_ca.model", "do not import each other"),
        ("sandbox/one.py", "import tools.one", "needs the tools"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    tree: Path, module: str, line: str, contract: str
) -> None:
    (tree / module).write_text(f"def run() -> None:\n    {line}\n", encoding="utf-8")
    done = check(tree)
    assert done.returncode == 1
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(contract in text for text in broken), done.stdout


def test_a_cycle_of_two_modules_breaks_the_contract(tree: Path) -> None:
    folder = tree / "scripts" / "iot_ca" / "aws"
    (folder / "one.py").write_text("from iot_ca.aws import other\n", encoding="utf-8")
    (folder / "other.py").write_text("from iot_ca.aws import one\n", encoding="utf-8")
    done = check(tree)
    assert done.returncode == 1
    assert "There is no import cycle BROKEN" in done.stdout
