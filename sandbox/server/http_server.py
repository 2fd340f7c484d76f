"""HTTP on loopback, by werkzeug: one thread for each connection."""

from __future__ import annotations

import socket
import sys
from typing import Any

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Response

from sandbox.server import control_requests
from sandbox.server.local_aws import LocalAws
from sandbox.server.requests import ApiRequest

HOST = "127.0.0.1"


class Handler(WSGIRequestHandler):
    """One connection. Two things are not werkzeug's, which closes every connection.

    Connections are kept (HTTP/1.1): most of a small call would be connecting. An ordered fault can
    close a connection without an answer.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def run_wsgi(self) -> None:
        """Answer one request."""
        try:
            request = ApiRequest(self.make_environ())
        except ClientDisconnected:
            self.close_connection = True
            return
        response = self.server.respond(request)
        if response is None:
            self.close_connection = True
            return
        body, status, headers = response.get_wsgi_response(request.environ)
        self.log_request(response.status_code)
        self.send_response_only(response.status_code, status.partition(" ")[2])
        self.send_header("Date", self.date_time_string())
        for name, value in headers:
            if name.lower() not in {"connection", "date"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.writelines(body)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Write request lines to stderr, if asked for."""
        if self.server.verbose:
            super().log(type, message, *args)


class Server(ThreadedWSGIServer):
    """Listens on loopback only. Raises OSError if the port is taken."""

    def __init__(self, port: int, verbose: bool = False) -> None:
        self.aws = LocalAws()
        self.verbose = verbose
        # Bound here: werkzeug ends the process if a port is taken.
        with socket.create_server((HOST, port), backlog=self.request_queue_size) as bound:
            super().__init__(HOST, port, Response(), Handler, fd=bound.fileno())
        self.aws.devices.endpoint = self.endpoint

    def respond(self, request: ApiRequest) -> Response | None:
        """Answer one request; None means: close the connection without an answer."""
        if "origin" in request.headers:  # a page in the user's browser, never an AWS client
            return Response("The sandbox does not talk to browsers.\n", 403)
        if request.path.startswith(control_requests.PREFIX):
            return control_requests.respond(self.aws, request)
        return self.aws.respond(request)

    @property
    def endpoint(self) -> str:
        """The URL of the server."""
        return f"http://{HOST}:{self.port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that hangs up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
