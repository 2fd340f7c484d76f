"""The pipeline: its script, run as the workflow runs it, on accounts of the sandbox."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.accounts import Account
from tests.support.openssl import fingerprint, make_ca
from tests.support.readmes import code_blocks
from tests.support.terraform.shell import REGION, NewExample, engine_on_path
from tools.checkout import ROOT
from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform

if TYPE_CHECKING:
    from sandbox.control import Sandbox

FOLDER = ROOT / "examples" / "pipeline"
WORKFLOW: dict[Any, Any] = yaml.safe_load((FOLDER / "pipeline.yml").read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STAGES = ["development", "staging", "production"]
ROLE = "terraform"

pytestmark = pytest.mark.one_engine("the script only reads what any Terraform says")


# Python finds the files of the script next to it.
sys.path.append(str(FOLDER))
import accounts as accounts_file  # noqa: E402
import pipeline  # noqa: E402
from plans import report_of  # noqa: E402
from table import MARK  # noqa: E402


def test_only_jobs_that_assume_a_role_have_a_token() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    token = {"contents": "read", "id-token": "write"}
    assert {name: job.get("permissions") for name, job in JOBS.items()} == {
        "accounts": None,
        "plan": token,
        "table": {"contents": "read", "pull-requests": "write"},
        **dict.fromkeys(STAGES, token),
    }
    text = (FOLDER / "pipeline.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "arn:aws:" not in text
    assert "head.repo.full_name == github.repository" in JOBS["accounts"]["if"]
    for name, job in JOBS.items():
        for step in job["steps"]:
            # What comes from a file must not become shell.
            assert "${{" not in step.get("run", "")
            assert "uses" not in step or re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", step["uses"])
        if job.get("permissions") == token:
            commands = [
                step["run"] for step in job["steps"] if "pip install" in step.get("run", "")
            ]
            assert commands == [
                "python3 -m pip install --require-hashes --requirement pipeline/requirements.txt"
            ]
            (terraform,) = (
                step["with"] for step in job["steps"] if "setup-terraform@" in step.get("uses", "")
            )
            assert re.fullmatch(r"\d+\.\d+\.\d+", terraform["terraform_version"]), name


def test_the_comment_that_is_replaced_is_that_of_this_workflow() -> None:
    (commands,) = (
        step["run"] for step in JOBS["table"]["steps"] if "gh api" in step.get("run", "")
    )
    assert 'select(.user.login == "github-actions[bot]")' in commands
    assert f'startswith("{MARK}")' in commands


def test_the_commands_of_the_readme_are_those_of_the_script() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"pipeline/pipeline\.py ([^|\n]+)", "\n".join(code_blocks(readme, "sh")))
    parsed = [pipeline._options(shlex.split(command)).command for command in commands]
    assert parsed == ["workspaces", "workspaces", "plan", "table", "apply"]
    (accounts,) = code_blocks(readme, "json")
    assert {entry["environment"] for entry in json.loads(accounts)["accounts"].values()} == {
        *STAGES
    }


def test_a_stage_waits_for_approval_and_for_the_stages_before() -> None:
    assert list(accounts_file.STAGES) == STAGES
    for number, stage in enumerate(STAGES):
        job = JOBS[stage]
        assert job["environment"] == stage
        # Who approves can read the plans; a stage without changes asks for nothing.
        assert job["needs"] == ["table", *STAGES[:number]]
        assert "github.event_name == 'push' && needs.table.result == 'success'" in job["if"]
        assert f"needs.table.outputs.{stage} != '[]'" in job["if"]
        assert job["concurrency"] == "apply-${{ matrix.account.name }}"
        for earlier in STAGES[:number]:
            assert f"needs.{earlier}.result == 'success'" in job["if"]
        assert job["strategy"]["max-parallel"] == 1
        assert "fail-fast" not in job["strategy"]  # the first failure ends the stage
        roles = [step["with"] for step in job["steps"] if "credentials@" in step.get("uses", "")]
        assert [role["role-to-assume"].rpartition("/")[2] for role in roles] == ["iot-ca-apply"]
    assert list(JOBS["table"]["outputs"]) == STAGES


class Runner:
    """Runs the script in the folder of the configuration, in a process of its own."""

    def __init__(self, terraform: Terraform, path: str) -> None:
        """Take the PATH on which `terraform` is the engine."""
        self.folder = terraform.folder
        # The working folder is initialized with the shared providers already.
        wrapper = self.folder / "engine"
        wrapper.write_text('#!/bin/sh\n[ "$1" = init ] || exec terraform "$@"\n')
        wrapper.chmod(0o755)
        self.environment = {
            **terraform.environment,
            **WORKFLOW["env"],
            "TERRAFORM": str(wrapper),
            "PATH": path,
            "COMMIT": "0123456789",
            "RUN": "https://run",
        }

    def step(
        self, job: str, account: str = "", more: str = "", env: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a job's step that calls the script; return exit status and output."""
        (command,) = (
            step["run"]
            for step in JOBS[job]["steps"]
            if step.get("id") in ("plan", "table", "apply")
        )
        # Not exported: a provider is shared by the commands with the same environment.
        done = self._run(["bash", "-ec", f"ACCOUNT={account}; {command} {more}"], env or {})
        return done.returncode, done.stdout + done.stderr

    def script(self, *arguments: str) -> str:
        """Run the script as it is typed; return what it prints."""
        done = self._run([sys.executable, "pipeline/pipeline.py", *arguments], {})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


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
    shutil.copytree(FOLDER, example.folder / "pipeline", ignore=shutil.ignore_patterns("__*"))
    make_ca(example.folder)
    certificate_id = fingerprint(example.folder / "root-ca.pem")
    for name, cloud in clouds.items():
        may_be_assumed(cloud, by=hub if name != "staging-b" else "999999999999")
    example.init()
    sandbox.forget_calls()
    with engine_on_path(example) as path:
        check_six_accounts(Runner(example, path), clouds, certificate_id, sandbox)


