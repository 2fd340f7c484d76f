"""A drift check of many accounts: one Terraform plan for each, and one summary of all.

    drift_check.py matrix       the accounts as one line of JSON, for a pipeline's matrix
    drift_check.py check NAME   plan the account's workspace, print and report what it found
    drift_check.py summary      print all reports: in a terminal as text, elsewhere as Markdown

The exit status of `check` and `summary` is that of `terraform plan -detailed-exitcode`: 0 in sync,
2 drift, 1 failure. It is 0, with a note, if a plan changes only who runs the program at destroy.
A failure outweighs drift: where one account could not be looked at, nobody knows. Accounts come
from the file that Terraform reads them from, so there is no second list that could lack one.

Needs nothing but Python 3.10 or later, and for `check` a `terraform` on the PATH (TERRAFORM names
another program, such as `tofu`).
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from drift_plan import DRIFT, FAILURE, IN_SYNC, WORDS, Account, Report, one_line, read_plan

# GitHub Actions reference, "Workflow syntax", jobs.<job_id>.strategy.matrix.
MATRIX_LIMIT = 256


class Trouble(Exception):
    """What is wrong, in one line for the user."""


def read_accounts(path: Path) -> dict[str, Account]:
    """The accounts in a .tfvars.json file, by name. Raises Trouble."""
    accounts = _object(path).get("accounts")
    if not isinstance(accounts, dict) or not accounts:
        raise Trouble(f"{path} has no map `accounts`")
    found = {}
    for name, account in accounts.items():
        if not isinstance(account, dict) or not isinstance(account.get("account_id"), str):
            raise Trouble(f"{path}: accounts[{json.dumps(name)}] needs account_id, in quotes")
        # The default region is that of the variable in examples/workspaces.
        region = account.get("region") or "eu-west-1"
        found[name] = Account(name, account["account_id"], str(region))
    return found


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises Trouble."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Trouble(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Trouble(f"{path} is not valid JSON") from None
    if not isinstance(found, dict):
        raise Trouble(f"{path} is not a JSON object")
    return found


def check(account: Account, folder: Path) -> Report:
    """Initialise and plan the account's workspace in `folder`."""
    environment = {**os.environ, "TF_WORKSPACE": account.name, "TF_IN_AUTOMATION": "1"}

    program = os.environ.get("TERRAFORM", "terraform")

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    try:
        done = terraform("init", "-input=false", "-no-color")
    except OSError as error:
        why = f"{program} can't be run: {error.strerror}; TERRAFORM names another program"
        return Report(account, FAILURE, errors=(why,))
    if done.returncode:
        return Report(account, FAILURE, errors=(one_line(done.stderr),))
    # A plan file contains the state: only this user may read it, and only until the end.
    with tempfile.TemporaryDirectory() as private:
        file = str(Path(private, "plan"))
        # A look needs no lock, and must not keep an apply waiting.
        options = ("-detailed-exitcode", "-input=false", "-lock=false", "-json", f"-out={file}")
        done = terraform("plan", *options)
        if done.returncode != DRIFT:
            return read_plan(account, done.returncode, done.stdout, done.stderr)
        shown = terraform("show", "-json", file)
    if shown.returncode:
        return Report(account, FAILURE, errors=(one_line(shown.stderr),))
    return read_plan(account, done.returncode, done.stdout, plan=json.loads(shown.stdout))


def read_reports(accounts: Mapping[str, Account], folder: Path) -> list[Report]:
    """The report of each account; one that left none, or none that can be read, has failed."""
    reports = []
    for name, account in accounts.items():
        path = folder / f"{name}.json"
        if not path.exists():
            missing = ("no report: its job ended before the plan (credentials?)",)
            reports.append(Report(account, FAILURE, errors=missing))
            continue
        try:
            reports.append(_report(account, path))
        except Trouble as trouble:
            # It costs this account its row, and no other.
            reports.append(Report(account, FAILURE, errors=(str(trouble),)))
    return reports


def _report(account: Account, path: Path) -> Report:
    found = _object(path)
    names = ("drift", "warnings", "errors", "changes", "notes")
    texts = {name: found.get(name, []) for name in names}
    whole = all(
        isinstance(each, list) and all(isinstance(text, str) for text in each)
        for each in texts.values()
    )
    status, applied = found.get("status"), found.get("applied", True)
    if not whole or type(status) is not int or status not in WORDS or type(applied) is not bool:
        raise Trouble(f"{path} is not a report of `drift_check.py check`")
    given = {name: tuple(each) for name, each in texts.items()}
    return Report(account, status, **given, applied=applied)


