"""What an HTTP request says in terms of AWS: parameters, protocol, operation."""

from __future__ import annotations

import io
import re
import threading
from functools import cached_property
from typing import Any

from moto.core.routing import get_service_router
from moto.moto_server.werkzeug_app import BackendRequest
from werkzeug.wrappers import Request, Response

from sandbox.errors import AWSError, encode_error
from sandbox.moto_service import OPERATION_KEY

# To load a service's model takes 50 ms. Without the lock, each call of a burst would load it.
_LOADING = threading.Lock()
_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")


class ApiRequest(Request):
    """An HTTP request, read to its end, so that moto can read it once more."""

    max_form_memory_size = None  # AWS's own quotas apply, not werkzeug's 500 kB

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        body = self.get_data()
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The first value of every query parameter and of every field of a form body."""
        return {**self.args.to_dict(), **self.form.to_dict()}

    @cached_property
    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one if it is anything else."""
        document = self.get_json(force=True, silent=True)
        return document if isinstance(document, dict) else {}


def protocol_of(request: ApiRequest, service: str) -> str:
    """Return the AWS protocol of ``request``: json, query, ec2, rest-xml or rest-json.

    Derived from the request alone: loading a service's model only to refuse a call is slow.
    """
    if "x-amz-target" in request.headers:
        return "json"
    if "Action" in request.parameters and "Version" in request.parameters:
        return "ec2" if service == "ec2" else "query"
    if service in {"s3", "cloudfront", "route53"}:
        return "rest-xml"
    return "rest-json"


def operation_of(request: ApiRequest, service: str) -> tuple[str, dict[str, Any]]:
    """Return the name of the operation that ``request`` calls, and the parameters in its path."""
    if "Action" in request.parameters:
        return request.parameters["Action"], {}
    if "x-amz-target" in request.headers:
        return request.headers["x-amz-target"].rpartition(".")[2], {}
    try:
        with _LOADING:
            router = get_service_router({"iotdata": "iot-data"}.get(service, service))
        operation, in_path = router.match(BackendRequest(dict(request.environ)))
    except Exception:  # a service or a path that botocore's models don't have
        return f"{request.method} {request.path}", {}
    request.environ[OPERATION_KEY] = operation.name, in_path
    return operation.name, in_path


def error_response(error: AWSError, protocol: str) -> Response:
    """Return ``error`` as a service that speaks ``protocol`` sends it."""
    status, headers, body = encode_error(error, protocol)
    return Response(body, status, headers)


def error_code_of(response: Response) -> str | None:
    """Return the AWS error code that ``response`` carries; None for a success."""
    if response.status_code < 400:
        return None
    header = response.headers.get("x-amzn-errortype")
    if header:
        return header.split(":")[0].split("#")[-1]
    in_xml = _XML_CODE.search(response.get_data())
    if in_xml:
        return in_xml[1].decode()
    document = response.get_json(force=True, silent=True)
    code = document.get("__type") if isinstance(document, dict) else None
    return str(code).split("#")[-1] if code else str(response.status_code)
