"""What differs between a CA as wanted and as AWS has it, and the calls that mend it.

Pure functions: no AWS, no Terraform, no clock. The order of the steps is a promise: the revision
is written last, so a run that dies half-way is never taken for a finished one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from iot_ca.model import (
    KEEP_AUTO_REGISTRATION,
    MANAGED_TAGS_TAG,
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    TAG_PREFIX,
    DesiredCa,
    ObservedCa,
    Origin,
    Snapshot,
    origin_in,
)

# Tags of AWS's own: nobody else can write them.
_AWS_TAG_PREFIX = "aws:"

_DIGEST_LENGTH = 5
_REVISION_LENGTH = 256


@dataclass(frozen=True)
class Register:
    """RegisterCACertificate, everything wanted in the one call."""

    certificate_mode: str
    active: bool
    auto_registration: bool
    registration_config: Mapping[str, str]
    tags: dict[str, str]


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
class Remember:
    """Keep a Snapshot of the CA in AWS."""

    memory: Snapshot


@dataclass(frozen=True)
class Forget:
    """Remove the CA's Snapshot."""


@dataclass(frozen=True)
class Untag:
    """UntagResource."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Tag:
    """TagResource."""

    tags: dict[str, str]


Step = Register | Update | Delete | Remember | Forget | Untag | Tag


@dataclass(frozen=True)
class Difference:
    """One attribute that is not as wanted; `wanted` is empty where any value would do."""

    attribute: str
    observed: str
    wanted: str | None

    def __str__(self) -> str:
        wanted = "" if self.wanted is None else f", wanted {self.wanted}"
        return f"{self.attribute} is {self.observed}{wanted}"


def differences(desired: DesiredCa, observed: ObservedCa) -> list[Difference]:
    """Everything about a registered CA that is not as wanted."""
    found = []
    if observed.mode != desired.certificate_mode:
        found.append(Difference("mode", observed.mode, desired.certificate_mode))
    if observed.status != desired.status:
        found.append(Difference("status", observed.status, desired.status))
    if observed.auto_registration != desired.auto_registration:
        found.append(
            Difference(
                "auto-registration",
                enable(observed.auto_registration),
                enable(desired.auto_registration),
            )
        )
    if not _same_config(desired, observed):
        found.append(
            Difference("template", template_in_words(observed), desired.template_name or "none")
        )
    for key, value in sorted(desired.tags.items()):
        if observed.tags.get(key) != value:
            found.append(Difference(f"tag {key}", observed.tags.get(key, "missing"), value))
    for key in forsaken_tags(desired, observed):
        found.append(Difference(f"tag {key}", observed.tags[key], "none"))
    if observed.auto_registration_to_keep is not None:
        found.append(Difference(f"tag {REVISION_TAG}", "of an interrupted destroy", None))
    found.extend(
        Difference(f"tag {key}", "missing", None)
        for key in (ORIGIN_TAG, OWNER_TAG, REVISION_TAG)
        if key not in observed.tags
    )
    origin = observed.tags.get(ORIGIN_TAG)
    if origin not in (None, observed.origin):
        found.append(Difference(f"tag {ORIGIN_TAG}", origin or "empty", observed.origin))
    memory, wanted_memory = observed.tags.get(MANAGED_TAGS_TAG), _managed_tags(desired)
    if not found and memory != wanted_memory:
        found.append(
            Difference(f"tag {MANAGED_TAGS_TAG}", memory or "missing", wanted_memory or "none")
        )
    return found


def steps(
    desired: DesiredCa,
    observed: ObservedCa | None,
    revision: str,
    owner: str,
    origin: Origin | None = None,
    memory: Snapshot | None = None,
    taken_out: Snapshot | None = None,
) -> list[Step]:
    """The next calls on the way from `observed` to `desired` carrying `revision`, in order.

    To be asked again with what AWS has after them, until it is empty: AWS has all of it then, and
    applying once more writes nothing. The tags, and with them the revision, come only once the
    settings have been seen to be right. `origin` is what the caller knows better than the tags,
    which may not show up yet on a CA that it has just registered. `memory` is what an earlier,
    unfinished change of the mode has left; whether the mode may be changed is not asked here.
    `taken_out` is what the caller has deleted itself, and somebody else has registered since.
    """
    if observed is None:
        return [registration(desired, revision, owner, memory.tags if memory else None)]
    if observed.mode != desired.certificate_mode:
        before = before_change(observed, memory)
        if before != memory:
            # Alone: nothing is taken out before what it was has been read back.
            return [Remember(before)]
        deactivate = [Update(status="INACTIVE")] if observed.status == "ACTIVE" else []
        return [*deactivate, Delete(), registration(desired, revision, owner, before.tags)]
    update = _update(desired, observed)
    if update != Update():
        # Alone: what a call really did is read back before the tags call the CA converged.
        return [update]
    needed: list[Step] = []
    forsaken = forsaken_tags(desired, observed)
    if MANAGED_TAGS_TAG in observed.tags and not desired.tags:
        forsaken.append(MANAGED_TAGS_TAG)
    if forsaken:
        needed.append(Untag(tuple(forsaken)))
    kept: dict[str, str] = {}
    if ORIGIN_TAG in observed.tags:
        origin = None
    lost = memory if ORIGIN_TAG not in observed.tags else taken_out
    if lost is not None:
        # Somebody else has registered it in the middle of the change, not knowing what it was.
        kept = {k: v for k, v in _foreign(lost.tags).items() if k not in observed.tags}
        origin = origin or origin_in(lost.tags)
    wanted = {**kept, **_wanted_tags(desired, origin or observed.origin, revision, owner)}
    missing = {key: value for key, value in wanted.items() if observed.tags.get(key) != value}
    if missing:
        needed.append(Tag(missing))
    if memory is not None and not needed:
        needed.append(Forget())
    return needed


def before_change(observed: ObservedCa, memory: Snapshot | None) -> Snapshot:
    """What a change of the mode has to keep, and to go back to if it fails.

    `memory` is that of an earlier attempt, which may have deactivated the CA and gone no further.
    """
    now = Snapshot(
        mode=observed.mode,
        status=observed.status,
        auto_registration=observed.auto_registration,
        registration_config=observed.registration_config,
        tags={k: v for k, v in observed.tags.items() if not k.lower().startswith(_AWS_TAG_PREFIX)},
    )
    if memory is not None and replace(memory, status=now.status) == now:
        return memory
    return now


def way_back(memory: Snapshot) -> Register:
    """The registration that makes a CA again what it was."""
    return Register(
        certificate_mode=memory.mode,
        active=memory.status == "ACTIVE",
        auto_registration=memory.auto_registration,
        registration_config=memory.registration_config,
        tags=dict(memory.tags),
    )


def keep_auto_registration(observed: ObservedCa) -> Tag:
    """A tag for the time in which a CA's template is taken off, see ObservedCa."""
    return Tag({REVISION_TAG: f"{KEEP_AUTO_REGISTRATION}{enable(observed.auto_registration)}"})


