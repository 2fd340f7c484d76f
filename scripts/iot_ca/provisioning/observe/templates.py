"""Observe a provisioning template. Read-only."""

from __future__ import annotations

from collections.abc import Mapping

from iot_ca.provisioning.facts import Template, Unreadable
from iot_ca.provisioning.observe.reading import Reader


def observe_template(
    reader: Reader, registration_config: Mapping[str, str]
) -> Template | Unreadable | None:
    """Return the template of a CA, or the body that the CA carries itself."""
    name = registration_config.get("templateName")
    if name is None:
        body = registration_config.get("templateBody", "")
        return Template(None, "JITP", True, body, registration_config.get("roleArn", ""))
    answer = reader.read("iot", "describe_provisioning_template", templateName=name)
    if answer is None or isinstance(answer, Unreadable):
        return answer
    return Template(
        name,
        # A template from before there were types is one of fleet provisioning.
        answer.get("type") or "FLEET_PROVISIONING",
        bool(answer.get("enabled")),
        answer["templateBody"],
        answer["provisioningRoleArn"],
    )
