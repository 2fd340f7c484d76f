"""The server: HTTP on loopback, who calls, ordered faults, then moto.

The order of a call: it is authenticated, recorded, hit by any fault, carried out by moto's own
WSGI application, and its outcome is recorded before the answer leaves.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import socketserver
import sys
import threading
import time
import traceback
from dataclasses import asdict
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import import_module, metadata
from typing import Any
from urllib.parse import unquote, urlsplit

from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.core.routing import get_service_router
from moto.moto_server.werkzeug_app import (
    SIGNING_ALIASES,
    BackendRequest,
    DomainDispatcherApplication,
    create_backend_app,
)

from sandbox.identity import iam, sts
from sandbox.identity.principals import (
    PRINCIPAL_KEY,
    Credential,
    Principal,
    credential_of,
    partition_of,
    principal_of_session,
    refusal,
    root_of,
)
from sandbox.iot import operations as iot
from sandbox.permissions import tables as permissions
from sandbox.server.calls import Call, CallLog, is_write, kept_parameters
from sandbox.server.device_side import DeviceSide
from sandbox.server.faults import FaultList, error_of, parse_fault
from sandbox.wire import (
    AWSError,
    Request,
    Response,
    error_code_of,
    error_response,
    json_response,
    protocol_of,
)

HOST = "127.0.0.1"
CONTROL = "/_sandbox/"

# Services that few runs call: each is loaded by the first call, to start quickly without.
LATE_SERVICES = {
    "acm-pca": "sandbox.keys.private_ca",
    "kms": "sandbox.keys.kms",
    "lambda": "sandbox.functions.functions",
    "secretsmanager": "sandbox.keys.secretsmanager",
}


class _Dispatcher(DomainDispatcherApplication):
    """moto's, which lists its folder in each call to see whether the host is one of its modules.

    That was a quarter of what a call costs, and the answer is always the same.
    """

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]


class Sandbox:
    """The whole local AWS: answers a Request with a Response, or with None to cut the line."""

    def __init__(self) -> None:
        iam.install()
        iot.install()
        sts.install()
        # Device certificates get the ID that AWS gives them, as CA certificates do.
        default_user_config.setdefault("iot", {})["use_valid_cert"] = True
        self.calls = CallLog()
        self.faults = FaultList()
        self.enforced: set[str] = set()  # accounts in which policies of roles and users count
        self._started = time.time()
        self._moto = _Dispatcher()
        # moto's backends aren't made for threads, and the rules of DEFAULT mode span accounts:
        # one call at a time makes every check and the write after it one step.
        self._one_call_at_a_time = threading.RLock()
        self.devices = DeviceSide(self._one_call_at_a_time)

    def respond(self, request: Request) -> Response | None:
        """Answers one request; None means: close the connection without an answer."""
        if "origin" in request.headers:  # a page in the user's browser, never an AWS client
            return Response(403, (), b"The sandbox does not talk to browsers.\n")
        if request.path.startswith(CONTROL):
            return self._control(request, request.path.removeprefix(CONTROL))
        return self._call(request)

    # --- AWS calls

    def _call(self, request: Request) -> Response | None:
        call = Call(0.0, "", "", "", "", "", "", False, request.headers.get("user-agent", ""))
        protocol = protocol_of(request, "")
        try:
            credential = credential_of(request)
            if credential is None:
                raise refusal("MissingAuthenticationTokenException", protocol)
            protocol = protocol_of(request, credential.service)
            environ = wsgi_environ(request)
            service = SIGNING_ALIASES.get(credential.service, credential.service)
            operation, in_path = operation_of(request, service, environ)
            call.access_key_id, call.region = credential.access_key_id, credential.region
            call.service, call.operation = service, operation
            call.write = is_write(operation)
            call.parameters = kept_parameters(request.json_body, request.parameters, in_path)
            tagging = {
                name: value for name, value in request.headers.items() if name == "x-amz-tagging"
            }
            given = {**tagging, **request.parameters, **request.json_body, **in_path}
            principal = self._principal(credential, protocol)
            call.principal, call.account = principal.arn, principal.account
        except AWSError as error:
            self.calls.begin(call)
            return self._finish(call, error_response(error, protocol))
        self.calls.begin(call)

        hits = self.faults.take(call)
        delay = sum(fault.seconds for fault in hits)
        if delay:
            time.sleep(delay)
        kind = None
        if hits:
            kind = call.fault = hits[-1].kind
            if kind in {"error", "throttling"}:
                return self._finish(call, error_response(error_of(hits[-1], protocol), protocol))
            if kind == "cut_before":
                return None
        if (service, operation) == ("lambda", "Invoke"):  # runs while other calls come in
            name = str(in_path["FunctionName"])
            functions = self.devices.functions()
            answer = self._denial(call, given, principal, protocol) or functions.respond(
                request, principal.account, call.region, name
            )
        else:
            answer = self._carry_out(call, given, environ, principal, protocol)
        response = self._finish(call, answer)
        return None if kind == "cut_after" else response

    def _principal(self, credential: Credential, protocol: str) -> Principal:
        """Who calls. Raises the service's own refusal of unknown or ended credentials."""
        key = credential.access_key_id
        session = sts.SESSIONS.get(key)
        if session is not None and session.principal.arn.startswith(
            f"arn:{partition_of(credential.region)}:"
        ):
            now = datetime.now(timezone.utc)
            return principal_of_session(session, credential.session_token, now, protocol)
        known = None
        if credential.session_token is None:  # a permanent key with a session token is no key
            if len(key) == 12 and key.isdecimal() and key.isascii():
                known = root_of(key, credential.region)
            else:
                with self._one_call_at_a_time:
                    known = sts.principal_of_access_key(key, credential.region)
        if known is None:
            raise refusal("UnrecognizedClientException", protocol)
        return known

    def _carry_out(
        self,
        call: Call,
        given: dict[str, Any],
        environ: dict[str, Any],
        principal: Principal,
        protocol: str,
    ) -> Response:
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = principal.account
        environ[PRINCIPAL_KEY] = principal
        try:
            with self._one_call_at_a_time:
                if call.service in LATE_SERVICES:
                    import_module(LATE_SERVICES[call.service]).install()
                denial = self._denial(call, given, principal, protocol)
                if denial is not None:
                    return denial
                return run_wsgi(self._moto, environ)
        except NotImplementedError as error:
            message = f"The sandbox has no such operation: {error}"
            return error_response(AWSError("NotImplemented", message, 501), protocol)
        except Exception as error:
            traceback.print_exc()
            message = f"{type(error).__name__} in the sandbox: {error}"
            return error_response(AWSError("InternalFailure", message, 500), protocol)

    def _denial(
        self, call: Call, given: dict[str, Any], principal: Principal, protocol: str
    ) -> Response | None:
        """The refusal of a call that the caller's policies don't allow, where they count.

        Notes what the call asks for.
        """
        if principal.account not in self.enforced:
            return None
        where = call.region, call.service, call.operation
        with self._one_call_at_a_time:
            asked = permissions.asked_for(principal, *where, given)
            call.permissions = [str(each) for each in asked or []]
            why = permissions.refusal(principal, call.service, call.operation, asked)
        if why is None:
            return None
        if protocol in {"query", "ec2", "rest-xml"}:
            return error_response(AWSError("AccessDenied", why, 403), protocol)
        status = 400 if protocol == "json" else 403
        return error_response(AWSError("AccessDeniedException", why, status), protocol)

    @staticmethod
    def _finish(call: Call, response: Response) -> Response:
        call.status, call.error = response.status, error_code_of(response)
        if call.operation == "RegisterCACertificate" and call.error is None:
            answer = Request("", "", "", "", {}, response.body).json_body
            call.parameters |= kept_parameters(answer)
        return response

    # --- control

    def _control(self, request: Request, name: str) -> Response:
        match request.method, name:
            case "GET", "health":
                return json_response(
                    {
                        "server": "sandbox of terraform-aws-iot-ca",
                        "moto": metadata.version("moto"),
                        "pid": os.getpid(),
                        "started": self._started,
                    }
                )
            case "GET", "calls":
                return json_response({"calls": self.calls.matching(request.parameters)})
            case "DELETE", "calls":
                self.calls.forget()
            case "GET", "faults":
                return json_response({"faults": self.faults.pending()})
            case "POST", "faults":
                try:
                    fault = parse_fault(request.json_body)
                except ValueError as error:
                    return json_response({"error": str(error)}, 400)
                self.faults.order(fault)
                return json_response(asdict(fault), 201)
            case "DELETE", "faults":
                self.faults.forget()
            case "GET", "permissions":
                return json_response({"accounts": sorted(self.enforced)})
            case "POST", "permissions":
                account = str(request.json_body.get("account"))
                if not re.fullmatch(r"[0-9]{12}", account):
                    return json_response({"error": "account must have twelve digits"}, 400)
                self.enforced.add(account)
            case "POST", "reset":
                with self._one_call_at_a_time:
                    BackendDict.reset()
                    reset_model_data()
                    sts.SESSIONS.clear()
                    self.enforced.clear()
                    self.calls.forget()
                    self.faults.forget()
                self.devices.reset()
            case _:
                if answer := self.devices.control(request, name):
                    return answer
                return json_response({"error": f"no {request.method} {CONTROL}{name}"}, 404)
        return json_response({})


