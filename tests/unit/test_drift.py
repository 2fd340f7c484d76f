"""What is done about a difference, tried on a small model of AWS."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_ca.certificates import pem as pem_text
from iot_ca.model import (
    MANAGED_TAGS_TAG,
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    TAG_PREFIX,
    DesiredCa,
    ObservedCa,
    Snapshot,
)
from iot_ca.reconcile import tags as tag_rules
from iot_ca.reconcile.deregistration import auto_registration_tag
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.revision import current_revision, new_revision
from iot_ca.reconcile.steps import (
    Delete,
    DeleteSnapshot,
    Goal,
    Plan,
    Register,
    SaveSnapshot,
    State,
    Step,
    Tag,
    Untag,
    Update,
    decide,
    only_run_tags,
    snapshot_of,
)
from tests.unit.program import ROOT
from tests.unit.support import pem

OWNER = "a-record-in-the-state"
CERTIFICATE = pem_text.read(pem(ROOT))
# Few keys, so that wanted, forsaken and foreign tags often meet; the values are the tricky ones.
KEYS = st.sampled_from(["a", "b", "c", "Team Name", "é", "k" * 128])
VALUES = st.sampled_from(["", "1", "2", "none", "missing", "v" * 256])
TAGS = st.dictionaries(KEYS, VALUES, max_size=6)
TEMPLATES = st.none() | st.sampled_from(["template", "Template_2", "t" * 36])
INLINE = {"templateBody": "{}", "roleArn": "arn:aws:iam::111122223333:role/r"}
CONFIGS = st.sampled_from(
    [{}, INLINE, *({"templateName": name} for name in ("template", "Template_2", "t" * 36))]
)
DESIRED = st.builds(
    DesiredCa,
    certificate_pem=st.just("PEM"),
    certificate_mode=st.sampled_from(["SNI_ONLY", "DEFAULT"]),
    status=st.sampled_from(["ACTIVE", "INACTIVE"]),
    auto_registration=st.booleans(),
    template_name=TEMPLATES,
    tags=TAGS,
)


@st.composite
def observed(draw: st.DrawFn) -> ObservedCa:
    """A CA in any state that this module, another one or a human may have left it in."""
    before = draw(DESIRED)
    tags = {**draw(TAGS), **draw(st.sampled_from([{}, before.tags]))}
    whose = {
        ORIGIN_TAG: draw(st.none() | st.sampled_from(["registered", "adopted", "by hand"])),
        OWNER_TAG: draw(st.none() | st.sampled_from([OWNER, "another"])),
        REVISION_TAG: draw(st.none() | st.sampled_from(["register 1", "repair tags 2"])),
        MANAGED_TAGS_TAG: draw(
            st.none()
            | st.just(tag_rules.managed_tags_value(before))
            | st.sampled_from(["none", "x"])
        ),
    }
    return ObservedCa(
        mode=before.certificate_mode,
        status=draw(st.sampled_from(["ACTIVE", "INACTIVE"])),
        auto_registration=draw(st.booleans()),
        registration_config=draw(CONFIGS),
        tags={**tags, **{key: value for key, value in whose.items() if value is not None}},
    )


TOKENS = st.text("0123456789abcdef", min_size=8, max_size=8)


@dataclass(frozen=True)
class Cloud:
    """What AWS has of a CA: its registration, and the snapshot of an unfinished mode change."""

    ca: ObservedCa | None
    snapshot: Snapshot | None = None


def plan(
    desired: DesiredCa, ca: ObservedCa | None, revision: str, snapshot: Snapshot | None = None
) -> Plan:
    """The plan for a CA in this state."""
    return decide(Goal(desired, CERTIFICATE, revision, OWNER), State(ca, snapshot))


def steps_for(
    desired: DesiredCa, ca: ObservedCa | None, revision: str, snapshot: Snapshot | None = None
) -> list[Step]:
    """The next steps for a CA in this state."""
    return list(plan(desired, ca, revision, snapshot).steps)


def carried_out(step: Step, before: Cloud) -> Cloud:
    """What AWS has after a step; fails where AWS would refuse it."""
    ca = before.ca
    match step:
        case Register():
            assert ca is None
            ca = ObservedCa(
                mode=step.certificate_mode,
                status="ACTIVE" if step.active else "INACTIVE",
                auto_registration=step.auto_registration,
                registration_config=step.registration_config,
                tags=step.tags,
            )
        case SaveSnapshot():
            return replace(before, snapshot=step.snapshot)
        case DeleteSnapshot():
            assert before.snapshot is not None
            return replace(before, snapshot=None)
        case Delete():
            assert ca is not None
            assert ca.status == "INACTIVE"
            ca = None
        case Tag():
            assert ca is not None
            ca = replace(ca, tags={**ca.tags, **step.tags})
        case Untag():
            assert ca is not None
            assert set(step.keys) <= set(ca.tags)
            ca = replace(ca, tags={k: v for k, v in ca.tags.items() if k not in step.keys})
        case Update():
            assert ca is not None
            ca = _updated(step, ca)
    return replace(before, ca=ca)


def _updated(step: Update, ca: ObservedCa) -> ObservedCa:
    if step.status is not None:
        ca = replace(ca, status=step.status)
    if step.remove_registration_config:
        # AWS also switches auto-registration off then.
        ca = replace(ca, registration_config={}, auto_registration=False)
    if step.template_name is not None:
        ca = replace(ca, registration_config={"templateName": step.template_name})
    if step.auto_registration is not None:
        ca = replace(ca, auto_registration=step.auto_registration)
    return ca


def finished(
    desired: DesiredCa, before: Cloud, revision: str
) -> tuple[ObservedCa, list[list[Step]]]:
    """What AWS has in the end, with no snapshot left, and the rounds of steps that led there."""
    rounds: list[list[Step]] = []
    now = before
    while steps := steps_for(desired, now.ca, revision, now.snapshot):
        rounds.append(steps)
        assert len(rounds) <= 5, "it does not converge"
        for step in steps:
            now = carried_out(step, now)
    assert now.ca is not None
    assert now.snapshot is None
    return now.ca, rounds


def converged(
    desired: DesiredCa, before: ObservedCa | None, revision: str
) -> tuple[ObservedCa, list[list[Step]]]:
    """`finished` where no change of the mode is under way."""
    return finished(desired, Cloud(before), revision)


@st.composite
def nearly(draw: st.DrawFn) -> tuple[DesiredCa, ObservedCa]:
    """A CA as it is wanted but for a change or two behind Terraform's back."""
    desired = draw(DESIRED)
    now, _ = converged(desired, None, "register 1")
    for _ in range(draw(st.integers(0, 2))):
        tag = draw(st.sampled_from(sorted({*now.tags, "foreign"})))
        value = draw(VALUES | st.just("by hand"))
        changes: list[ObservedCa] = [
            replace(now, status=draw(st.sampled_from(["ACTIVE", "INACTIVE"]))),
            replace(now, auto_registration=draw(st.booleans())),
            replace(now, registration_config=draw(st.sampled_from([{}, INLINE]))),
            replace(now, registration_config={"templateName": "other"}),
            replace(now, tags={**now.tags, tag: value}),
            replace(now, tags={key: now.tags[key] for key in now.tags if key != tag}),
        ]
        now = draw(st.sampled_from(changes))
    return desired, now


