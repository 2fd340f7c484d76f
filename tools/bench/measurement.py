"""Comparisons: two series that were taken in turns, and the ratio that a target is about."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One comparison. `ratio` is what the target is about; without a target it is information."""

    name: str
    against: str
    unit: str
    ours: float
    theirs: float | None
    ratio: float
    spread: tuple[float, float] | None
    runs: int
    target: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.ratio <= self.target


def compare(
    name: str,
    against: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    target: float | None,
    unit: str = "s",
) -> Measurement:
    """The ratio of two series that were taken in turns."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    spread = None
    if len(ratios) > 1:
        first, _, last = statistics.quantiles(ratios, n=4, method="inclusive")
        spread = (first, last)
    return Measurement(
        name,
        against,
        unit,
        statistics.median(ours),
        statistics.median(theirs),
        statistics.median(ratios),
        spread,
        len(ratios),
        target,
    )
