"""Managed, unmanaged and obsolete tags."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from iot_ca.model import (
    MANAGED_TAGS_TAG,
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    TAG_PREFIX,
    DesiredCa,
)
from iot_ca.reconcile import tags as tag_rules
from tests.support.program.reconciliation import CASES, DESIRED, TAGS, Case, reconciled


@given(CASES)
def test_unmanaged_tags_are_never_changed(case: Case) -> None:
    desired, before = case
    digests = before.tags.get(MANAGED_TAGS_TAG, "")
    unmanaged = {
        key: value
        for key, value in before.tags.items()
        if key not in desired.tags
        and not key.startswith(TAG_PREFIX)
        and tag_rules._digest(key) not in digests
    }
    after, _ = reconciled(desired, before, "repair 1")
    assert unmanaged.items() <= after.tags.items()


@given(DESIRED, DESIRED, TAGS)
def test_only_obsolete_tags_are_removed(
    first: DesiredCa, then: DesiredCa, unmanaged: dict[str, str]
) -> None:
    ours, _ = reconciled(first, None, "register 1")
    with_unmanaged = replace(ours, tags={**unmanaged, **ours.tags})
    after, _ = reconciled(then, with_unmanaged, "repair 2")
    theirs = {key: value for key, value in unmanaged.items() if key not in first.tags}
    mine = {key: value for key, value in after.tags.items() if not key.startswith(TAG_PREFIX)}
    assert mine == {**theirs, **then.tags}


@given(CASES)
def test_the_origin_tag_is_kept(case: Case) -> None:
    desired, before = case
    fresh, _ = reconciled(desired, None, "register 1")
    assert fresh.origin == "registered"
    repaired, _ = reconciled(desired, before, "repair 1")
    assert repaired.origin == before.origin
    assert repaired.tags[ORIGIN_TAG] == before.origin


def test_the_digests_of_46_tags_fit_into_one_value() -> None:
    # AWS allows 50 tags, four of them are the module's own.
    tags = {f"{number:02}{'k' * 126}": "value" for number in range(46)}
    after, _ = reconciled(DesiredCa("PEM", tags=tags), None, "register 1")
    assert len(after.tags) == 50
    assert all(len(value) <= 256 for value in after.tags.values())
    emptied, _ = reconciled(DesiredCa("PEM"), after, "repair 2")
    assert set(emptied.tags) == {ORIGIN_TAG, OWNER_TAG, REVISION_TAG}
