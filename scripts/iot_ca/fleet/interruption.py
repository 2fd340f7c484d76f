"""The end of a report that is interrupted from the keyboard."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from iot_ca.streams import say


def end_interrupted(command: str) -> NoReturn:
    """End the process with exit status 1 and one line.

    Threads may still wait for AWS, and Python would wait for them before it ends: up to minutes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say(f"iot_ca: {command}: interrupted before the report was complete; run again", sys.stderr)
    os._exit(1)
