"""Removal of everything that a run makes, whatever happens to the run.

A removal is recorded before the resource is made, in memory and as a command in a script. So a run
that is killed leaves the commands behind, and one that fails or is interrupted carries them out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from tests.support.aws_contract.answers import DENIED, code_of

_GONE = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchEntity",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
}
# Passes that remove nothing: what was detached a moment ago may still count as attached.
_MAX_PASSES = 6
_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Removal:
    """How to remove one resource: in Python, and with the AWS CLI."""

    what: str
    command: str
    remove: Callable[[], object]


@dataclass(frozen=True)
class Leftover:
    """A resource that could not be removed, and why."""

    removal: Removal
    reason: str
    is_denied: bool = False


class Cleanup:
    """The removals of a run, newest last. `script` gets their commands, newest first."""

    def __init__(self, script: Path, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self.script = script
        self._pause_seconds = pause_seconds
        self._removals: list[Removal] = []

    def add(self, what: str, command: str, remove: Callable[[], object]) -> None:
        """Record a removal, once for each resource; call it before the resource is made."""
        if any(removal.what == what for removal in self._removals):
            return
        self._removals.append(Removal(what, command, remove))
        self._write(self._removals)

    def run(self) -> list[Leftover]:
        """Remove everything, the newest first, and return what could not be removed.

        What can't be removed because something else needs it is tried again after the rest.
        """
        waiting, passes = self._removals[::-1], 0
        leftovers: list[Leftover] = []
        while waiting and passes < _MAX_PASSES:
            tried = [leftover for removal in waiting if (leftover := _try(removal))]
            if len(tried) == len(leftovers):
                passes += 1
                time.sleep(self._pause_seconds)
            leftovers, waiting = tried, [leftover.removal for leftover in tried]
            if tried and all(leftover.is_denied for leftover in tried):
                break
        self._removals = waiting[::-1]
        self._write(self._removals)
        return leftovers

    def _write(self, removals: list[Removal]) -> None:
        """Write the script; delete it if there is nothing to remove."""
        if not removals:
            self.script.unlink(missing_ok=True)
            return
        lines = [f"# {removal.what}\n{removal.command}\n" for removal in reversed(removals)]
        self.script.parent.mkdir(parents=True, exist_ok=True)
        self.script.write_text("#!/bin/sh\n" + "\n".join(lines), encoding="utf-8")


def _try(removal: Removal) -> Leftover | None:
    """Return a resource that is still there, and why; None if it is gone."""
    try:
        removal.remove()
    except ClientError as error:
        if code_of(error) in _GONE:
            return None
        return Leftover(removal, str(error), is_denied=code_of(error) in DENIED)
    except BotoCoreError as error:
        return Leftover(removal, str(error))
    return None
