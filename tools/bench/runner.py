"""Run commands, each measured by a small process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.control import Sandbox
from tools.checkout import ROOT
from tools.errors import ToolError

PROGRAM = ROOT / "scripts" / "iot_ca"
REGION = "eu-west-1"


@dataclass(frozen=True)
class Command:
    """A command to measure. `expects` must be in what it writes."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    expects: str
    cwd: Path = ROOT
    stdin: str = ""


@dataclass(frozen=True)
class Run:
    """What one run of a command took."""

    seconds: float
    peak_kib: int


class Bench:
    """Runs commands on the sandbox, each in a small process that measures it."""

    def __init__(self, sandbox: Sandbox, folder: Path, base: Mapping[str, str]) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self._base = {k: v for k, v in base.items() if not k.startswith("PYTHON")}

    def environment(self, account: str) -> dict[str, str]:
        """Return what a command sees: the sandbox as `account`, compiled Python in the folder."""
        return {
            **self._base,
            **self.sandbox.environment(account, REGION),
            "PYTHONPYCACHEPREFIX": str(self.folder / "compiled"),
        }

    def measure(self, command: Command) -> Run:
        """Run a command. Raises ToolError if it fails or does not write what it should."""
        given, output = self.folder / "stdin", self.folder / "output"
        given.write_text(command.stdin, encoding="utf-8")
        order = {
            "argv": list(command.argv),
            "cwd": str(command.cwd),
            "environment": dict(command.environment),
            "stdin": str(given),
            "output": str(output),
        }
        child = subprocess.run(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("child.py"))],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=False,
        )
        written = output.read_text(encoding="utf-8", errors="replace")
        if child.returncode or json.loads(child.stdout)["status"]:
            raise ToolError(f"{' '.join(command.argv)} failed\n{written}{child.stderr}")
        if command.expects not in written:
            raise ToolError(f"{' '.join(command.argv)} does not say {command.expects}\n{written}")
        result = json.loads(child.stdout)
        return Run(result["seconds"], result["peak_kib"])

    def in_turns(self, commands: Mapping[str, Command], turns: int) -> dict[str, list[Run]]:
        """Run all commands `turns` times in turns, in the other order every second time."""
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        for turn in range(turns):
            order = list(commands.items())
            for name, command in reversed(order) if turn % 2 else order:
                runs[name].append(self.measure(command))
        return runs