def check_six_accounts(
    runner: Runner, clouds: Mapping[str, Account], certificate_id: str, sandbox: Sandbox
) -> None:
    """Carry out a pull request and then the main branch; the role of staging-b trusts another."""
    names = list(clouds)
    # Of one account the credentials are in the environment, as in the workflow.
    own = "development-b"
    role = {name: f"--role-name {ROLE}" for name in names if name != own}
    env = {own: {"AWS_ACCESS_KEY_ID": clouds[own].number}}
    assert runner.script("workspaces") == f"workspaces created: {', '.join(names)}\n"

    # A pull request: all are planned, nothing is written, and one comment has all plans.
    planned = {name: runner.step("plan", name, role.get(name, ""), env.get(name)) for name in names}
    assert {name: status for name, (status, _) in planned.items() if status} == {"staging-b": 1}
    status, _ = runner.step("table")
    comment = (runner.folder / "table.md").read_text(encoding="utf-8")
    assert status == 0
    assert comment.startswith("<!-- iot-ca plan -->\n## Plan of 0123456 ([run](https://run))\n")
    assert "1 failed, 5 changes, 0 no changes" in comment
    rows = [row.split(" | ") for row in comment.splitlines() if row.startswith("| ")][2:]
    assert [row[0].split()[1] for row in rows] == [
        "staging-b",
        *(n for n in names if n != "staging-b"),
    ]
    assert "cannot be assumed" in rows[0][4]
    assert re.match(r"\+\d+ \\~0 -0; create module.iot", rows[1][4])
    assert not sandbox.calls(service="iot", write=True)
    stage = json.loads(runner.script("matrix", "staging"))
    assert [job["name"] for job in stage] == ["staging-a", "staging-b"]

    # The main branch: an account of a later stage is refused until the earlier stages are applied.
    status, said = runner.step("staging", "staging-a")
    assert status == 1
    expected = "not applied in an earlier stage: development-a, development-b"
    assert said == f"pipeline: staging-a is refused: {expected}\n"
    for name in ("development-a", "development-b", "staging-a"):
        status, said = runner.step(name[:-2], name, env=env.get(name))
        assert status == 0, said
        assert "Apply complete!" in said
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


