"""A device, as AWS IoT sees one: connects with its certificate, with or without a server name.

    device = Device("device.pem", "device.key", client_id="sensor-1")
    visit = device.visit(listener, "abc-ats.iot.eu-west-1.amazonaws.com")   # None: without SNI
    assert visit.accepted, visit

A real MQTT client (paho) over real TLS; `python -m tools.device --help` for the command line.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

KEEP_ALIVE = 30
# How long a connection may take.
CONNECTION_SECONDS = 10
# Of the command line. With JITR a new device is accepted once the function has run, which takes
# seconds if Lambda starts it for the first time.
ATTEMPTS = 15
PAUSE_SECONDS = 1.0


class Listener(Protocol):
    """Where to connect; what `sandbox.control.Sandbox.devices` returns is one."""

    @property
    def host(self) -> str:
        """The address."""

    @property
    def port(self) -> int:
        """The port."""

    @property
    def ca_pem(self) -> str:
        """The CA certificate that the server's certificate leads to."""


@dataclass(frozen=True)
class Visit:
    """What came of it.

    accepted: whether AWS IoT said yes (CONNACK) in the end.
    attempts: how many connections that took; the first one of a new device is always closed.
    error: how the last attempt ended, as the device sees it: AWS gives no reasons.
    received: what came back, if something was published and subscribed to: topics and payloads.
    lost: whether the server closed the connection after it had accepted it.
    """

    accepted: bool
    attempts: int
    error: str | None = None
    received: tuple[tuple[str, bytes], ...] = ()
    lost: bool = False


class _Context(ssl.SSLContext):
    """Asks for `name`, whatever address the socket is connected to; for none if it is None."""

    name: str | None = None

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        options["server_hostname"] = self.name
        return super().wrap_socket(sock, *args, **options)


@dataclass(frozen=True)
class Device:
    """A device with its certificate (with its CA's behind it or not) and key, as PEM files."""

    certificate: Path | str
    key: Path | str
    client_id: str

    def context(self, ca_pem: str, server_name: str | None) -> ssl.SSLContext:
        """The settings of TLS. Without a name the server's certificate is checked all the same."""
        context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        context.name = server_name
        context.check_hostname = server_name is not None
        context.load_verify_locations(cadata=ca_pem)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def connect(self, listener: Listener, server_name: str | None, seconds: float = 10) -> Session:
        """One connection; `with` ends it. Raises Closed if AWS IoT doesn't accept the device."""
        session = Session(self, listener, server_name)
        session.open(seconds)
        return session

    def visit(
        self,
        listener: Listener,
        server_name: str | None,
        *,
        topic: str | None = None,
        payload: bytes = b"hello",
        attempts: int = 2,
        seconds: float = 20,
        pause: float | None = None,
    ) -> Visit:
        """Connects, and again after a closed connection, as devices do, until accepted.

        attempts: how many connections at most, within `seconds`. Two are enough for JITP; with
            JITR the function behind the rule needs its time.
        pause: seconds between two connections; None for a short pause that grows.
        topic: if given, subscribes to it, publishes `payload` there and waits for it to come back.
        """
        deadline = time.monotonic() + seconds
        made, error = 0, None
        while made < attempts and (left := deadline - time.monotonic()) > 0:
            if made:
                time.sleep(min(0.1 * made, 1, left) if pause is None else min(pause, left))
            made += 1
            try:
                session = self.connect(listener, server_name, min(left, CONNECTION_SECONDS))
            except Closed as closed:
                error = str(closed)
                continue
            with session:
                received = session.exchange(topic, payload) if topic else ()
                return Visit(True, made, session.error, received, session.lost)
        return Visit(False, made, error)


class Closed(Exception):
    """The server has closed the connection, or never answered; as the device sees it."""


