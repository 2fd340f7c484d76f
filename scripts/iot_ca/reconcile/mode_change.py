"""From one mode to the other: AWS can't update it, so the CA is deleted and registered again.

Everything that could refuse the new registration is found out before the first call that changes
anything, and what only the old registration knows (tags of others, who registered it) is kept in
AWS until the new one stands. If registering fails, the old registration is put back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_ca.aws.registry import Registry
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.model import DesiredCa, ObservedCa, Snapshot
from iot_ca.reconcile import drift
from iot_ca.reconcile.drift import Register, Remember, Step, Update

if TYPE_CHECKING:
    from iot_ca.ownership.proof import Claim


@dataclass(frozen=True)
class WayBack:
    """What restores the old registration: what it was, and its proof if it was in DEFAULT mode."""

    memory: Snapshot
    proof: str | None

    @property
    def possible(self) -> bool:
        """Whether AWS would take the old registration again."""
        return self.memory.mode != "DEFAULT" or self.proof is not None


def check(desired: DesiredCa, claim: Claim) -> list[str]:
    """What to know before a change of the mode that `refuse` lets pass, in words.

    Nothing is written, issued or signed. Raises Failure where a proof is missing or can't work.
    """
    wanted = desired.certificate_mode
    if wanted == "SNI_ONLY":
        effect = "devices that don't send SNI can't connect from then on"
    else:
        effect = "certificates of devices that are registered already stay SNI_ONLY"
    warnings = [f"a change to {wanted} mode deletes it and registers it again; {effect}"]
    # For the new registration in DEFAULT mode, or for the way back to the old one.
    if wanted == "DEFAULT" or desired.verification is not None:
        warnings += claim.check()
    return warnings


def refuse(desired: DesiredCa, observed: ObservedCa) -> None:
    """Raise Failure where the user has not allowed the change, or has no way back from it."""
    wanted = desired.certificate_mode
    if not desired.allow_mode_change:
        raise Failure(
            f"registered in {observed.mode} mode, wanted {wanted}; AWS IoT can't change the mode "
            f'of a registered CA: set certificate_mode = "{observed.mode}", or set '
            "allow_mode_change = true, with verification, to have it deleted and registered again "
            "with the same settings and tags"
        )
    if not observed.tags_are_known:
        raise Failure(
            "AWS IoT does not say at the moment which tags it carries, and a change of its mode "
            "must not lose them; run again in a minute"
        )
    forced = desired.force_mode_change
    if observed.mode == "DEFAULT" and desired.verification is None and not forced:
        raise Failure(
            "leaving DEFAULT mode needs a way back in case registering fails: keep verification "
            "until the mode has been changed, or set force_mode_change = true to go without"
        )


def probe(
    way_back: WayBack,
    desired: DesiredCa,
    registration: Register,
    certificate: Certificate,
    proof: str | None,
    registry: Registry,
    steps: list[Step],
) -> None:
    """Find out whether AWS would refuse the next `steps`, before the first has an effect.

    AWS is asked for what it can't do at this moment: to register a CA that is registered, and, once
    what it was is kept, to delete one that is ACTIVE. A refusal for any other reason would come
    again when the CA is gone. Raises Failure then, unless the user forces it and could go back.
    """
    first = any(isinstance(step, Remember) for step in steps)
    try:
        if first:
            registry.may_register(registration, certificate, proof)
        elif any(isinstance(step, Update) for step in steps):
            registry.may_delete(certificate.certificate_id)
    except Failure as failure:
        if desired.force_mode_change and way_back.possible:
            return
        if not first:
            _forget(registry, certificate)
        raise Failure(
            "the mode was not changed, since it would go wrong half-way (force_mode_change = true "
            f"goes ahead all the same where there is a way back): {failure}"
        ) from failure


def restore(back: WayBack, certificate: Certificate, registry: Registry, failure: Failure) -> None:
    """Put the old registration back after `failure`, and raise it with how things stand now.

    Returns only if it has to be looked at again: the new registration is there after all, or one
    that somebody else has made.
    """
    before = back.memory
    certificate_id = certificate.certificate_id
    try:
        observed = registry.observe_one(certificate_id)
        if observed is not None and observed.mode != before.mode:
            return
        if observed is None:
            if not back.possible:
                raise Failure("there is no verification certificate for it")
            if not registry.carry_out(drift.way_back(before), certificate, back.proof):
                # Somebody else has registered it, or AWS took longer with what failed.
                return
        elif observed.status != before.status:
            registry.update(certificate_id, Update(status=before.status))
    except Failure as second:
        raise Failure(
            "it may not be registered now, or inactive, so that new devices are refused: apply "
            "again as soon as the cause is gone, its settings and tags are kept until then; cause: "
            f"{failure}; and going back to {before.mode} mode failed: {second}"
        ) from failure
    _forget(registry, certificate)
    raise Failure(
        f"the mode was not changed, it is registered in {before.mode} mode as before: {failure}"
    ) from failure


def _forget(registry: Registry, certificate: Certificate) -> None:
    with suppress(Failure):
        # What is left of it is removed by the next run.
        registry.forget(certificate.certificate_id)
