"""Lambda's operation Invoke."""

from __future__ import annotations

import base64
import json
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from sandbox.errors import AWSError, encode_error
from sandbox.functions.runner import Functions


def respond(
    functions: Functions, request: Request, account: str, region: str, name: str
) -> Response:
    """Answer Invoke: at once (``RequestResponse``), or later (``Event``)."""
    kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
    try:
        event = json.loads(request.get_data() or b"{}")
    except ValueError:
        message = "Could not parse request body into json"
        return _refused(AWSError("InvalidRequestContentException", message))
    function = functions.find(account, region, unquote(name), request.args.get("Qualifier"))
    if function is None:
        message = f"Function not found: {unquote(name)}"
        return _refused(AWSError("ResourceNotFoundException", message, 404))
    if kind == "DryRun":
        return Response(status=204)
    if kind == "Event":
        functions.invoke_later(function, event)
        return Response(status=202)
    outcome = functions.invoke(function, event)
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST"}
    if outcome.error is not None:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if request.headers.get("x-amz-log-type") == "Tail":
        headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log.encode()).decode()
    return Response(outcome.payload, 200, headers)


def _refused(error: AWSError) -> Response:
    status, headers, body = encode_error(error, "rest-json")
    return Response(body, status, headers)
