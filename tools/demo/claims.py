"""Claims: what the demo says is so, or it ends."""

from __future__ import annotations


class ClaimFailed(Exception):
    """A claim of the demo does not hold; `evidence` is what was observed instead."""

    def __init__(self, text: str, evidence: object) -> None:
        super().__init__(text)
        self.evidence = str(evidence).strip()


def claim(holds: bool, text: str, evidence: object = "") -> None:
    """Raise ClaimFailed if what `text` says does not hold."""
    if not holds:
        raise ClaimFailed(text, evidence)
