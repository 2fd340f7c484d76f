"""A local AWS in the tests' own process: its state is at hand, and most calls need no connection.

A call over HTTP costs more for the two ends of the connection than for all that AWS does. The
clients that `connect` has seen hand their signed requests over, and take the same answer. While a
fault is ordered all calls go over HTTP, so that a connection which is cut is a real one.
"""

from __future__ import annotations

import copy
import io
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from sandbox.control import Sandbox

_SERVERS: dict[str, Any] = {}  # by their endpoints


@contextmanager
def in_this_process() -> Iterator[Sandbox]:
    """Start a local AWS in a thread of this process; it ends with the block."""
    with pytest.MonkeyPatch.context() as patch:
        # As `python -m sandbox` has it.
        patch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
        patch.setenv("MOTO_DISABLE_GLOBAL_CORS", "true")
        # It takes a second, and few tests need it.
        from sandbox.server.http_server import Server

        with Server(0) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            _SERVERS[server.endpoint] = server
            try:
                yield Sandbox(server.endpoint)
            finally:
                del _SERVERS[server.endpoint]
                server.aws.reset()
                server.shutdown()
                thread.join()


def connect(client: Any, endpoint: str) -> None:
    """Let a client of botocore call the local AWS in this process, if that is its endpoint."""
    server = _SERVERS.get(endpoint)
    if server is None:
        return
    from sandbox.server.requests import ApiRequest

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        if server.aws.faults.pending():
            return None
        response = server.respond(ApiRequest(_environ(request)))
        body: Any = _Body(response.get_data())
        headers: Any = dict(response.headers)
        return AWSResponse(request.url, response.status_code, headers, body)

    client.meta.events.register("before-send", answer)


def keep_state(account: str, region: str) -> Callable[[], None]:
    """Keep what an account has of AWS IoT in this process now; the answer brings it back."""
    from sandbox.iot.backend import backend_of

    backend = backend_of(account, region)
    kept = copy.deepcopy(vars(backend))

    def bring_back() -> None:
        vars(backend).clear()
        vars(backend).update(copy.deepcopy(kept))

    return bring_back


class _Body(io.BytesIO):
    """What botocore reads an answer from."""

    def stream(self) -> Iterator[bytes]:
        """Give all of it."""
        yield self.read()


def _environ(request: AWSPreparedRequest) -> dict[str, Any]:
    """A request as a server of WSGI gives it to an application."""
    url = urlsplit(request.url)
    body: Any = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    headers: Any = request.headers
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(url.path).decode("latin-1"),
        "REQUEST_URI": f"{url.path}?{url.query}" if url.query else url.path,
        "RAW_URI": f"{url.path}?{url.query}" if url.query else url.path,
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTP_HOST": url.netloc,
    }
    return environ | _headers(headers) | {"CONTENT_LENGTH": str(len(body))}


def _headers(headers: Mapping[str, str | bytes]) -> dict[str, str]:
    variables = {}
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        variables[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = text
    return variables
