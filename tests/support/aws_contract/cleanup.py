"""Removal of everything that a run makes, whatever happens to the run.

A removal is recorded before the resource is made, in memory and as a command in a script. So a run
that is killed leaves the commands behind, and one that fails or is interrupted carries them out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from tests.support.aws_contract.answers import DENIED, code_of
from tests.support.aws_contract.patience import Patience

_GONE = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchEntity",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
}
_CONFLICTS = {"DeleteConflict", "DeleteConflictException"}
# API reference, "DetachPolicy": up to five minutes after a policy is detached before it is ready to
# be deleted. Counted from the last removal that succeeded.
_CONFLICT_SECONDS = 420.0
# For what is refused for another reason and may pass by itself.
_OTHER_SECONDS = 30.0
_PAUSE_SECONDS = 5.0
# By then, what a connection has caused is there; the CAs have gone in the meantime.
_LATE_SECONDS = 15.0

# The removal of a policy is a line in the file $policies: all of them come last.
_SCRIPT_BEGIN = """\
#!/bin/sh
policies=$(mktemp)

# AWS IoT deletes a policy up to five minutes after it was detached.
delete_policy() {
  for attempt in $(seq 28); do
    answer=$("$@" 2>&1 </dev/null) && return
    case $answer in *DeleteConflict*) sleep 15 ;; *) break ;; esac
  done
  echo "$answer" >&2
}
"""
_SCRIPT_END = """\
sort -u "$policies" | while read -r command; do delete_policy $command; done
rm -f "$policies"
"""


@dataclass(frozen=True)
class Removal:
    """How to remove one resource: in Python, and with the AWS CLI."""

    what: str
    command: str
    remove: Callable[[], object]
    appears_late: bool = False


@dataclass(frozen=True)
class Leftover:
    """A resource that could not be removed, and why."""

    removal: Removal
    reason: str
    code: str = ""

    @property
    def is_denied(self) -> bool:
        """Whether the caller lacks a permission, which does not pass by itself."""
        return self.code in DENIED


class Cleanup:
    """The removals of a run, newest last. `script` gets their commands, newest first."""

    def __init__(self, script: Path, patience: Patience) -> None:
        self.script = script
        self._patience = patience
        self._removals: list[Removal] = []

    def add(
        self,
        what: str,
        command: str,
        remove: Callable[[], object],
        *,
        appears_late: bool = False,
    ) -> None:
        """Record a removal, once for each resource; call it before the resource is made.

        A removal may record others, of what it finds: they are carried out as well.

        appears_late: AWS may make the resource a moment after what caused it, such as a connection
            that an interrupt has ended. If there is none, it is looked for once more at the end.
        """
        if any(removal.what == what for removal in self._removals):
            return
        self._removals.append(Removal(what, command, remove, appears_late))
        self._write()

    def run(self) -> list[Leftover]:
        """Remove everything, the newest first, and return what could not be removed.

        What can't be removed yet is tried again, for minutes if AWS says that it is in use.
        """
        leftovers: list[Leftover] = []
        removed_at, is_said, is_first = time.monotonic(), False, True
        while self._removals:
            tried = len(self._removals)
            leftovers = self._remove_all(is_first)
            if len(leftovers) < tried:
                removed_at = time.monotonic()
            if is_first and any(removal.appears_late for removal in self._removals):
                self._patience.wait(_LATE_SECONDS)
            is_first = False
            if len(self._removals) > len(leftovers):
                continue  # some were recorded in this pass, or may still appear
            if all(leftover.is_denied for leftover in leftovers):
                break
            in_use = any(leftover.code in _CONFLICTS for leftover in leftovers)
            limit = self._patience.seconds(_CONFLICT_SECONDS if in_use else _OTHER_SECONDS)
            if time.monotonic() - removed_at > limit:
                break
            if in_use and not is_said:
                is_said = say(f"waiting up to {limit:.0f} s until AWS deletes what was in use")
            self._patience.wait(_PAUSE_SECONDS)
        return leftovers

    def _remove_all(self, is_first: bool) -> list[Leftover]:
        """Try each removal once; return those that failed. New ones are left for the next pass."""
        leftovers = []
        for removal in self._removals[::-1]:
            leftover = _try(removal)
            is_absent = leftover is not None and leftover.code in _GONE
            if leftover is None or (is_absent and not (is_first and removal.appears_late)):
                self._removals.remove(removal)
            elif not is_absent:
                leftovers.append(leftover)
        self._write()
        return leftovers

    def _write(self) -> None:
        """Write the script; delete it if there is nothing to remove."""
        if not self._removals:
            self.script.unlink(missing_ok=True)
            return
        commands = [f"# {removal.what}\n{removal.command}\n" for removal in self._removals[::-1]]
        self.script.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join([_SCRIPT_BEGIN, *commands, _SCRIPT_END])
        self.script.write_text(text, encoding="utf-8")


def say(text: str) -> bool:
    """Print a line on standard error, also if nobody is there to read it any more."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
    return True


def _try(removal: Removal) -> Leftover | None:
    """Return what a removal has failed with; None if it has removed the resource.

    Whatever one removal raises, the others are carried out.
    """
    try:
        removal.remove()
    except ClientError as error:
        return Leftover(removal, str(error), code_of(error))
    except Exception as error:
        return Leftover(removal, f"{type(error).__name__}: {error}")
    return None
