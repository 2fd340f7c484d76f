"""How many attributes a thing may have. Names and values are looked at in ``thing_groups``.

Source: AWS IoT developer guide, "Thing types".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.errors import AWSError

WITHOUT_TYPE = 3
WITH_TYPE = 50


def room(has_type: bool) -> int:
    """Return how many attributes a thing with or without a type may have."""
    return WITH_TYPE if has_type else WITHOUT_TYPE


def after(present: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes of a thing once UpdateThing has carried out its attributePayload.

    With ``merge`` they are added to those ``present``; an empty value takes one away (API
    reference, AttributePayload).
    """
    given = payload.get("attributes")
    if given is None:
        return dict(present)
    merged = {**present, **given} if payload.get("merge") else dict(given)
    return {name: value for name, value in merged.items() if value}


def check_room(attributes: Mapping[str, str], has_type: bool) -> None:
    """Raise InvalidRequestException for more ``attributes`` than there is room for.

    The words are ours.

    Stricter: taking a thing's type away from it must leave no more than it has room for then.
    """
    if len(attributes) > room(has_type):
        kind = "with" if has_type else "without"
        raise AWSError(
            "InvalidRequestException",
            f"A thing {kind} a thing type can have up to {room(has_type)} attributes, "
            f"not {len(attributes)}",
        )
