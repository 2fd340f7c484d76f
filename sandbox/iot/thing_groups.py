"""What AWS IoT accepts as a thing group: names and properties.

Source: botocore's ``iot`` model and the API reference of CreateThingGroup made from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.errors import AWSError

NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
DESCRIPTION = re.compile(
    r"[\x20-\x7e]{0,2028}"
)  # stricter: \p{Graph} of a Java that thinks in ASCII
ATTRIBUTE_KEY = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
ATTRIBUTE_VALUE = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}")


def _invalid(member: str, value: object, pattern: re.Pattern[str]) -> AWSError:
    return AWSError(
        "InvalidRequestException",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy "
        f"constraint: Member must satisfy regular expression pattern: {pattern.pattern}",
    )


def check_name(name: str, member: str = "thingGroupName") -> str:
    """Return ``name``, or raise InvalidRequestException."""
    if not NAME.fullmatch(name):
        raise _invalid(member, name, NAME)
    return name


def check_properties(properties: Any) -> dict[str, Any]:
    """Return the properties of a thing group, {} for none, or InvalidRequestException."""
    if properties is None:
        return {}
    if not isinstance(properties, dict):
        raise AWSError("InvalidRequestException", "thingGroupProperties must be an object")
    description = properties.get("thingGroupDescription") or ""
    if not isinstance(description, str) or not DESCRIPTION.fullmatch(description):
        raise _invalid("thingGroupDescription", description, DESCRIPTION)
    check_attributes((properties.get("attributePayload") or {}).get("attributes") or {})
    return properties


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Raise InvalidRequestException for attributes, of a group or a thing, that AWS refuses."""
    for key, value in attributes.items():
        if not ATTRIBUTE_KEY.fullmatch(key):
            raise _invalid("attributes", key, ATTRIBUTE_KEY)
        if not isinstance(value, str) or not ATTRIBUTE_VALUE.fullmatch(value):
            raise _invalid("attributes", value, ATTRIBUTE_VALUE)
