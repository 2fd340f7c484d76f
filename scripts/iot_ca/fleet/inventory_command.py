"""`inventory`: the command that writes the accounts file from AWS Organizations."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from iot_ca.errors import Failure
from iot_ca.fleet import accounts_file, page_file
from iot_ca.fleet.accounts_file import Merged, NewEntry
from iot_ca.fleet.organization import MemberAccount, list_accounts
from iot_ca.model import Credentials, Target
from iot_ca.streams import say, standard_output

# IAM user guide, "IAM and AWS STS quotas"; a path may stand before the name of a role.
_ROLE_NAME = re.compile(r"([\w+=,.@-]+/)*[\w+=,.@-]{1,64}", re.ASCII)
# AWS Organizations API reference, ListAccountsForParent, ParentId.
_UNIT = re.compile(r"r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_ACCOUNT_ID = re.compile("[0-9]{12}", re.ASCII)
_ENVIRONMENT = re.compile(r"[\w-]+", re.ASCII)
# AWS Organizations has one endpoint in each partition; any Region of the partition leads to it.
_DEFAULT_REGION = "us-east-1"


def run(argv: Sequence[str]) -> int:
    """Read the organization, write the accounts file and return the exit status, which is 0.

    Raises Failure for a wrong option, an organization that can't be read or has no such account,
    and a file that can't be read or written.
    """
    options = _options(argv)
    present = {} if options.output is None else accounts_file.read(options.output)
    accounts = _accounts(options)
    active = [account for account in accounts if account.is_active]
    new_entry = NewEntry(options.role_name, tuple(options.regions), options.environment)
    merged = accounts_file.merge(present, active, new_entry)
    text = accounts_file.render(merged.variables)
    if options.output is None:
        with standard_output() as stdout:
            stdout.write(text)
    else:
        page_file.write(text.encode(), str(options.output))
    for line in _remarks(merged, accounts):
        say(f"iot_ca: {line}", sys.stderr)
    return 0


def _accounts(options: argparse.Namespace) -> list[MemberAccount]:
    # Imported here: --help and wrong options don't need AWS.
    from iot_ca.aws.session import Account

    variables = ("AWS_REGION", "AWS_DEFAULT_REGION")
    configured = next((os.environ[name] for name in variables if os.environ.get(name)), None)
    region = next(iter(options.regions), configured or _DEFAULT_REGION)
    credentials = Credentials(options.profile, options.role_arn)
    reader = Account(Target("", region, credentials))
    accounts = list_accounts(reader, options.ou, dict(options.tag))
    accounts = [account for account in accounts if account.account_id not in options.exclude]
    if not any(account.is_active for account in accounts):
        raise Failure(
            "inventory: the organization has no active account with these tags in these units; "
            "nothing was written; correct --ou, --tag or --exclude"
        )
    return accounts


def _remarks(merged: Merged, accounts: Iterable[MemberAccount]) -> list[str]:
    """Return what is new and gone, a line each."""
    names = merged.variables["accounts"]
    suspended = [account.account_id for account in accounts if not account.is_active]
    counts = f"{len(names)} accounts, {len(merged.added)} new, {len(merged.removed)} gone"
    lists = {
        "new": merged.added,
        "gone (not among the accounts selected; its CAs stay registered)": merged.removed,
        "left out (not active)": suspended,
    }
    return [counts, *(f"{what}: {', '.join(which)}" for what, which in lists.items() if which)]


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are Failures, one line each."""

    def error(self, message: str) -> NoReturn:
        raise Failure(f"inventory: {message}; see iot_ca inventory --help")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="iot_ca inventory",
        description="Writes the accounts file that Terraform and status read, from AWS "
        "Organizations. Keeps what an existing file says of an account. Never writes to AWS.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    role, unit, region, account, environment = (
        _matching(pattern, what)
        for pattern, what in (
            (_ROLE_NAME, "the name of a role"),
            (_UNIT, "the ID of an organizational unit (ou-...) or of the root (r-...)"),
            (_REGION, "an AWS Region"),
            (_ACCOUNT_ID, "an account ID of twelve digits"),
            (_ENVIRONMENT, "a name of letters, digits, - and _"),
        )
    )
    add("--role-name", required=True, type=role, metavar="NAME", help="role to assume in each")
    add("--ou", nargs="+", action="extend", default=[], type=unit, metavar="ID",
        help="only accounts in this organizational unit, and in those below")  # fmt: skip
    add("--tag", nargs="+", action="extend", default=[], type=_tag, metavar="KEY=VALUE",
        help="only accounts with all these tags")  # fmt: skip
    add("--exclude", nargs="+", action="extend", default=[], type=account, metavar="ACCOUNT_ID",
        help="not these accounts, such as the management account")  # fmt: skip
    add("--regions", nargs="+", action="extend", default=[], type=region, metavar="REGION",
        help="Regions of accounts that are new in the file")  # fmt: skip
    add("--environment", type=environment, metavar="NAME",
        help="environment of these accounts if the file has none; accounts of other environments "
        "stay in the file, so one run for each can write it")  # fmt: skip
    add("--output", type=_json_file, metavar="FILE", help="default: standard output")
    add("--profile", metavar="NAME", help="profile to read the organization with")
    add("--role-arn", metavar="ARN", help="role to read the organization with")
    options = parser.parse_args(argv)
    keys = [key for key, _ in options.tag]
    for key in keys:
        # An account has one value for a key, so no account could match.
        if keys.count(key) > 1:
            parser.error(f"--tag {key} is given twice; run inventory once for each value")
    return options


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    """Return the type of an option: a text that matches in whole."""

    def convert(text: str) -> str:
        if not pattern.fullmatch(text):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return text

    return convert


def _tag(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} must be KEY=VALUE")
    return key, value


def _json_file(text: str) -> Path:
    if not text.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text!r} must end in .tfvars.json")
    return Path(text)
