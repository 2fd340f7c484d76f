"""What AWS accepts as tags of an IoT resource.

Number and characters: AWS General Reference, "Tag naming limits and requirements", and the
``TagKey`` and ``TagValue`` shapes of botocore's ``iot`` model. Lengths: developer guide, "Tag
restrictions", which allows one character less than the model (128 and 256); the stricter one is
enforced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.errors import AWSError

MOST_TAGS = 50
MAX_KEY_LENGTH = 127
MAX_VALUE_LENGTH = 255


def _allowed(text: str) -> bool:
    return all(c.isalpha() or c.isnumeric() or c.isspace() or c in "_.:/=+-@" for c in text)


def parse_tags(document: Any) -> dict[str, str]:
    """Return the tags of a ``TagList``. Raises InvalidRequestException for one that AWS refuses."""
    tags: dict[str, str] = {}
    if not isinstance(document, list):
        raise AWSError("InvalidRequestException", "Tags must be a list")
    for item in document:
        key = item.get("Key") if isinstance(item, dict) else None
        value = item.get("Value", "") if isinstance(item, dict) else None
        if not isinstance(key, str) or not isinstance(value, str):
            raise AWSError("InvalidRequestException", "A tag needs a Key and a Value")
        if not 1 <= len(key) <= MAX_KEY_LENGTH or not _allowed(key):
            raise AWSError("InvalidRequestException", f"Invalid tag key: {key}")
        if key.lower().startswith("aws:"):
            raise AWSError("InvalidRequestException", "Tag keys starting with aws: are reserved")
        if len(value) > MAX_VALUE_LENGTH or not _allowed(value):
            raise AWSError("InvalidRequestException", f"Invalid tag value of key {key}")
        if key in tags:
            raise AWSError("InvalidRequestException", f"Duplicate tag key: {key}")
        tags[key] = value
    return with_tags({}, tags)


def with_tags(present: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return ``present`` with ``added``. Raises LimitExceededException above 50 tags."""
    tags = {**present, **added}
    if len(tags) > MOST_TAGS:
        message = f"A resource can have at most {MOST_TAGS} tags"
        raise AWSError("LimitExceededException", message, 410)
    return tags


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return ``tags`` as a ``TagList``."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
