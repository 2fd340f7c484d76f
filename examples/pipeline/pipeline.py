"""Plan many accounts, show all plans in one table, and apply them stage by stage.

    pipeline.py matrix STAGE   the accounts of a stage, or of `all`, as one line of JSON
    pipeline.py plan NAME      plan the account's workspace; keep the plan and a report of it
    pipeline.py table          print one table of all plans, as Markdown for a comment
    pipeline.py apply NAME     apply the plan that was kept, if its turn has come

Accounts come from the file that `iot_ca inventory` writes. Each also needs `environment`, its
stage: development, staging or production. `apply` refuses an account whose plan failed, and one
before all accounts of the earlier stages are applied. The exit status is 1 for every failure.

Needs Python 3.10 or later and a `terraform` on the PATH (TERRAFORM names another program).
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

STAGES = ("development", "staging", "production")
MARK = "<!-- iot-ca plan -->"
# GitHub Actions reference, "Workflow syntax", jobs.<job_id>.strategy.matrix.
MATRIX_LIMIT = 256
# GitHub refuses a comment of more than 65536 characters.
COMMENT_LIMIT = 60000
CELL_LIMIT = 300
NO_CHANGES, FAILED, CHANGES = 0, 1, 2
WORDS = {NO_CHANGES: "no changes", FAILED: "failed", CHANGES: "changes"}


class Trouble(Exception):
    """What is wrong and what to do about it, in one line."""


@dataclass(frozen=True, eq=False)
class Account:
    """One account; `settings` is its entry in the accounts file."""

    name: str
    account_id: str
    region: str
    stage: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """The result of a plan: its exit status with -detailed-exitcode, and what it says."""

    status: int
    what: tuple[str, ...] = ()


def read_accounts(path: Path) -> dict[str, Account]:
    """Return the accounts of a .tfvars.json file by name. Raise Trouble for an unusable file."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["accounts"]
        accounts = {name: _account(name, entry) for name, entry in entries.items()}
    except OSError as error:
        raise Trouble(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Trouble(f"{path} needs a map `accounts`, each with account_id") from None
    if not accounts:
        raise Trouble(f"{path} names no accounts")
    return accounts


def _account(name: str, entry: Mapping[str, Any]) -> Account:
    stage = entry.get("environment")
    # A name is part of paths, and that of a workspace.
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise Trouble(f"account {json.dumps(name)}: only letters, digits, - and _ are usable")
    if stage not in STAGES:
        raise Trouble(f"accounts[{json.dumps(name)}] needs environment: {', '.join(STAGES)}")
    if entry.get("regions"):
        # The variable of examples/workspaces would drop them, and apply in its default Region.
        raise Trouble(f"accounts[{json.dumps(name)}] has regions; a workspace needs one region")
    # The default Region is that of the variable in examples/workspaces.
    return Account(name, entry["account_id"], entry.get("region") or "eu-west-1", stage, entry)


def matrix(accounts: Iterable[Account], stage: str) -> str:
    """Return the accounts of a stage for a workflow's matrix."""
    jobs = [
        {"name": account.name, "account_id": account.account_id, "region": account.region}
        for account in accounts
        if stage in ("all", account.stage)
    ]
    if len(jobs) > MATRIX_LIMIT:
        raise Trouble(f"{len(jobs)} accounts, and GitHub takes {MATRIX_LIMIT}; split the file")
    return json.dumps(jobs)


def plan(account: Account, folder: Path, plans: Path, role_name: str | None) -> Report:
    """Plan the account's workspace, and keep the plan in `plans`."""
    # The entry's own role may be one that only reads: plan and apply have a role each.
    settings = {key: value for key, value in account.settings.items() if key != "profile"}
    settings["role_arn"] = role_name and f"arn:aws:iam::{account.account_id}:role/{role_name}"
    variables = plans / f"{account.name}.tfvars.json"
    variables.write_text(json.dumps({"accounts": {account.name: settings}}), encoding="utf-8")
    done = _terraform(account, folder, "init", "-input=false", "-no-color")
    if done.returncode:
        return Report(FAILED, (_one_line(done.stderr),))
    files = (f"-var-file={variables.resolve()}", f"-out={_plan_file(account, plans).resolve()}")
    options = ("-detailed-exitcode", "-input=false", "-lock=false", "-json")
    done = _terraform(account, folder, "plan", *options, *files)
    return _report(done)


def apply(accounts: Mapping[str, Account], name: str, folder: Path, plans: Path) -> str:
    """Apply the plan that was kept; return what was done. Raise Trouble if it is refused."""
    account, report = accounts[name], read_report(plans, name)
    if report.status == FAILED:
        raise Trouble(f"{name} is refused: its plan failed: {'; '.join(report.what)}")
    earlier = STAGES[: STAGES.index(account.stage)]
    waiting = [
        other.name
        for other in accounts.values()
        if other.stage in earlier
        and read_report(plans, other.name).status != NO_CHANGES
        and not _applied_file(plans, other.name).exists()
    ]
    if waiting:
        raise Trouble(f"{name} is refused: not applied in an earlier stage: {', '.join(waiting)}")
    if report.status == NO_CHANGES:
        return f"{name}: no changes"
    path = _plan_file(account, plans).resolve()
    done = _terraform(account, folder, "init", "-input=false", "-no-color")
    if done.returncode == 0:
        done = _terraform(account, folder, "apply", "-input=false", "-no-color", str(path))
    if done.returncode:
        raise Trouble(f"{name} failed: {_one_line(done.stderr)}")
    _applied_file(plans, name).touch()
    return f"{name}: {_one_line(done.stdout.strip().rpartition('Apply complete!')[2]) or 'applied'}"


def read_report(plans: Path, name: str) -> Report:
    """Return the report of an account's plan; one that is missing or unreadable has failed."""
    try:
        found = json.loads((plans / f"{name}.json").read_text(encoding="utf-8"))
        report = Report(found["status"], tuple(map(str, found["what"])))
    except OSError:
        return Report(FAILED, ("no plan: its job ended before (credentials?)",))
    except (ValueError, KeyError, TypeError):
        return Report(FAILED, ("its report can't be read",))
    return report if report.status in WORDS else Report(FAILED, ("its report can't be read",))


def table(accounts: Sequence[Account], plans: Path) -> str:
    """Return one table of all plans: failures, then changes, then the others, by stage."""
    reports = {account: read_report(plans, account.name) for account in accounts_by_stage(accounts)}
    order = (FAILED, CHANGES, NO_CHANGES)
    counts = [f"{sum(r.status == s for r in reports.values())} {WORDS[s]}" for s in order]
    lines = [MARK, "## Plan", "", ", ".join(counts), ""]
    lines += ["| account | stage | region | plan | what |", "| --- | --- | --- | --- | --- |"]
    rows = [
        f"| {account.name} ({account.account_id}) | {account.stage} | {account.region} "
        f"| {WORDS[report.status]} | {_cell(report.what)} |"
        for status in order
        for account, report in reports.items()
        if report.status == status
    ]
    shown = [row for n, row in enumerate(rows) if len("\n".join(rows[: n + 1])) < COMMENT_LIMIT]
    if len(shown) < len(rows):
        shown.append(f"\n{len(rows) - len(shown)} more accounts: see the artifacts of the run.")
    return "\n".join([*lines, *shown, ""])


def accounts_by_stage(accounts: Iterable[Account]) -> list[Account]:
    """Return the accounts in the order in which they are applied."""
    return sorted(accounts, key=lambda account: STAGES.index(account.stage))


def _plan_file(account: Account, plans: Path) -> Path:
    return plans / f"{account.name}.tfplan"


def _applied_file(plans: Path, name: str) -> Path:
    return plans / f"{name}.applied"


def _terraform(account: Account, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = os.environ.get("TERRAFORM", "terraform")
    try:
        return subprocess.run(
            [program, *arguments],
            cwd=folder,
            env={**os.environ, "TF_WORKSPACE": account.name, "TF_IN_AUTOMATION": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise Trouble(f"{program} can't be run: {error.strerror}; set TERRAFORM") from None


def _report(done: subprocess.CompletedProcess[str]) -> Report:
    """Return what `terraform plan -detailed-exitcode -json` said, a JSON document on each line."""
    errors: list[str] = []
    warnings: list[str] = []
    changes: list[str] = []
    for line in done.stdout.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if message.get("type") == "planned_change":
            change = message["change"]
            changes.append(f"{change['action']} {change['resource']['addr']}")
        elif message.get("type") == "diagnostic":
            diagnostic = message["diagnostic"]
            text = _one_line(diagnostic.get("detail") or diagnostic["summary"])
            (errors if diagnostic["severity"] == "error" else warnings).append(text)
    if done.returncode not in (NO_CHANGES, CHANGES):
        said = _one_line(done.stderr) or "no message"
        ended = f"terraform ended with status {done.returncode}: {said}"
        return Report(FAILED, tuple(errors) or (ended,))
    return Report(done.returncode, (*changes, *(f"warning: {text}" for text in warnings)))


def _one_line(text: str) -> str:
    return " ".join(re.sub(r"[│╷╵]", " ", text).split())


def _cell(texts: Iterable[str]) -> str:
    """Return texts as they stay text in a table, whatever AWS or Terraform said."""
    whole = "; ".join(texts)
    text = whole if len(whole) <= CELL_LIMIT else f"{whole[:CELL_LIMIT]}..."
    return re.sub(r"([\\|`*_\[\]~@#])", r"\\\1", html.escape(text, quote=False))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are Trouble."""

    def error(self, message: str) -> NoReturn:
        raise Trouble(f"{message}; see pipeline.py --help")


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status."""
    try:
        return _run(arguments)
    except Trouble as trouble:
        print(f"pipeline: {trouble}", file=sys.stderr)
    except OSError as error:
        print(f"pipeline: {error.filename}: {error.strerror}", file=sys.stderr)
    return FAILED


def _run(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    accounts = read_accounts(options.accounts)
    if options.command == "matrix":
        print(matrix(accounts.values(), options.stage))
        return 0
    if options.command == "table":
        print(table(list(accounts.values()), options.plans))
        return int(any(read_report(options.plans, name).status == FAILED for name in accounts))
    if options.name not in accounts:
        raise Trouble(f"{options.accounts} has no account {json.dumps(options.name)}")
    folder = options.accounts.parent
    if options.command == "apply":
        print(apply(accounts, options.name, folder, options.plans))
        return 0
    options.plans.mkdir(parents=True, exist_ok=True)
    report = plan(accounts[options.name], folder, options.plans, options.role_name)
    path = options.plans / f"{options.name}.json"
    path.write_text(json.dumps(asdict(report)), encoding="utf-8")
    print(f"{options.name}: {WORDS[report.status]}", *report.what, sep="\n  ")
    return int(report.status == FAILED)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--accounts", type=Path, default=Path("accounts.auto.tfvars.json"))
    parser.add_argument("--plans", type=Path, default=Path("plans"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("matrix").add_argument("stage", choices=["all", *STAGES])
    commands.add_parser("table")
    commands.add_parser("apply").add_argument("name")
    planning = commands.add_parser("plan")
    planning.add_argument("name")
    planning.add_argument(
        "--role-name", help="role to assume in the account; default: the environment's credentials"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
