"""Plan many accounts, show all plans in one table, and apply them stage by stage.

    pipeline.py workspaces     create the workspaces that are missing; writes to the backend
    pipeline.py matrix all     all accounts, as one line of JSON
    pipeline.py matrix STAGE   the accounts of a stage whose plan has changes, or failed
    pipeline.py plan NAME      plan the account's workspace; keep the plan and a report of it
    pipeline.py table          print one table of all plans, as Markdown for a comment
    pipeline.py apply NAME     apply the plan that was kept, if its turn has come

Accounts come from the file that `iot_ca inventory` writes. Each also needs `environment`, its
stage: development, staging or production. `apply` refuses an account whose plan failed, and one
before all accounts of the earlier stages are applied. The exit status is 1 for every failure;
`table` shows failed plans and does not fail for them.

Needs Python 3.10 or later and a `terraform` on the PATH (TERRAFORM names another program).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import table
import terraform
from accounts import STAGES, Account, by_stage, matrix, read_accounts
from plans import CHANGES, FAILED, NO_CHANGES, WORDS, Plans, Report, report_of
from trouble import Trouble


def create_workspaces(accounts: Mapping[str, Account], folder: Path) -> str:
    """Create the workspace of each account that has none; return what was done."""
    terraform.init(folder)
    selected, present = terraform.workspaces(folder)
    missing = [name for name in accounts if name not in present]
    for name in missing:
        terraform.create_workspace(folder, name)
    if missing:
        terraform.select_workspace(folder, selected)
    return f"workspaces created: {', '.join(missing) or 'none, all exist'}"


def plan(account: Account, folder: Path, plans: Plans, role_name: str | None) -> Report:
    """Plan the account's workspace, and keep the plan and its report."""
    plans.clear(account.name)
    try:
        report = _plan(account, folder, plans, role_name)
    except Trouble as trouble:
        report = Report(FAILED, what=(str(trouble),))
    plans.keep(account.name, report)
    return report


def _plan(account: Account, folder: Path, plans: Plans, role_name: str | None) -> Report:
    terraform.init(folder)
    # A plan in a workspace that does not exist would write its empty state, even with -lock=false.
    if account.name not in terraform.workspaces(folder)[1]:
        raise Trouble("its workspace does not exist: run pipeline.py workspaces")
    # The entry's own role may be one that only reads: plan and apply have a role each.
    settings = {key: value for key, value in account.settings.items() if key != "profile"}
    role_arn = f"arn:{account.partition}:iam::{account.account_id}:role/{role_name}"
    settings["role_arn"] = role_arn if role_name else None
    variables = plans.variables_file(account.name)
    variables.write_text(json.dumps({"accounts": {account.name: settings}}), encoding="utf-8")
    files = (f"-var-file={variables.resolve()}", f"-out={plans.plan_file(account.name).resolve()}")
    options = ("-detailed-exitcode", "-input=false", "-lock=false", "-json")
    done = terraform.run(folder, "plan", *options, *files, workspace=account.name)
    return report_of(done.returncode, done.stdout, done.stderr)


def apply(accounts: Mapping[str, Account], name: str, folder: Path, plans: Plans) -> str:
    """Apply the plan that was kept; return what was done. Raise Trouble if it is refused."""
    report = plans.report(name)
    if plans.is_applied(name):
        return f"{name}: already applied"
    if report.status == FAILED:
        raise Trouble(f"{name} is refused: its plan failed: {'; '.join(report.what)}")
    earlier = STAGES[: STAGES.index(accounts[name].stage)]
    waiting = [
        other.name
        for other in accounts.values()
        if other.stage in earlier
        and plans.report(other.name).status != NO_CHANGES
        and not plans.is_applied(other.name)
    ]
    if waiting:
        raise Trouble(f"{name} is refused: not applied in an earlier stage: {', '.join(waiting)}")
    if report.status == NO_CHANGES:
        return f"{name}: no changes"
    terraform.init(folder)
    path = str(plans.plan_file(name).resolve())
    status = terraform.stream(folder, "apply", "-input=false", "-no-color", path, workspace=name)
    if status:
        raise Trouble(f"{name} failed, see above; plan all accounts again before the next apply")
    plans.set_applied(name)
    return f"{name}: applied"


def jobs(accounts: Mapping[str, Account], stage: str, plans: Plans) -> str:
    """Return the matrix of a stage: accounts with changes, then those whose plan failed."""
    if stage == "all":
        return matrix(list(accounts.values()))
    reports = {name: plans.report(name) for name in accounts if accounts[name].stage == stage}
    wanted = (CHANGES, FAILED)
    return matrix(
        [accounts[name] for status in wanted for name in reports if reports[name].status == status]
    )


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are Trouble."""

    def error(self, message: str) -> NoReturn:
        raise Trouble(f"{message}; see pipeline.py --help")


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status."""
    try:
        return _run(_options(arguments))
    except Trouble as trouble:
        print(f"pipeline: {trouble}", file=sys.stderr)
    except OSError as error:
        print(f"pipeline: {error.filename}: {error.strerror}", file=sys.stderr)
    except KeyboardInterrupt:
        print("pipeline: interrupted", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace) -> int:
    heading = table.heading(options.commit, options.run) if options.command == "table" else ""
    try:
        accounts = read_accounts(options.accounts)
    except Trouble as trouble:
        if options.command == "table":
            print(table.trouble(str(trouble), heading))
        raise
    folder, plans = options.accounts.parent, Plans(options.plans)
    if options.command == "table":
        reports = {account: plans.report(account.name) for account in by_stage(accounts.values())}
        print(table.table(reports, heading))
    elif options.command == "matrix":
        print(jobs(accounts, options.stage, plans))
    elif options.command == "workspaces":
        print(create_workspaces(accounts, folder))
    elif options.name not in accounts:
        raise Trouble(f"{options.accounts} has no account {json.dumps(options.name)}")
    elif options.command == "apply":
        print(apply(accounts, options.name, folder, plans))
    else:
        report = plan(accounts[options.name], folder, plans, options.role_name)
        counts = f" {report.counts}" if report.counts else ""
        print(f"{options.name}: {WORDS[report.status]}{counts}", *report.what, sep="\n  ")
        return int(report.status == FAILED)
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--accounts", type=Path, default=Path("accounts.auto.tfvars.json"))
    parser.add_argument("--plans", type=Path, default=Path("plans"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("workspaces")
    commands.add_parser("matrix").add_argument("stage", choices=["all", *STAGES])
    showing = commands.add_parser("table")
    showing.add_argument("--commit", help="hash of the commit that was planned")
    showing.add_argument("--run", help="address of the run that has the plans")
    commands.add_parser("apply").add_argument("name")
    planning = commands.add_parser("plan")
    planning.add_argument("name")
    planning.add_argument(
        "--role-name", help="role to assume in the account; default: the environment's credentials"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