Case = tuple[DesiredCa, ObservedCa]
MaybeCase = tuple[DesiredCa, ObservedCa | None]
CASES = nearly() | st.tuples(DESIRED, observed())
MAYBE_CASES = CASES | st.tuples(DESIRED, st.none())


@given(MAYBE_CASES, TOKENS)
def test_a_ca_is_as_wanted_in_the_end(case: MaybeCase, token: str) -> None:
    desired, before = case
    revision = new_revision(desired, before, token)
    after, _ = converged(desired, before, revision)
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
def test_applying_twice_writes_once(case: MaybeCase) -> None:
    desired, before = case
    after, _ = converged(desired, before, "repair 1")
    assert steps_for(desired, after, "repair 1") == []


@given(MAYBE_CASES)
def test_the_revision_is_written_last(case: MaybeCase) -> None:
    desired, before = case
    _, rounds = converged(desired, before, "repair 1")
    steps = [step for round_ in rounds for step in round_ if not isinstance(step, DeleteSnapshot)]
    writes_revision = [
        isinstance(step, Register | Tag) and step.tags.get(REVISION_TAG) == "repair 1"
        for step in steps
    ]
    if before is None or before.revision != "repair 1":
        assert writes_revision == [False] * (len(steps) - 1) + [True]


@given(MAYBE_CASES, st.data())
def test_a_run_that_dies_half_way_is_never_taken_for_a_finished_one(
    case: MaybeCase, data: st.DataObject
) -> None:
    desired, before = case
    revision = new_revision(desired, before, "00000001")
    _, rounds = converged(desired, before, revision)
    steps = [step for round_ in rounds for step in round_ if not isinstance(step, DeleteSnapshot)]
    now = Cloud(before)
    for step in steps[: data.draw(st.integers(0, max(0, len(steps) - 1)))]:
        now = carried_out(step, now)
    if steps:
        assert now.ca is None or now.ca.revision != revision
        again, _ = finished(desired, now, revision)
        assert current_revision(desired, again) == revision


