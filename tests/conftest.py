"""Fixtures for all tests: the Terraforms there are, a local AWS, and working folders for both."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.providers import Providers, resolve
from tools.terraform import (
    Engine,
    Terraform,
    ToolError,
    environment,
    find_engines,
    missing_engines,
)

if TYPE_CHECKING:
    from sandbox.control import Sandbox

ENGINES = pytest.StashKey[list[Engine]]()
PROVIDERS = pytest.StashKey[Providers]()
TROUBLE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Find the engines and the providers once; the workers are told what was found."""
    config.addinivalue_line(
        "markers", "one_engine(why): what it shows does not depend on Terraform's version"
    )
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests marked `one_engine` to the preferred engine, in all their other cases."""
    engines = config.stash[ENGINES]
    preferred = engines[0] if engines else None
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        cases = getattr(item, "callspec", None)
        engine = cases.params.get("engine", preferred) if cases else preferred
        other = engine is not preferred and item.get_closest_marker("one_engine")
        (dropped if other else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


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
    if PROVIDERS in config.stash:
        lines.append(f"providers: {config.stash[PROVIDERS]}")
    if TROUBLE in config.stash:
        lines.append(f"tests with Terraform will fail: {config.stash[TROUBLE]}")
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were tried, which no count of tests tells."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    tried = [n for each in reports for name, n in each.user_properties if name == "faults"]
    if tried:
        terminalreporter.write_line(f"faults tried: {sum(tried)}, on {len(tried)} paths")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for `engine` on every engine there is."""
    if "engine" in metafunc.fixturenames:
        engines = metafunc.config.stash[ENGINES]
        # Without any, one case is left to fail with the reason.
        cases: list[Engine | None] = [*engines] or [None]
        ids = [engine.name for engine in engines] or ["none"]
        metafunc.parametrize("engine", cases, ids=ids, indirect=True, scope="session")


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


@pytest.fixture
def new_workspace(
    tmp_path: Path, engine: Engine, providers: Providers, sandbox: Sandbox, region: str
) -> Callable[[str, str], Terraform]:
    """Makes a working folder: `new_workspace(account, name)`.

    Its Terraform talks to the sandbox as that account. Nothing is in the folder yet.
    """

    def make(account: str, name: str = "workspace") -> Terraform:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        settings = environment(providers, sandbox.environment(account, region))
        return Terraform(folder, engine, settings)

    return make


@pytest.fixture
def workspace(new_workspace: Callable[[str, str], Terraform], account: str) -> Terraform:
    """An empty working folder whose Terraform talks to the sandbox as `account`."""
    return new_workspace(account, "workspace")
