"""Who calls: from the signature of a request to a principal.

An access key ID of twelve digits is that account's root user. Every other key must have been
issued by the sandbox itself: by ``sts:AssumeRole`` or ``iam:CreateAccessKey``.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from sandbox.errors import AWSError, well_known_error
from sandbox.identity.principals import Principal, Session
from sandbox.server.requests import ApiRequest

SCOPE = re.compile(r"([^/\s]+)/(\d{8})/([^/\s]+)/([^/\s]+)/aws4_request")


@dataclass(frozen=True)
class Credential:
    """What a signed request says about its signer and its addressee."""

    access_key_id: str
    region: str
    service: str
    session_token: str | None


def credential_of(request: ApiRequest) -> Credential | None:
    """Return the credential in the Authorization header or a presigned URL; None if unsigned.

    Raises IncompleteSignature for a header that isn't Signature Version 4. The signature itself
    isn't checked: any secret goes with an account's number.
    """
    header = request.headers.get("authorization")
    token = request.headers.get("x-amz-security-token")
    if header is not None:
        scope = re.search(rf"^AWS4-HMAC-SHA256\s+Credential={SCOPE.pattern}[,\s]", header)
        if not scope or "Signature=" not in header or "SignedHeaders=" not in header:
            raise AWSError(
                "IncompleteSignature",
                "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' "
                "parameters of Signature Version 4.",
            )
    else:
        presigned = request.parameters.get("X-Amz-Credential")
        token = request.parameters.get("X-Amz-Security-Token", token)
        scope = SCOPE.fullmatch(presigned) if presigned is not None else None
        if not scope:
            return None
    return Credential(scope[1], scope[3], scope[4], token or None)


def refusal(code: str, protocol: str) -> AWSError:
    """Return a refusal of credentials: services that speak XML name the same errors differently."""
    if protocol in {"query", "ec2", "rest-xml"}:
        code = {
            "UnrecognizedClientException": "InvalidClientTokenId",
            "ExpiredTokenException": "ExpiredToken",
            "MissingAuthenticationTokenException": "MissingAuthenticationToken",
        }.get(code, code)
    return well_known_error(code)


def principal_of_session(
    session: Session, token: str | None, now: datetime, protocol: str
) -> Principal:
    """Return the principal of ``session``.

    Refuses a missing or wrong token first, then an expired session.
    """
    if token is None or not hmac.compare_digest(token.encode(), session.session_token.encode()):
        raise refusal("UnrecognizedClientException", protocol)
    if now >= session.expiration:
        raise refusal("ExpiredTokenException", protocol)
    return session.principal
