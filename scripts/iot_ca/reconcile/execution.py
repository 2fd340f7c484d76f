"""Carry out the steps that are decided, and roll back a mode change that fails."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from iot_ca.errors import Failure, Gone
from iot_ca.model import ObservedCa, Snapshot
from iot_ca.reconcile.interfaces import CaCertificateApi, SnapshotStore
from iot_ca.reconcile.steps import (
    Delete,
    DeleteSnapshot,
    Plan,
    Register,
    Rollback,
    SaveSnapshot,
    Step,
    Tag,
    Untag,
    Update,
)


@dataclass(frozen=True)
class RemoteCa:
    """One CA in AWS IoT: its registration, and the snapshot of an unfinished mode change."""

    certificate_id: str
    ca_certificates: CaCertificateApi
    snapshots: SnapshotStore

    def observe(self) -> ObservedCa | None:
        """Return the CA; None if it is not registered."""
        return self.ca_certificates.observe_one(self.certificate_id)

    def load_snapshot(self) -> Snapshot | None:
        """Return what an unfinished mode change has saved."""
        return self.snapshots.load(self.certificate_id)

    def discard_snapshot(self) -> None:
        """Delete the snapshot if possible: one that is left is deleted by the next run."""
        with suppress(Failure):
            self.snapshots.delete(self.certificate_id)

    def carry_out(self, step: Step) -> bool:
        """Make the call that a step stands for; return whether it registered the CA.

        It is not an error if the CA is registered already, by another client or by an attempt of
        this very call before its connection broke: the caller observes the CA again.
        """
        match step:
            case Register():
                return self.ca_certificates.register(step)
            case Update():
                self.ca_certificates.update(self.certificate_id, step)
            case Delete():
                self.ca_certificates.delete(self.certificate_id)
            case SaveSnapshot():
                self.snapshots.save(self.certificate_id, step.snapshot)
            case DeleteSnapshot():
                self.snapshots.delete(self.certificate_id)
            case Untag():
                self.ca_certificates.untag(self.certificate_id, step.keys)
            case Tag():
                self.ca_certificates.tag(self.certificate_id, step.tags)
        return False


def carry_out(plan: Plan, remote: RemoteCa) -> list[tuple[Step, bool]]:
    """Carry out the steps, or those before the CA turns out to be in an unexpected state.

    Returns the steps that were carried out, each with whether it registered the CA. Raises Failure
    if AWS refuses a step; a mode change is rolled back first.
    """
    done: list[tuple[Step, bool]] = []
    for step in plan.steps:
        try:
            done.append((step, remote.carry_out(step)))
        except Failure as failure:
            if isinstance(failure, Gone) and _was_deleted(step, remote):
                break
            if plan.rollback is None:
                raise
            _roll_back(plan.rollback, remote, failure)
            break
    return done


def _was_deleted(step: Step, remote: RemoteCa) -> bool:
    """Return whether a step failed because another client has deleted the CA meanwhile.

    A run that changes the mode does, and registers the CA again. Otherwise it is something that
    the step names, such as a template, that does not exist.
    """
    return isinstance(step, Update | Untag | Tag) and remote.observe() is None


def _roll_back(rollback: Rollback, remote: RemoteCa, failure: Failure) -> None:
    """Restore the old registration after `failure`; raise Failure with the state of the CA.

    Returns only if the CA has to be observed again: it is registered in the new mode after all, or
    another client has registered it.
    """
    mode, status = rollback.snapshot.mode, rollback.snapshot.status
    try:
        observed = remote.observe()
        if observed is not None and observed.mode != mode:
            return
        if observed is None:
            if not rollback.is_possible:
                raise Failure("there is no verification certificate for it")
            if not remote.carry_out(rollback.registration):
                # Another client has registered it, or the call that failed had its effect late.
                return
        elif observed.status != status:
            remote.carry_out(Update(status=status))
    except Failure as second:
        raise Failure(
            "the CA might not be registered now, or be inactive, so that new devices are refused: "
            "fix the cause and apply again, its settings and tags are kept until then; cause: "
            f"{failure}; and the rollback to {mode} mode failed: {second}"
        ) from failure
    remote.discard_snapshot()
    raise Failure(
        f"the mode was not changed, it is registered in {mode} mode as before: {failure}"
    ) from failure
