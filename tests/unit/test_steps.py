"""The steps towards the desired state, tried on a small model of AWS."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iot_ca.model import (
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    DesiredCa,
)
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.revision import current_revision, new_revision
from iot_ca.reconcile.steps import (
    Delete,
    DeleteSnapshot,
    Register,
    Tag,
    Update,
    only_run_tags,
)
from tests.support.program.reconciliation import (
    MAYBE_CASES,
    OWNER,
    TOKENS,
    Cloud,
    MaybeCase,
    carried_out,
    finished,
    reconciled,
    steps_for,
)


@given(MAYBE_CASES, TOKENS)
def test_every_ca_is_reconciled_in_the_end(case: MaybeCase, token: str) -> None:
    desired, before = case
    revision = new_revision(desired, before, token)
    after, _ = reconciled(desired, before, revision)
    assert after.status == desired.status
    assert after.auto_registration == desired.auto_registration
    assert after.mode == desired.certificate_mode
    assert after.registration_config == (
        {} if desired.template_name is None else {"templateName": desired.template_name}
    )
    assert desired.tags.items() <= after.tags.items()
    assert (after.revision, after.owner) == (revision, OWNER)
    assert differences(desired, after) == []
    # The next plan reads back the value that the state holds: nothing changes.
    assert current_revision(desired, after) == revision


@given(MAYBE_CASES)
def test_a_second_run_writes_nothing(case: MaybeCase) -> None:
    desired, before = case
    after, _ = reconciled(desired, before, "repair 1")
    assert steps_for(desired, after, "repair 1") == []


@given(MAYBE_CASES)
def test_the_revision_is_written_last(case: MaybeCase) -> None:
    desired, before = case
    _, rounds = reconciled(desired, before, "repair 1")
    steps = [step for round_ in rounds for step in round_ if not isinstance(step, DeleteSnapshot)]
    writes_revision = [
        isinstance(step, Register | Tag) and step.tags.get(REVISION_TAG) == "repair 1"
        for step in steps
    ]
    if before is None or before.revision != "repair 1":
        assert writes_revision == [False] * (len(steps) - 1) + [True]


@given(MAYBE_CASES, st.data())
def test_an_interrupted_run_is_not_mistaken_for_a_finished_one(
    case: MaybeCase, data: st.DataObject
) -> None:
    desired, before = case
    revision = new_revision(desired, before, "00000001")
    _, rounds = reconciled(desired, before, revision)
    steps = [step for round_ in rounds for step in round_ if not isinstance(step, DeleteSnapshot)]
    now = Cloud(before)
    for step in steps[: data.draw(st.integers(0, max(0, len(steps) - 1)))]:
        now = carried_out(step, now)
    if steps:
        assert now.ca is None or now.ca.revision != revision
        again, _ = finished(desired, now, revision)
        assert current_revision(desired, again) == revision


@given(MAYBE_CASES)
def test_settings_are_read_back_before_tags_are_written(case: MaybeCase) -> None:
    desired, before = case
    _, rounds = reconciled(desired, before, "repair 1")
    for steps in rounds:
        # A registration in another mode is read back as well: no step follows.
        if any(isinstance(step, Update | Register) for step in steps):
            assert len(steps) == 1 or isinstance(steps[-2], Delete)
        assert steps != [Update()]


def test_a_registration_carries_all_settings() -> None:
    desired = DesiredCa(
        "PEM",
        certificate_mode="DEFAULT",
        status="INACTIVE",
        auto_registration=False,
        template_name="template",
        tags={"a": "1"},
    )
    (step,) = steps_for(desired, None, "register 1")
    assert isinstance(step, Register)
    assert (step.certificate_mode, step.active, step.auto_registration) == ("DEFAULT", False, False)
    assert step.registration_config == {"templateName": "template"}
    assert step.tags["a"] == "1"
    assert step.tags[REVISION_TAG] == "register 1"
    assert step.tags[OWNER_TAG] == OWNER


@given(st.lists(st.sampled_from([REVISION_TAG, OWNER_TAG, ORIGIN_TAG, "a"]), max_size=3))
def test_only_revision_and_owner_are_tags_of_the_run(keys: list[str]) -> None:
    tag = Tag(dict.fromkeys(keys, "value"))
    alone = set(keys) <= {REVISION_TAG, OWNER_TAG}
    assert only_run_tags((tag,)) is alone
    assert not only_run_tags(())
    assert not only_run_tags((tag, DeleteSnapshot()))
    assert not only_run_tags((Update(status="ACTIVE"),))