@given(MAYBE_CASES)
def test_what_a_call_really_did_is_looked_at_before_the_tags_are_written(case: MaybeCase) -> None:
    desired, before = case
    _, rounds = converged(desired, before, "repair 1")
    for steps in rounds:
        # A registration in another mode is read back as well: nothing comes behind it.
        if any(isinstance(step, Update | Register) for step in steps):
            assert len(steps) == 1 or isinstance(steps[-2], Delete)
        assert steps != [Update()]


@given(CASES)
def test_nobody_elses_tags_are_touched(case: Case) -> None:
    desired, before = case
    remembered = before.tags.get(MANAGED_TAGS_TAG, "")
    foreign = {
        key: value
        for key, value in before.tags.items()
        if key not in desired.tags
        and not key.startswith(TAG_PREFIX)
        and tag_rules._digest(key) not in remembered
    }
    after, _ = converged(desired, before, "repair 1")
    assert foreign.items() <= after.tags.items()


@given(DESIRED, DESIRED, TAGS)
def test_tags_that_are_no_longer_wanted_are_removed_and_only_those(
    first: DesiredCa, then: DesiredCa, foreign: dict[str, str]
) -> None:
    ours, _ = converged(first, None, "register 1")
    with_foreign = replace(ours, tags={**foreign, **ours.tags})
    after, _ = converged(then, with_foreign, "repair 2")
    theirs = {key: value for key, value in foreign.items() if key not in first.tags}
    mine = {key: value for key, value in after.tags.items() if not key.startswith(TAG_PREFIX)}
    assert mine == {**theirs, **then.tags}


@given(CASES)
def test_who_registered_a_ca_is_never_forgotten(case: Case) -> None:
    desired, before = case
    fresh, _ = converged(desired, None, "register 1")
    assert fresh.origin == "registered"
    found, _ = converged(desired, before, "repair 1")
    assert found.origin == before.origin
    assert found.tags[ORIGIN_TAG] == before.origin


@settings(max_examples=500)
@given(CASES)
def test_whatever_is_mended_is_said_in_words(case: Case) -> None:
    """A repair without a warning, or a warning without a repair, would be a riddle."""
    desired, before = case
    assert (current_revision(desired, before) is None) == bool(differences(desired, before))


@pytest.mark.parametrize("tag", [ORIGIN_TAG, OWNER_TAG, MANAGED_TAGS_TAG, REVISION_TAG])
@pytest.mark.parametrize("value", ["by hand", "none", "", None])
def test_a_change_of_the_modules_own_tags_is_mended_and_said(tag: str, value: str | None) -> None:
    desired = DesiredCa("PEM", tags={"a": "1"})
    after, _ = converged(desired, None, "register 1")
    tags = {key: it for key, it in after.tags.items() if key != tag}
    changed = replace(after, tags=tags if value is None else {**tags, tag: value})
    mends = current_revision(desired, changed) is None
    assert bool(differences(desired, changed)) == mends
    if value is None:
        assert mends
    again, _ = converged(desired, changed, "repair 2")
    assert current_revision(desired, again) == "repair 2"


@given(CASES)
def test_words_name_what_is_there_and_what_is_wanted(case: Case) -> None:
    desired, before = case
    texts = [str(each) for each in differences(desired, before)]
    assert len(texts) == len(set(texts))
    assert (f"status is {before.status}, wanted {desired.status}" in texts) == (
        before.status != desired.status
    )
    for key, value in desired.tags.items():
        if before.tags.get(key) != value:
            there = before.tags.get(key, "missing")
            # What stands for an empty value is the program's choice.
            assert [
                text
                for text in texts
                if text.startswith(f"tag {key} is {there}") and f", wanted {value}" in text
            ]
    for key in (ORIGIN_TAG, OWNER_TAG, REVISION_TAG):
        assert (f"tag {key} is missing" in texts) == (key not in before.tags)


