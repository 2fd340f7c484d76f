"""Where devices connect: TLS and MQTT on loopback, one listener for each region.

As at AWS, a region's listener serves the endpoints of all accounts, and the server name (SNI) tells
which one is meant. What is decided is in ``devices``, ``device_policies`` and ``jitp``; here it
meets sockets. Imported only when devices are asked for, since it brings pyOpenSSL along.
"""

from __future__ import annotations

import contextlib
import functools
import json
import selectors
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from OpenSSL import SSL

from sandbox.device_log import DeviceEvent, DeviceLog
from sandbox.devices import admission as devices
from sandbox.devices import jitp, mqtt, provisioning, topic_rules
from sandbox.devices.tls import Authority
from sandbox.functions.messages import send
from sandbox.functions.runner import Functions
from sandbox.identity.service_roles import NotAllowed, assumable, require, source
from sandbox.iot.backend import backend_of

HOST = "127.0.0.1"
TICK = 0.25  # seconds until a connection that is quiet looks whether it may go on
PATIENCE = 10  # seconds for a handshake and for the first packet
REGISTERED = "$aws/events/certificates/registered/"


def _now() -> datetime:
    return datetime.now(timezone.utc)


class Gateway:
    """All listeners, connections and subscriptions. ``lock`` guards moto's state and them."""

    def __init__(
        self, lock: AbstractContextManager[Any], functions: Functions, log: DeviceLog
    ) -> None:
        self.lock = lock
        self.log = log
        self.host = HOST
        self.authority = Authority()
        self._functions = functions
        self._listeners: dict[str, Listener] = {}
        # By account, region and client ID: AWS lets one connection have a client ID.
        self.connected: dict[tuple[str, str, str], Connection] = {}

    def listen(self, region: str, port: int = 0) -> int:
        """Starts the listener of ``region`` unless there is one; returns its port."""
        with self.lock:
            if region not in self._listeners:
                self._listeners[region] = Listener(self, region, port)
            return self._listeners[region].port

    def disconnect_all(self, reason: str) -> None:
        """Ends every connection."""
        with self.lock:
            connections = list(self.connected.values())
        for connection in connections:
            connection.end(reason)

    def publish(
        self, account: str, region: str, message: mqtt.Message, client_id: str = "N/A"
    ) -> None:
        """Hands a message to the subscribers and the topic rules of an account."""
        arrived = topic_rules.Arrived(message.topic, message.payload, client_id)
        era = self.log.era
        with self.lock:
            backend = backend_of(account, region)
            rules = list(backend.rules.values())
            receivers = [
                (connection, qos)
                for (owner, place, _), connection in self.connected.items()
                if (owner, place) == (account, region)
                and (qos := connection.wants(message.topic)) is not None
                and connection.may("iot:Receive", "topic", message.topic)
            ]
        for connection, qos in receivers:
            connection.deliver(replace(message, qos=min(qos, message.qos)))
        for rule in rules:
            problems = topic_rules.run(rule, arrived, functools.partial(self._act, rule))
            for problem in problems:
                self.log.add(
                    DeviceEvent("rule", "failed", region, account, rule.rule_name, reason=problem),
                    era,
                )

    def _act(self, rule: Any, name: str, settings: Mapping[str, Any], data: Any) -> None:
        """Carries out an action of a topic rule. Raises ActionFailed."""
        account, region = rule.account_id, rule.region_name
        try:
            with self.lock:
                if name == "lambda":
                    function = self._functions.find_for_rule(settings["functionArn"], rule.arn)
                    self._functions.invoke_later(function, data)
                    return
                wanted = settings.get("roleArn", "")
                role = assumable(wanted, account, "iot.amazonaws.com", source(rule.arn))
                body = json.dumps(data)
                if name == "sqs":
                    *_, owner, queue = settings["queueUrl"].split("/")
                    target = f"arn:{role.arn.split(':')[1]}:sqs:{region}:{owner}:{queue}"
                    send(target, body, role)
                elif name == "sns":
                    send(settings["targetArn"], body, role)
                elif name == "republish":
                    topic = mqtt.checked_topic(settings["topic"])
                    arn = backend_of(account, region).arn_of("topic", topic)
                    require(role, "iot:Publish", arn)
                else:
                    raise topic_rules.ActionFailed(f"the sandbox has no action {name}")
            if name == "republish":
                self.publish(account, region, mqtt.Message(topic, body.encode(), 1))
        except (NotAllowed, mqtt.Malformed) as problem:
            raise topic_rules.ActionFailed(str(problem)) from None


