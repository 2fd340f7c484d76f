"""What Secrets Manager, KMS and Private CA have in common: the json protocol, and other accounts.

A call with an ARN of another account runs in that account, if the resource's policy lets the
caller in. The region of an ARN must be the region that is called: these services know nothing of
other regions.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import BaseResponse

from sandbox.errors import AWSError, encode_error
from sandbox.identity.principals import PRINCIPAL_KEY, Principal

ARN = re.compile(r"arn:(aws[a-z-]*):([a-z-]+):([a-z0-9-]+):(\d{12}):(.+)")


def validation(message: str) -> AWSError:
    """Return a ValidationException, as the services' front ends send it."""
    return AWSError("ValidationException", f"1 validation error detected: {message}")


def access_denied(caller: Principal, action: str, resource: str, why: str) -> AWSError:
    """Return an AccessDeniedException in IAM's words; 400 in services of the json protocol."""
    return AWSError(
        "AccessDeniedException",
        f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} "
        f"because {why}",
    )


def not_here(what: str) -> AWSError:
    """Return the refusal of what AWS has and the sandbox lacks: stricter than moto's guess."""
    return AWSError("NotImplemented", f"The sandbox has no such operation: {what}", 501)


def policy_silent(action: str) -> str:
    """Return why a call is denied that no policy of the resource allows (IAM user guide, seen)."""
    return f"no resource-based policy allows the {action} action"


def explicit_deny() -> str:
    """Return why a call is denied that the resource's policy denies (IAM user guide)."""
    return "of an explicit deny in a resource-based policy"


class JsonOperations(BaseResponse):
    """Mixed into moto's responses: checked parameters, refusals in AWS's words, authorization.

    supported: the operations that exist here; moto's others are refused.
    """

    backends: BackendDict[Any]
    supported: frozenset[str]

    @property
    def principal(self) -> Principal:
        """Who calls."""
        principal: Principal = self.normalized_request.environ[PRINCIPAL_KEY]
        return principal

    def authorize(self, operation: str) -> None:
        """Refuse the call or sets ``current_account`` to the account that it runs in."""
        raise NotImplementedError

    def call_action(self) -> TYPE_RESPONSE:
        """Run the operation; a refusal becomes the JSON in which AWS sends it.

        Every refusal of a request has status 400 in these services (API references).
        """
        try:
            if self.region not in self.backends[self.current_account]:
                raise validation(f"The sandbox knows no region {self.region}")
            operation = self._get_action()
            if operation not in self.supported:
                raise not_here(operation)
            self.authorize(operation)
            status, headers, body = super().call_action()
        except AWSError as error:
            return encode_error(error, "json")
        if 400 <= status < 500:
            status, headers = 400, {**headers, "status": "400"}
        return status, headers, body

    def account_backend(self) -> Any:
        """Return the backend of the account that the call runs in."""
        return self.backends[self.current_account][self.region]

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        """The request's members that aren't null."""
        try:
            document = json.loads(self.body or "{}")
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise AWSError("SerializationException", "The request body is not a JSON object")
        return {name: value for name, value in document.items() if value is not None}

    def text(self, name: str) -> str | None:
        """Return the member ``name``, or None if it isn't there; refuses anything but text."""
        value = self.document.get(name)
        if value is not None and not isinstance(value, str):
            raise AWSError("SerializationException", f"{name} must be text")
        return value

    def needed(self, name: str) -> str:
        """Return the member ``name``; refuses a call without it."""
        value = self.text(name)
        if value is None:
            member = name[0].lower() + name[1:]
            raise validation(
                f"Value null at '{member}' failed to satisfy constraint: Member must not be null"
            )
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """Return the member ``name``, if the enumeration ``allowed`` has it, or ``default``."""
        value = self.text(name) or default
        if value is None:
            value = self.needed(name)
        if value not in allowed:
            member = name[0].lower() + name[1:]
            raise validation(
                f"Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy "
                f"enum value set: [{', '.join(allowed)}]"
            )
        return value

    def blob(self, name: str, most: int) -> bytes:
        """Return the bytes of the base64 member ``name``: 1 to ``most`` of them."""
        try:
            value = base64.b64decode(self.needed(name), validate=True)
        except binascii.Error:
            raise AWSError("SerializationException", f"{name} is not base64") from None
        if not 1 <= len(value) <= most:
            member = name[0].lower() + name[1:]
            raise validation(
                f"Value at '{member}' failed to satisfy constraint: Member must have length "
                f"between 1 and {most}"
            )
        return value
