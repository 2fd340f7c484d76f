"""`status`: what every account and region of a fleet has of each CA, and what is wrong with it.

It reads, and never writes. Places are looked at all at once, with a bound; one that fails costs
its own rows their facts and nothing else.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from iot_ca import model, utc
from iot_ca.certificates import pem
from iot_ca.errors import Failure, one_line
from iot_ca.fleet import inventory as fleet
from iot_ca.fleet.inventory import Fleet, Place, Wanted
from iot_ca.model import ObservedCa
from iot_ca.reconcile import drift

if TYPE_CHECKING:
    from iot_ca.fleet.clients import Entry

State = Literal["failed", "drifted", "expired", "expiring", "in sync"]

# Worst first.
STATES: tuple[State, ...] = ("failed", "drifted", "expired", "expiring", "in sync")

DRIFT_STATUS = 2
FAILURE_STATUS = 1

EXPIRY_WARNING_DAYS = 90

# Calls at once, whatever the number of accounts: each needs a connection, and some systems give a
# process 256 of them. AWS's limits are each account's own and far from reached.
_CALLS_AT_ONCE = 64
_CALLS_OF_ONE_LOOK = 10

_MODULE_TAGS = tuple(
    f"tag {key}" for key in (model.ORIGIN_TAG, model.OWNER_TAG, model.REVISION_TAG)
)


@dataclass(frozen=True)
class Row:
    """One CA in one account and region.

    Attributes:
        account, ca: their names in the file.
        state: the worst that is to be said of it.
        wrong: what is wrong, in words; empty where nothing is.
        wanted_mode, wanted_status: as the file has them.
        registered: None where that is not known.
        mode ... revision: as AWS has them; None where it has not, or has not told.
        managed: how the CA came to the module, `registered` or `adopted`; None if it never did.
        not_after, days: when the certificate expires, and in how many whole days.
    """

    account: str
    account_id: str
    region: str
    ca: str
    certificate_id: str
    state: State
    wrong: tuple[str, ...]
    wanted_mode: str
    wanted_status: str
    not_after: datetime
    days: int
    registered: bool | None = None
    mode: str | None = None
    status: str | None = None
    auto_registration: bool | None = None
    template: str | None = None
    managed: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Report:
    """All rows, worst first, and when they were looked up. `notes` are about the file."""

    rows: tuple[Row, ...]
    moment: datetime
    warning_days: int = EXPIRY_WARNING_DAYS
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[State, int]:
        """How many rows there are of each state, worst first."""
        states = [row.state for row in self.rows]
        return {state: states.count(state) for state in STATES}

    @property
    def exit_status(self) -> int:
        """1 if a look failed, else 2 if something has drifted, else 0.

        A failure wins, as in Terraform: as long as one look fails, nobody knows what has drifted.
        """
        counts = self.counts
        if counts["failed"]:
            return FAILURE_STATUS
        return DRIFT_STATUS if counts["drifted"] else 0


def run(argv: Sequence[str]) -> int:
    """Look, print or write what was found, and return the exit status. Raises Failure."""
    options = _options(argv)
    wanted = fleet.read(options.files, options.ca, options.region)
    # Switched off for the other commands, which end before garbage matters.
    gc.enable()
    with _progress(len(wanted.places)) as advance:
        looked = look(wanted, advance)
    moment = datetime.now(timezone.utc)
    report = assess(wanted, looked, moment, options.expiry_warning_days)
    _show(report, options)
    return report.exit_status


def look(
    wanted: Fleet, advance: Callable[[], None] = lambda: None
) -> dict[Place, Mapping[str, ObservedCa | Failure | None]]:
    """What AWS has at each place, by certificate ID; calls `advance` after each place.

    Credentials are got once for each account and used in all its regions; any of them may be the
    one that issues them, so a region that is down costs its own rows alone.
    """
    from concurrent.futures import Future, ThreadPoolExecutor
    from queue import SimpleQueue

    from iot_ca.aws.registry import Registry
    from iot_ca.fleet.clients import Clients, Member

    ids = {ca: each.certificate_id for ca, each in wanted.certificates.items()}
    clients = Clients(_CALLS_AT_ONCE)
    accounts: dict[object, list[Place]] = {}
    for place in wanted.places:
        accounts.setdefault((place.target.account_id, place.target.credentials), []).append(place)

    def enter(places: Sequence[Place]) -> Entry:
        target = places[0].target
        entry = Member(target, clients).enter([place.target.region for place in places])
        if entry.account != target.account_id:
            raise Failure(
                f"the credentials belong to account {entry.account}; set profile or role_arn of "
                f"accounts[{places[0].account!r}] so that they lead into {target.account_id}"
            )
        return entry

    def observe(place: Place, entry: Entry) -> Mapping[str, ObservedCa | Failure | None]:
        member = Member(place.target, clients, entry)
        return Registry(place.target, member).observe(ids[ca] for ca in place.wanted)

    found: dict[Place, Mapping[str, ObservedCa | Failure | None]] = {}
    done: SimpleQueue[Future[object]] = SimpleQueue()
    works: dict[Future[object], Sequence[Place] | Place] = {}
    each_look = max(1, min(_CALLS_OF_ONE_LOOK, 2 * len(ids)))
    pool = ThreadPoolExecutor(_CALLS_AT_ONCE // each_look, thread_name_prefix="status")

    def submit(work: Sequence[Place] | Place, what: Callable[..., object], *more: object) -> None:
        future = pool.submit(what, work, *more)
        works[future] = work
        future.add_done_callback(done.put)

    try:
        for places in accounts.values():
            submit(places, enter)
        while works:
            future = done.get()
            work = works.pop(future)
            error = future.exception()
            if error is not None and not isinstance(error, Failure):
                # It costs one place, like any other. The class alone, as everywhere.
                if os.environ.get("IOT_CA_DEBUG") == "1":
                    traceback.print_exception(error)
                name = type(error).__name__
                error = Failure(f"unforeseen {name}; run with IOT_CA_DEBUG=1 and report it")
            if isinstance(work, Place):
                answer = future.result() if error is None else dict.fromkeys(ids.values(), error)
                found[work] = answer  # type: ignore[assignment]
                advance()
            elif error is None:
                for place in work:
                    submit(place, observe, future.result())
            else:
                for place in work:
                    found[place] = dict.fromkeys(ids.values(), error)
                    advance()
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def assess(
    wanted: Fleet,
    looked: Mapping[Place, Mapping[str, ObservedCa | Failure | None]],
    moment: datetime,
    warning_days: int = EXPIRY_WARNING_DAYS,
) -> Report:
    """What the looks mean: one row for each CA of each place, worst first. Pure."""
    ends = {ca: pem.validity(pem.parse(each))[1] for ca, each in wanted.certificates.items()}
    rows = [
        _row(place, ca, wanted, looked[place], ends[ca], moment, warning_days)
        for place in wanted.places
        for ca in place.wanted
    ]
    # A stable sort: within a state the order is the file's.
    rows.sort(key=lambda row: STATES.index(row.state))
    return Report(tuple(rows), moment, warning_days, tuple(fleet.notes(wanted)))


def differences(wanted: Wanted, observed: ObservedCa) -> list[str]:
    """What is not as wanted, in words, as far as the file says what is.

    The next plan may know more: tags, and whatever else only the configuration says.
    """
    authority = wanted.authority
    # The tags that the module remembers to have put there are not in the file: those that are
    # still there are as good as wanted, and one that is gone shows.
    remembered = drift.forsaken_tags(authority, observed)
    authority = replace(authority, tags={key: observed.tags[key] for key in remembered})
    found = drift.differences(authority, observed)
    if not wanted.template_matters:
        found = [each for each in found if each.attribute != "template"]
    missing = [each for each in found if each.attribute in _MODULE_TAGS and each.wanted is None]
    told = [str(each) for each in found if each not in missing]
    if len(missing) == len(_MODULE_TAGS):
        return [*told, "not managed by this module yet"]
    return told + [str(each) for each in missing]


def _row(
    place: Place,
    ca: str,
    wanted: Fleet,
    looked: Mapping[str, ObservedCa | Failure | None],
    end: datetime,
    moment: datetime,
    warning_days: int,
) -> Row:
    certificate_id = wanted.certificates[ca].certificate_id
    authority = place.wanted[ca].authority
    days = (end - moment) // timedelta(days=1)
    row = Row(
        account=place.account,
        account_id=place.target.account_id,
        region=place.target.region,
        ca=ca,
        certificate_id=certificate_id,
        state="in sync",
        wrong=(),
        wanted_mode=authority.certificate_mode,
        wanted_status=authority.status,
        not_after=end,
        days=days,
    )
    ending: State | None = None
    wrong: list[str] = []
    if end < moment:
        ending, wrong = "expired", [f"expired at {utc.rfc3339(end)}"]
    elif days < warning_days:
        ending, wrong = "expiring", [f"expires at {utc.rfc3339(end)}"]
    observed = looked[certificate_id]
    if isinstance(observed, Failure):
        return replace(row, state="failed", wrong=(one_line(str(observed)), *wrong))
    if observed is None:
        told = f"not registered, wanted {authority.certificate_mode}, {authority.status}"
        return replace(row, registered=False, state="drifted", wrong=(told, *wrong))
    different = differences(place.wanted[ca], observed)
    template = drift.template_in_words(observed)
    return replace(
        row,
        state="drifted" if different else ending or "in sync",
        wrong=(*different, *wrong),
        registered=True,
        mode=observed.mode,
        status=observed.status,
        auto_registration=observed.auto_registration,
        template=None if template == "none" else template,
        managed=observed.origin if model.ORIGIN_TAG in observed.tags else None,
        revision=observed.revision,
    )


class _Parser(argparse.ArgumentParser):
    """One line and status 1 like every failure: argparse's own 2 would mean drift."""

    def error(self, message: str) -> NoReturn:
        raise Failure(f"status: {message}; see iot_ca status --help")


