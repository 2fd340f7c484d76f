"""Refusals in the words of AWS, and the formats in which its protocols send them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape


@dataclass
class AWSError(Exception):
    """A refusal in the words of AWS: code, message, HTTP status and any further members."""

    code: str
    message: str
    status: int = 400
    members: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


# What AWS says when only a code is known: status and message, by code.
WELL_KNOWN_ERRORS = {
    "Throttling": (400, "Rate exceeded"),
    "ThrottlingException": (400, "Rate exceeded"),
    "TooManyRequestsException": (429, "Too Many Requests"),
    "InternalFailure": (500, "We encountered an internal error. Please try again."),
    "InternalFailureException": (500, "An unexpected error has occurred."),
    "ServiceUnavailable": (503, "Service is unavailable. Please try again."),
    "ServiceUnavailableException": (503, "The service is temporarily unavailable."),
    "AccessDenied": (403, "Access Denied"),
    "AccessDeniedException": (403, "User is not authorized to perform this operation."),
    "UnauthorizedException": (401, "You are not authorized to perform this operation."),
    "ExpiredToken": (403, "The security token included in the request is expired"),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "InvalidClientTokenId": (403, "The security token included in the request is invalid."),
    "UnrecognizedClientException": (403, "The security token included in the request is invalid."),
    "MissingAuthenticationToken": (403, "Request is missing Authentication Token"),
    "MissingAuthenticationTokenException": (403, "Missing Authentication Token"),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. "
        "Consult the service documentation for details.",
    ),
    "InvalidRequestException": (400, "The request is not valid."),
    "LimitExceededException": (410, "A limit has been exceeded."),
    "ResourceNotFoundException": (404, "The specified resource does not exist."),
}


def well_known_error(code: str, status: int | None = None, message: str | None = None) -> AWSError:
    """Return the error called ``code``, with AWS's status and message where they aren't given."""
    usual_status, usual_message = WELL_KNOWN_ERRORS.get(code, (400, code))
    return AWSError(code, message or usual_message, status or usual_status)


def encode_error(error: AWSError, protocol: str) -> tuple[int, dict[str, str], str]:
    """Return status, headers and body of ``error``, as a service that speaks ``protocol`` sends it.

    botocore and the Go SDK read the code from ``x-amzn-errortype`` (rest-json), from ``__type``
    (json) or from the XML element ``Code``; each is sent where AWS sends it and nowhere else.
    """
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id}
    if protocol in {"rest-json", "json"}:
        document = {"message": error.message, **error.members}
        if protocol == "json":
            document = {"__type": error.code, **document}
            headers["Content-Type"] = "application/x-amz-json-1.1"
        else:
            headers |= {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
        return error.status, headers, json.dumps(document)
    headers["Content-Type"] = "text/xml"
    return error.status, headers, _encode_xml(error, protocol, request_id)


def _encode_xml(error: AWSError, protocol: str, request_id: str) -> str:
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if protocol == "ec2":
        return (
            f"<Response><Errors><Error>{inner}</Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    if protocol == "rest-xml":
        return f"<Error>{inner}<RequestId>{request_id}</RequestId></Error>"
    sender = "Sender" if error.status < 500 else "Receiver"
    return (
        f"<ErrorResponse><Error><Type>{sender}</Type>{inner}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
