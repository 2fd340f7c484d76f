"""The revision of a CA: the tag by which a plan sees whether a CA has to be reconciled, and why.

A revision reads `update status ACTIVE -> INACTIVE 5b0c11d2-3f2a9c01`: what a run does, a digest of
the desired state that it does it for, and a random number. A difference from the desired state is
drift if the digest on the CA is that of the configuration. If it is another one, the configuration
has changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields

from iot_ca.model import ORIGIN_TAG, DesiredCa, ObservedCa, Snapshot
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.steps import is_reconciled

# The attributes that say how a CA is reconciled, and not what AWS IoT has of it; and the default
# tags, which a lookup does not know: the module compares them.
NOT_IN_DIGEST = frozenset(
    {
        *("certificate_pem", "verification", "allow_mode_change", "force_mode_change"),
        *("default_tags", "default_tags_digest"),
    }
)

# The length of a tag's value (developer guide, "Tag restrictions"; the API reference has 256).
_MAX_LENGTH = 255
_DIGEST = re.compile(r" ([0-9a-f]{8})-[0-9a-f]{8}$")
# What AWS takes in a tag's value, without "@", which starts an encoded byte.
_ENCODED = re.compile(r"[^0-9A-Za-z_ +\-=.:/]")
_BYTES = re.compile(r"(?:@[0-9A-F]{2})+")


def current_revision(desired: DesiredCa, observed: ObservedCa | None) -> str | None:
    """Return the revision that the CA carries if nothing has to be written, else None.

    A CA that equals the desired state but was last reconciled for another one needs a new tag:
    with the old one, the next drift would be taken for a change. The owner may be any: a plan does
    not know the record in the state that it plans for.
    """
    if observed is None or observed.revision is None or not is_reconciled(desired, observed):
        return None
    revision = decode(observed.revision)
    return revision if _digest_in(revision) in (None, _digest(desired)) else None


def new_revision(
    desired: DesiredCa,
    observed: ObservedCa | None,
    token: str,
    interrupted: Snapshot | None = None,
) -> str:
    """Return a revision that no CA carries yet and that says what is done.

    `token`, 8 hexadecimal digits, makes the revision unique: a hash of the desired and the observed
    state would be the same again for a CA that was deleted outside Terraform, and nothing would be
    planned. As a tag value, the revision is not longer than AWS allows.

    `interrupted` is what a change of the mode has saved of a CA that it has deleted: to register
    the CA then is to finish the change.
    """
    if observed is None:
        action = "register" if interrupted is None else "update"
    elif ORIGIN_TAG not in observed.tags:
        action = "adopt"
    else:
        action = "repair" if is_drift(desired, observed) else "update"
    end = f" {_digest(desired)}-{token}"
    changes = _changes(desired, observed)
    if observed is None and interrupted is not None:
        changes = [f"mode {interrupted.mode} -> {desired.certificate_mode}"]
    text = " ".join([action, ", ".join(changes)]).strip()
    return f"{_shortened(text, _MAX_LENGTH - len(end))}{end}"


def is_drift(desired: DesiredCa, observed: ObservedCa) -> bool:
    """Return whether what differs was changed outside Terraform, and not in the configuration.

    What differs about a CA that this module has not reconciled yet is neither. A revision without a
    digest, of an earlier version or a user, does not tell: then it is taken for drift.
    """
    if ORIGIN_TAG not in observed.tags:
        return False
    return _digest_in(decode(observed.revision or "")) in (None, _digest(desired))


def encode(revision: str) -> str:
    """Return a revision as a tag value: other characters than AWS takes as `@` and their bytes."""
    return _ENCODED.sub(lambda it: "".join(f"@{byte:02X}" for byte in it[0].encode()), revision)


def decode(tag_value: str) -> str:
    """Return the revision in a tag value: the inverse of `encode`."""
    return _BYTES.sub(
        lambda it: bytes.fromhex(it[0].replace("@", "")).decode(errors="replace"), tag_value
    )


def _changes(desired: DesiredCa, observed: ObservedCa | None) -> list[str]:
    """Return what is changed about a registered CA, in words; tags only as such."""
    if observed is None:
        return []
    words: list[str] = []
    for it in differences(desired, observed):
        about_a_tag = "tag" in it.attribute.split()
        word = "tags" if about_a_tag else f"{it.attribute} {it.observed} -> {it.wanted}"
        if word not in words:
            words.append(word)
    return words


def _shortened(text: str, room: int) -> str:
    """Return as much of the beginning of a text as takes up to `room` characters in a tag."""
    while len(encode(text)) > room:
        text = text[:-1].rstrip()
    return text


def _digest(desired: DesiredCa) -> str:
    """Return 8 hexadecimal digits that differ with everything that is reconciled about a CA.

    Not with how: a new proof of ownership, or another way to write the certificate, does not count.
    """
    state = [
        getattr(desired, attribute.name)
        for attribute in fields(DesiredCa)
        if attribute.name not in NOT_IN_DIGEST
    ]
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:8]


def _digest_in(revision: str) -> str | None:
    match = _DIGEST.search(revision)
    return None if match is None else match[1]
