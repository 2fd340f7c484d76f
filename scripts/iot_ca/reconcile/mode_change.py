"""Change the mode of a CA. AWS IoT can't update the mode: the CA is deleted and registered again.

Everything that could make the new registration fail is checked before the first call that has an
effect. What only the old registration knows (unmanaged tags, who registered the CA) is saved in AWS
until the new one is complete. If the registration fails, the old one is restored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iot_ca.errors import Failure
from iot_ca.model import DesiredCa, ObservedCa
from iot_ca.reconcile.steps import Plan, Register, Rollback, SaveSnapshot, Update
from iot_ca.reconcile.tags import require_known_tags

if TYPE_CHECKING:
    from iot_ca.reconcile.execution import RemoteCa
    from iot_ca.reconcile.interfaces import OwnershipClaim
    from iot_ca.reconcile.proof import Ownership


def check(desired: DesiredCa, claim: OwnershipClaim) -> list[str]:
    """Return warnings about a mode change that is allowed. Writes, issues and signs nothing.

    Raises Failure if a proof of ownership is needed and can't be made.
    """
    mode = desired.certificate_mode
    if mode == "SNI_ONLY":
        effect = "new devices must send SNI from then on"
    else:
        effect = "new devices need not send SNI from then on"
    effect += ", certificates of devices that are registered already keep their mode"
    warnings = [f"a change to {mode} mode deletes the CA and registers it again; {effect}"]
    # For the new registration in DEFAULT mode, or to restore the old one.
    if mode == "DEFAULT" or desired.verification is not None:
        warnings += claim.check()
    return warnings


def require_allowed(desired: DesiredCa, observed: ObservedCa) -> None:
    """Raise Failure if the user has not allowed the mode change or it could not be rolled back."""
    if not desired.allow_mode_change:
        raise Failure(
            f"registered in {observed.mode} mode, wanted {desired.certificate_mode}: "
            f'set certificate_mode = "{observed.mode}", or set '
            "allow_mode_change = true, with verification, to have the CA deleted and registered "
            "again with the same settings and tags"
        )
    require_known_tags(observed, "and a change of its mode must not lose them")
    if observed.mode == "DEFAULT" and desired.verification is None:
        if desired.force_mode_change:
            return
        raise Failure(
            "a change from DEFAULT mode needs verification, for a rollback if registering fails: "
            "keep verification until the mode has been changed, or set force_mode_change = true "
            "to go without"
        )


def prepare(
    plan: Plan,
    observed: ObservedCa | None,
    desired: DesiredCa,
    ownership: Ownership,
    remote: RemoteCa,
) -> Plan:
    """Return the plan with the proofs that its registrations need.

    To be called before the first step of the plan. Raises Failure if the mode change is not
    allowed, a proof can't be made, or AWS would refuse a step.
    """
    registration = plan.registration
    if registration is None:
        return plan
    if observed is not None:
        require_allowed(desired, observed)
    ownership.claim()
    if registration.certificate_mode == "DEFAULT":
        registration = replace(registration, proof=ownership.prove())
    steps = tuple(registration if isinstance(step, Register) else step for step in plan.steps)
    rollback = plan.rollback
    if rollback is not None:
        rollback = _proved(rollback, desired, ownership, required=observed is not None)
    plan = Plan(steps, registration, rollback)
    if observed is not None:
        _probe(plan, desired.force_mode_change, remote)
    return plan


def _proved(
    rollback: Rollback, desired: DesiredCa, ownership: Ownership, required: bool
) -> Rollback:
    """Return the rollback with its proof; without one if there is none that is required."""
    if rollback.snapshot.mode != "DEFAULT" or desired.verification is None:
        return rollback
    try:
        proof = ownership.prove()
    except Failure:
        if required:
            raise
        # The CA is not registered at the moment: nothing is worse than to leave that as it is.
        return rollback
    return replace(rollback, registration=replace(rollback.registration, proof=proof))


def _probe(plan: Plan, force: bool, remote: RemoteCa) -> None:
    """Raise Failure if AWS would refuse the steps of a mode change, before the first has an effect.

    AWS is called for what it can't do at this moment: to register a CA that is registered and, once
    the snapshot is saved, to delete one that is ACTIVE. Another refusal than that one would be the
    same once the CA is deleted. With `force` a plan passes that could be rolled back.
    """
    assert plan.registration is not None
    assert plan.rollback is not None
    is_first = any(isinstance(step, SaveSnapshot) for step in plan.steps)
    try:
        if is_first:
            remote.ca_certificates.probe_register(plan.registration)
        elif any(isinstance(step, Update) for step in plan.steps):
            remote.ca_certificates.probe_delete(remote.certificate_id)
    except Failure as failure:
        if force and plan.rollback.is_possible:
            return
        if not is_first:
            remote.discard_snapshot()
        raise Failure(
            "the mode was not changed, since the change would fail half-way (force_mode_change = "
            f"true changes it nevertheless if a rollback is possible): {failure}"
        ) from failure
