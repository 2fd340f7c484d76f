"""Differences between the desired and the observed state, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from iot_ca.model import (
    MANAGED_TAGS_TAG,
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    DesiredCa,
)
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.revision import current_revision
from tests.support.program.reconciliation import CASES, Case, reconciled


@settings(max_examples=500)
@given(CASES)
def test_every_repair_has_a_difference_and_vice_versa(case: Case) -> None:
    """A repair without a warning, or a warning without a repair, would be a riddle."""
    desired, before = case
    assert (current_revision(desired, before) is None) == bool(differences(desired, before))


@pytest.mark.parametrize("tag", [ORIGIN_TAG, OWNER_TAG, MANAGED_TAGS_TAG, REVISION_TAG])
@pytest.mark.parametrize("value", ["by hand", "none", "", None])
def test_a_changed_own_tag_is_reported_and_repaired(tag: str, value: str | None) -> None:
    desired = DesiredCa("PEM", tags={"a": "1"})
    after, _ = reconciled(desired, None, "register 1")
    tags = {key: it for key, it in after.tags.items() if key != tag}
    changed = replace(after, tags=tags if value is None else {**tags, tag: value})
    repairs = current_revision(desired, changed) is None
    assert bool(differences(desired, changed)) == repairs
    if value is None:
        assert repairs
    again, _ = reconciled(desired, changed, "repair 2")
    assert current_revision(desired, again) == "repair 2"


@given(CASES)
def test_a_difference_names_the_observed_and_desired_value(case: Case) -> None:
    desired, before = case
    texts = [str(difference) for difference in differences(desired, before)]
    assert len(texts) == len(set(texts))
    assert (f"status is {before.status}, wanted {desired.status}" in texts) == (
        before.status != desired.status
    )
    for key, value in desired.tags.items():
        if before.tags.get(key) != value:
            observed_value = before.tags.get(key, "missing")
            # What stands for an empty value is the program's choice.
            assert [
                text
                for text in texts
                if text.startswith(f"tag {key} is {observed_value}") and f", wanted {value}" in text
            ]
    for key in (ORIGIN_TAG, OWNER_TAG, REVISION_TAG):
        assert (f"tag {key} is missing" in texts) == (key not in before.tags)