@given(MAYBE_CASES, TOKENS, TOKENS)
def test_a_fresh_revision_is_a_valid_tag_value_and_never_the_same_again(
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


def test_a_fresh_revision_says_why() -> None:
    desired = DesiredCa("PEM", template_name="template", tags={"a": "1"})
    after, _ = converged(desired, None, "register 1")
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


def test_a_fresh_revision_fits_whatever_aws_says() -> None:
    strange = ObservedCa(mode="SNI_ONLY", status="S" * 300, auto_registration=True)
    revision = new_revision(DesiredCa("PEM"), strange, "3f2a9c01")
    assert len(revision) <= 256
    assert revision.endswith(" 3f2a9c01")


def test_the_memory_of_tags_fits_one_value() -> None:
    # AWS allows 50 tags, four of them are the module's own.
    tags = {f"{number:02}{'k' * 126}": "value" for number in range(46)}
    after, _ = converged(DesiredCa("PEM", tags=tags), None, "register 1")
    assert len(after.tags) == 50
    assert all(len(value) <= 256 for value in after.tags.values())
    emptied, _ = converged(DesiredCa("PEM"), after, "repair 2")
    assert set(emptied.tags) == {ORIGIN_TAG, OWNER_TAG, REVISION_TAG}


def test_a_registration_carries_everything_in_one_call() -> None:
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


def test_what_was_never_seen_is_not_taken_for_converged() -> None:
    assert current_revision(DesiredCa("PEM"), None) is None


# A change of the mode

MODE_CHANGES = st.tuples(DESIRED, observed()).filter(
    lambda case: case[0].certificate_mode != case[1].mode
)


@given(MODE_CHANGES)
def test_a_change_of_mode_remembers_deactivates_deletes_and_registers(case: Case) -> None:
    desired, before = case
    snapshot = snapshot_of(before, None)
    # Nothing is taken out before what it was has been read back.
    assert steps_for(desired, before, "change 1") == [SaveSnapshot(snapshot)]
    steps = steps_for(desired, before, "change 1", snapshot)
    deactivate = [Update(status="INACTIVE")] if before.status == "ACTIVE" else []
    assert steps[:-1] == [*deactivate, Delete()]
    registration = steps[-1]
    assert isinstance(registration, Register)
    assert registration.certificate_mode == desired.certificate_mode
    assert registration.tags[REVISION_TAG] == "change 1"


@given(MODE_CHANGES, observed())
def test_nothing_is_taken_out_that_is_remembered_otherwise(case: Case, other: ObservedCa) -> None:
    desired, before = case
    snapshot = snapshot_of(other, None)
    steps = steps_for(desired, before, "change 1", snapshot)
    same = replace(snapshot, status=before.status) == snapshot_of(before, None)
    assert (steps == [SaveSnapshot(snapshot_of(before, None))]) != same


def _foreign(desired: DesiredCa, before: ObservedCa) -> dict[str, str]:
    foreign = tag_rules.unmanaged_tags(before.tags)
    return {key: value for key, value in foreign.items() if key not in desired.tags}


@given(MODE_CHANGES, st.data())
def test_a_change_of_mode_that_dies_goes_on_where_it_was_and_loses_nothing(
    case: Case, data: st.DataObject
) -> None:
    desired, before = case
    _, rounds = converged(desired, before, "change 1")
    steps = [step for round_ in rounds for step in round_]
    done = data.draw(st.integers(0, len(steps)))
    now = Cloud(before)
    for step in steps[:done]:
        now = carried_out(step, now)
    after, rest = finished(desired, now, "change 1")
    assert [step for round_ in rest for step in round_] == steps[done:]
    assert _foreign(desired, before).items() <= after.tags.items()
    assert after.tags[ORIGIN_TAG] == before.origin
    assert differences(desired, after) == []
    assert current_revision(desired, after) == "change 1"


@given(MODE_CHANGES, DESIRED, st.data())
def test_whoever_changes_his_mind_in_the_middle_loses_nothing_either(
    case: Case, then: DesiredCa, data: st.DataObject
) -> None:
    desired, before = case
    _, rounds = converged(desired, before, "change 1")
    steps = [step for round_ in rounds for step in round_]
    now = Cloud(before)
    for step in steps[: data.draw(st.integers(0, len(steps)))]:
        now = carried_out(step, now)
    after, _ = finished(then, now, "repair 2")
    theirs = {k: v for k, v in _foreign(desired, before).items() if k not in then.tags}
    assert theirs.items() <= after.tags.items()
    assert after.tags[ORIGIN_TAG] == before.origin
    assert current_revision(then, after) == "repair 2"


@given(MODE_CHANGES)
def test_who_registers_it_in_the_middle_does_not_take_its_tags_away(case: Case) -> None:
    desired, before = case
    snapshot = snapshot_of(before, None)
    # By hand, without a tag.
    theirs = replace(before, mode=desired.certificate_mode, tags={})
    after, rounds = finished(desired, Cloud(theirs, snapshot), "change 1")
    assert _foreign(desired, before).items() <= after.tags.items()
    assert after.tags[ORIGIN_TAG] == before.origin
    assert rounds[-1] == [DeleteSnapshot()]


@given(MODE_CHANGES)
def test_the_way_back_makes_it_what_it_was(case: Case) -> None:
    desired, before = case
    rollback = plan(desired, before, "change 1").rollback
    assert rollback is not None
    assert carried_out(rollback.registration, Cloud(None)).ca == before


def test_tags_of_aws_are_not_written_back() -> None:
    tags = {"aws:createdBy": "me", "AWS:x": "1", "aws": "mine"}
    before = ObservedCa("SNI_ONLY", "ACTIVE", True, tags=tags)
    assert snapshot_of(before, None).tags == {"aws": "mine"}


@given(observed(), observed(), st.sampled_from(["ACTIVE", "INACTIVE"]))
def test_an_earlier_attempt_knows_the_status_if_all_else_is_as_it_was(
    now: ObservedCa, other: ObservedCa, status: str
) -> None:
    # It may have deactivated the CA and gone no further.
    earlier = snapshot_of(replace(now, status=status), None)
    assert snapshot_of(now, earlier).status == status
    # Else somebody has been there since, and the status may be theirs.
    snapshot = snapshot_of(other, None)
    before = snapshot_of(now, snapshot)
    same = replace(snapshot, status=now.status) == snapshot_of(now, None)
    assert before.status == (other.status if same else now.status)
    assert replace(before, status=now.status) == snapshot_of(now, None)


@given(CASES)
def test_a_memory_that_nobody_needs_any_more_is_forgotten_and_nothing_else(case: Case) -> None:
    desired, before = case
    after, _ = converged(desired, before, "repair 1")
    snapshot = snapshot_of(before, None)
    assert steps_for(desired, after, "repair 1", snapshot) == [DeleteSnapshot()]


def test_a_fresh_revision_names_both_modes() -> None:
    desired = DesiredCa("PEM", certificate_mode="DEFAULT")
    after, _ = converged(DesiredCa("PEM"), None, "register 1")
    assert new_revision(desired, after, "f") == "change mode SNI_ONLY to DEFAULT f"
    inactive = replace(after, status="INACTIVE")
    assert (
        new_revision(desired, inactive, "f") == "change mode SNI_ONLY to DEFAULT status=INACTIVE f"
    )


@given(MAYBE_CASES, TOKENS)
def test_what_auto_registration_was_is_read_back_and_never_from_another_revision(
    case: MaybeCase, token: str
) -> None:
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


@given(st.lists(st.sampled_from([REVISION_TAG, OWNER_TAG, ORIGIN_TAG, "a"]), max_size=3))
def test_only_a_writer_differs_where_nothing_but_its_tags_do(keys: list[str]) -> None:
    tag = Tag(dict.fromkeys(keys, "value"))
    alone = set(keys) <= {REVISION_TAG, OWNER_TAG}
    assert only_run_tags((tag,)) is alone
    assert not only_run_tags(())
    assert not only_run_tags((tag, DeleteSnapshot()))
    assert not only_run_tags((Update(status="ACTIVE"),))


def test_an_interrupted_destroy_is_something_to_mend() -> None:
    desired = DesiredCa("PEM")
    now, _ = finished(desired, Cloud(None), "register 1")
    left = replace(now, tags={**now.tags, **auto_registration_tag(now).tags})
    assert current_revision(desired, left) is None
    (difference,) = differences(desired, left)
    assert str(difference) == "tag iot-ca:revision is of an interrupted destroy"
    mended, _ = finished(desired, Cloud(left), "repair 2")
    assert current_revision(desired, mended) == "repair 2"
    assert mended.auto_registration_to_keep is None
