"""Observe a policy of AWS IoT. Read-only."""

from __future__ import annotations

from iot_ca.provisioning.facts import Unreadable
from iot_ca.provisioning.observe.reading import Reader


def policy_document(reader: Reader, name: str) -> str | Unreadable | None:
    """Return the document of an AWS IoT policy; None if there is no such policy."""
    answer = reader.read("iot", "get_policy", policyName=name)
    if answer is None or isinstance(answer, Unreadable):
        return answer
    return str(answer["policyDocument"])
