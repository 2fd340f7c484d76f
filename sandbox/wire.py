"""Requests, responses and the shapes in which AWS services send errors over HTTP."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

JSON_1_1 = "application/x-amz-json-1.1"


@dataclass(frozen=True)
class Request:
    """One HTTP request, read to its end. Header names are lower case."""

    method: str
    target: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def parameters(self) -> dict[str, str]:
        """First value of every query parameter and of every field of a form body."""
        found = parse_qs(self.query, keep_blank_values=True)
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            found |= parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    @cached_property
    def json_body(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one if it is anything else."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


@dataclass(frozen=True)
class Response:
    """One HTTP response; the server adds Content-Length."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of the header called ``name`` in any case, or None."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


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
    """The error called ``code``, with AWS's status and message where they aren't given."""
    usual_status, usual_message = WELL_KNOWN_ERRORS.get(code, (400, code))
    return AWSError(code, message or usual_message, status or usual_status)


def protocol_of(request: Request, service: str) -> str:
    """Which AWS protocol ``request`` speaks: json, query, ec2, rest-xml or rest-json.

    Told from the request alone: loading a service's model only to refuse a call is slow.
    """
    if "x-amz-target" in request.headers:
        return "json"
    if "Action" in request.parameters and "Version" in request.parameters:
        return "ec2" if service == "ec2" else "query"
    if service in {"s3", "cloudfront", "route53"}:
        return "rest-xml"
    return "rest-json"


def error_response(error: AWSError, protocol: str) -> Response:
    """``error`` as a service speaking ``protocol`` sends it.

    botocore and the Go SDK read the code from ``x-amzn-errortype`` (rest-json), from ``__type``
    (json) or from the XML element ``Code``; each is sent where AWS sends it and nowhere else.
    """
    request_id = str(uuid.uuid4())
    if protocol in {"rest-json", "json"}:
        document = {"message": error.message, **error.members}
        headers = [("x-amzn-RequestId", request_id)]
        if protocol == "json":
            document = {"__type": error.code, **document}
            headers.append(("Content-Type", JSON_1_1))
        else:
            headers += [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
        return Response(error.status, tuple(headers), json.dumps(document).encode())
    sender = "Sender" if error.status < 500 else "Receiver"
    code, message = escape(error.code), escape(error.message)
    inner = f"<Code>{code}</Code><Message>{message}</Message>"
    if protocol == "ec2":
        xml = (
            f"<Response><Errors><Error>{inner}</Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    elif protocol == "rest-xml":
        xml = f"<Error>{inner}<RequestId>{request_id}</RequestId></Error>"
    else:
        xml = (
            f"<ErrorResponse><Error><Type>{sender}</Type>{inner}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    headers = [("x-amzn-RequestId", request_id), ("Content-Type", "text/xml")]
    return Response(error.status, tuple(headers), xml.encode())


_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")


def error_code_of(response: Response) -> str | None:
    """The AWS error code that ``response`` carries; None for a success."""
    if response.status < 400:
        return None
    named = response.header("x-amzn-errortype")
    if named:
        return named.split(":")[0].split("#")[-1]
    found = _XML_CODE.search(response.body)
    if found:
        return found[1].decode()
    try:
        document = json.loads(response.body)
    except ValueError:
        return str(response.status)
    named = document.get("__type") if isinstance(document, dict) else None
    return str(named).split("#")[-1] if named else str(response.status)


def json_response(document: object, status: int = 200) -> Response:
    """``document`` as a JSON response, for the control endpoints."""
    body = json.dumps(document, indent=2).encode() + b"\n"
    return Response(status, (("Content-Type", "application/json"),), body)
