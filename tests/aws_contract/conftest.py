"""The contract with AWS: its inputs, its fixtures, and the report on what AWS answered.

`make acceptance` collects these files with the settings in pytest.ini next to this one.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
from collections.abc import Generator, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws_contract.accounts import AwsAccount, UnusableProfile, open_account
from tests.support.aws_contract.answers import Answer, could_not_be_tested
from tests.support.aws_contract.cleanup import Cleanup, Leftover, say
from tests.support.aws_contract.patience import Patience
from tests.support.aws_contract.report import (
    Report,
    Result,
    Row,
    neutral,
    screen_lines,
    write_json,
)
from tests.support.aws_contract.run import Run
from tests.support.aws_contract.table import ANSWER, assumption_of, is_denied, row_of
from tools.checkout import ROOT

REPORTS = ROOT / ".cache" / "acceptance"
# Of the files, which are the sections of the table; each file's tests keep their order.
ORDER = (
    "test_account",
    "test_ca_certificates",
    "test_ownership",
    "test_templates",
    "test_device_certificates",
    "test_jitp",
    "test_jitr",
    "test_main_job",
    "test_metrics",
)
LABELS = ("ACCOUNT-1", "ACCOUNT-2")
ALARMS = (
    "this run makes devices that JITP cannot provision: alarms on ProvisionThing.ClientError go "
    "off in the account and Region, such as those of modules/jitp-alarms"
)
# Of a run in which a permission was missing, so that not all was tested.
INCOMPLETE = 2
# nohup lets a run ignore SIGHUP.
STOPS = (signal.SIGINT, signal.SIGTERM) + (
    () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
)

ACCOUNTS = pytest.StashKey[list[AwsAccount]]()
PREFIX = pytest.StashKey[str]()
ROWS = pytest.StashKey[list[Row]]()
IN_TEST = pytest.StashKey[bool]()
CLEANUP = pytest.StashKey[Cleanup]()
LEFTOVERS = pytest.StashKey[list[Leftover]]()
DENIED_ROWS = pytest.StashKey[list[Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The inputs of a run."""
    group = parser.getgroup("acceptance")
    group.addoption("--profiles", default="", help="AWS profiles of one account, or of two")
    group.addoption("--region", default="", help="the Region of AWS IoT")
    group.addoption("--read-only", action="store_true", help="only what writes nothing")
    group.addoption("--patience", type=float, default=1.0, help="factor of the waiting times")
    group.addoption("--reports", type=Path, default=REPORTS, help="where the JSON is written")


def pytest_configure(config: pytest.Config) -> None:
    """Open the accounts: a profile that leads nowhere ends the run before it makes anything."""
    config.addinivalue_line(
        "markers", "assumption(text, source, reads_only): what the product relies on AWS for"
    )
    profiles, region = config.option.profiles.split(), config.option.region
    if not profiles or not region or len(profiles) > len(LABELS):
        raise pytest.UsageError(
            "name one profile, or two of different accounts, and the Region: "
            'make acceptance PROFILES="dev staging" REGION=eu-west-1'
        )
    patience = Patience(config.option.patience)
    try:
        accounts = [
            open_account(profile, region, label, patience)
            for profile, label in zip(profiles, LABELS, strict=False)
        ]
    except UnusableProfile as unusable:
        raise pytest.UsageError(str(unusable)) from None
    if len({account.number for account in accounts}) < len(accounts):
        raise pytest.UsageError(f"the profiles {' and '.join(profiles)} are of the same account")
    prefix = f"iot-ca-acc-{secrets.token_hex(4)}"
    config.stash[ACCOUNTS], config.stash[PREFIX] = accounts, prefix
    rows: list[Row] = []
    leftovers: list[Leftover] = []
    config.stash[ROWS] = rows
    config.stash[LEFTOVERS] = leftovers
    config.stash[DENIED_ROWS] = []
    config.stash[CLEANUP] = Cleanup(config.option.reports / prefix / "remove.sh", patience)
    config.stash[IN_TEST] = False


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let SIGINT, SIGTERM and SIGHUP end the run in order, at a point that pytest is prepared for.

    Python's own handler may interrupt pytest between two tests, and those of SIGTERM and SIGHUP end
    it without a chance to remove anything.
    """

    def stop(number: int, _: object) -> None:
        session.shouldstop = f"interrupted by {signal.Signals(number).name}"
        if session.config.stash[IN_TEST]:
            raise KeyboardInterrupt

    if not session.config.option.read_only:
        say(ALARMS)
    if threading.current_thread() is threading.main_thread():
        for number in STOPS:
            signal.signal(number, stop)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Require of each test that it says what it assumes, and put them into the table's order."""
    for item in items:
        assumption_of(item)
    items.sort(key=lambda item: ORDER.index(item.path.stem))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what writes if the run is read-only, before any of its fixtures is made."""
    if item.session.shouldstop:
        raise KeyboardInterrupt
    _, _, reads_only = assumption_of(item)
    if item.config.option.read_only and not reads_only:
        could_not_be_tested("writes, and the run is read-only")


@contextlib.contextmanager
def _in_test(config: pytest.Config) -> Iterator[None]:
    config.stash[IN_TEST] = True
    try:
        yield
    finally:
        config.stash[IN_TEST] = False


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Let an interrupt end a test."""
    with _in_test(pyfuncitem.config):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Let an interrupt end a fixture, which may wait for minutes."""
    with _in_test(request.config):
        return (yield)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the row of a test that has ended: when it was called, or when it could not be."""
    outcome: Any = yield
    report = outcome.get_result()
    error = call.excinfo.value if call.excinfo else None
    if report.failed and is_denied(error):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, "Skipped: permission denied")
    if report.when == "call" or (report.when == "setup" and not report.passed):
        results: dict[str, Result] = {"passed": "agreed", "failed": "not agreed"}
        result = results.get(report.outcome, "could not be tested")
        row = row_of(item, result, error, _names(item.config))
        item.config.stash[ROWS].append(row)
        if is_denied(error):
            item.config.stash[DENIED_ROWS].append(row)


