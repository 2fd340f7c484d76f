"""The packets of MQTT 3.1.1 that a broker of AWS IoT needs: bytes to values and back.

Source: OASIS, "MQTT Version 3.1.1". QoS 2 is left out, as AWS leaves it out. By hand, since the
libraries that have this bring a broker of their own along.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
MOST_BYTES = 256 * 1024  # AWS's quota is 128 KB of payload; with topic and header


class Malformed(Exception):
    """Not MQTT 3.1.1, or a part of it that AWS IoT doesn't have."""


@dataclass(frozen=True)
class Packet:
    """One control packet, not yet read further."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True)
class Message:
    """An application message."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False


@dataclass(frozen=True)
class Connect:
    """What a client asks for when it connects."""

    client_id: str
    keep_alive: int
    clean_session: bool
    will: Message | None


def take_packet(buffer: bytearray) -> Packet | None:
    """Take the first packet out of ``buffer``; None until it has arrived whole."""
    length, shift = 0, 0
    for position in range(1, 5):
        if len(buffer) <= position:
            return None
        length |= (buffer[position] & 0x7F) << shift
        shift += 7
        if not buffer[position] & 0x80:
            break
    else:
        raise Malformed("remaining length of more than four bytes")
    if length > MOST_BYTES:
        raise Malformed(f"packet of {length} bytes")
    start = position + 1
    if len(buffer) < start + length:
        return None
    packet = Packet(buffer[0] >> 4, buffer[0] & 0x0F, bytes(buffer[start : start + length]))
    del buffer[: start + length]
    return packet


class _Reader:
    """Reads the fields of a packet's body one after the other."""

    def __init__(self, body: bytes) -> None:
        self._rest = body

    def take(self, size: int) -> bytes:
        if len(self._rest) < size:
            raise Malformed("packet too short")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def data(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            text = self.data().decode()
        except UnicodeDecodeError:
            raise Malformed("text is not UTF-8") from None
        if "\0" in text:
            raise Malformed("text with a null character")
        return text

    def rest(self) -> bytes:
        return self.take(len(self._rest))

    def __bool__(self) -> bool:
        return bool(self._rest)


def parse_connect(packet: Packet) -> Connect:
    """Read a CONNECT. Raises Malformed for another version than 3.1.1 too."""
    reader = _Reader(packet.body)
    protocol, level = reader.text(), reader.take(1)[0]
    if (packet.kind, protocol, level) != (CONNECT, "MQTT", 4):
        raise Malformed(f"not a CONNECT of MQTT 3.1.1: {protocol} {level}")
    flags, keep_alive = reader.take(1)[0], reader.number()
    if flags & 0x01:
        raise Malformed("reserved flag in CONNECT")
    client_id = reader.text()
    will = None
    if flags & 0x04:
        will = Message(
            checked_topic(reader.text()), reader.data(), flags >> 3 & 3, retain=bool(flags & 0x20)
        )
    if flags & 0x80:
        reader.data()  # a user name, which AWS takes for metrics
    if flags & 0x40:
        reader.data()
    return Connect(client_id, keep_alive, bool(flags & 0x02), will)


def parse_publish(packet: Packet) -> Message:
    """Read a PUBLISH."""
    qos = packet.flags >> 1 & 3
    if qos > 1:
        raise Malformed("AWS IoT has no QoS 2")
    reader = _Reader(packet.body)
    topic = checked_topic(reader.text())
    packet_id = reader.number() if qos else 0
    return Message(topic, reader.rest(), qos, packet_id, bool(packet.flags & 1))


def parse_subscribe(packet: Packet) -> tuple[int, list[tuple[str, int]]]:
    """Read a SUBSCRIBE: packet ID, topic filters and the QoS asked for each."""
    if packet.flags != 2:
        raise Malformed("wrong flags in SUBSCRIBE")
    reader = _Reader(packet.body)
    packet_id = reader.number()
    filters = []
    while reader:
        filters.append((checked_filter(reader.text()), reader.take(1)[0]))
    if not filters:
        raise Malformed("SUBSCRIBE without a topic filter")
    return packet_id, filters


def parse_unsubscribe(packet: Packet) -> tuple[int, list[str]]:
    """Read an UNSUBSCRIBE: packet ID and topic filters."""
    reader = _Reader(packet.body)
    packet_id = reader.number()
    filters = []
    while reader:
        filters.append(reader.text())
    return packet_id, filters


def checked_topic(topic: str) -> str:
    """Return ``topic`` if one can publish there; else Malformed."""
    if not topic or "+" in topic or "#" in topic:
        raise Malformed(f"{topic!r} is not a topic")
    return topic


def checked_filter(text: str) -> str:
    """Return ``text`` if it is a topic filter; else Malformed."""
    levels = text.split("/")
    if (
        not text
        or any(("+" in level or "#" in level) and len(level) > 1 for level in levels)
        or "#" in levels[:-1]
    ):
        raise Malformed(f"{text!r} is not a topic filter")
    return text


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a topic filter matches a topic.

    No leading wildcard matches a leading ``$``.
    """
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(levels) or level not in {"+", levels[position]}:
            return False
    return len(wanted) == len(levels)


# --- bytes


def _packet(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, digit = rest >> 7, rest & 0x7F
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([kind << 4 | flags]) + length + body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def connack() -> bytes:
    """Return a CONNACK that accepts; there is never a session from before."""
    return _packet(CONNACK, b"\0\0")


def puback(packet_id: int) -> bytes:
    """Return a PUBACK: a message of QoS 1 has arrived."""
    return _packet(PUBACK, struct.pack("!H", packet_id))


def suback(packet_id: int, granted: list[int]) -> bytes:
    """Return a SUBACK: which QoS each topic filter got."""
    return _packet(SUBACK, struct.pack("!H", packet_id) + bytes(granted))


def unsuback(packet_id: int) -> bytes:
    """Return an UNSUBACK: the topic filters are gone."""
    return _packet(UNSUBACK, struct.pack("!H", packet_id))


def pingresp() -> bytes:
    """Still here."""
    return _packet(PINGRESP)


def publish(message: Message) -> bytes:
    """Return a message on its way to a subscriber."""
    packet_id = struct.pack("!H", message.packet_id) if message.qos else b""
    return _packet(PUBLISH, _text(message.topic) + packet_id + message.payload, message.qos << 1)