def _days(text: str) -> int:
    """A number of days from the command line."""
    if not re.fullmatch("[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of days, 0 or more")
    return int(text)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="iot_ca status",
        description="Shows what every account and region has of each CA. Never writes to AWS.",
        epilog="Exit status: 1 if a look failed, else 2 if something has drifted, else 0.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help=".tfvars, .hcl or .tfvars.json")
    add(
        "--ca",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a CA by its certificate, PEM; in place of those that FILE names; repeatable",
    )
    add(
        "--region",
        action="append",
        default=[],
        metavar="REGION",
        help="region of the accounts that name none; repeatable",
    )
    add(
        "--expiry-warning-days",
        type=_days,
        default=EXPIRY_WARNING_DAYS,
        metavar="DAYS",
        help="how long before its end a CA counts as expiring (%(default)s; 0: never)",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON")
    forms.add_argument("--html", metavar="FILE", help="write a page; - for standard output")
    return parser.parse_args(argv)


def _show(report: Report, options: argparse.Namespace) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a sign shows another one; names in the file may be of any script.
        sys.stdout.reconfigure(errors="replace")
    from iot_ca.fleet.render import report as form

    if options.json:
        print(form.as_json(report))
    elif options.html is not None:
        from iot_ca.fleet.render import html as page

        _write(page.render(report), options.html)
        if options.html != "-":
            print(form.headline(report))
    else:
        form.print_table(report)


def _write(text: str, path: str) -> None:
    """The file is there as a whole or not at all: a web server may be reading it."""
    # What AWS answers is not looked through; a character that can't be written costs itself alone.
    content = text.encode(errors="replace")
    if path == "-":
        sys.stdout.buffer.write(content)
        return
    target = Path(path)
    if not target.name:
        raise Failure(f"{path or repr(path)} can't be written: it names no file")
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as error:
        raise Failure(f"{path} can't be written: {error.strerror}") from None
    finally:
        # However it ended, a keyboard's interrupt included.
        with suppress(OSError):
            beside.unlink()


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, where somebody sees it."""
    if not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
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
