"""Property tests try the same examples in every run: one that fails now and then helps nobody."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from tools.checkout import ROOT


def load() -> None:
    """Set hypothesis up so, for this process."""
    settings.register_profile(
        "repeatable",
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("repeatable")
    set_hypothesis_home_dir(str(ROOT / ".cache" / "hypothesis"))