@dataclass
class Session:
    """A connection of a device."""

    device: Device
    listener: Listener
    server_name: str | None
    error: str | None = None
    lost: bool = False
    received: list[tuple[str, bytes]] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)

    def open(self, seconds: float) -> None:
        """Connects. Raises Closed."""
        self._changed = threading.Condition()
        self._accepted = False
        self._leaving = False
        client = self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self.device.client_id,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self.device.context(self.listener.ca_pem, self.server_name))
        if self.server_name is None:
            client.tls_insecure_set(True)  # paho would compare the name with the address
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        try:
            client.connect(self.listener.host, self.listener.port, KEEP_ALIVE)
        except OSError as error:
            raise Closed(f"the handshake failed: {error}") from None
        # paho's own thread: it alone may touch the socket, which isn't made for two at once.
        client.loop_start()
        if not self._wait(lambda: self._accepted or self.lost, seconds):
            self.close()
            raise Closed("no answer came")
        if not self._accepted:
            self.close()
            raise Closed(self.error or "the server closed the connection")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Says goodbye."""
        self._leaving = True
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, qos: int = 1, seconds: float = 10) -> bool:
        """Publishes; returns whether the server has taken it. QoS 0 says yes to everything."""
        sent = self._client.publish(topic, payload, qos)
        try:
            self._wait(lambda: self.lost or sent.is_published(), seconds)
            return sent.is_published()
        except RuntimeError:  # paho: the connection was lost before it could be sent
            return False

    def subscribe(self, topic_filter: str, qos: int = 1, seconds: float = 10) -> bool:
        """Subscribes; returns whether the server has granted it."""
        before = len(self.granted)
        self._client.subscribe(topic_filter, qos)
        granted = self._wait(lambda: len(self.granted) > before or self.lost, seconds)
        return granted and len(self.granted) > before and self.granted[-1] < 128

    def wait_for_message(self, count: int = 1, seconds: float = 10) -> bool:
        """Waits until `count` messages have come altogether; returns whether they have."""
        return self._wait(lambda: len(self.received) >= count or self.lost, seconds) and (
            len(self.received) >= count
        )

    def wait_for_end(self, seconds: float = 10) -> bool:
        """Waits until the server closes the connection; returns whether it has."""
        return self._wait(lambda: self.lost, seconds)

    def exchange(self, topic: str, payload: bytes) -> tuple[tuple[str, bytes], ...]:
        """Subscribes to `topic`, publishes there, and returns what came."""
        if self.subscribe(topic) and self.publish(topic, payload):
            self.wait_for_message()
        return tuple(self.received)

    # paho calls these from its thread

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not done():
                if time.monotonic() > deadline:
                    return False
                self._changed.wait(0.02)  # paho tells of what it has sent a little too early
        return True

    def _on_connect(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        with self._changed:
            self._accepted = not reason.is_failure
            self.error = str(reason) if reason.is_failure else None

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        with self._changed:
            if not self._leaving:
                self.error = f"the server closed the connection ({reason})"
                self.lost = True

    def _on_message(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        self.received.append((message.topic, bytes(message.payload)))

    def _on_subscribe(self, _c: Any, _u: Any, _m: Any, reasons: Any, _p: Any) -> None:
        self.granted += [reason.value for reason in reasons]


@dataclass(frozen=True)
class _Address:
    host: str
    port: int
    ca_pem: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Connect one device; return the exit status: 0 if it was accepted."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.device",
        description="Connect one device by MQTT over TLS, again and again until it is accepted. "
        "The exit status is 0 if it was.",
    )
    parser.add_argument("--certificate", required=True, help="PEM file, its CA's behind it or not")
    parser.add_argument("--key", required=True, help="PEM file")
    parser.add_argument("--client-id", required=True, help="for most policies the thing's name")
    parser.add_argument("--address", required=True, metavar="HOST:PORT", help="where to connect")
    parser.add_argument("--ca", required=True, type=Path, help="PEM file of the CA to trust")
    parser.add_argument(
        "--server-name", help="the account's endpoint (default: none; no SNI is sent)"
    )
    parser.add_argument("--topic", help="subscribe to it and publish there (default: none)")
    parser.add_argument(
        "--attempts",
        type=int,
        default=ATTEMPTS,
        help="how many connections at most (default: %(default)s)",
    )
    parser.add_argument(
        "--pause",
        type=float,
        default=PAUSE_SECONDS,
        help="seconds between two connections (default: %(default)g)",
    )
    given = parser.parse_args(arguments)
    host, _, port = given.address.rpartition(":")
    address = _Address(host, int(port), given.ca.read_text(encoding="utf-8"))
    device = Device(given.certificate, given.key, given.client_id)
    visit = device.visit(
        address,
        given.server_name,
        topic=given.topic,
        attempts=given.attempts,
        seconds=given.attempts * (CONNECTION_SECONDS + given.pause),
        pause=given.pause,
    )
    with contextlib.suppress(BrokenPipeError):
        print(f"{'accepted' if visit.accepted else 'refused'} at attempt {visit.attempts}")
        for topic, payload in visit.received:
            print(f"{topic}: {payload.decode(errors='replace')}")
        if visit.error:
            print(visit.error, file=sys.stderr)
    return 0 if visit.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
