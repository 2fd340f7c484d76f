"""The revision of a CA: the tag by which a plan sees whether a CA has to be reconciled."""

from __future__ import annotations

from iot_ca.model import ORIGIN_TAG, DesiredCa, ObservedCa
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.steps import is_reconciled

# The length of a tag's value (API reference, Tag).
_MAX_LENGTH = 256


def current_revision(desired: DesiredCa, observed: ObservedCa | None) -> str | None:
    """Return the revision that the CA carries if nothing has to be written, else None.

    The owner may be any: a plan does not know the record in the state that it plans for.
    """
    if observed is None or not is_reconciled(desired, observed):
        return None
    return observed.revision


def new_revision(desired: DesiredCa, observed: ObservedCa | None, token: str) -> str:
    """Return a revision that no CA carries yet and that says why it is needed, as a tag value.

    `token` makes the revision unique: a hash of the desired and the observed state would be the
    same again for a CA that was deleted outside Terraform, and nothing would be planned.
    """
    if observed is None:
        return f"register {token}"
    if observed.mode != desired.certificate_mode:
        reasons = [f"change mode {observed.mode} to {desired.certificate_mode}"]
    else:
        reasons = ["repair" if ORIGIN_TAG in observed.tags else "adopt"]
    for difference in differences(desired, observed):
        if difference.attribute == "mode":
            continue
        about_a_tag = "tag" in difference.attribute.split()
        reason = "tags" if about_a_tag else f"{difference.attribute}={difference.observed}"
        if reason not in reasons:
            reasons.append(reason)
    text = " ".join(reasons).replace("an inline body", "inline")
    return f"{text[: _MAX_LENGTH - len(token) - 1]} {token}"
