"""Which tags a CA must carry, which of them the module manages, and which are unmanaged.

Pure functions. Unmanaged tags are those that another tool or a person has written: they are never
changed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from iot_ca.errors import Failure
from iot_ca.model import (
    MANAGED_TAGS_TAG,
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    TAG_PREFIX,
    DesiredCa,
    ObservedCa,
    Origin,
)

_DIGEST_LENGTH = 5
# Between the digests of the keys and the digest of the default tags: not a character of base64
# digests of five characters.
_SEPARATOR = "="


def require_known_tags(observed: ObservedCa, why: str) -> None:
    """Raise Failure, with the reason why they are needed, if AWS IoT does not answer the tags."""
    if not observed.tags_are_known:
        raise Failure(
            f"AWS IoT does not answer the tags of the CA at the moment, {why}; run again in a "
            "minute"
        )


def desired_tags(desired: DesiredCa, origin: Origin, revision: str, owner: str) -> dict[str, str]:
    """Return the user's tags and the module's own, as the CA must carry them."""
    digests = managed_tags_value(desired)
    return {
        **desired.all_tags,
        **({MANAGED_TAGS_TAG: digests} if digests else {}),
        ORIGIN_TAG: origin,
        OWNER_TAG: owner,
        REVISION_TAG: revision,
    }


@dataclass(frozen=True)
class TagChanges:
    """The tags of a CA to remove and to write."""

    obsolete: tuple[str, ...]
    missing: dict[str, str]


def tag_changes(
    desired: DesiredCa, tags: Mapping[str, str], wanted: Mapping[str, str]
) -> TagChanges:
    """Return what to change of a CA's `tags`, so that it carries those that are wanted."""
    obsolete = obsolete_tags(desired, tags)
    if desired.default_tags is None and manages(tags, desired.tags):
        # It can name default tags too, which are not known.
        wanted = {key: wanted[key] for key in wanted if key != MANAGED_TAGS_TAG}
    elif MANAGED_TAGS_TAG in tags and MANAGED_TAGS_TAG not in wanted:
        obsolete.append(MANAGED_TAGS_TAG)
    missing = {key: wanted[key] for key in wanted if tags.get(key) != wanted[key]}
    return TagChanges(tuple(obsolete), missing)


def obsolete_tags(desired: DesiredCa, tags: Mapping[str, str]) -> list[str]:
    """Return the keys, sorted, of tags that the module wrote and that are no longer wanted.

    None are obsolete while the default tags are not known.
    """
    if desired.default_tags is None:
        return []
    return sorted(managed_tags(tags).keys() - desired.all_tags.keys())


def managed_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags among a CA's that this module has written for the user."""
    unmanaged = unmanaged_tags(tags)
    return {
        key: value
        for key, value in tags.items()
        if not key.startswith(TAG_PREFIX) and key not in unmanaged
    }


def unmanaged_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags among a CA's that this module has not written."""
    managed = _managed_digests(tags)
    return {
        key: value
        for key, value in tags.items()
        if not key.startswith(TAG_PREFIX) and _digest(key) not in managed
    }


def manages(tags: Mapping[str, str], keys: Iterable[str]) -> bool:
    """Return whether a CA that carries `tags` says that the tags with these keys are managed."""
    return {_digest(key) for key in keys} <= _managed_digests(tags)


def default_tags_digest(tags: Mapping[str, str]) -> str:
    """Return the digest of the default tags that were last written; empty without any."""
    return tags.get(MANAGED_TAGS_TAG, "").partition(_SEPARATOR)[2]


def managed_tags_value(desired: DesiredCa) -> str | None:
    """Return the value of the tag that says which tags are managed; None if none are.

    It holds digests of the keys, each of the same length: 46 keys of 127 characters would not fit
    into the value of one tag. The digest of the default tags follows, if there are any.
    """
    digests = "".join(_digest(key) for key in sorted(desired.all_tags))
    if desired.default_tags_digest:
        return f"{digests}{_SEPARATOR}{desired.default_tags_digest}"
    return digests or None


def _managed_digests(tags: Mapping[str, str]) -> set[str]:
    digests = tags.get(MANAGED_TAGS_TAG, "").partition(_SEPARATOR)[0]
    starts = range(0, len(digests), _DIGEST_LENGTH)
    return {digests[start : start + _DIGEST_LENGTH] for start in starts}


def _digest(key: str) -> str:
    return base64.b64encode(hashlib.sha256(key.encode()).digest())[:_DIGEST_LENGTH].decode()
