"""The scheduled drift check: the workflow's own steps, run here on accounts of the sandbox."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.accounts import Account
from tests.support.openssl import fingerprint, make_ca
from tests.support.readmes import code_blocks
from tests.support.terraform.shell import REGION, NewExample, engine_on_path
from tools.checkout import ROOT
from tools.engine.terraform import Terraform

if TYPE_CHECKING:
    from sandbox.control import Sandbox

FOLDER = ROOT / "examples" / "drift-check"
WORKFLOW: dict[Any, Any] = yaml.safe_load((FOLDER / "drift-check.yml").read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
CREDENTIALS = "aws-actions/configure-aws-credentials@"

pytestmark = pytest.mark.one_engine("the script only reads what any Terraform says")


def load(name: str) -> ModuleType:
    """A file of the script as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where its dataclasses look their annotations up, and the script finds its other file.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


drift_plan = load("drift_plan")
drift_check = load("drift_check")
ACCOUNT = drift_plan.Account("production", "111122223333", "eu-west-1")


def copy_script(folder: Path) -> None:
    """Put both files of the script next to a configuration."""
    for name in ("drift_check.py", "drift_plan.py"):
        shutil.copy2(FOLDER / name, folder)


# --- the workflow


def step(job: str, identity: str) -> dict[str, Any]:
    """A step of a job, by its ID or by the action that it uses."""
    (found,) = (
        each
        for each in JOBS[job]["steps"]
        if each.get("id") == identity or each.get("uses", "").startswith(identity)
    )
    return dict(found)


def filled_in(text: str, matrix: Mapping[str, str]) -> str:
    """A text of the workflow with the values of `matrix.account`."""
    return re.sub(r"\$\{\{ matrix\.account\.(\w+) \}\}", lambda each: matrix[each[1]], text)


