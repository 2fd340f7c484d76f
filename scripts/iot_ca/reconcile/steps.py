"""The calls that turn a CA as observed into the CA as desired, and the decision between them.

Pure functions: no AWS, no Terraform, no clock. The order of the steps is a guarantee: the revision
is written last, so that an interrupted run is never mistaken for a finished one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from iot_ca.certificates.pem import Certificate
from iot_ca.model import (
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    DesiredCa,
    ObservedCa,
    Origin,
    Snapshot,
    origin_in,
)
from iot_ca.reconcile.tags import TagChanges, desired_tags, tag_changes, unmanaged_tags

# AWS writes these tags itself and refuses them in a request.
_AWS_TAG_PREFIX = "aws:"


@dataclass(frozen=True)
class Register:
    """RegisterCACertificate, with all settings and tags in the one call.

    `proof` is the verification certificate (PEM) of a registration in DEFAULT mode.
    """

    certificate: Certificate
    certificate_mode: str
    active: bool
    auto_registration: bool
    registration_config: Mapping[str, str]
    tags: dict[str, str]
    proof: str | None = None


@dataclass(frozen=True)
class Update:
    """UpdateCACertificate; None leaves a setting as it is."""

    status: str | None = None
    auto_registration: bool | None = None
    template_name: str | None = None
    remove_registration_config: bool = False


@dataclass(frozen=True)
class Delete:
    """DeleteCACertificate."""


@dataclass(frozen=True)
class SaveSnapshot:
    """Save a Snapshot of the CA in AWS."""

    snapshot: Snapshot


@dataclass(frozen=True)
class DeleteSnapshot:
    """Delete the CA's Snapshot."""


@dataclass(frozen=True)
class Untag:
    """UntagResource."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Tag:
    """TagResource."""

    tags: dict[str, str]


Step = Register | Update | Delete | SaveSnapshot | DeleteSnapshot | Untag | Tag


@dataclass(frozen=True)
class Goal:
    """What a run has to reach: the CA as desired, carrying the run's revision and owner.

    `is_absent_in_plan`: the plan has not found the CA.
    """

    desired: DesiredCa
    certificate: Certificate
    revision: str
    owner: str
    is_absent_in_plan: bool = False


@dataclass(frozen=True)
class State:
    """What a run knows of a CA at one moment.

    Attributes:
        ca: the CA as observed; None if it is not registered.
        snapshot: what an unfinished mode change has saved.
        origin: of a CA that this run has registered: AWS IoT may answer its tags late.
        replaced: what this run has deleted and another client has registered again.
        superseded: whether another run has written its revision after this run wrote its own.
    """

    ca: ObservedCa | None
    snapshot: Snapshot | None = None
    origin: Origin | None = None
    replaced: Snapshot | None = None
    superseded: bool = False


@dataclass(frozen=True)
class Rollback:
    """The old registration of a CA whose mode is changed, and the step that restores it."""

    snapshot: Snapshot
    registration: Register

    @property
    def is_possible(self) -> bool:
        """Whether AWS IoT would accept the old registration again."""
        return self.snapshot.mode != "DEFAULT" or self.registration.proof is not None


@dataclass(frozen=True)
class Plan:
    """The next steps, in order.

    Attributes:
        registration: the registration that is among the steps, or that they prepare.
        rollback: what to restore if a step fails.
    """

    steps: tuple[Step, ...]
    registration: Register | None = None
    rollback: Rollback | None = None


def decide(goal: Goal, state: State) -> Plan:
    """Return the next steps towards the goal.

    To be called again with the state after them, until there are no steps: applying once more
    writes nothing then. The tags, and with them the revision, are written only once the settings
    have been observed to be right. Whether the mode may be changed is not decided here.
    """
    observed = state.ca
    if observed is None:
        return _register(goal, state.snapshot)
    if observed.mode != goal.desired.certificate_mode:
        return _change_mode(goal, observed, state.snapshot)
    update = _settings_update(goal.desired, observed)
    if update != Update():
        # Alone: its effect is observed before a tag says that the CA is reconciled.
        return Plan((update,))
    wanted = _wanted_tags(goal, state, observed)
    changes = tag_changes(goal.desired, observed.tags, wanted)
    steps = _tag_steps(changes)
    if state.superseded and only_run_tags(steps):
        # A run that wants the same has finished: to overwrite each other would never end.
        return Plan(())
    if not steps and state.snapshot is not None:
        return Plan((DeleteSnapshot(),))
    return Plan(steps)


def is_reconciled(desired: DesiredCa, observed: ObservedCa) -> bool:
    """Return whether a registered CA is as desired, whichever run and owner it names."""
    revision, owner = observed.revision, observed.owner
    if revision is None or owner is None or observed.auto_registration_to_keep is not None:
        return False
    wanted = desired_tags(desired, observed.origin, revision, owner)
    return (
        observed.mode == desired.certificate_mode
        and _settings_update(desired, observed) == Update()
        and not _tag_steps(tag_changes(desired, observed.tags, wanted))
    )


def only_run_tags(steps: tuple[Step, ...]) -> bool:
    """Return whether the steps write the run's revision and owner, and nothing else."""
    return bool(steps) and all(
        isinstance(step, Tag) and set(step.tags) <= {REVISION_TAG, OWNER_TAG} for step in steps
    )


