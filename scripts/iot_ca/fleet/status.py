"""`status`: the command that reports what each account and Region of a fleet has of each CA.

Read-only. This module has the options, the progress bar and the output.
"""

from __future__ import annotations

import argparse
import codecs
import gc
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

from iot_ca.errors import Failure
from iot_ca.fleet import inventory, page_file
from iot_ca.fleet.assessment import assess
from iot_ca.fleet.interruption import end_interrupted
from iot_ca.fleet.report import EXPIRY_WARNING_DAYS, Report
from iot_ca.streams import standard_output

_NO_PROVISIONING = (
    "provisioning was not looked up (--no-provisioning): a CA in sync might not let new devices in"
)


def run(argv: Sequence[str]) -> int:
    """Look up the fleet, print or write the report, and return the exit status.

    Ends the process if it is interrupted from the keyboard.

    Raises Failure for a wrong option, an unusable file, or a page or a standard output that can't
    be written.
    """
    try:
        return _run(argv)
    except KeyboardInterrupt:
        end_interrupted("status")


def _run(argv: Sequence[str]) -> int:
    options = _options(argv)
    fleet = inventory.read(options.files, options.ca, options.region)
    fleet = inventory.choose(fleet, options.account)
    # The entry point turns it off for the other commands, which end before garbage matters.
    gc.enable()
    # Imported here: botocore takes longer to load than --help or a wrong file needs.
    from iot_ca.fleet.lookup import Scope, observe_fleet

    scope = Scope(options.provisioning, options.unlisted)
    with _progress_bar(len(fleet.account_regions)) as advance:
        observations = observe_fleet(fleet, advance, scope)
    now = datetime.now(timezone.utc)
    report = assess(fleet, observations, now, options.expiry_warning_days)
    if not options.provisioning:
        report = replace(report, notes=(*report.notes, _NO_PROVISIONING))
    _output(report, options)
    return report.exit_status


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are Failures, with exit status 1: argparse's own 2 means drift."""

    def error(self, message: str) -> NoReturn:
        raise Failure(f"status: {message}; see iot_ca status --help")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="iot_ca status",
        description="Shows the state of each CA in every account and region, and whether its "
        "devices are provisioned. Never writes to AWS.",
        epilog="Exit status: 1 if something could not be looked up, else 2 if a CA has drifted or "
        "its provisioning is faulty, else 0.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help=".tfvars, .hcl or .tfvars.json")
    add(
        "--ca",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="name and PEM certificate of a CA, instead of the CAs that FILE names; repeatable",
    )
    add(
        "--region",
        action="append",
        default=[],
        metavar="REGION",
        help="region of the accounts that name none; repeatable",
    )
    add("--account", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    add(
        "--expiry-warning-days",
        type=_days,
        default=EXPIRY_WARNING_DAYS,
        metavar="DAYS",
        help="a CA counts as expiring this long before it expires (%(default)s; 0: never)",
    )
    add(
        "--unlisted",
        action="store_true",
        help="also show CAs that are registered in an account and that FILE does not name",
    )
    add(
        "--no-provisioning",
        dest="provisioning",
        action="store_false",
        help="fewer calls: look up CAs alone, not whether their devices are provisioned",
    )
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="print JSON")
    formats.add_argument("--html", metavar="FILE", help="write an HTML page; - is standard output")
    return parser.parse_args(argv)


def _days(text: str) -> int:
    """Return a number of days from the command line."""
    if not re.fullmatch("[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of days, 0 or more")
    return int(text)


def _output(report: Report, options: argparse.Namespace) -> None:
    """Print or write the report in the format of the options."""
    # Each format is imported only when it is used: the table needs rich, which is optional.
    if options.json:
        from iot_ca.fleet.render import json

        with standard_output(may_be_cut=True) as stdout:
            # JSON is UTF-8 (RFC 8259); ASCII is read as such in nearly every other encoding.
            is_utf8 = codecs.lookup(stdout.encoding or "utf-8").name == "utf-8"
            print(json.render(report, ascii_only=not is_utf8), file=stdout)
    elif options.html is not None:
        from iot_ca.fleet.render import html

        _output_page(report, html.render(report).encode(), options.html)
    else:
        from iot_ca.fleet.render import table

        with standard_output(may_be_cut=True) as stdout:
            table.print_report(report, stdout)


def _output_page(report: Report, page: bytes, path: str) -> None:
    """Write the page; print the headline if the page is not on standard output itself."""
    from iot_ca.fleet.render import summary

    if page_file.is_standard_output(path):
        with standard_output(may_be_cut=True) as stdout:
            stdout.buffer.write(page)
        return
    page_file.write(page, path)
    # The page is written, so a standard output that can't be written is not a failure.
    with suppress(Failure), standard_output(may_be_cut=True) as stdout:
        print(summary.headline(report), file=stdout)


@contextmanager
def _progress_bar(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error if that is a terminal; yield what advances it by one.

    The function may be called from any thread.
    """
    if sys.stderr is None or not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("accounts and regions", style="dim"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)