def test_the_workflow_is_one_that_github_takes() -> None:
    # YAML 1.1 reads the key `on` as true; GitHub doesn't.
    assert set(WORKFLOW) == {"name", True, "permissions", "env", "jobs"}
    assert set(WORKFLOW[True]) == {"schedule", "workflow_dispatch"}
    (schedule,) = WORKFLOW[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", schedule["cron"])
    for name, job in JOBS.items():
        assert job["runs-on"]
        needs = job.get("needs", [])
        assert ({needs} if isinstance(needs, str) else set(needs)) <= set(JOBS) - {name}
        for each in job["steps"]:
            assert ("uses" in each) != ("run" in each)
            # What comes from a file must not become shell.
            assert "${{" not in each.get("run", "")
            assert "uses" not in each or re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", each["uses"])


def test_an_account_that_fails_stops_no_other_and_no_key_is_stored() -> None:
    assert JOBS["check"]["strategy"]["fail-fast"] is False
    assert "always()" in JOBS["summary"]["if"]
    assert step("check", "actions/upload-artifact")["if"] == "always()"
    # Only the job that assumes a role may ask for the token that proves who it is.
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert {name: job.get("permissions") for name, job in JOBS.items()} == {
        "accounts": None,
        "check": {"contents": "read", "id-token": "write"},
        "summary": None,
    }
    assert "secrets." not in (FOLDER / "drift-check.yml").read_text(encoding="utf-8")
    assert step("check", "hashicorp/setup-terraform")["with"]["terraform_wrapper"] is False


class Runner:
    """Runs the workflow's steps in a working folder, as a runner of GitHub would."""

    def __init__(self, terraform: Terraform) -> None:
        self.terraform = terraform
        self.output = terraform.folder / "github-output"
        self.page = terraform.folder / "github-summary.md"

    def run(
        self, job: str, identity: str, matrix: Mapping[str, str], env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run one step; returns how it ended."""
        given = {**WORKFLOW["env"], **JOBS[job].get("env", {})}
        with engine_on_path(self.terraform) as path:
            return subprocess.run(
                ["bash", "-e", "-c", step(job, identity)["run"]],
                cwd=self.terraform.folder,
                env={
                    **self.terraform.environment,
                    "PATH": path,
                    "GITHUB_OUTPUT": str(self.output),
                    "GITHUB_STEP_SUMMARY": str(self.page),
                    **{name: filled_in(text, matrix) for name, text in given.items()},
                    **env,
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )

    def matrix(self) -> list[dict[str, str]]:
        """What the first job gives to the second."""
        done = self.run("accounts", "read", {}, {})
        assert done.returncode == 0, done.stderr
        name, _, value = self.output.read_text(encoding="utf-8").partition("=")
        assert JOBS["accounts"]["outputs"] == {name: f"${{{{ steps.read.outputs.{name} }}}}"}
        found: list[dict[str, str]] = json.loads(value)
        return found


@pytest.mark.parametrize("accounts", ["{", '{"accounts": {}}'])
def test_accounts_that_can_not_be_read_fail_the_first_job(
    new_example: NewExample, new_account: Callable[[], str], accounts: str
) -> None:
    """With an empty matrix instead, the run would be green without a look at any account."""
    example = new_example("workspaces", new_account())
    example.write(accounts, "accounts.auto.tfvars.json")
    copy_script(example.folder)
    runner = Runner(example)
    done = runner.run("accounts", "read", {}, {})
    assert done.returncode == 1
    assert done.stderr.startswith("drift_check: accounts.auto.tfvars.json ")
    assert not runner.output.exists()


@pytest.mark.timeout(600)
def test_one_summary_of_accounts_in_sync_drifted_and_failing(
    new_example: NewExample, new_account: Callable[[], str], sandbox: Sandbox
) -> None:
    pipeline = Account(sandbox, new_account(), REGION)
    clouds = {
        name: Account(sandbox, new_account(), REGION)
        for name in ("steady", "drifted", "failing", "unreachable")
    }
    example = new_example("workspaces", pipeline.number)
    entries = {name: {"account_id": cloud.number} for name, cloud in clouds.items()}
    example.write(json.dumps({"accounts": entries}), "accounts.auto.tfvars.json")
    copy_script(example.folder)
    make_ca(example.folder)
    certificate_id = fingerprint(example.folder / "root-ca.pem")
    example.run("init", env={"TF_WORKSPACE": "steady"})
    for name in ("steady", "drifted"):
        example.apply(env={"TF_WORKSPACE": name, "AWS_ACCESS_KEY_ID": clouds[name].number})
    # The pipeline applies without the role_arn of the file, which the check then assumes.
    entries["steady"]["role_arn"] = f"arn:aws:iam::{clouds['steady'].number}:role/terraform"
    make_role(clouds["steady"], "terraform", clouds["steady"].number)
    example.write(json.dumps({"accounts": entries}), "accounts.auto.tfvars.json")
    clouds["drifted"].client("iot").update_ca_certificate(
        certificateId=certificate_id, newStatus="INACTIVE"
    )
    for name, cloud in clouds.items():
        trusted = pipeline.number if name != "unreachable" else "999999999999"
        make_role(cloud, "iot-ca-drift-check", trusted)
    sandbox.fault(
        "error",
        account=clouds["failing"].number,
        operation="DescribeCACertificate",
        code="AccessDeniedException",
        times=None,
    )
    runner = Runner(example)
    sandbox.forget_calls()

    ends: dict[str, int | None] = {}
    for account in runner.matrix():
        credentials = assumed(pipeline, account)
        ends[account["name"]] = (
            runner.run("check", "check", account, credentials).returncode if credentials else None
        )
    done = runner.run("summary", "summary", {}, {})

    assert ends == {"steady": 0, "drifted": 2, "failing": 1, "unreachable": None}
    assert done.returncode == 1, done.stderr
    assert not sandbox.calls(service="iot", write=True)
    page = runner.page.read_text(encoding="utf-8")
    assert "2 failed, 1 drift, 1 in sync" in page
    rows = {
        row.split(" ", 2)[1]: [cell.strip() for cell in row.strip("|").split("|")]
        for row in page.splitlines()
        if row.startswith("| ")
    }
    for name, cloud in clouds.items():
        assert rows[name][:2] == [f"{name} ({cloud.number})", REGION]
    assert rows["steady"][2:] == ["0 in sync", f"note: {drift_plan.CALLER_NOTE}"]
    assert rows["drifted"][2:] == [
        "2 drift",
        f"factory (account {clouds['drifted'].number}, {REGION}) before apply: "
        r"status is INACTIVE, wanted ACTIVE.",
    ]
    assert rows["failing"][2] == "1 failed"
    assert "iot:DescribeCACertificate" in rows["failing"][3]
    assert rows["unreachable"][2:] == [
        "1 failed",
        "no report: its job ended before the plan (credentials?)",
    ]
    # What needs attention comes first.
    assert list(rows)[2:] == ["failing", "unreachable", "drifted", "steady"]


def make_role(cloud: Account, name: str, trusted: str) -> None:
    """A role that another account may assume."""
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{trusted}:root"},
    }
    cloud.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def assumed(pipeline: Account, account: Mapping[str, str]) -> dict[str, str]:
    """What the workflow's credentials step leaves in the environment; nothing if it fails."""
    wanted = step("check", CREDENTIALS)["with"]
    role = filled_in(wanted["role-to-assume"], account)
    sts = pipeline.client("sts")
    try:
        answer = sts.assume_role(RoleArn=role, RoleSessionName="GitHubActions")["Credentials"]
    except sts.exceptions.ClientError as refused:
        if refused.response["Error"]["Code"] != "AccessDenied":
            raise
        return {}
    return {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer["SessionToken"],
        "AWS_REGION": filled_in(wanted["aws-region"], account),
    }


# --- the script


def lines(*messages: Mapping[str, Any]) -> str:
    """What Terraform prints with -json."""
    return "".join(json.dumps(message) + "\n" for message in messages)


def diagnostic(severity: str, summary: str, detail: str, context: str | None) -> dict[str, Any]:
    """A diagnostic; those about no place in a file have no snippet."""
    snippet = {"snippet": {"context": context}} if context else {}
    found = {"severity": severity, "summary": summary, "detail": detail, **snippet}
    return {"type": "diagnostic", "diagnostic": found}


def resource(
    actions: list[str],
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    address: str = "m.x",
    **more: Any,
) -> dict[str, Any]:
    """A resource in the JSON of a plan: https://developer.hashicorp.com/terraform/internals/json-format."""
    change = {"actions": actions, "before": before, "after": after, **more}
    kind, name = address.split("[")[0].split(".")[-2:]
    return {"address": address, "mode": "managed", "type": kind, "name": name, "change": change}


def planned(*resources: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> Any:
    """The report of a plan with changes and no messages."""
    plan = {"resource_changes": resources, "output_changes": outputs or {}}
    return drift_plan.read_plan(ACCOUNT, 2, "", plan=plan)


def test_only_the_check_about_drift_counts_as_drift() -> None:
    said = lines(
        {"type": "version", "terraform": "1.11.4"},
        diagnostic("warning", "Check block assertion failed", "a: x.\nb: y.", 'check "drift"'),
        diagnostic("warning", "Check block assertion failed", "c: z.", 'check "ca_expiring"'),
        diagnostic("warning", "Deprecated", "", None),
    )
    plan = {"resource_changes": [resource(["update"], address="a.b"), resource(["no-op"])]}
    report = drift_plan.read_plan(ACCOUNT, 2, said + "no JSON\n", plan=plan)
    assert (report.status, report.errors) == (2, ())
    assert report.drift == ("a: x.", "b: y.")
    assert report.warnings == ("c: z.", "Deprecated")
    assert report.changes == ("would update a.b",)


def test_a_warning_alone_is_no_drift() -> None:
    said = lines(diagnostic("warning", "Check", "expires", 'check "ca_expiring"'))
    report = drift_plan.read_plan(ACCOUNT, 0, said)
    assert drift_check.overall([report]) == 0
    assert "0 in sync | warning: expires |" in drift_check.markdown([report])


EXISTING = resource(["no-op"], {"id": "1"}, {"id": "1"}, address="m.existing")


def test_a_disabled_template_has_its_values_and_no_escapes_in_text() -> None:
    address = 'module.iot_ca.module.jitp["factory"].aws_iot_provisioning_template.provisioning'
    before = {"enabled": False, "name": "factory"}
    disabled = resource(["update"], before, {**before, "enabled": True}, address)
    report = planned(EXISTING, disabled)
    assert report.status == 2
    assert drift_check.text([report]) == (
        "0 failed, 1 drift, 0 in sync\n"
        "production (111122223333, eu-west-1): 2 drift\n"
        f"  would update {address}: enabled: false -> true\n"
    )
    row = drift_check.markdown([report])
    assert r"would update module.iot\_ca.module.jitp\[" in row
    assert "provisioning: enabled: false -&gt; true |" in row


@pytest.mark.parametrize(
    ("actions", "wanted"),
    [
        (["create"], "would create m.x"),
        (["delete"], "would delete m.x"),
        (["delete", "create"], "would replace m.x"),
        (["create", "delete"], "would replace m.x"),
        (["forget"], "would forget m.x"),
    ],
)
def test_a_change_has_the_action_of_the_plan(actions: list[str], wanted: str) -> None:
    assert planned(EXISTING, resource(actions)).changes == (wanted,)


def test_only_short_known_values_that_are_not_sensitive_are_shown() -> None:
    secret, long = "hunter2", "x" * 41
    before = {"a": 1, "b": secret, "c": "c", "d": {"k": secret}, "e": "", "f": None, "same": secret}
    after = {"a": "\x1b", "b": "new", "c": long, "d": {"k": "new"}, "f": 2, "same": secret}
    change = resource(
        ["update"],
        before,
        after,
        after_unknown={"e": True},
        before_sensitive={"b": True},
        after_sensitive={"f": True},
    )
    (sentence,) = planned(EXISTING, change).changes
    assert sentence == r'would update m.x: a: 1 -> "\u001b", b, c, d, e, f'


def test_moves_and_outputs_are_changes_and_data_sources_are_not() -> None:
    moved = {**EXISTING, "previous_address": "m.old"}
    read = {**resource(["read"]), "mode": "data"}
    outputs = {"ca": {"actions": ["update"]}, "same": {"actions": ["no-op"]}}
    assert planned(moved, read).changes == ("would move m.old to m.existing",)
    assert planned(EXISTING, read, outputs=outputs).changes == ("outputs change: ca",)


def test_an_account_without_state_is_one_line() -> None:
    read = {**resource(["read"]), "mode": "data"}
    report = planned(*(resource(["create"], address=f"m.x[{n}]") for n in range(9)), read)
    assert drift_check.overall([report]) == 2
    page = drift_check.markdown([report])
    assert "0 failed, 1 not applied, 0 drift, 0 in sync" in page
    assert "| 2 not applied | not applied yet: 9 to create |" in page


def test_a_summary_in_a_terminal_is_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = planned(resource(["create"], address="m.x"))
    arguments = written(tmp_path, fine='{"status": 0}', my_new=json.dumps(asdict(new)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert drift_check.main(arguments) == 2
    assert capsys.readouterr().out.rstrip().splitlines() == [
        "0 failed, 1 not applied, 0 drift, 1 in sync",
        "my_new (000000000001, eu-west-1): 2 not applied",
        "  not applied yet: 1 to create",
        "fine (000000000000, eu-west-1): 0 in sync",
    ]


def record(
    role: str | None = None, *, on_destroy: str | None = None, input_as: Callable[..., Any] = str
) -> dict[str, Any]:
    """What `terraform_data.deregistration` of modules/registration keeps for destroy."""
    target = {"account_id": "1", "credentials": {"role_arn": role}, "region": "r"}
    request = {"name": "factory", "on_destroy": on_destroy, "target": target}
    command = ["python3"] if role is None else ["uv", "run"]
    return {"id": "1", "input": input_as({"python_command": command, "request": request})}


def changed_record(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> Any:
    """The report of a plan that changes a record."""
    unknown = {"after_unknown": {"output": True}}
    address = f"module.registration.terraform_data.{name}"
    with_output = {**before, "output": before["input"]}
    return planned(EXISTING, resource(["update"], with_output, after, address, **unknown))


@pytest.mark.parametrize(
    ("name", "input_as"), [("deregistration", json.dumps), ("policy_release", dict)]
)
def test_who_runs_the_program_is_no_drift(name: str, input_as: Callable[..., Any]) -> None:
    report = changed_record(record(input_as=input_as), record("role", input_as=input_as), name)
    assert (report.status, report.changes) == (0, ())
    assert report.notes == (drift_plan.CALLER_NOTE,)
    assert f"| 0 in sync | note: {drift_plan.CALLER_NOTE} |" in drift_check.markdown([report])


@pytest.mark.parametrize(
    "after",
    [
        record("role", on_destroy="keep", input_as=json.dumps),
        {**record("role", input_as=json.dumps), "id": "2"},
        {"id": "1"},
        {"id": "1", "input": "no JSON"},
    ],
)
def test_any_other_change_of_a_record_is_drift(after: dict[str, Any]) -> None:
    report = changed_record(record(input_as=json.dumps), after, "deregistration")
    assert (report.status, report.notes) == (2, ())
    assert "would update module.registration.terraform_data.deregistration: " in report.changes[0]


def test_another_change_next_to_that_of_the_caller_is_drift() -> None:
    before, after = record(input_as=json.dumps), record("role", input_as=json.dumps)
    both = resource(["update"], before, after, "m.terraform_data.deregistration")
    report = planned(both, resource(["delete"]))
    assert (report.status, report.changes) == (2, ("would delete m.x",))
    assert report.notes == (drift_plan.CALLER_NOTE,)
    assert planned(both, outputs={"ca": {"actions": ["update"]}}).status == 2


@pytest.mark.parametrize("status", [1, -9, 127])
def test_a_terraform_that_says_nothing_has_failed(status: int) -> None:
    report = drift_plan.read_plan(ACCOUNT, status, "", "╷\n│ killed\n╵")
    assert report.status == 1
    assert report.errors == (f"terraform ended with status {status}: killed",)


@pytest.mark.parametrize(
    ("statuses", "expected"), [([0, 0], 0), ([0, 2], 2), ([2, 1, 0], 1), ([1, 0], 1), ([], 0)]
)
def test_failure_outweighs_drift(statuses: list[int], expected: int) -> None:
    reports = [drift_plan.Report(ACCOUNT, status) for status in statuses]
    assert drift_check.overall(reports) == expected


def test_nothing_that_was_said_becomes_markup() -> None:
    report = drift_plan.Report(ACCOUNT, 1, errors=("<script>|`a`|\\ [x](y)",))
    (row,) = [
        line for line in drift_check.markdown([report]).splitlines() if "<" in line or "&" in line
    ]
    assert "<script>" not in row
    assert row.endswith(r"| &lt;script&gt;\|\`a\`\|\\ \[x\](y) |")
    assert len(re.split(r"(?<!\\)\|", row)) == 6


def written(folder: Path, **reports: str) -> list[str]:
    """The arguments for a summary of these reports; the accounts have their names."""
    accounts = {name: {"account_id": f"{n:012}"} for n, name in enumerate(reports)}
    path = folder / "accounts.auto.tfvars.json"
    path.write_text(json.dumps({"accounts": accounts}), encoding="utf-8")
    (folder / "reports").mkdir()
    for name, text in reports.items():
        (folder / "reports" / f"{name}.json").write_text(text, encoding="utf-8")
    return ["--accounts", str(path), "--reports", str(folder / "reports"), "summary"]


@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        ("", "is not valid JSON"),
        ('{"status": 0', "is not valid JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "is not a report of"),
        ('{"status": 3}', "is not a report of"),
        ('{"status": true}', "is not a report of"),
        ('{"status": "0"}', "is not a report of"),
        ('{"status": 0, "drift": "x"}', "is not a report of"),
        ('{"status": 0, "errors": [1]}', "is not a report of"),
        ('{"status": 2, "applied": 0}', "is not a report of"),
    ],
)
def test_an_unreadable_report_is_one_line_for_one_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], report: str, wanted: str
) -> None:
    arguments = written(tmp_path, broken=report, fine='{"status": 0}')
    assert drift_check.main(arguments) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "1 failed, 0 drift, 1 in sync" in out
    (row,) = [line for line in out.splitlines() if line.startswith("| broken ")]
    assert re.search(rf"\| 1 failed \| \S+broken\.json {wanted}", row), row


@pytest.mark.parametrize(
    ("accounts", "arguments", "wanted"),
    [
        (None, ["matrix"], "can't be read: No such file or directory"),
        ("{", ["matrix"], "is not valid JSON"),
        ("{}", ["matrix"], "has no map `accounts`"),
        ('{"accounts": {"one": {}}}', ["matrix"], 'accounts["one"] needs account_id'),
        ('{"accounts": {"one": {"account_id": "1"}}}', ["check", "two"], "two is none of one in"),
        ('{"accounts": {"one": {"account_id": "1"}}}', ["chek"], "invalid choice: 'chek'"),
    ],
)
def test_an_error_is_one_line_and_not_drift(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    accounts: str | None,
    arguments: list[str],
    wanted: str,
) -> None:
    path = tmp_path / "accounts.auto.tfvars.json"
    if accounts is not None:
        path.write_text(accounts, encoding="utf-8")
    assert drift_check.main(["--accounts", str(path), *arguments]) == 1
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert (out, line.startswith("drift_check: ")) == ("", True)
    assert wanted in line


def test_more_accounts_than_a_matrix_takes_are_checked_in_a_loop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(count: int, command: str) -> tuple[int, str, str]:
        accounts = {f"a{number}": {"account_id": f"{number:012}"} for number in range(count)}
        path = tmp_path / "accounts.auto.tfvars.json"
        path.write_text(json.dumps({"accounts": accounts}), encoding="utf-8")
        status = drift_check.main(["--accounts", str(path), "--reports", str(tmp_path), command])
        return status, *capsys.readouterr()

    status, out, _ = run(256, "matrix")
    assert (status, len(json.loads(out))) == (0, 256)
    status, out, err = run(257, "matrix")
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert "has 257 accounts, and GitHub takes no matrix of more than 256 jobs; run" in line
    assert "257 failed" in run(257, "summary")[1]


def test_the_readme_has_the_limits_of_the_workflow() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert JOBS["check"]["strategy"]["max-parallel"] == 10
    assert "ten at a time" in readme
    assert drift_plan.CALLER_NOTE in " ".join(readme.split())
    assert f"no matrix of more than {drift_check.MATRIX_LIMIT} jobs" in " ".join(readme.split())


def test_without_terraform_the_account_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRAFORM", str(tmp_path / "none"))
    report = drift_check.check(ACCOUNT, tmp_path)
    assert report.status == 1
    assert "can't be run: No such file or directory; TERRAFORM names" in report.errors[0]


def test_a_plan_that_can_not_be_shown_is_a_failure_and_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "terraform"
    program.write_text(
        '#!/bin/sh\ncase "$1" in\n'
        'plan) for last; do f=${last#-out=}; done; echo "$f" > name; touch "$f"; exit 2 ;;\n'
        "show) echo no plan >&2; exit 1 ;;\nesac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("TERRAFORM", str(program))
    report = drift_check.check(ACCOUNT, tmp_path)
    assert (report.status, report.errors) == (1, ("no plan",))
    assert not Path((tmp_path / "name").read_text(encoding="utf-8").strip()).parent.exists()


def test_accounts_are_read_as_in_the_example(tmp_path: Path) -> None:
    variables = (ROOT / "examples" / "workspaces" / "variables.tf").read_text(encoding="utf-8")
    (region,) = re.findall(r'region\s+= optional\(string, "([\w-]+)"\)', variables)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    accounts, trust = code_blocks(readme, "json")
    path = tmp_path / "accounts.auto.tfvars.json"
    path.write_text(accounts, encoding="utf-8")
    read = drift_check.read_accounts(path)
    assert read["staging"] == drift_plan.Account("staging", "222222222222", region)
    typed, tried = re.findall(r"^for account in (.*); do$", readme, re.MULTILINE)
    assert typed.split() == list(read)
    assert tried.split() == [f"{name}={account.account_id}" for name, account in read.items()]
    assert json.loads(trust)["Statement"]["Action"] == "sts:AssumeRoleWithWebIdentity"