def overall(reports: Iterable[Report]) -> int:
    """The exit status for all: failure before drift before in sync."""
    statuses = {report.status for report in reports}
    return next((status for status in (FAILURE, DRIFT) if status in statuses), IN_SYNC)


def text(reports: Sequence[Report]) -> str:
    """Return all accounts as text for a terminal, what needs attention first."""
    lines = [_counts(reports)]
    for report in _by_urgency(reports):
        account = report.account
        where = f"{account.name} ({account.account_id}, {account.region})"
        lines.append(f"{where}: {report.status} {report.word}")
        lines += [f"  {sentence}" for sentence in _what(report)]
    return "\n".join([*lines, ""])


def markdown(reports: Sequence[Report]) -> str:
    """One table of all accounts, what needs attention first, and a line that counts them."""
    lines = [
        "## Drift check",
        "",
        _counts(reports),
        "",
        "| account | region | exit status | what |",
        "| --- | --- | --- | --- |",
    ]
    for report in _by_urgency(reports):
        lines.append(
            f"| {_cell([report.account.name])} ({report.account.account_id}) "
            f"| {report.account.region} "
            f"| {report.status} {report.word} | {_cell(_what(report))} |"
        )
    return "\n".join([*lines, ""])


def _counts(reports: Sequence[Report]) -> str:
    words = [report.word for report in reports]
    # An account is only new once, so that word is left out if it counts none.
    shown = ("failed", *(["not applied"] if "not applied" in words else []), "drift", "in sync")
    return ", ".join(f"{words.count(word)} {word}" for word in shown)


def _by_urgency(reports: Sequence[Report]) -> list[Report]:
    return sorted(reports, key=lambda report: (FAILURE, DRIFT, IN_SYNC).index(report.status))


def _what(report: Report) -> list[str]:
    changes: tuple[str, ...] = ()
    # Changes that no sentence explains: of the configuration, or of what is not a CA.
    if report.status == DRIFT and not report.drift:
        changes = report.changes or ("the plan is not empty",)
    notes = [f"note: {note}" for note in report.notes]
    warnings = [f"warning: {warning}" for warning in report.warnings]
    return [*report.errors, *report.drift, *changes, *notes, *warnings]


def _cell(texts: Iterable[str]) -> str:
    # Whatever AWS or Terraform said must stay text in a page.
    escaped = (html.escape(text, quote=False) for text in texts)
    return "<br>".join(re.sub(r"([\\|`*_\[\]~])", r"\\\1", text) for text in escaped)


class _Parser(argparse.ArgumentParser):
    """Status 1 like every failure: argparse's own 2 would mean drift."""

    def error(self, message: str) -> NoReturn:
        raise Trouble(f"{message}; see drift_check.py --help")


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    try:
        return _run(arguments)
    except Trouble as trouble:
        print(f"drift_check: {trouble}", file=sys.stderr)
    except OSError as error:
        print(f"drift_check: {error.filename}: {error.strerror}", file=sys.stderr)
    return FAILURE


def _run(arguments: Sequence[str]) -> int:
    parser = _Parser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--accounts", type=Path, default=Path("accounts.auto.tfvars.json"))
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("matrix", help="print the accounts as one line of JSON")
    commands.add_parser("check", help="plan one account").add_argument("name")
    commands.add_parser("summary", help="print one table of all reports")
    chosen = parser.parse_args(arguments)
    accounts = read_accounts(chosen.accounts)

    if chosen.command == "matrix":
        if len(accounts) > MATRIX_LIMIT:
            raise Trouble(
                f"{chosen.accounts} has {len(accounts)} accounts, and GitHub takes no matrix of "
                f"more than {MATRIX_LIMIT} jobs; run `check` for each in a loop, then `summary`"
            )
        print(json.dumps([asdict(account) for account in accounts.values()]))
        return IN_SYNC
    if chosen.command == "check":
        if chosen.name not in accounts:
            raise Trouble(f"{chosen.name} is none of {', '.join(accounts)} in {chosen.accounts}")
        report = check(accounts[chosen.name], chosen.accounts.parent)
        chosen.reports.mkdir(parents=True, exist_ok=True)
        whole = json.dumps(asdict(report), indent=2)
        (chosen.reports / f"{chosen.name}.json").write_text(f"{whole}\n", encoding="utf-8")
        print(text([report]))
        return report.status
    reports = read_reports(accounts, chosen.reports)
    print(text(reports) if sys.stdout.isatty() else markdown(reports))
    return overall(reports)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
