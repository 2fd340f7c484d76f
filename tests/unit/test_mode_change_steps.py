"""The steps of a mode change, tried on a small model of AWS."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from iot_ca.model import (
    ORIGIN_TAG,
    REVISION_TAG,
    DesiredCa,
    ObservedCa,
)
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.revision import current_revision
from iot_ca.reconcile.steps import (
    Delete,
    DeleteSnapshot,
    Register,
    SaveSnapshot,
    Update,
    snapshot_of,
)
from tests.support.program.reconciliation import (
    CASES,
    DESIRED,
    MODE_CHANGES,
    Case,
    Cloud,
    carried_out,
    finished,
    observed,
    plan,
    reconciled,
    steps_for,
    unmanaged_before,
)


@given(MODE_CHANGES)
def test_a_mode_change_saves_deactivates_deletes_registers(case: Case) -> None:
    desired, before = case
    snapshot = snapshot_of(before, None)
    # Nothing is deleted before the snapshot has been read back.
    assert steps_for(desired, before, "change 1") == [SaveSnapshot(snapshot)]
    steps = steps_for(desired, before, "change 1", snapshot)
    deactivate = [Update(status="INACTIVE")] if before.status == "ACTIVE" else []
    assert steps[:-1] == [*deactivate, Delete()]
    registration = steps[-1]
    assert isinstance(registration, Register)
    assert registration.certificate_mode == desired.certificate_mode
    assert registration.tags[REVISION_TAG] == "change 1"


@given(MODE_CHANGES, observed())
def test_an_outdated_snapshot_is_saved_again(case: Case, other: ObservedCa) -> None:
    desired, before = case
    snapshot = snapshot_of(other, None)
    steps = steps_for(desired, before, "change 1", snapshot)
    same = replace(snapshot, status=before.status) == snapshot_of(before, None)
    assert (steps == [SaveSnapshot(snapshot_of(before, None))]) != same


@given(MODE_CHANGES, st.data())
def test_an_interrupted_mode_change_continues(case: Case, data: st.DataObject) -> None:
    desired, before = case
    _, rounds = reconciled(desired, before, "change 1")
    steps = [step for round_ in rounds for step in round_]
    done = data.draw(st.integers(0, len(steps)))
    now = Cloud(before)
    for step in steps[:done]:
        now = carried_out(step, now)
    after, rest = finished(desired, now, "change 1")
    assert [step for round_ in rest for step in round_] == steps[done:]
    assert unmanaged_before(desired, before).items() <= after.tags.items()
    assert after.tags[ORIGIN_TAG] == before.origin
    assert differences(desired, after) == []
    assert current_revision(desired, after) == "change 1"


@given(MODE_CHANGES, DESIRED, st.data())
def test_another_goal_after_an_interruption_loses_no_data(
    case: Case, then: DesiredCa, data: st.DataObject
) -> None:
    desired, before = case
    _, rounds = reconciled(desired, before, "change 1")
    steps = [step for round_ in rounds for step in round_]
    now = Cloud(before)
    for step in steps[: data.draw(st.integers(0, len(steps)))]:
        now = carried_out(step, now)
    after, _ = finished(then, now, "repair 2")
    theirs = {k: v for k, v in unmanaged_before(desired, before).items() if k not in then.tags}
    assert theirs.items() <= after.tags.items()
    assert after.tags[ORIGIN_TAG] == before.origin
    assert current_revision(then, after) == "repair 2"


@given(MODE_CHANGES)
def test_tags_survive_a_registration_by_another_client(case: Case) -> None:
    desired, before = case
    snapshot = snapshot_of(before, None)
    # By hand, without a tag.
    theirs = replace(before, mode=desired.certificate_mode, tags={})
    after, rounds = finished(desired, Cloud(theirs, snapshot), "change 1")
    assert unmanaged_before(desired, before).items() <= after.tags.items()
    assert after.tags[ORIGIN_TAG] == before.origin
    assert rounds[-1] == [DeleteSnapshot()]


@given(MODE_CHANGES)
def test_a_rollback_restores_the_old_registration(case: Case) -> None:
    desired, before = case
    rollback = plan(desired, before, "change 1").rollback
    assert rollback is not None
    assert carried_out(rollback.registration, Cloud(None)).ca == before


def test_a_snapshot_leaves_out_tags_of_aws() -> None:
    tags = {"aws:createdBy": "me", "AWS:x": "1", "aws": "mine"}
    before = ObservedCa("SNI_ONLY", "ACTIVE", True, tags=tags)
    assert snapshot_of(before, None).tags == {"aws": "mine"}


@given(observed(), observed(), st.sampled_from(["ACTIVE", "INACTIVE"]))
def test_a_snapshot_keeps_the_status_of_an_earlier_attempt(
    now: ObservedCa, other: ObservedCa, status: str
) -> None:
    # It may have deactivated the CA and gone no further.
    earlier = snapshot_of(replace(now, status=status), None)
    assert snapshot_of(now, earlier).status == status
    # Otherwise another client has changed it since, possibly its status as well.
    snapshot = snapshot_of(other, None)
    before = snapshot_of(now, snapshot)
    same = replace(snapshot, status=now.status) == snapshot_of(now, None)
    assert before.status == (other.status if same else now.status)
    assert replace(before, status=now.status) == snapshot_of(now, None)


@given(CASES)
def test_a_snapshot_left_over_is_deleted(case: Case) -> None:
    desired, before = case
    after, _ = reconciled(desired, before, "repair 1")
    snapshot = snapshot_of(before, None)
    assert steps_for(desired, after, "repair 1", snapshot) == [DeleteSnapshot()]
