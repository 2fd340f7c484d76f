"""Insist on calls that AWS does not answer, while a CA is not in service.

To give up after seconds, as elsewhere, would leave a CA unregistered because of an outage that is
over a minute later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from iot_ca import waiting
from iot_ca.errors import Unavailable
from iot_ca.waiting import Patience

T = TypeVar("T")

# An outage of minutes is worth waiting for: registering the CA again by hand takes longer. Pauses
# of the client's own come on top, before each of these.
_SECONDS = 300
_FIRST_PAUSE_SECONDS = 1
_LONGEST_PAUSE_SECONDS = 15


class Insistence:
    """The patience with all calls that a mode change needs to get a CA back into service.

    Args:
        announce: called once, with the seconds that are left, before the first pause.
    """

    def __init__(self, announce: Callable[[float], None]) -> None:
        self._announce = announce
        self._patience: Patience | None = None

    def until_answered(self, call: Callable[[], T]) -> T:
        """Return what the call returns; raise its Failure if AWS refuses it or time is over."""
        while True:
            try:
                return call()
            except Unavailable:
                if self._patience is None:
                    # Counted from the first failure: an hour may have passed before it.
                    self._patience = Patience(
                        _SECONDS, first=_FIRST_PAUSE_SECONDS, longest=_LONGEST_PAUSE_SECONDS
                    )
                    self._announce(_SECONDS)
                pause = self._patience.next_pause()
                if pause is None:
                    raise
                waiting.sleep(pause)
