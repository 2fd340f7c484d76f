"""A small model of AWS, and CAs in any state, for the tests of the steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from iot_ca.certificates import pem as pem_text
from iot_ca.model import (
    MANAGED_TAGS_TAG,
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    DesiredCa,
    ObservedCa,
    Snapshot,
)
from iot_ca.reconcile import tags as tag_rules
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
)
from tests.support.certificates import pem
from tests.support.program.in_process import ROOT

OWNER = "a-record-in-the-state"
CERTIFICATE = pem_text.read(pem(ROOT))
# Few keys, so that desired, obsolete and unmanaged tags often meet; the values are the tricky ones.
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
        assert len(rounds) <= 5, "the steps do not end"
        for step in steps:
            now = carried_out(step, now)
    assert now.ca is not None
    assert now.snapshot is None
    return now.ca, rounds


def reconciled(
    desired: DesiredCa, before: ObservedCa | None, revision: str
) -> tuple[ObservedCa, list[list[Step]]]:
    """`finished` where no change of the mode is under way."""
    return finished(desired, Cloud(before), revision)


@st.composite
def nearly(draw: st.DrawFn) -> tuple[DesiredCa, ObservedCa]:
    """A CA in the desired state, except for a change or two outside Terraform."""
    desired = draw(DESIRED)
    now, _ = reconciled(desired, None, "register 1")
    for _ in range(draw(st.integers(0, 2))):
        tag = draw(st.sampled_from(sorted({*now.tags, "unmanaged"})))
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
MODE_CHANGES = st.tuples(DESIRED, observed()).filter(
    lambda case: case[0].certificate_mode != case[1].mode
)


def unmanaged_before(desired: DesiredCa, before: ObservedCa) -> dict[str, str]:
    unmanaged = tag_rules.unmanaged_tags(before.tags)
    return {key: value for key, value in unmanaged.items() if key not in desired.tags}
