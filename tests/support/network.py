"""The network between Terraform and AWS."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Exchange:
    """A request on the wire and what was answered."""

    request: bytes = b""
    answer: bytes = b""


@contextlib.contextmanager
def wiretap(endpoint: str) -> Iterator[tuple[str, list[Exchange]]]:
    """An endpoint in front of `endpoint`, and everything that went through it, as it comes."""
    target = urlsplit(endpoint)
    heard: list[Exchange] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def forward(source: socket.socket, sink: socket.socket, on: list[Exchange], up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not up:
                    on[-1].answer += data
                elif on and not on[-1].answer:
                    on[-1].request += data
                else:
                    # HTTP/1.1 without pipelining: what follows an answer is the next request.
                    on.append(Exchange(data))
                    heard.append(on[-1])
                sink.sendall(data)
        for connection in (source, sink):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            for _ in itertools.count():
                client, _address = listener.accept()
                server = socket.create_connection((target.hostname or "", target.port or 0))
                on: list[Exchange] = []
                for ends in ((client, server, on, True), (server, client, on, False)):
                    threading.Thread(target=forward, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        listener.close()


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port of loopback where nobody listens, and nobody else can meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