def operation_of(
    request: Request, service: str, environ: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The name of the operation that ``request`` calls, and the parameters in its path."""
    if "Action" in request.parameters:
        return request.parameters["Action"], {}
    if "x-amz-target" in request.headers:
        return request.headers["x-amz-target"].rpartition(".")[2], {}
    try:
        router = get_service_router({"iotdata": "iot-data"}.get(service, service))
        operation, in_path = router.match(BackendRequest(dict(environ)))
    except Exception:  # a service or a path that botocore's models don't have
        return f"{request.method} {request.path}", {}
    return operation.name, in_path


def wsgi_environ(request: Request) -> dict[str, Any]:
    """``request`` as WSGI has it (PEP 3333)."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(request.path, "latin-1"),
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "QUERY_STRING": request.query,
        "SERVER_NAME": HOST,
        "SERVER_PORT": request.headers.get("host", "").partition(":")[2] or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": HOST,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        if name not in {"content-type", "content-length", "transfer-encoding"} and "_" not in name:
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def run_wsgi(application: Any, environ: dict[str, Any]) -> Response:
    """The Response of a WSGI application, read to its end."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        started[:] = [int(status.split(" ", 1)[0]), headers]

    chunks = application(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers = started
    kept = tuple((k, v) for k, v in headers if k.lower() not in {"content-length", "connection"})
    return Response(status, kept, body)


class Handler(BaseHTTPRequestHandler):
    """One connection. HTTP/1.1 with keep-alive: most of a small call would be connecting."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        body = self._read_body(headers)
        request = Request(self.command, self.path, parts.path, parts.query, headers, body)
        response = self.server.sandbox.respond(request)
        if response is None:
            self.close_connection = True
            return
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if response.status not in {204, 304}:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _handle

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return self.rfile.read(int(headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body

    def send_response(self, code: int, message: str | None = None) -> None:
        """As the base class does, but without its Server header where moto sends one."""
        self.log_request(code)
        with contextlib.suppress(ValueError):
            message = message or HTTPStatus(code).phrase
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def log_message(self, format: str, *args: Any) -> None:
        """Request lines go to stderr, and only when asked for."""
        if self.server.verbose:
            super().log_message(format, *args)


class Server(socketserver.ThreadingTCPServer):
    """Listens on loopback only; serves each connection in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, verbose: bool = False) -> None:
        self.sandbox = Sandbox()
        self.verbose = verbose
        super().__init__((HOST, port), Handler)
        self.sandbox.devices.endpoint = self.endpoint

    @property
    def endpoint(self) -> str:
        """The URL of the server."""
        return f"http://{HOST}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
