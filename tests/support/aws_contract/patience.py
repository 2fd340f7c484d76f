"""How long a run waits before it concludes that AWS does not do something.

What must happen is waited for until it has happened, so that waiting costs nothing where AWS is
quick. That something does not happen can only be said after a while, which one setting shortens for
a stand-in that is quicker than AWS.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """The setting `--patience`: what the waiting times for AWS are multiplied by."""

    factor: float = 1.0

    def seconds(self, on_aws: float) -> float:
        """Return a waiting time of this run."""
        return on_aws * self.factor

    def wait(self, on_aws: float) -> None:
        """Wait for as long as this run waits."""
        time.sleep(self.seconds(on_aws))
