"""`make demo`: it proves what it says, or fails; and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.terraform.on_path import quick_terraform
from tools.checkout import ROOT
from tools.engine.discovery import Engine

TREES = ("examples", "modules", "sandbox", "scripts", "tools")
MARK = "IOT_CA_TEST_DEMO"


@dataclass(frozen=True)
class Place:
    """A fresh checkout, an empty home and an empty folder for temporary files."""

    checkout: Path
    temporary: Path
    environment: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Python in the checkout."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.checkout,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run Python in the checkout: exit status and output."""
        with self.start(*arguments) as process:
            output, _ = process.communicate()
        return process.returncode, output

    def files(self) -> set[str]:
        """What is in the checkout, but for what `make` keeps there."""
        paths = (path.relative_to(self.checkout) for path in self.checkout.rglob("*"))
        return {str(path) for path in paths if not {".cache", "__pycache__"} & set(path.parts)}

    def still_running(self) -> list[str]:
        """The command lines of all processes that were started in this place."""
        mark = f"{MARK}={self.environment[MARK]}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


@pytest.fixture
def place(tmp_path: Path, engine: Engine) -> Iterator[Place]:
    """Somewhere to run the demo; afterwards nothing runs there and no file was left."""
    checkout, home = tmp_path / "a checkout", tmp_path / "home"
    for folder in (checkout, home):
        folder.mkdir()
    # Not below tmp_path: its name is too long for the sockets of providers.
    temporary = Path(tempfile.mkdtemp())
    for file in ROOT.glob("*.tf"):
        shutil.copy(file, checkout)
    unwanted = shutil.ignore_patterns("__pycache__", ".*cache", ".terraform*", "*.tfstate*")
    for tree in TREES:
        shutil.copytree(ROOT / tree, checkout / tree, ignore=unwanted)
    environment = {
        **os.environ,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "IOT_CA_ENGINE": engine.name,
        "AWS_PROFILE": "of-somebody",
        MARK: uuid.uuid4().hex,
    }
    place = Place(checkout, temporary, environment)
    before = place.files()
    yield place
    deadline = time.monotonic() + 60
    while place.still_running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert place.still_running() == []
    left = list(temporary.iterdir())
    shutil.rmtree(temporary)
    assert left == []
    assert place.files() == before


@pytest.fixture
def quick_place(place: Place, engine: Engine, installed: Path) -> Iterator[Place]:
    """The same, where the demo finds a `terraform` on its PATH that shares providers.

    They are not the demo's, and end before it is asked what it has left running. A demo with
    providers of its own is below, where it is interrupted.
    """
    with quick_terraform(engine, installed, place.environment["PATH"]) as path:
        yield replace(place, environment={**place.environment, "PATH": path})


@pytest.mark.timeout(600)
@pytest.mark.one_engine("the demo runs what is tested on both; how it ends either, is below")
def test_every_claim_of_the_demo_holds(quick_place: Place, engine: Engine) -> None:
    place = quick_place
    status, output = place.run("-m", "tools.demo")

    assert status == 0, output
    assert str(engine) in output
    assert "Every claim held." in output
    assert (
        len(re.findall(r"^ +✓ \d+ AWS calls by the plans, none of them writes", output, re.M)) == 3
    )
    repairs = re.search(r"✓ (\d+) AWS calls by the repairs, (\d+) of them writes", output)
    assert repairs
    assert int(repairs[1]) > int(repairs[2]) > 0
    assert "RegisterCACertificate" in output
    _, _, advice = output.partition("What to try next")
    for command in (
        "examples/single-account/README.md",
        "python -m sandbox",
        "docs/adopting-and-migrating.md",
    ):
        assert command in advice
    for account, mode in (("1", "DEFAULT"), ("2", "SNI_ONLY"), ("3", "SNI_ONLY")):
        row = next(
            line.split() for line in output.splitlines() if line.split()[:1] == [account * 12]
        )
        assert row[1] == "eu-west-1"
        assert row[3:] == [mode, "ACTIVE", "factory"]
    assert "status is INACTIVE, wanted ACTIVE" in output
    assert "another account holds this CA in DEFAULT" in output
    for mode in ("DEFAULT", "SNI_ONLY"):
        assert f"thing sensor-1, certificate ACTIVE, through the CA in {mode} mode" in output
    assert "thing sensor-2; unknown in the others" in output
    assert "sensor-3, new: refused" in output
    assert "sensor-1, known: accepted" in output


@pytest.mark.one_engine("it runs no Terraform")
def test_help_starts_nothing(place: Place) -> None:
    status, output = place.run("-m", "tools.demo", "--help")

    assert status == 0
    assert output.startswith("usage: python -m tools.demo")
    assert "sandbox" not in output


@pytest.mark.one_engine("the claims are of the demo's own making")
def test_a_false_claim_ends_the_demo_with_a_message(quick_place: Place) -> None:
    """The demo expects another template than the example makes."""
    status, output = quick_place.run(
        "-c",
        "import sys, tools.demo.steps.registration as registration\n"
        "from tools.demo.__main__ import main\n"
        "registration.CA_NAME = 'workshop'\n"
        "sys.exit(main())",
    )

    assert status == 1, output
    assert "Not as claimed: the CA in " in output
    assert "names its template" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing(place: Place, number: signal.Signals) -> None:
    process = place.start("-u", "-m", "tools.demo")
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if "initialised" in line:
                break
        time.sleep(2)  # amid the applies
        os.killpg(process.pid, number)
        output = process.stdout.read()

    assert process.returncode == 130
    assert "Interrupted. Nothing is left running." in output
