"""The revision that a plan compares."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_ca.model import (
    REVISION_TAG,
    DesiredCa,
    ObservedCa,
)
from iot_ca.reconcile.deregistration import auto_registration_tag
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.revision import (
    current_revision,
    decode,
    encode,
    is_drift,
    new_revision,
)
from tests.support.program.reconciliation import (
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
    assert re.fullmatch(r"[\w .:/=+@-]{1,255}", encode(revision), re.ASCII)
    assert decode(encode(revision)) == revision
    assert revision.strip() == revision
    assert revision.endswith(f"-{token}")
    same = new_revision(desired, before, other)
    assert (same == revision) == (token == other)


@given(st.text())
def test_every_text_survives_as_a_tag_value(text: str) -> None:
    value = encode(text)
    assert re.fullmatch(r"[\w .:/=+@-]*", value, re.ASCII)
    assert decode(value) == text


def test_a_revision_is_readable_in_the_tag() -> None:
    assert encode("update status ACTIVE -> INACTIVE 5b0c11d2-3f2a9c01") == (
        "update status ACTIVE -@3E INACTIVE 5b0c11d2-3f2a9c01"
    )
    for of_an_earlier_version in ("register 3f2a9c01", "repair status=ACTIVE tags 3f2a9c01"):
        assert encode(of_an_earlier_version) == of_an_earlier_version
        assert decode(of_an_earlier_version) == of_an_earlier_version


TOKEN = "3f2a9c01"
BEFORE = DesiredCa("PEM", auto_registration=True, template_name="template", tags={"a": "1"})


def action_of(revision: str) -> str:
    """A revision without digest and random number."""
    match = re.fullmatch(f"(.*) [0-9a-f]{{8}}-{TOKEN}", revision)
    assert match is not None, revision
    return match[1]


def applied(desired: DesiredCa) -> ObservedCa:
    """The CA once this configuration has been applied."""
    revision = encode(new_revision(desired, None, "00000000"))
    return reconciled(desired, None, revision)[0]


# The attributes of the CA, what they become by hand, and how that reads.
BY_HAND: list[tuple[dict[str, Any], str]] = [
    ({"status": "INACTIVE"}, "status INACTIVE -> ACTIVE"),
    ({"registration_config": {}}, "template none -> template"),
    ({"registration_config": INLINE}, "template an inline body -> template"),
    ({"auto_registration": False}, "auto-registration DISABLE -> ENABLE"),
    (
        {"status": "INACTIVE", "auto_registration": False},
        "status INACTIVE -> ACTIVE, auto-registration DISABLE -> ENABLE",
    ),
]


@pytest.mark.parametrize(("change", "says"), BY_HAND)
def test_what_was_changed_outside_terraform_is_drift_and_repaired(
    change: dict[str, Any], says: str
) -> None:
    changed = replace(applied(BEFORE), **change)
    assert is_drift(BEFORE, changed)
    assert current_revision(BEFORE, changed) is None
    assert action_of(new_revision(BEFORE, changed, TOKEN)) == f"repair {says}"


def test_a_lost_tag_is_drift_and_its_value_is_in_no_revision() -> None:
    after = applied(BEFORE)
    untagged = replace(after, tags={k: v for k, v in after.tags.items() if k != "a"})
    assert is_drift(BEFORE, untagged)
    assert action_of(new_revision(BEFORE, untagged, TOKEN)) == "repair tags"


# A changed configuration, and how that reads.
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"status": "INACTIVE"}, "status ACTIVE -> INACTIVE"),
    ({"auto_registration": False}, "auto-registration ENABLE -> DISABLE"),
    ({"template_name": "other"}, "template template -> other"),
    ({"template_name": None}, "template template -> none"),
    ({"tags": {"a": "2"}}, "tags"),
    ({"certificate_mode": "DEFAULT"}, "mode SNI_ONLY -> DEFAULT"),
    (
        {"certificate_mode": "DEFAULT", "status": "INACTIVE"},
        "mode SNI_ONLY -> DEFAULT, status ACTIVE -> INACTIVE",
    ),
]


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_a_change_of_the_configuration_is_updated_and_no_drift(
    change: dict[str, Any], says: str
) -> None:
    after, desired = applied(BEFORE), replace(BEFORE, **change)
    assert not is_drift(desired, after)
    assert current_revision(desired, after) is None
    assert action_of(new_revision(desired, after, TOKEN)) == f"update {says}"


@pytest.mark.parametrize("change", [{"certificate_pem": "x"}, {"allow_mode_change": True}])
def test_how_a_ca_is_reconciled_is_no_change(change: dict[str, Any]) -> None:
    after = applied(BEFORE)
    assert current_revision(replace(BEFORE, **change), after) is not None


def test_a_change_that_was_made_by_hand_already_needs_a_new_tag() -> None:
    inactive = replace(applied(BEFORE), status="INACTIVE")
    desired = replace(BEFORE, status="INACTIVE")

    assert current_revision(desired, inactive) is None
    revision = new_revision(desired, inactive, TOKEN)

    assert action_of(revision) == "update"
    tagged, _ = reconciled(desired, inactive, encode(revision))
    assert current_revision(desired, tagged) == revision
    # Or this, which nobody has asked for, would be taken for a change.
    assert is_drift(desired, replace(tagged, status="ACTIVE"))


def test_a_registration_and_an_adoption_are_no_drift() -> None:
    assert action_of(new_revision(BEFORE, None, TOKEN)) == "register"
    by_hand = replace(applied(BEFORE), status="INACTIVE", tags={})
    assert not is_drift(BEFORE, by_hand)
    assert (
        action_of(new_revision(BEFORE, by_hand, TOKEN)) == "adopt status INACTIVE -> ACTIVE, tags"
    )


@pytest.mark.parametrize("revision", ["register 3f2a9c01", "1", None])
def test_what_differs_under_a_revision_without_a_digest_is_drift(revision: str | None) -> None:
    tags = {k: v for k, v in applied(BEFORE).tags.items() if k != REVISION_TAG}
    old = replace(
        applied(BEFORE), tags=tags if revision is None else {**tags, REVISION_TAG: revision}
    )
    assert current_revision(BEFORE, old) == revision
    assert is_drift(replace(BEFORE, status="INACTIVE"), old)


def test_a_new_revision_is_cut_to_the_length_of_a_tag_value() -> None:
    strange = ObservedCa(mode="SNI_ONLY", status="S\u00fc" * 300, auto_registration=True)
    revision = new_revision(DesiredCa("PEM"), strange, "3f2a9c01")
    assert 240 < len(encode(revision)) <= 255
    assert revision.endswith("-3f2a9c01")


def test_an_absent_ca_has_no_current_revision() -> None:
    assert current_revision(DesiredCa("PEM"), None) is None


@given(MAYBE_CASES, TOKENS)
def test_only_a_destroy_revision_holds_auto_registration(case: MaybeCase, token: str) -> None:
    desired, before = case
    revision = new_revision(desired, before, token)
    if before is None:
        return
    kept = auto_registration_tag(before)
    assert re.fullmatch(r"[\w .:/=+@-]{1,255}", kept.tags[REVISION_TAG])
    leaving = replace(before, tags={**before.tags, **kept.tags})
    assert leaving.auto_registration_to_keep is before.auto_registration
    other = replace(before, tags={**before.tags, REVISION_TAG: revision})
    assert other.auto_registration_to_keep is None


def test_an_interrupted_destroy_is_repaired() -> None:
    desired = DesiredCa("PEM")
    now, _ = finished(desired, Cloud(None), "register 1")
    left = replace(now, tags={**now.tags, **auto_registration_tag(now).tags})
    assert left.revision == "deregister auto-registration=DISABLE"
    assert current_revision(desired, left) is None
    (difference,) = differences(desired, left)
    assert str(difference) == "tag iot-ca:revision is of an interrupted destroy"
    repaired, _ = finished(desired, Cloud(left), "repair 2")
    assert current_revision(desired, repaired) == "repair 2"
    assert repaired.auto_registration_to_keep is None