def only_the_writer_differs(steps: list[Step]) -> bool:
    """Whether all that is left is to say who converged the CA last, and in which run."""
    return bool(steps) and all(
        isinstance(step, Tag) and set(step.tags) <= {REVISION_TAG, OWNER_TAG} for step in steps
    )


def converged_revision(desired: DesiredCa, observed: ObservedCa | None) -> str | None:
    """The revision that the CA carries if there is nothing left to mend, else None.

    Who owns it is not asked: the plan that looks does not know its own record yet.
    """
    if observed is None or observed.revision is None or observed.owner is None:
        return None
    if observed.auto_registration_to_keep is not None:
        return None
    left = steps(desired, observed, observed.revision, observed.owner)
    return None if left else observed.revision


def fresh_revision(desired: DesiredCa, observed: ObservedCa | None, token: str) -> str:
    """A revision that no CA has yet and that says why it is needed, as a tag value.

    Unique by `token`: a hash of wanted and observed would be the same again for a CA that was
    deleted behind Terraform's back, and nothing would be planned.
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
    return f"{text[: _REVISION_LENGTH - len(token) - 1]} {token}"


def forsaken_tags(desired: DesiredCa, observed: ObservedCa) -> list[str]:
    """Keys that this module once put on the CA and that are no longer wanted, sorted.

    Tags that somebody else put there are nobody's business but theirs.
    """
    others = _foreign(observed.tags)
    return sorted(
        key
        for key in observed.tags
        if key not in desired.tags and not key.startswith(TAG_PREFIX) and key not in others
    )


def enable(flag: bool) -> Literal["ENABLE", "DISABLE"]:
    """An on/off setting in AWS IoT's words."""
    return "ENABLE" if flag else "DISABLE"


def registration(
    desired: DesiredCa, revision: str, owner: str, before: Mapping[str, str] | None
) -> Register:
    """The registration of a CA as wanted.

    `before` are the tags that it had, if a change of the mode takes it out.
    """
    origin: Origin = "registered" if before is None else origin_in(before)
    template = desired.template_name
    return Register(
        certificate_mode=desired.certificate_mode,
        active=desired.status == "ACTIVE",
        auto_registration=desired.auto_registration,
        registration_config={} if template is None else {"templateName": template},
        tags={**_foreign(before or {}), **_wanted_tags(desired, origin, revision, owner)},
    )


def _update(desired: DesiredCa, observed: ObservedCa) -> Update:
    same_config = _same_config(desired, observed)
    same_status = observed.status == desired.status
    same_auto_registration = observed.auto_registration == desired.auto_registration
    return Update(
        status=None if same_status else desired.status,
        auto_registration=None if same_auto_registration else desired.auto_registration,
        template_name=None if same_config else desired.template_name,
        remove_registration_config=not same_config and desired.template_name is None,
    )


def _wanted_tags(desired: DesiredCa, origin: Origin, revision: str, owner: str) -> dict[str, str]:
    memory = _managed_tags(desired)
    return {
        **desired.tags,
        **({MANAGED_TAGS_TAG: memory} if memory else {}),
        ORIGIN_TAG: origin,
        OWNER_TAG: owner,
        REVISION_TAG: revision,
    }


def _foreign(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags among a CA's that this module has not put there."""
    remembered = tags.get(MANAGED_TAGS_TAG, "")
    ours = {
        remembered[start : start + _DIGEST_LENGTH]
        for start in range(0, len(remembered), _DIGEST_LENGTH)
    }
    return {
        key: value
        for key, value in tags.items()
        if not key.startswith(TAG_PREFIX) and _digest(key) not in ours
    }


def _managed_tags(desired: DesiredCa) -> str | None:
    """Which tags are this module's to remove: fixed-width digests of their keys.

    Not the keys themselves: 46 keys of 128 characters would not fit the value of one tag.
    """
    return "".join(_digest(key) for key in sorted(desired.tags)) or None


def _digest(key: str) -> str:
    return base64.b64encode(hashlib.sha256(key.encode()).digest())[:_DIGEST_LENGTH].decode()


def _same_config(desired: DesiredCa, observed: ObservedCa) -> bool:
    if desired.template_name is None:
        return not observed.registration_config
    return observed.template_name == desired.template_name


def template_in_words(observed: ObservedCa) -> str:
    """The template's name, `none`, or that the CA carries one of its own."""
    if observed.template_name:
        return observed.template_name
    return "an inline body" if observed.registration_config else "none"