ENTRY = {"account_id": "111111111111", "environment": "development"}


@pytest.mark.parametrize(
    ("accounts", "arguments", "message"),
    [
        ({}, "matrix all", "names no accounts"),
        ({"a": {**ENTRY, "environment": "test"}}, "matrix all",
         'accounts["a"] needs environment: development, staging, production'),
        ({"a": []}, "matrix all", "each with account_id"),
        ({"a": {**ENTRY, "account_id": "1"}}, "matrix all",
         'accounts["a"] needs account_id: twelve digits, in quotes'),
        ({"a": {**ENTRY, "region": "<img src=x>\n"}}, "matrix all", "is not one of AWS"),
        ({"a": {**ENTRY, "regions": ["x"]}}, "matrix all", "needs one region"),
        ({"../a": ENTRY}, "matrix all", "only letters, digits, - and _ are usable"),
        ({"a": ENTRY}, "plan b", 'no account "b"'),
        ({"a": ENTRY}, "apply a", "its plan failed: no plan"),
        ({"a": ENTRY}, "matrix test", "invalid choice"),
    ],
)  # fmt: skip
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


def test_the_comment_says_why_nothing_was_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, {"a": {}}, "table", "--commit", "0123456789") == 1
    comment = capsys.readouterr().out
    assert comment.startswith("<!-- iot-ca plan -->\n## Plan of 0123456\n")
    assert r'failed: accounts\["a"\] needs account\_id' in comment


def test_a_comment_is_text_and_no_longer_than_github_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = {f"a{n}": {**ENTRY, "account_id": f"{n:012}"} for n in range(256)}
    report = {"status": 2, "counts": "+0 ~0 -9", "what": ["<b>|`x`" + "y" * 400] * 9}
    keep(tmp_path, dict.fromkeys(accounts, report))
    assert run(tmp_path, {"a0": accounts["a0"]}, "table") == 0
    alone = capsys.readouterr().out
    assert r"| +0 \~0 -9; &lt;b&gt;\|\`x\`yyy" in alone
    assert "...; and 6 more |" in alone
    # All accounts fit, less their details.
    assert run(tmp_path, accounts, "table") == 0
    out = capsys.readouterr().out
    assert len(out) < 65536
    assert out.count(r"| +0 \~0 -9; and 9 more |") == 256
    assert run(tmp_path, accounts, "matrix", "all") == 0
    assert len(json.loads(capsys.readouterr().out)) == 256
    assert run(tmp_path, {**accounts, "b": accounts["a0"]}, "matrix", "all") == 1
    assert "257 accounts, and GitHub takes 256; split the file" in capsys.readouterr().err