class Listener:
    """Accepts the connections of one region."""

    def __init__(self, gateway: Gateway, region: str, port: int) -> None:
        self._gateway, self._region = gateway, region
        self._context = gateway.authority.context(region)
        self._socket = socket.create_server((HOST, port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._socket.accept()
            connection = Connection(self._gateway, self._region, self._context, sock)
            threading.Thread(target=connection.serve, daemon=True).start()


class Connection:
    """One device: handshake, admission, then MQTT until it ends."""

    def __init__(
        self, gateway: Gateway, region: str, context: SSL.Context, sock: socket.socket
    ) -> None:
        self._gateway, self._region, self._socket = gateway, region, sock
        # pyOpenSSL works on the descriptor: a blocking one, with the kernel's limits of time.
        limit = struct.pack("ll", PATIENCE, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = SSL.Connection(context, sock)
        self._tls.set_accept_state()
        self._io = threading.Lock()  # a TLS connection isn't made for two threads at once
        self._selector = selectors.DefaultSelector()
        self._buffer = bytearray()
        self._ended: str | None = None
        self._event = DeviceEvent("connection", "refused", region)
        self._era = gateway.log.era
        self._account = ""
        self._device: Any = None
        self._subject: Mapping[str, str] = {}
        self._client_id = ""
        self._filters: dict[str, int] = {}
        self._keep_alive = 0
        self._packet_id = 0
        self._heard = time.monotonic()

    # --- the life of a connection

    def serve(self) -> None:
        """All of it. Whatever happens, it is logged and the socket closed."""
        will: mqtt.Message | None = None
        self._gateway.log.begin()  # until it is let in or not
        waited_for = True
        try:
            presented = self._shake_hands()
            if presented is not None and self._admit(presented):
                connect = self._connect()
                will = connect.will
                self._gateway.log.end()
                waited_for = False
                will = self._serve_packets(will)
                self._log("disconnected", self._ended or "it left")
        except devices.Refused as refused:
            self._account = refused.account or self._account
            self._log("refused", refused.reason)
        except mqtt.Malformed as problem:
            self._log("refused" if waited_for else "disconnected", f"MQTT: {problem}")
        except Exception:
            traceback.print_exc(file=sys.stderr)
            self._log("refused" if waited_for else "disconnected", "an error in the sandbox")
        finally:
            self._leave()
            if will is not None:
                self._gateway.publish(self._account, self._region, will, self._client_id)
            if waited_for:
                self._gateway.log.end()

    @property
    def _key(self) -> tuple[str, str, str]:
        return self._account, self._region, self._client_id

    def _log(self, outcome: str, reason: str | None = None) -> None:
        event = replace(self._event, outcome=outcome, reason=reason, time=time.time())
        self._gateway.log.add(
            replace(event, account=self._account or None, name=self._client_id or None), self._era
        )

    def _leave(self) -> None:
        with self._gateway.lock:
            if self._gateway.connected.get(self._key) is self:
                del self._gateway.connected[self._key]
        with self._io, contextlib.suppress(SSL.Error, OSError):
            self._tls.shutdown()
        self._selector.close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()

    def end(self, reason: str) -> None:
        """Makes the connection end soon; from any thread."""
        self._ended = self._ended or reason

    # --- admission

    def _shake_hands(self) -> devices.Presented | None:
        """The handshake; None if there was none, as from a client without a certificate."""
        try:
            self._tls.do_handshake()
        except (SSL.Error, OSError) as error:
            reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
            told = ", ".join(str(reason[-1]) for reason in reasons) or type(error).__name__
            self._log("refused", f"TLS: {told}")
            return None
        certificate = self._tls.get_peer_certificate(as_cryptography=True)
        assert certificate is not None  # the handshake fails without one
        name = self._tls.get_servername()
        presented = devices.Presented(
            certificate,
            # On a server's side OpenSSL leaves the peer's own out of it.
            tuple(self._tls.get_peer_cert_chain(as_cryptography=True) or []),
            None if name is None else name.decode("ascii", "replace"),
        )
        self._event = replace(
            self._event,
            certificate_id=presented.certificate_id,
            server_name=presented.server_name,
        )
        self._subject = jitp.subject_of(certificate)
        return presented

    def _admit(self, presented: devices.Presented) -> bool:
        """Whether the device is known. A first contact does its work and ends the connection.

        AWS disconnects the device of a first contact, which then has to come again (jitr).
        """
        gateway = self._gateway
        with gateway.lock:
            found = list(provisioning.holdings(presented.certificate_id, self._region))
            admission = devices.admit(presented, self._region, found, _now())
            self._account = admission.account
            backend = backend_of(admission.account, self._region)
            if admission.ca is None:
                self._device = backend.certificates[presented.certificate_id]
                return True
            device = provisioning.register(backend, presented.certificate, admission.ca)
            if admission.ca.config is not None:
                try:
                    provisioning.provision(backend, device, presented.certificate, admission.ca)
                except jitp.ProvisioningFailed as problem:
                    self._log("provisioning-failed", str(problem))
                else:
                    self._log("provisioned")
                return False
        event = devices.registered_event(
            presented.certificate_id, admission.ca.certificate_id, admission.account, _now()
        )
        topic = REGISTERED + admission.ca.certificate_id
        self._log("registered")
        message = mqtt.Message(topic, json.dumps(event).encode(), 1)
        gateway.publish(self._account, self._region, message)
        return False

    def may(self, action: str, kind: str, name: str) -> bool:
        """Whether the device's policies allow it. Callers hold the lock."""
        backend = backend_of(self._account, self._region)
        return provisioning.permitted(
            backend, self._device, self._client_id, self._subject, action, kind, name
        )

    def _allowed(self, action: str, kind: str, name: str) -> bool:
        with self._gateway.lock:
            return self.may(action, kind, name)

    # --- MQTT

    def _connect(self) -> mqtt.Connect:
        """Takes the CONNECT. Raises Refused: AWS hangs up then, without a CONNACK (seen)."""
        deadline = time.monotonic() + PATIENCE
        packet = None
        while packet is None:
            packet = self._next(deadline)
            if self._buffer and self._buffer[0] >> 4 != mqtt.CONNECT and packet is None:
                raise mqtt.Malformed("the first packet is no CONNECT")
        connect = mqtt.parse_connect(packet)
        if not connect.client_id:
            raise devices.Refused("the device sent no client ID", self._account)
        self._client_id = connect.client_id
        if not self._allowed("iot:Connect", "client", connect.client_id):
            self._deny("iot:Connect", f"client/{connect.client_id}")
        will = connect.will
        if will and not self._allowed("iot:Publish", "topic", will.topic):
            self._deny("iot:Publish", f"topic/{will.topic}")
        self._keep_alive = connect.keep_alive
        with self._gateway.lock:
            before = self._gateway.connected.get(self._key)
            self._gateway.connected[self._key] = self
        if before is not None:
            before.end("another connection has its client ID")
        self._log("connected")
        self._send(mqtt.connack())
        return connect

    def _deny(self, action: str, resource: str) -> None:
        raise devices.Refused(
            f"no policy of the device certificate allows {action} on {resource}", self._account
        )

    def _serve_packets(self, will: mqtt.Message | None) -> mqtt.Message | None:
        """Serves packets until the connection ends; returns the last will, if it counts."""
        while self._ended is None:
            packet = self._next(None)
            if packet is None:
                continue
            match packet.kind:
                case mqtt.PUBLISH:
                    self._published(mqtt.parse_publish(packet))
                case mqtt.SUBSCRIBE:
                    self._subscribed(*mqtt.parse_subscribe(packet))
                case mqtt.UNSUBSCRIBE:
                    packet_id, filters = mqtt.parse_unsubscribe(packet)
                    with self._gateway.lock:
                        for name in filters:
                            self._filters.pop(name, None)
                    self._send(mqtt.unsuback(packet_id))
                case mqtt.PINGREQ:
                    self._send(mqtt.pingresp())
                case mqtt.PUBACK:
                    pass
                case mqtt.DISCONNECT:
                    self.end("it said goodbye")
                    return None
                case _:
                    raise mqtt.Malformed(f"unexpected packet of type {packet.kind}")
        return will

    def _published(self, message: mqtt.Message) -> None:
        if message.retain:
            raise mqtt.Malformed("the sandbox keeps no retained messages")
        if message.topic.startswith("$") or not self._allowed(
            "iot:Publish", "topic", message.topic
        ):
            self.end(f"it may not iot:Publish on topic/{message.topic}")  # AWS disconnects (seen)
            return
        self._gateway.publish(self._account, self._region, message, self._client_id)
        if message.qos:
            self._send(mqtt.puback(message.packet_id))

    def _subscribed(self, packet_id: int, filters: list[tuple[str, int]]) -> None:
        for name, _ in filters:
            if not self._allowed("iot:Subscribe", "topicfilter", name):
                self.end(f"it may not iot:Subscribe to topicfilter/{name}")  # likewise (seen)
                return
        granted = [min(qos, 1) for _, qos in filters]
        with self._gateway.lock:
            self._filters.update(zip((name for name, _ in filters), granted, strict=True))
        self._send(mqtt.suback(packet_id, granted))

    def wants(self, topic: str) -> int | None:
        """The QoS at which the device has subscribed to ``topic``; None if it hasn't."""
        found = [qos for name, qos in self._filters.items() if mqtt.matches(name, topic)]
        return max(found, default=None)

    def deliver(self, message: mqtt.Message) -> None:
        """Sends a message to the device. What QoS 1 loses stays lost: there are no sessions."""
        with self._gateway.lock:
            packet_id = self._packet_id = self._packet_id % 65535 + 1
        self._send(mqtt.publish(replace(message, packet_id=packet_id)))

    # --- bytes

    def _send(self, data: bytes) -> None:
        try:
            with self._io:
                self._tls.sendall(data)
        except (SSL.Error, OSError):
            self.end("the line is broken")

    def _next(self, deadline: float | None) -> mqtt.Packet | None:
        """The next packet; None after a while without one. Ends what can't go on.

        Raises Refused before the CONNECT and past ``deadline``.
        """
        packet = mqtt.take_packet(self._buffer)
        if packet is not None:
            return packet
        data = self._receive()
        if data:
            self._heard = time.monotonic()
            self._buffer += data
        elif data == b"":
            self.end("the device hung up")
            if deadline is not None:
                raise devices.Refused("the device hung up before its CONNECT", self._account)
        if deadline is not None and time.monotonic() > deadline:
            raise devices.Refused("no CONNECT came", self._account)
        if deadline is None:
            self._check()
        return mqtt.take_packet(self._buffer) if self._ended is None else None

    def _check(self) -> None:
        """Ends a connection that is silent for too long or whose certificate isn't ACTIVE any more.

        AWS takes minutes for the latter (API reference, UpdateCertificate).
        """
        quiet = time.monotonic() - self._heard
        if self._keep_alive and quiet > 1.5 * self._keep_alive:
            self.end("nothing was heard of it")
        with self._gateway.lock:
            backend = backend_of(self._account, self._region)
            status = provisioning.status_of(backend, self._device.certificate_id, _now())
        if status != "ACTIVE":
            self.end(f"the device certificate is {status}")

    def _receive(self) -> bytes | None:
        """What has come: None if nothing has, empty at the end."""
        if not self._tls.pending():
            if not self._selector.get_map():
                self._selector.register(self._socket, selectors.EVENT_READ)
            if not self._selector.select(TICK):
                return None
        try:
            with self._io:
                return self._tls.recv(65536)
        except SSL.WantReadError:
            return None
        except (SSL.Error, OSError):
            return b""
