"""Reconcile one CA: observe it, decide what differs, carry that out, until nothing differs."""

from __future__ import annotations

from dataclasses import dataclass, field

from iot_ca import waiting
from iot_ca.errors import Failure
from iot_ca.model import DesiredCa, ObservedCa, Origin, Snapshot, origin_in
from iot_ca.reconcile.execution import RemoteCa, carry_out
from iot_ca.reconcile.mode_change import prepare
from iot_ca.reconcile.proof import Ownership
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

_DONE = {
    Register: "registered",
    Update: "updated",
    Delete: "deleted",
    Untag: "untagged",
    Tag: "tagged",
    SaveSnapshot: "",
    DeleteSnapshot: "",
}

_MAX_ROUNDS = 10
# Before the same steps are carried out again, because AWS IoT does not show their effect yet.
_RETRY_DELAY_SECONDS = 1.0


def reconcile(goal: Goal, remote: RemoteCa, ownership: Ownership) -> str:
    """Reconcile one CA; return what was done, in words.

    Ends when nothing is left to write. Raises Failure. What an interrupted or failed run leaves
    unfinished is finished by the next one.
    """
    progress = Progress()
    previous: tuple[Step, ...] = ()
    for round_number in range(_MAX_ROUNDS):
        if round_number == 0 and _may_register_at_once(goal, remote):
            observed, snapshot = None, None
        else:
            observed = remote.observe()
            snapshot = remote.load_snapshot() if progress.may_have_snapshot(observed) else None
        state = progress.state(goal, observed, snapshot)
        plan = decide(goal, state)
        if not plan.steps:
            return _summary(goal.desired, progress)
        if plan.steps == previous:
            waiting.sleep(_RETRY_DELAY_SECONDS)
        previous = plan.steps
        plan = prepare(plan, observed, goal.desired, ownership, remote)
        progress.record(plan, carry_out(plan, remote), snapshot)
    raise Failure(
        "what was written does not show up in AWS IoT, or something else changes the CA at the "
        "same time; run again when nothing else does"
    )


def _may_register_at_once(goal: Goal, remote: RemoteCa) -> bool:
    """Return whether to register a CA without describing it, since the plan has not found it.

    RegisterCACertificate says whether it is registered by now. To describe each new CA twice would
    make an apply of fifty CAs wait for the quota of DescribeCACertificate. In DEFAULT mode, a proof
    would be made, and perhaps paid for, of a CA that may need none.
    """
    return (
        goal.is_absent_in_plan
        and goal.desired.certificate_mode == "SNI_ONLY"
        and remote.load_snapshot() is None
    )


@dataclass
class Progress:
    """What one run has done so far, which AWS IoT may not show yet.

    Attributes:
        steps: those carried out, in order.
        origin: of a CA that the run has registered.
        replaced: what the run has deleted and another client has registered again.
        earlier_revisions: what the CA carried before the run wrote its own revision.
        has_registered_new: the run has registered a CA that had no snapshot.
    """

    steps: list[Step] = field(default_factory=list)
    origin: Origin | None = None
    replaced: Snapshot | None = None
    earlier_revisions: set[str | None] = field(default_factory=set)
    has_registered_new: bool = False

    def may_have_snapshot(self, observed: ObservedCa | None) -> bool:
        """Return whether AWS IoT may have a snapshot that the run has to finish with.

        That of a CA that the run has registered is of another run, and is finished by this one only
        if it finds the CA deleted.
        """
        if self.has_deleted_snapshot:
            return False
        return observed is None or not self.has_registered_new

    @property
    def has_deleted_snapshot(self) -> bool:
        """Whether the run has deleted the snapshot, which AWS IoT may still answer."""
        return any(isinstance(step, DeleteSnapshot) for step in self.steps)

    def state(self, goal: Goal, observed: ObservedCa | None, snapshot: Snapshot | None) -> State:
        """Return what is known of the CA, from what AWS IoT answers and what the run has done."""
        if observed is None:
            return State(None, snapshot or self._saved_snapshot())
        if observed.mode == goal.desired.certificate_mode:
            snapshot = snapshot or self._saved_snapshot()
        return State(
            observed,
            snapshot,
            self.origin,
            self.replaced,
            self._is_superseded(observed.revision, goal.revision),
        )

    def record(self, plan: Plan, done: list[tuple[Step, bool]], snapshot: Snapshot | None) -> None:
        """Note the steps of a plan that were carried out, and whether one registered the CA.

        `snapshot`: the one that the plan was decided with.
        """
        for step, registered in done:
            self.steps.append(step)
            if isinstance(step, Register) and registered:
                self.origin = origin_in(step.tags)
                self.has_registered_new = snapshot is None and plan.rollback is None
            elif isinstance(step, Register) and plan.rollback is not None:
                self.replaced = plan.rollback.snapshot

    def _saved_snapshot(self) -> Snapshot | None:
        """Return the snapshot that the run has saved and not deleted.

        It was read back before the CA was deleted. If AWS IoT does not answer it later, the answer
        is late.
        """
        if self.has_deleted_snapshot:
            return None
        saved = [step.snapshot for step in self.steps if isinstance(step, SaveSnapshot)]
        return saved[-1] if saved else None

    def _is_superseded(self, revision: str | None, own_revision: str) -> bool:
        """Return whether another run has written its revision after this one wrote its own."""
        if self.origin is None and not any(isinstance(step, Tag) for step in self.steps):
            self.earlier_revisions.add(revision)
            return False
        return revision not in {own_revision, *self.earlier_revisions}


def _summary(desired: DesiredCa, progress: Progress) -> str:
    """Return what was done, and what the CA is now."""
    done = [word for step in progress.steps if (word := _DONE[type(step)])]
    if "deleted" in done:
        done = ["mode changed"]
    template = f", template {desired.template_name}" if desired.template_name else ""
    return (
        f"{', '.join(done) or 'nothing to do'}; "
        f"{desired.certificate_mode}, {desired.status}{template}"
    )
