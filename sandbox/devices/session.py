"""MQTT with one device that was let in, from its CONNECT until it leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timezone

from sandbox.devices import mqtt
from sandbox.devices.admission import Refused
from sandbox.devices.admitted_device import AdmittedDevice
from sandbox.devices.broker import Broker
from sandbox.devices.transport import PATIENCE_SECONDS, Transport


class MqttSession:
    """What one device sends and gets. There are no sessions that outlast a connection."""

    def __init__(self, broker: Broker, transport: Transport, device: AdmittedDevice) -> None:
        self._broker, self._transport, self._device = broker, transport, device
        self.client_id = ""
        self.ended: str | None = None
        self._buffer = bytearray()
        self._filters: dict[str, int] = {}
        self._keep_alive_seconds = 0
        self._packet_id = 0
        self._heard = time.monotonic()

    @property
    def _key(self) -> tuple[str, str, str]:
        return self._device.account, self._device.region, self.client_id

    def end(self, reason: str) -> None:
        """Make the connection end soon; from any thread."""
        self.ended = self.ended or reason

    def leave(self) -> None:
        """Take no more messages."""
        with self._broker.lock:
            if self._broker.connected.get(self._key) is self:
                del self._broker.connected[self._key]

    # --- CONNECT

    def connect(self) -> mqtt.Message | None:
        """Take the CONNECT; return its last will.

        Raises Refused: AWS hangs up then, without a CONNACK (seen).
        """
        connect = mqtt.parse_connect(self._first_packet())
        if not connect.client_id:
            raise Refused("the device sent no client ID", self._device.account)
        self.client_id = connect.client_id
        self._require("iot:Connect", "client", connect.client_id)
        if connect.will:
            self._require("iot:Publish", "topic", connect.will.topic)
        self._keep_alive_seconds = connect.keep_alive
        with self._broker.lock:
            before = self._broker.connected.get(self._key)
            self._broker.connected[self._key] = self
        if before is not None:
            before.end("another connection has its client ID")
        return connect.will

    def acknowledge(self) -> None:
        """Send the CONNACK."""
        self._send(mqtt.connack())

    def _first_packet(self) -> mqtt.Packet:
        deadline = time.monotonic() + PATIENCE_SECONDS
        packet = None
        while packet is None:
            packet = self._next(deadline)
            if self._buffer and self._buffer[0] >> 4 != mqtt.CONNECT and packet is None:
                raise mqtt.Malformed("the first packet is not a CONNECT")
        return packet

    def _require(self, action: str, kind: str, name: str) -> None:
        if not self._allowed(action, kind, name):
            message = f"no policy of the device certificate allows {action} on {kind}/{name}"
            raise Refused(message, self._device.account)

    def may(self, action: str, kind: str, name: str) -> bool:
        """Return whether the device's policies allow an action. Callers hold the lock."""
        return self._device.allows(self.client_id, action, kind, name)

    def _allowed(self, action: str, kind: str, name: str) -> bool:
        with self._broker.lock:
            return self.may(action, kind, name)

    # --- packets

    def serve(self, will: mqtt.Message | None) -> mqtt.Message | None:
        """Serve packets until the connection ends; return the last will, if it counts."""
        while self.ended is None:
            packet = self._next(None)
            if packet is None:
                continue
            match packet.kind:
                case mqtt.PUBLISH:
                    self._published(mqtt.parse_publish(packet))
                case mqtt.SUBSCRIBE:
                    self._subscribed(*mqtt.parse_subscribe(packet))
                case mqtt.UNSUBSCRIBE:
                    self._unsubscribed(*mqtt.parse_unsubscribe(packet))
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
        device = self._device
        self._broker.publish(device.account, device.region, message, self.client_id)
        if message.qos:
            self._send(mqtt.puback(message.packet_id))

    def _subscribed(self, packet_id: int, filters: list[tuple[str, int]]) -> None:
        for name, _ in filters:
            if not self._allowed("iot:Subscribe", "topicfilter", name):
                self.end(f"it may not iot:Subscribe to topicfilter/{name}")  # likewise (seen)
                return
        granted = [min(qos, 1) for _, qos in filters]
        with self._broker.lock:
            self._filters.update(zip((name for name, _ in filters), granted, strict=True))
        self._send(mqtt.suback(packet_id, granted))

    def _unsubscribed(self, packet_id: int, filters: list[str]) -> None:
        with self._broker.lock:
            for name in filters:
                self._filters.pop(name, None)
        self._send(mqtt.unsuback(packet_id))

    def wants(self, topic: str) -> int | None:
        """Return the QoS at which the device has subscribed to ``topic``; None if it hasn't."""
        granted = [qos for name, qos in self._filters.items() if mqtt.matches(name, topic)]
        return max(granted, default=None)

    def deliver(self, message: mqtt.Message) -> None:
        """Send a message to the device. What QoS 1 loses stays lost: there are no sessions."""
        with self._broker.lock:
            packet_id = self._packet_id = self._packet_id % 65535 + 1
        self._send(mqtt.publish(replace(message, packet_id=packet_id)))

    def _send(self, data: bytes) -> None:
        if not self._transport.send(data):
            self.end("the line is broken")

    def _next(self, deadline: float | None) -> mqtt.Packet | None:
        """Return the next packet; None after a while without one. End what can't go on.

        Raises Refused before the CONNECT and past ``deadline``.
        """
        packet = mqtt.take_packet(self._buffer)
        if packet is not None:
            return packet
        data = self._transport.receive()
        if data:
            self._heard = time.monotonic()
            self._buffer += data
        elif data == b"":
            self.end("the device hung up")
            if deadline is not None:
                raise Refused("the device hung up before its CONNECT", self._device.account)
        if deadline is not None and time.monotonic() > deadline:
            raise Refused("no CONNECT came", self._device.account)
        if deadline is None:
            self._check()
        return mqtt.take_packet(self._buffer) if self.ended is None else None

    def _check(self) -> None:
        """End a connection that is silent for too long or whose certificate isn't ACTIVE any more.

        AWS takes minutes for the latter (API reference, UpdateCertificate).
        """
        quiet = time.monotonic() - self._heard
        if self._keep_alive_seconds and quiet > 1.5 * self._keep_alive_seconds:
            self.end("nothing was heard of it")
        with self._broker.lock:
            status = self._device.status(datetime.now(timezone.utc))
        if status != "ACTIVE":
            self.end(f"the device certificate is {status}")