def _names(config: pytest.Config) -> dict[str, str]:
    """What is of one run or account, and what stands for it in the report."""
    names = {config.stash[PREFIX]: "RUN"}
    for account in config.stash[ACCOUNTS]:
        names[account.number] = account.label
        names[f"({account.profile})"] = f"({account.label})"
        # Only if it was asked for: a report must not depend on the call.
        listener = vars(account).get("listener")
        if listener:
            names[listener.server_name.partition(".")[0]] = f"{account.label}-ats"
    return names


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let a second interrupt wait until everything is removed."""

    def wait(*_: object) -> None:
        say("still removing what the run has made; see remove.sh")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, wait) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what the run has made, also after a failure or an interrupt."""
    config = session.config
    if CLEANUP not in config.stash:
        return
    with _uninterrupted():
        config.stash[LEFTOVERS] += config.stash[CLEANUP].run()
    if session.exitstatus == pytest.ExitCode.OK:
        if config.stash[LEFTOVERS]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif config.stash[DENIED_ROWS]:
            session.exitstatus = INCOMPLETE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, what could not be removed, and where the JSON is; write it."""
    config = terminalreporter.config
    prefix = config.stash[PREFIX]
    folder = config.option.reports / prefix
    rows, leftovers = config.stash[ROWS], config.stash[LEFTOVERS]
    report = Report(
        prefix,
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        config.option.region,
        config.option.read_only,
        tuple(rows),
        tuple(
            neutral(f"{leftover.removal.what}: {leftover.reason}", _names(config))
            for leftover in leftovers
        ),
    )
    write_json(report, folder / "report.json")
    for line in screen_lines(report):
        terminalreporter.write_line(line, red="not agreed" in line[:20])
    for leftover in leftovers:
        line = f"not removed: {leftover.removal.what}: {leftover.reason}"
        terminalreporter.write_line(line, red=True)
    if leftovers:
        terminalreporter.write_line(f"commands that remove it: {folder / 'remove.sh'}", red=True)
    denied = len(config.stash[DENIED_ROWS])
    if denied:
        line = (
            f"{denied} could not be tested because a permission is missing: "
            "do not take this as a proof"
        )
        terminalreporter.write_line(line, red=True)
    terminalreporter.write_line(f"report: {folder / 'report.json'}")


# --- fixtures


@pytest.fixture
def answer(request: pytest.FixtureRequest) -> Answer:
    """Where a test says what AWS has answered."""
    recorded = Answer()
    request.node.stash[ANSWER] = recorded
    return recorded


@pytest.fixture(scope="session")
def account(pytestconfig: pytest.Config) -> AwsAccount:
    """The account of the first profile."""
    return pytestconfig.stash[ACCOUNTS][0]


@pytest.fixture(scope="session")
def other_account(pytestconfig: pytest.Config) -> AwsAccount:
    """The account of the second profile."""
    accounts = pytestconfig.stash[ACCOUNTS]
    if len(accounts) < 2:
        could_not_be_tested("needs a second profile, of another account")
    return accounts[1]


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What makes resources, under the run's names."""
    if pytestconfig.option.read_only:
        pytest.fail("a test that is marked as reads_only writes")
    folder = tmp_path_factory.mktemp("devices")
    return Run(pytestconfig.stash[PREFIX], folder, pytestconfig.stash[CLEANUP])
