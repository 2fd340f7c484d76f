"""One of the processes that Terraform starts at once carries out the requests of all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.checkout import ROOT

# A process with one request. The one that carries out requests first waits for as many as WAIT
# says, and notes in `log` what it does.
PROGRAM = """
import glob, os, signal, sys, time
from iot_ca.errors import Failure, Failures
from iot_ca.terraform import batch

# A test that runs in the background of a shell would pass on that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def note(*words):
    with open(os.environ["LOG"], "a") as log:
        print(*words, file=log)

def load():
    note("load", os.getpid())
    pattern = os.environ["TMPDIR"] + "/iot-ca-*/*.request"
    while len(glob.glob(pattern)) < int(os.environ["WAIT"]):
        time.sleep(0.01)
    return run

def run(command, text):
    note(command, text)
    if text == "fail":
        raise Failures("account 1, here", {"root": Failure("it is wrong")})
    if text == "break":
        raise RuntimeError(text)
    while text == "hang" and not os.path.exists(os.environ["LOG"] + ".go"):
        time.sleep(0.01)
    return "done " + text

batch._LINGER_SECONDS = float(os.environ.get("LINGER", "0"))
try:
    print(batch.carry_out("register", os.environ["IOT_CA_REQUEST"], load))
except Failures as failures:
    sys.exit("; ".join(failures.lines()))
except Failure as failure:
    sys.exit(str(failure))
"""


class Group:
    """Processes that share everything except their requests."""

    def __init__(self, folder: Path) -> None:
        """Use a folder of its own in place of the system's temporary one."""
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._log = folder / "log"
        self._log.touch()
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, request: str, wait: int = 0, **environment: str) -> subprocess.Popen[str]:
        """Start a process with a request."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=self.folder,
            env={
                "PYTHONPATH": str(ROOT / "scripts"),
                "TMPDIR": str(self.temporary),
                "LOG": str(self._log),
                "WAIT": str(wait),
                "IOT_CA_REQUEST": request,
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def wait_for(self, words: str, count: int = 1) -> None:
        """Wait until the log has a line that begins with these words, so many times."""
        while sum(line.startswith(words) for line in self.log) < count:
            time.sleep(0.01)

    def release(self) -> None:
        """Let requests that hang end."""
        (self.folder / "log.go").touch()

    @property
    def log(self) -> list[str]:
        """What the processes have noted."""
        return self._log.read_text(encoding="utf-8").splitlines()

    @property
    def leaders(self) -> list[int]:
        """The processes that carried out requests."""
        return [int(line.split()[1]) for line in self.log if line.startswith("load")]


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    made = Group(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


def outcome(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process printed, on both streams."""
    stdout, stderr = process.communicate(timeout=60)
    return stdout.strip(), stderr.strip()


def test_one_process_carries_out_the_requests_of_all(group: Group) -> None:
    processes = {name: group.start(name, wait=5) for name in "abcde"}
    assert {name: outcome(it)[0] for name, it in processes.items()} == {
        name: f"done {name}" for name in "abcde"
    }
    assert len(group.leaders) == 1
    assert list(group.temporary.iterdir()) == []


def test_a_request_that_comes_later_joins_those_under_way(group: Group) -> None:
    first = group.start("hang")
    group.wait_for("register hang")
    second = group.start("later")
    assert outcome(second) == ("done later", "")
    group.release()
    assert outcome(first) == ("done hang", "")
    assert len(group.leaders) == 1


def test_a_failure_costs_its_own_request_alone(group: Group) -> None:
    names = ("a", "fail", "break", "b")
    processes = {name: group.start(name, wait=4) for name in names}
    assert {name: outcome(it) for name, it in processes.items()} == {
        "a": ("done a", ""),
        "fail": ("", "root (account 1, here): it is wrong"),
        "break": ("", "unforeseen RuntimeError; run with IOT_CA_DEBUG=1 and report it"),
        "b": ("done b", ""),
    }


def test_another_process_goes_on_if_the_leader_is_killed(group: Group) -> None:
    processes = {name: group.start(name, wait=2) for name in ("hang", "other")}
    group.wait_for("register hang")
    (leader,) = group.leaders
    survivor = next(name for name, it in processes.items() if it.pid != leader)
    os.kill(leader, signal.SIGKILL)
    group.release()
    assert outcome(processes[survivor]) == (f"done {survivor}", "")


