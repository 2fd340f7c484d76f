"""Fixtures for all tests: the Terraforms there are, a local AWS, and working folders for both."""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.program.warm_python import warm_python
from tests.support.summary import not_run, proved
from tests.support.terraform.workspace import NewFolder, RunningProviders, Workspace, install
from tools.engine.discovery import Engine, find_engines, missing_engines, version_numbers
from tools.engine.terraform import Terraform
from tools.errors import ToolError
from tools.providers.environment import environment
from tools.providers.resolution import Providers, resolve
from tools.providers.stand_ins import stand_ins_run

if TYPE_CHECKING:
    from sandbox.control import Sandbox

ENGINES = pytest.StashKey[list[Engine]]()
PROVIDERS = pytest.StashKey[Providers]()
TROUBLE = pytest.StashKey[str]()

# Most of what a command costs is the aws provider's schema. A quarter of that goes into collecting
# garbage, which two programs in Go that end a few seconds later need not do so often.
GARBAGE = {"GOGC": "400"}


def pytest_configure(config: pytest.Config) -> None:
    """Find the engines and the providers once; the workers are told what was found."""
    os.environ.update(GARBAGE)
    # As on a user's machine. Else each of a thousand runs of the program compiles it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    config.addinivalue_line(
        "markers", "one_engine(why): what it shows does not depend on Terraform's version"
    )
    config.addinivalue_line("markers", "newest_engine(why): as one_engine, but the newest one")
    config.addinivalue_line("markers", "own_python(why): each run of the program starts a Python")
    told = getattr(config, "workerinput", {})
    engines: list[Engine] = []
    config.stash[ENGINES] = engines
    try:
        engines += find_engines()
        if "cli_configuration" in told:
            config.stash[PROVIDERS] = Providers(Path(told["cli_configuration"]), ())
        elif "trouble" in told:
            config.stash[TROUBLE] = told["trouble"]
        else:
            config.stash[PROVIDERS] = resolve(engines[0], say=print)
    except ToolError as error:
        config.stash[TROUBLE] = str(error)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: pytest.Item) -> None:
    """Tell a worker of pytest-xdist what was found."""
    told: dict[str, str] = getattr(node, "workerinput")  # noqa: B009 - the class is xdist's
    if PROVIDERS in node.config.stash:
        told["cli_configuration"] = str(node.config.stash[PROVIDERS].config)
    else:
        told["trouble"] = node.config.stash[TROUBLE]


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name what the tests run on, so that nothing is left out in silence."""
    engines = config.stash[ENGINES]
    lines = [f"engines: {', '.join(map(str, engines)) or 'none'}"]
    lines += [f"not tested: {why}" for why in missing_engines()]
    if "IOT_CA_ENGINE" in os.environ:
        lines.append(f"not tested: all but {os.environ['IOT_CA_ENGINE']} (IOT_CA_ENGINE)")
    if not stand_ins_run():
        lines.append("not tested: tools/standin (it needs Python 3.11 or later)")
    if PROVIDERS in config.stash:
        lines.append(f"providers: {config.stash[PROVIDERS]}")
    if TROUBLE in config.stash:
        lines.append(f"tests with Terraform will fail: {config.stash[TROUBLE]}")
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was proved, and which tests did not run and what they need."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    for line in proved(reports):
        terminalreporter.write_line(line)
    for line in not_run(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line, yellow=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for `engine` on every engine there is."""
    if "engine" in metafunc.fixturenames:
        engines = metafunc.config.stash[ENGINES]
        # Without any, one case is left to fail with the reason.
        cases: list[Engine | None] = [*engines] or [None]
        ids = [engine.name for engine in engines] or ["none"]
        metafunc.parametrize("engine", cases, ids=ids, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take each test once where one engine is enough for it, and let the long tests begin."""
    engines = config.stash[ENGINES]
    kept = [item for item in items if _is_for(item, engines)]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = sorted(kept, key=_rank)


def _is_for(item: pytest.Item, engines: list[Engine]) -> bool:
    engine = item.callspec.params.get("engine") if hasattr(item, "callspec") else None
    if engine is None:
        return True
    if item.get_closest_marker("newest_engine"):
        return bool(engine == max(engines, key=lambda each: version_numbers(each.version)))
    return engine == engines[0] or not item.get_closest_marker("one_engine")


def _rank(item: pytest.Item) -> tuple[int, int]:
    """The workers take tests in this order, so that short ones are left to even out the end.

    Before those, tests come in no order of files: the tests of a file are alike, and while all
    workers have one in which the aws provider waits for AWS, the machine does nothing.
    """
    long = item.get_closest_marker("timeout") is not None
    runs_terraform = "providers" in getattr(item, "fixturenames", ())
    if not long and not runs_terraform:
        return 2, 0
    return 1 - (long and runs_terraform), zlib.crc32(item.nodeid.encode())


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Engine:
    """A Terraform; the test runs once on each that there is."""
    if request.param is None:
        pytest.fail(request.config.stash[TROUBLE])
    chosen: Engine = request.param
    return chosen


@pytest.fixture(scope="session")
def providers(pytestconfig: pytest.Config) -> Providers:
    """Where Terraform gets its providers in these tests."""
    if TROUBLE in pytestconfig.stash:
        pytest.fail(pytestconfig.stash[TROUBLE])
    return pytestconfig.stash[PROVIDERS]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A local AWS, one for each worker. Calls and faults are forgotten after each test."""
    from sandbox.control import start

    with start() as running:
        yield running


@pytest.fixture(autouse=True)
def _tidy_sandbox(request: pytest.FixtureRequest) -> Iterator[None]:
    running = request.getfixturevalue("sandbox") if "sandbox" in request.fixturenames else None
    yield
    if running is not None:
        running.forget_faults()
        running.forget_calls()


_ACCOUNTS = itertools.count(1)


@pytest.fixture
def new_account() -> Callable[[], str]:
    """Gives an account of its own at each call: twelve digits."""
    return lambda: f"{next(_ACCOUNTS):012d}"


@pytest.fixture
def account(new_account: Callable[[], str]) -> str:
    """An account that no other test uses."""
    return new_account()


@pytest.fixture
def region() -> str:
    """The region that `workspace` works in; a test module may override it."""
    return "eu-west-1"


@pytest.fixture(scope="session")
def installed(
    providers: Providers, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with all the providers that the repository needs, and a lock file for them."""
    folder = tmp_path_factory.mktemp("installed")
    install(Terraform(folder, pytestconfig.stash[ENGINES][0], environment(providers)))
    return folder


@pytest.fixture(scope="session")
def python() -> Iterator[Path]:
    """A folder with a `python3` that runs the program with the SDK loaded."""
    with warm_python() as folder:
        yield folder


@pytest.fixture
def workspace_in(
    request: pytest.FixtureRequest, engine: Engine, installed: Path
) -> Iterator[NewFolder]:
    """Gives a `Workspace` in a folder and an environment; its providers end with the test."""
    own = request.node.get_closest_marker("own_python")
    running = RunningProviders(installed, None if own else request.getfixturevalue("python"))

    def make(folder: Path, settings: Mapping[str, str]) -> Workspace:
        return Workspace(folder, engine, settings, installed=installed, running=running)

    yield make
    running.stop()


@pytest.fixture
def new_workspace(
    tmp_path: Path,
    providers: Providers,
    workspace_in: NewFolder,
    sandbox: Sandbox,
    region: str,
) -> Callable[[str, str], Terraform]:
    """Makes a working folder: `new_workspace(account, name)`.

    Its Terraform talks to the sandbox as that account. Nothing is in the folder yet.
    """

    def make(account: str, name: str = "workspace") -> Terraform:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        return workspace_in(folder, environment(providers, sandbox.environment(account, region)))

    return make


@pytest.fixture
def workspace(new_workspace: Callable[[str, str], Terraform], account: str) -> Terraform:
    """An empty working folder whose Terraform talks to the sandbox as `account`."""
    return new_workspace(account, "workspace")
