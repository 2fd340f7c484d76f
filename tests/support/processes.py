"""What others on the machine see of the processes below this one: arguments, environment."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
# The program lives for some tenths of a second.
PERIOD = 0.01


@dataclass
class Seen:
    """Command lines and environments, each as /proc has it: parts that end with NUL."""

    arguments: set[bytes] = field(default_factory=set)
    environments: set[bytes] = field(default_factory=set)

    def variables(self, name: str) -> set[bytes]:
        """The values that a variable had."""
        prefix = f"{name}=".encode()
        return {
            entry[len(prefix) :]
            for environment in self.environments
            for entry in environment.split(b"\0")
            if entry.startswith(prefix)
        }


@contextlib.contextmanager
def watched() -> Iterator[Seen]:
    """Collects what all descendants of this process show as long as the block runs."""
    seen, done = Seen(), threading.Event()
    ours: dict[int, bool] = {os.getpid(): True}

    def look() -> None:
        for name in os.listdir(PROC):  # noqa: PTH208 - a hundred times a second
            if not name.isdigit() or int(name) == os.getpid():
                continue
            pid = int(name)
            with contextlib.suppress(OSError, IndexError):
                if pid not in ours:
                    # After the last parenthesis, which a program's name could hold, too.
                    parent = int((PROC / name / "stat").read_text().rpartition(")")[2].split()[1])
                    ours[pid] = ours.get(parent, False)
                if ours[pid]:
                    seen.arguments.add((PROC / name / "cmdline").read_bytes())
                    seen.environments.add((PROC / name / "environ").read_bytes())

    def keep_looking() -> None:
        while not done.wait(PERIOD):
            look()

    watcher = threading.Thread(target=keep_looking, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