def keep(folder: Path, reports: Mapping[str, Any]) -> None:
    """Write reports of plans."""
    (folder / "plans").mkdir(exist_ok=True)
    for name, report in reports.items():
        (folder / "plans" / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")


def test_a_stage_has_the_accounts_with_changes_and_then_the_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(
        tmp_path,
        {n: {"status": s, "counts": "", "what": []} for n, s in zip("abc", (1, 0, 2), strict=True)},
    )
    accounts = {"a": ENTRY, "b": ENTRY, "c": {**ENTRY, "region": "cn-north-1"}}
    assert run(tmp_path, accounts, "matrix", "development") == 0
    jobs = json.loads(capsys.readouterr().out)
    assert [(job["name"], job["partition"]) for job in jobs] == [("c", "aws-cn"), ("a", "aws")]
    assert run(tmp_path, accounts, "matrix", "staging") == 0
    assert capsys.readouterr().out == "[]\n"


def test_what_is_deleted_comes_first() -> None:
    changes = {"x.a": "create", "x.b": "update", "x.c": "replace", "x.d": "delete"}
    messages: list[Any] = [
        *(
            {"type": "planned_change", "change": {"action": action, "resource": {"addr": name}}}
            for name, action in changes.items()
        ),
        {"type": "outputs", "outputs": {"o": {"action": "update"}, "p": {"action": "noop"}}},
        {"type": "diagnostic", "diagnostic": {"severity": "warning", "summary": "Not deleted"}},
        7,
    ]
    report = report_of(2, "\n".join(map(json.dumps, messages)), "")
    assert report.counts == "+2 ~1 -2"
    assert report.what == (
        "delete x.d",
        "replace x.c",
        "warning: Not deleted",
        "update x.b",
        "create x.a",
        "update output.o",
    )


CONFIGURATION = """
terraform {
  backend "local" {}
}
variable "accounts" {}
resource "terraform_data" "this" { input = var.accounts }
"""


def test_a_new_account_is_planned_once_its_workspace_exists(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Real Terraform, with an `init` and a backend that knows workspaces."""
    (tmp_path / "main.tf").write_text(CONFIGURATION, encoding="utf-8")
    program = tmp_path / "engine"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(engine.argv)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("TERRAFORM", str(program))
    monkeypatch.setenv("CHECKPOINT_DISABLE", "1")
    monkeypatch.setenv("TF_WORKSPACE", "nowhere")
    accounts = {"a": ENTRY, "b": ENTRY}
    assert run(tmp_path, accounts, "workspaces") == 0
    assert capfd.readouterr().out == "workspaces created: a, b\n"
    # On the next machine.
    shutil.rmtree(tmp_path / ".terraform")
    assert run(tmp_path, {**accounts, "c": ENTRY}, "plan", "c") == 1
    said = capfd.readouterr().out
    assert said == "c: failed\n  its workspace does not exist: run pipeline.py workspaces\n"
    assert sorted(path.name for path in (tmp_path / "terraform.tfstate.d").iterdir()) == ["a", "b"]

    assert run(tmp_path, accounts, "plan", "a") == 0
    assert capfd.readouterr().out == "a: changes +1 ~0 -0\n  create terraform_data.this\n"
    assert run(tmp_path, accounts, "apply", "a") == 0
    said = capfd.readouterr().out
    assert "Apply complete! Resources: 1 added" in said
    assert said.endswith("\na: applied\n")
    # A job that is run again.
    assert run(tmp_path, accounts, "apply", "a") == 0
    assert capfd.readouterr().out == "a: already applied\n"

    # What an earlier run has applied opens no gate for a plan of this run.
    (tmp_path / "plans" / "b.applied").write_text("", encoding="utf-8")
    assert run(tmp_path, accounts, "plan", "b") == 0
    assert not (tmp_path / "plans" / "b.applied").exists()
    shutil.copy2(tmp_path / "plans" / "a.applied", tmp_path / "plans" / "b.applied")
    later = {**accounts, "c": {**ENTRY, "environment": "production"}}
    assert run(tmp_path, later, "workspaces") == 0
    assert run(tmp_path, later, "plan", "c") == 0
    assert run(tmp_path, later, "apply", "c") == 1
    assert "not applied in an earlier stage: b\n" in capfd.readouterr().err


def test_an_interrupted_apply_waits_for_terraform(tmp_path: Path) -> None:
    program = tmp_path / "terraform"
    program.write_text(
        '#!/bin/sh\n[ "$1" = apply ] || exit 0\necho started\nsleep 1\necho finished\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    keep(tmp_path, {"a": {"status": 2, "counts": "", "what": []}})
    (tmp_path / "plans" / "a.tfplan").touch()
    (tmp_path / "accounts.json").write_text(json.dumps({"accounts": {"a": ENTRY}}))
    with subprocess.Popen(
        [sys.executable, str(FOLDER / "pipeline.py"), "--accounts", "accounts.json", "apply", "a"],
        cwd=tmp_path,
        env={**os.environ, "TERRAFORM": str(program)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"  # while it runs, not at its end
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "finished\na: applied\n"
        assert process.wait() == 0