def test_a_request_of_a_dead_process_is_not_carried_out(group: Group) -> None:
    leader = group.start("hang")
    group.wait_for("register hang")
    (folder,) = group.temporary.iterdir()
    dead = folder / "1-1.request"
    dead.write_text('["register", "dead"]', encoding="utf-8")
    group.release()
    assert outcome(leader) == ("done hang", "")
    assert outcome(group.start("next")) == ("done next", "")
    assert "register dead" not in group.log
    assert list(group.temporary.iterdir()) == []


def test_processes_with_another_environment_or_folder_stay_apart(group: Group) -> None:
    first = group.start("hang")
    group.wait_for("register hang")
    other = group.start("other", AWS_PROFILE="other")
    assert outcome(other) == ("done other", "")
    group.release()
    assert outcome(first) == ("done hang", "")
    assert sorted(group.leaders) == sorted([first.pid, other.pid])


def test_a_folder_that_others_can_enter_is_not_used(group: Group) -> None:
    first = group.start("hang")
    group.wait_for("register hang")
    (folder,) = group.temporary.iterdir()
    folder.chmod(0o755)
    assert outcome(group.start("other")) == ("done other", "")
    group.release()
    assert outcome(first) == ("done hang", "")
    assert len(group.leaders) == 2


def test_a_process_that_can_have_no_folder_works_alone(group: Group) -> None:
    first = group.start("hang")
    group.wait_for("register hang")
    (folder,) = group.temporary.iterdir()
    group.release()
    assert outcome(first) == ("done hang", "")
    folder.touch()
    assert outcome(group.start("other")) == ("done other", "")
    assert folder.is_file()


def test_with_debugging_each_process_works_alone(group: Group) -> None:
    first = group.start("hang", IOT_CA_DEBUG="1")
    group.wait_for("register hang")
    assert list(group.temporary.iterdir()) == []
    group.release()
    assert outcome(first) == ("done hang", "")


def test_an_interrupted_leader_leaves_nothing_behind(group: Group) -> None:
    first = group.start("hang")
    group.wait_for("register hang")
    first.send_signal(signal.SIGINT)
    group.release()
    stdout, stderr = outcome(first)
    assert stdout == ""
    assert "KeyboardInterrupt" in stderr
    assert list(group.temporary.iterdir()) == []


def test_after_many_requests_the_next_finds_the_sdk_loaded(group: Group) -> None:
    early = [group.start(f"{index}", wait=8, LINGER="600") for index in range(8)]
    group.wait_for("register", 8)
    (leader,) = group.leaders
    for process in early:
        if process.pid != leader:
            assert process.wait(60) == 0
    late = group.start("late", wait=8, LINGER="600")
    assert outcome(late) == ("done late", "")
    assert group.leaders == [leader]


def test_a_run_of_few_requests_ends_at_once(group: Group) -> None:
    few = [group.start(f"{index}", wait=2, LINGER="600") for index in range(2)]
    assert sorted(process.communicate()[0] for process in few) == ["done 0\n", "done 1\n"]


# Runs the program as Terraform does; another process, or this one, carries out the request.
IMPORTS = """
import runpy, sys
_, scripts, role = sys.argv
sys.path.insert(0, scripts)
from iot_ca.terraform import batch
is_leader = role == "leader"
batch.carry_out = lambda command, text, load: load() and "done" if is_leader else "done"
sys.argv[1:] = ["register"]
try:
    runpy.run_path(scripts + "/iot_ca/__main__.py", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
print(*sys.modules)
"""


@pytest.mark.parametrize("role", ["waiting", "leader"])
def test_only_the_process_that_carries_out_requests_imports_packages(role: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(ROOT / "scripts"), role],
        env={"IOT_CA_REQUEST": "{}"},
        capture_output=True,
        text=True,
        check=True,
    )
    costly = {"botocore", "cryptography", "dataclasses", "tempfile"}
    imported = costly & set(done.stdout.split())
    assert imported == (costly - {"tempfile"} if role == "leader" else set())


@pytest.mark.parametrize("variable", ["TMPDIR", "TEMP"])
def test_a_temporary_folder_that_is_missing_does_not_part_processes(
    group: Group, variable: str
) -> None:
    folders = {"TMPDIR": "/nonexistent", variable: "/nonexistent", "TMP": str(group.temporary)}
    first = group.start("hang", 0, **folders)
    group.wait_for("register hang")
    second = group.start("later", 0, **folders)
    assert outcome(second) == ("done later", "")
    group.release()
    assert outcome(first) == ("done hang", "")
    assert len(group.leaders) == 1
