"""Drive a real Terraform: run commands, read what they say.

engine = find_engine()                # tools.engine.discovery
providers = resolve(engine)           # tools.providers.resolution
terraform = Terraform(folder, engine, environment(providers))
terraform.init()
if terraform.plan().status == 2:      # as -detailed-exitcode: 0 nothing to do, 2 changes
    terraform.apply()
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tools.checkout import ROOT
from tools.engine.discovery import Engine
from tools.errors import ToolError

GRACE_SECONDS = 10


class TerraformFailed(ToolError):
    """A command ended with a status that its caller did not allow; `completed` has all of it."""

    def __init__(self, completed: Completed) -> None:
        self.completed = completed
        super().__init__(
            f"terraform {' '.join(completed.arguments)} ended with status {completed.status} "
            f"after {completed.seconds:.1f} s\n{completed.stdout}\n{completed.stderr}"
        )


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
        """Plan, and return the actions by address, without the resources that do not change."""
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
        """Select a workspace; create it if it does not exist."""
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