def snapshot_of(observed: ObservedCa, saved: Snapshot | None) -> Snapshot:
    """Return what a mode change has to save, and to restore if it fails.

    `saved` is the snapshot of an earlier attempt, which may have deactivated the CA.
    """
    now = Snapshot(
        mode=observed.mode,
        status=observed.status,
        auto_registration=observed.auto_registration,
        registration_config=observed.registration_config,
        tags={
            key: value
            for key, value in observed.tags.items()
            if not key.lower().startswith(_AWS_TAG_PREFIX)
        },
    )
    if saved is not None and replace(saved, status=now.status) == now:
        return saved
    return now


def _register(goal: Goal, snapshot: Snapshot | None) -> Plan:
    registration = _registration(goal, snapshot)
    if snapshot is None or snapshot.mode == goal.desired.certificate_mode:
        return Plan((registration,), registration)
    return Plan((registration,), registration, _rollback(goal, snapshot))


def _change_mode(goal: Goal, observed: ObservedCa, saved: Snapshot | None) -> Plan:
    snapshot = snapshot_of(observed, saved)
    registration = _registration(goal, snapshot)
    rollback = _rollback(goal, snapshot)
    if snapshot != saved:
        # Alone: nothing is deleted before the snapshot has been read back.
        return Plan((SaveSnapshot(snapshot),), registration, rollback)
    deactivate = (Update(status="INACTIVE"),) if observed.status == "ACTIVE" else ()
    return Plan((*deactivate, Delete(), registration), registration, rollback)


def _registration(goal: Goal, before: Snapshot | None) -> Register:
    """Return the desired registration, with the unmanaged tags and the origin of the old one."""
    desired = goal.desired
    origin: Origin = "registered" if before is None else origin_in(before.tags)
    unmanaged = {} if before is None else unmanaged_tags(before.tags)
    return Register(
        certificate=goal.certificate,
        certificate_mode=desired.certificate_mode,
        active=desired.status == "ACTIVE",
        auto_registration=desired.auto_registration,
        registration_config=desired.registration_config,
        tags={**unmanaged, **desired_tags(desired, origin, goal.revision, goal.owner)},
    )


def _rollback(goal: Goal, snapshot: Snapshot) -> Rollback:
    registration = Register(
        certificate=goal.certificate,
        certificate_mode=snapshot.mode,
        active=snapshot.status == "ACTIVE",
        auto_registration=snapshot.auto_registration,
        registration_config=snapshot.registration_config,
        tags=dict(snapshot.tags),
    )
    return Rollback(snapshot, registration)


def _settings_update(desired: DesiredCa, observed: ObservedCa) -> Update:
    same_status = observed.status == desired.status
    same_auto_registration = observed.auto_registration == desired.auto_registration
    same_template = observed.template_name == desired.template_name
    return Update(
        status=None if same_status else desired.status,
        auto_registration=None if same_auto_registration else desired.auto_registration,
        template_name=None if same_template else desired.template_name,
        remove_registration_config=(
            desired.template_name is None and bool(observed.registration_config)
        ),
    )


def _wanted_tags(goal: Goal, state: State, observed: ObservedCa) -> dict[str, str]:
    """Return the tags that the CA must carry, without the unmanaged ones that it has."""
    tagged = ORIGIN_TAG in observed.tags
    origin = None if tagged else state.origin
    # Another client that registers the CA during a mode change does not know its tags.
    lost = state.replaced if tagged else state.snapshot
    restored: dict[str, str] = {}
    if lost is not None:
        unmanaged = unmanaged_tags(lost.tags)
        restored = {key: unmanaged[key] for key in unmanaged if key not in observed.tags}
        origin = origin or origin_in(lost.tags)
    wanted = desired_tags(goal.desired, origin or observed.origin, goal.revision, goal.owner)
    return {**restored, **wanted}


def _tag_steps(changes: TagChanges) -> tuple[Step, ...]:
    untag = (Untag(changes.obsolete),) if changes.obsolete else ()
    tag = (Tag(changes.missing),) if changes.missing else ()
    return (*untag, *tag)
