"""What was called: one record per AWS API call, in the order in which the calls arrived."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

READ_PREFIXES = ("Get", "List", "Describe", "AssumeRole", "BatchGet")

# Operations that change nothing, whatever their names say.
READ_OPERATIONS = frozenset({"Sign"})

# The only parameters that are ever kept: names and switches, never a document, key or certificate.
KEPT_PARAMETERS = frozenset(
    {
        "certificateId",
        "certificateMode",
        "templateName",
        "versionId",
        "resourceArn",
        "roleArn",
        "provisioningRoleArn",
        "newStatus",
        "newAutoRegistrationStatus",
        "removeAutoRegistration",
        "setAsActive",
        "allowAutoRegistration",
        "setAsDefault",
        "enabled",
        "type",
        "ruleName",
        "thingName",
        "thingGroupName",
        "policyName",
        "functionName",
        "FunctionName",
        "RoleName",
        "RoleArn",
        "RoleSessionName",
        "PolicyArn",
        "PolicyName",
        "UserName",
        "DurationSeconds",
        "SecretId",
        "VersionStage",
        "KmsKeyId",
        "KeyId",
        "KeySpec",
        "KeyUsage",
        "TargetKeyId",
        "AliasName",
        "MessageType",
        "SigningAlgorithm",
        "CertificateAuthorityArn",
        "CertificateArn",
        "TemplateArn",
        "ResourceArn",
    }
)

# A few parameters have another name on the wire than in the API reference.
RENAMED_PARAMETERS = {"caCertificateId": "certificateId"}


@dataclass
class Call:
    """One AWS API call. ``status`` is None while it runs and for a call cut before its effect.

    ``permissions`` is what it asks for, each as "action resource", where permissions are enforced.
    """

    time: float = 0.0
    access_key_id: str = ""
    principal: str = ""
    account: str = ""
    region: str = ""
    service: str = ""
    operation: str = ""
    write: bool = False
    user_agent: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    error: str | None = None
    fault: str | None = None
    permissions: list[str] = field(default_factory=list)


def is_write(operation: str) -> bool:
    """Return whether ``operation`` can change something, judged by AWS's own names."""
    return operation not in READ_OPERATIONS and not operation.startswith(READ_PREFIXES)


def kept_parameters(*sources: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters worth keeping from ``sources``, as text, under the API's names.

    ``registrationConfig.templateName`` is looked for one level down, as ``templateName``.
    """
    kept: dict[str, str] = {}
    for source in sources:
        nested = source.get("registrationConfig")
        if isinstance(nested, Mapping) and isinstance(nested.get("templateName"), str):
            kept["templateName"] = nested["templateName"]
        for name, value in source.items():
            name = RENAMED_PARAMETERS.get(name, name)
            if name in KEPT_PARAMETERS and isinstance(value, str | int | bool):
                kept[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return kept


class CallLog:
    """The calls so far. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def begin(self, call: Call) -> None:
        """Record that ``call`` has arrived; the caller fills in its outcome later."""
        with self._lock:
            call.time = time.time()
            self._calls.append(call)

    def forget(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._calls.clear()

    def matching(self, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the calls whose fields equal ``wanted``, as JSON objects.

        ``write`` is true or false there.
        """
        with self._lock:
            calls = [asdict(call) for call in self._calls]
        return [
            call
            for call in calls
            if all(str(call.get(name)).lower() == value.lower() for name, value in wanted.items())
        ]
