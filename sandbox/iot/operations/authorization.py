"""TestAuthorization, which moto lacks.

Source: API reference, "TestAuthorization", "AuthInfo" and "AuthResult".
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult

from sandbox.iot import policy_evaluation
from sandbox.iot.certificates import load_certificate, subject_of
from sandbox.iot.device_permissions import DevicePermissions, permissions_of
from sandbox.iot.operations.request import IoTRequest
from sandbox.iot.refusals import check_member, invalid_request, not_found

NOT_SUPPORTED = {"cognitoIdentityPoolId", "policyNamesToAdd", "policyNamesToSkip"}
ACTIONS = ("PUBLISH", "SUBSCRIBE", "RECEIVE", "CONNECT")


class AuthorizationOperations(IoTRequest):
    """The operation that says what a device may do."""

    def test_authorization(self) -> ActionResult:
        """TestAuthorization of a certificate, with the policies that it has.

        The certificate need not be ACTIVE: the reference names no such condition.
        """
        principal = self.needed("principal")
        held = next((c for c in self.backend.certificates.values() if c.arn == principal), None)
        if held is None:
            raise not_found(f"The principal {principal} does not exist")
        if self.document.keys() & NOT_SUPPORTED:
            raise invalid_request("The sandbox tests the policies of certificates only")
        infos = self.document.get("authInfos")
        if not isinstance(infos, list) or not 1 <= len(infos) <= 10:
            raise invalid_request("authInfos must have between 1 and 10 items")
        certificate = load_certificate(held.certificate_pem, "certificate")
        client_id = self.query.get("clientId", "")
        permissions = permissions_of(self.backend, held.arn, client_id, subject_of(certificate))
        return ActionResult({"authResults": [self._result(info, permissions) for info in infos]})

    def _result(self, info: Any, permissions: DevicePermissions) -> dict[str, Any]:
        if not isinstance(info, dict) or not info.get("resources"):
            raise invalid_request("authInfos must have resources")
        action = check_member("actionType", str(info.get("actionType")), ACTIONS)
        return _result(info, f"iot:{action.capitalize()}", permissions)


def _result(info: dict[str, Any], action: str, permissions: DevicePermissions) -> dict[str, Any]:
    """Return the AuthResult of one AuthInfo, which is allowed if all its resources are."""
    verdicts = {
        name: [
            policy_evaluation.verdict(document, action, str(resource), permissions.variables)
            for resource in info["resources"]
        ]
        for name, document in permissions.documents.items()
    }
    denying = [name for name, answers in verdicts.items() if False in answers]
    allowing = [name for name, answers in verdicts.items() if True in answers]
    if denying:
        decision, denied = "EXPLICIT_DENY", {"explicitDeny": {"policies": _policies(denying)}}
    elif all(permissions.allow(action, str(resource)) for resource in info["resources"]):
        decision, denied = "ALLOWED", {}
    else:
        silent = [name for name in verdicts if name not in allowing]
        decision, denied = "IMPLICIT_DENY", {"implicitDeny": {"policies": _policies(silent)}}
    return {
        "authInfo": info,
        "allowed": {"policies": _policies(allowing)},
        "denied": denied,
        "authDecision": decision,
        "missingContextValues": [],
    }


def _policies(names: list[str]) -> list[dict[str, str]]:
    return [{"policyName": name} for name in names]
