"""The pipeline: its script, run as the workflow runs it, on accounts of the sandbox."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.accounts import Account
from tests.support.openssl import fingerprint, make_ca
from tests.support.terraform.shell import REGION, NewExample, engine_on_path
from tools.checkout import ROOT
from tools.engine.terraform import Terraform

if TYPE_CHECKING:
    from sandbox.control import Sandbox

FOLDER = ROOT / "examples" / "pipeline"
WORKFLOW: dict[Any, Any] = yaml.safe_load((FOLDER / "pipeline.yml").read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STAGES = ["development", "staging", "production"]
ROLE = "terraform"

pytestmark = pytest.mark.one_engine("the script only reads what any Terraform says")


def load() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("pipeline", FOLDER / "pipeline.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


pipeline = load()


def test_only_jobs_that_assume_a_role_have_a_token() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    token = {"contents": "read", "id-token": "write"}
    assert {name: job.get("permissions") for name, job in JOBS.items()} == {
        "accounts": None,
        "plan": token,
        "comment": {"contents": "read", "pull-requests": "write"},
        **dict.fromkeys(STAGES, token),
    }
    assert "secrets." not in (FOLDER / "pipeline.yml").read_text(encoding="utf-8")
    for job in JOBS.values():
        for step in job["steps"]:
            # What comes from a file must not become shell.
            assert "${{" not in step.get("run", "")
            assert "uses" not in step or re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", step["uses"])


def test_a_stage_waits_for_approval_and_for_the_stages_before() -> None:
    assert list(pipeline.STAGES) == STAGES
    for number, stage in enumerate(STAGES):
        job = JOBS[stage]
        assert job["environment"] == stage
        assert job["needs"] == ["accounts", "plan", *STAGES[:number]]
        assert "github.event_name == 'push'" in job["if"]
        for earlier in STAGES[:number]:
            assert f"needs.{earlier}.result == 'success'" in job["if"]
        assert job["strategy"]["max-parallel"] == 1
        assert "fail-fast" not in job["strategy"]  # the first failure ends the stage
        roles = [step["with"] for step in job["steps"] if "credentials@" in step.get("uses", "")]
        assert [role["role-to-assume"].rpartition("/")[2] for role in roles] == ["iot-ca-apply"]


class Runner:
    """Runs the script in the folder of the configuration, in a process of its own."""

    def __init__(self, terraform: Terraform) -> None:
        self.terraform = terraform
        self.folder = terraform.folder
        # The working folder is initialized with the shared providers already.
        wrapper = self.folder / "engine"
        wrapper.write_text('#!/bin/sh\n[ "$1" = init ] || exec terraform "$@"\n')
        wrapper.chmod(0o755)
        self.environment = {
            **terraform.environment,
            **WORKFLOW["env"],
            "TERRAFORM": str(wrapper),
        }

    def step(self, job: str, account: str = "", more: str = "") -> tuple[int, str]:
        """Run a job's step that calls the script; return exit status and output."""
        (command,) = (
            step["run"]
            for step in JOBS[job]["steps"]
            if step.get("id") in ("plan", "table", "apply")
        )
        with engine_on_path(self.terraform) as path:
            done = subprocess.run(
                ["bash", "-ec", f"{command} {more}"],
                cwd=self.folder,
                env={**self.environment, "PATH": path, "ACCOUNT": account},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        return done.returncode, done.stdout + done.stderr


def may_be_assumed(cloud: Account, by: str) -> None:
    """Make the role of the pipeline in an account."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": by}}
    policy = {"Version": "2012-10-17", "Statement": statement}
    cloud.iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(policy))


@pytest.mark.timeout(600)
def test_six_planned_three_applied_and_a_fourth_refused(
    new_example: NewExample, new_account: Callable[[], str], sandbox: Sandbox
) -> None:
    hub = new_account()
    names = [f"{stage}-{letter}" for stage in STAGES for letter in "ab"]
    clouds = {name: Account(sandbox, new_account(), REGION) for name in names}
    example = new_example("workspaces", hub)
    entries = {
        name: {"account_id": cloud.number, "environment": name[:-2]}
        for name, cloud in clouds.items()
    }
    example.write(json.dumps({"accounts": entries}), WORKFLOW["env"]["ACCOUNTS"])
    shutil.copy2(FOLDER / "pipeline.py", example.folder)
    make_ca(example.folder)
    certificate_id = fingerprint(example.folder / "root-ca.pem")
    for name, cloud in clouds.items():
        may_be_assumed(cloud, by=hub if name != "staging-b" else "999999999999")
    example.init()
    runner = Runner(example)
    sandbox.forget_calls()

    # A pull request: all are planned, nothing is written, and one comment has all plans.
    planned = {name: runner.step("plan", name, f"--role-name {ROLE}") for name in names}
    assert {name: status for name, (status, _) in planned.items() if status} == {"staging-b": 1}
    status, _ = runner.step("comment")
    comment = (example.folder / "comment.md").read_text(encoding="utf-8")
    assert status == 1
    assert comment.startswith("<!-- iot-ca plan -->\n")
    assert "1 failed, 5 changes, 0 no changes" in comment
    rows = [row.split(" | ") for row in comment.splitlines() if row.startswith("| ")][2:]
    assert [row[0].split()[1] for row in rows] == [
        "staging-b",
        *(n for n in names if n != "staging-b"),
    ]
    assert "cannot be assumed" in rows[0][4]
    assert "create module.iot" in rows[1][4]
    assert not sandbox.calls(service="iot", write=True)

    # The main branch: an account of a later stage is refused until the earlier stages are applied.
    status, said = runner.step("staging", "staging-a")
    assert status == 1
    expected = "not applied in an earlier stage: development-a, development-b"
    assert said == f"pipeline: staging-a is refused: {expected}\n"
    for name in ("development-a", "development-b", "staging-a"):
        status, said = runner.step(name[:-2], name)
        assert status == 0, said
        assert clouds[name].see(certificate_id).status == "ACTIVE"
    status, said = runner.step("staging", "staging-b")
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith("pipeline: staging-b is refused: its plan failed: ")
    status, said = runner.step("production", "production-a")
    assert status == 1
    assert said.endswith("production-a is refused: not applied in an earlier stage: staging-b\n")
    assert [n for n, cloud in clouds.items() if cloud.look(certificate_id)] == names[:3]


def run(folder: Path, accounts: Mapping[str, Any], *arguments: str) -> int:
    """Run the script here; returns its exit status."""
    path = folder / "accounts.json"
    path.write_text(json.dumps({"accounts": accounts}), encoding="utf-8")
    plans = os.fspath(folder / "plans")
    status: int = pipeline.main(["--accounts", str(path), "--plans", plans, *arguments])
    return status


@pytest.mark.parametrize(
    ("accounts", "arguments", "message"),
    [
        ({}, "table", "names no accounts"),
        ({"a": {}}, "table", 'accounts["a"] needs environment: development, staging, production'),
        ({"a": {"environment": "staging"}}, "table", "each with account_id"),
        ({"a": {"environment": "staging", "regions": ["x"]}}, "table", "needs one region"),
        ({"../a": {}}, "table", "only letters, digits, - and _ are usable"),
        ({"a": {"environment": "staging", "account_id": "1"}}, "plan b", 'no account "b"'),
        ({"a": {"environment": "staging", "account_id": "1"}}, "apply a", "its plan failed: no"),
        ({"a": {"environment": "staging", "account_id": "1"}}, "matrix test", "invalid choice"),
    ],
)
def test_an_error_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    accounts: dict[str, Any],
    arguments: str,
    message: str,
) -> None:
    assert run(tmp_path, accounts, *arguments.split()) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_a_comment_is_text_and_no_longer_than_github_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = {f"a{n}": {"account_id": f"{n:012}", "environment": "staging"} for n in range(256)}
    (tmp_path / "plans").mkdir()
    for name in accounts:
        report = {"status": 2, "what": ["<b>|`x`" + "y" * 400]}
        (tmp_path / "plans" / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")
    assert run(tmp_path, accounts, "table") == 0
    out = capsys.readouterr().out
    assert len(out) < 65536
    assert re.search(r"\n\d+ more accounts: see the artifacts of the run\.\n", out)
    assert r"&lt;b&gt;\|\`x\`yyy" in out
    assert run(tmp_path, accounts, "matrix", "all") == 0
    assert len(json.loads(capsys.readouterr().out)) == 256
    assert run(tmp_path, {**accounts, "b": accounts["a0"]}, "matrix", "all") == 1
    assert "257 accounts, and GitHub takes 256; split the file" in capsys.readouterr().err
