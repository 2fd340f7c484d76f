"""Carry out the steps that are decided, and roll back a mode change that fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from iot_ca.errors import Failure, Gone
from iot_ca.model import ObservedCa, Snapshot
from iot_ca.reconcile.insistence import Insistence
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
from iot_ca.streams import say

_NOT_REGISTERED = (
    "the CA might not be registered now, or be inactive, so that new devices are refused"
)


class Interrupted(Failure):
    """The user has interrupted a mode change while the CA is inactive or not registered."""


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
    if AWS refuses a step; a mode change is rolled back first. While a mode change has the CA
    inactive or not registered, calls that AWS does not answer are made again for minutes.
    """
    done: list[tuple[Step, bool]] = []
    if plan.rollback is None:
        _carry_out_steps(plan, remote, done)
        return done
    insistence = Insistence(_announce_waiting)
    try:
        _carry_out_steps(plan, remote, done, insistence)
    except Interrupted:
        raise
    except Failure as failure:
        with _reporting_interruption():
            _roll_back(plan.rollback, remote, failure, insistence)
    return done


def _carry_out_steps(
    plan: Plan,
    remote: RemoteCa,
    done: list[tuple[Step, bool]],
    insistence: Insistence | None = None,
) -> None:
    """Carry out the steps and note them in `done`, until one finds the CA deleted."""
    for step in plan.steps:
        try:
            if insistence is not None and (done or isinstance(step, Register)):
                # The CA is inactive or not registered.
                with _reporting_interruption():
                    registered = insistence.until_answered(partial(remote.carry_out, step))
            else:
                registered = remote.carry_out(step)
        except Gone:
            if _was_deleted(step, remote):
                return
            raise
        done.append((step, registered))


@contextmanager
def _reporting_interruption() -> Iterator[None]:
    """Raise Interrupted with the state of the CA if the user interrupts the block."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; run again to register the CA: {_NOT_REGISTERED}; its settings and tags "
            "are kept until then"
        ) from None


def _announce_waiting(seconds: float) -> None:
    say(
        "iot_ca: the mode of the CA is being changed and AWS does not answer: the CA is inactive "
        f"or not registered, trying again for up to {seconds / 60:.0f} minutes",
        sys.stderr,
    )


def _was_deleted(step: Step, remote: RemoteCa) -> bool:
    """Return whether a step failed because another client has deleted the CA meanwhile.

    A run that changes the mode does, and registers the CA again. Otherwise it is something that
    the step names, such as a template, that does not exist.
    """
    return isinstance(step, Update | Untag | Tag) and remote.observe() is None


def _roll_back(
    rollback: Rollback, remote: RemoteCa, failure: Failure, insistence: Insistence
) -> None:
    """Restore the old registration after `failure`; raise Failure with the state of the CA.

    Returns only if the CA has to be observed again: it is registered in the new mode after all, or
    another client has registered it.
    """
    mode, status = rollback.snapshot.mode, rollback.snapshot.status
    try:
        observed = insistence.until_answered(remote.observe)
        if observed is not None and observed.mode != mode:
            return
        if observed is None:
            if not rollback.is_possible:
                raise Failure("there is no verification certificate for it")
            register = partial(remote.carry_out, rollback.registration)
            if not insistence.until_answered(register):
                # Another client has registered it, or the call that failed had its effect late.
                return
        elif observed.status != status:
            activate = partial(remote.carry_out, Update(status=status))
            insistence.until_answered(activate)
    except Failure as second:
        raise Failure(
            f"{_NOT_REGISTERED}: fix the cause and apply again, its settings and tags are kept "
            f"until then; cause: {failure}; and the rollback to {mode} mode failed: {second}"
        ) from failure
    remote.discard_snapshot()
    raise Failure(
        f"the mode was not changed, it is registered in {mode} mode as before: {failure}"
    ) from failure
