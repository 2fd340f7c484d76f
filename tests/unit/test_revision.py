"""The revision that a plan compares."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given

from iot_ca.model import (
    REVISION_TAG,
    DesiredCa,
    ObservedCa,
)
from iot_ca.reconcile.deregistration import auto_registration_tag
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.revision import current_revision, new_revision
from tests.unit.reconciliation import (
    INLINE,
    MAYBE_CASES,
    TOKENS,
    Cloud,
    MaybeCase,
    finished,
    reconciled,
)


@given(MAYBE_CASES, TOKENS, TOKENS)
def test_a_new_revision_is_a_unique_valid_tag_value(
    case: MaybeCase, token: str, other: str
) -> None:
    desired, before = case
    revision = new_revision(desired, before, token)
    # What AWS takes in a tag's value.
    assert re.fullmatch(r"[\w .:/=+@-]{1,256}", revision)
    assert revision.strip() == revision
    assert token in revision
    same = new_revision(desired, before, other)
    assert (same == revision) == (token == other)


def test_a_new_revision_names_the_reason() -> None:
    desired = DesiredCa("PEM", template_name="template", tags={"a": "1"})
    after, _ = reconciled(desired, None, "register 1")
    assert new_revision(desired, None, "f") == "register f"
    inactive = replace(after, status="INACTIVE")
    assert new_revision(desired, inactive, "f") == "repair status=INACTIVE f"
    no_template = replace(after, registration_config={})
    assert new_revision(desired, no_template, "f") == "repair template=none f"
    inline = replace(after, registration_config=INLINE)
    assert new_revision(desired, inline, "f") == "repair template=inline f"
    silent = replace(after, auto_registration=False)
    assert new_revision(desired, silent, "f") == "repair auto-registration=DISABLE f"
    untagged = replace(after, tags={k: v for k, v in after.tags.items() if k != "a"})
    assert new_revision(desired, untagged, "f") == "repair tags f"
    by_hand = replace(after, tags={})
    assert new_revision(desired, by_hand, "f").startswith("adopt ")


def test_a_new_revision_is_cut_to_the_length_of_a_tag_value() -> None:
    strange = ObservedCa(mode="SNI_ONLY", status="S" * 300, auto_registration=True)
    revision = new_revision(DesiredCa("PEM"), strange, "3f2a9c01")
    assert len(revision) <= 256
    assert revision.endswith(" 3f2a9c01")


def test_an_absent_ca_has_no_current_revision() -> None:
    assert current_revision(DesiredCa("PEM"), None) is None


def test_a_new_revision_names_both_modes() -> None:
    desired = DesiredCa("PEM", certificate_mode="DEFAULT")
    after, _ = reconciled(DesiredCa("PEM"), None, "register 1")
    assert new_revision(desired, after, "f") == "change mode SNI_ONLY to DEFAULT f"
    inactive = replace(after, status="INACTIVE")
    assert (
        new_revision(desired, inactive, "f") == "change mode SNI_ONLY to DEFAULT status=INACTIVE f"
    )


@given(MAYBE_CASES, TOKENS)
def test_only_a_destroy_revision_holds_auto_registration(case: MaybeCase, token: str) -> None:
    desired, before = case
    revision = new_revision(desired, before, token)
    if before is None:
        return
    kept = auto_registration_tag(before)
    assert re.fullmatch(r"[\w .:/=+@-]{1,256}", kept.tags[REVISION_TAG])
    leaving = replace(before, tags={**before.tags, **kept.tags})
    assert leaving.auto_registration_to_keep is before.auto_registration
    other = replace(before, tags={**before.tags, REVISION_TAG: revision})
    assert other.auto_registration_to_keep is None


def test_an_interrupted_destroy_is_repaired() -> None:
    desired = DesiredCa("PEM")
    now, _ = finished(desired, Cloud(None), "register 1")
    left = replace(now, tags={**now.tags, **auto_registration_tag(now).tags})
    assert current_revision(desired, left) is None
    (difference,) = differences(desired, left)
    assert str(difference) == "tag iot-ca:revision is of an interrupted destroy"
    repaired, _ = finished(desired, Cloud(left), "repair 2")
    assert current_revision(desired, repaired) == "repair 2"
    assert repaired.auto_registration_to_keep is None
