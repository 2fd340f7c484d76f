"""The proxy between Terraform and the real providers changes the schema, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.terraform.provider_proxy import trimmed

USED = frozenset({"aws_iot_policy"})


def field(number: int, content: bytes) -> bytes:
    """An encoded field of protobuf with a length of one or two bytes."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + content


def entry(number: int, name: str, schema: bytes) -> bytes:
    """An entry of a map from a name to a schema."""
    return field(number, field(1, name.encode()) + field(2, schema))


@pytest.mark.parametrize("size", [1, 127, 128, 4000])
def test_only_unused_types_of_the_aws_provider_are_left_out(size: int) -> None:
    schema = b"x" * size
    provider = field(1, field(2, schema))
    used = entry(2, "aws_iot_policy", schema)
    unused = entry(2, "aws_instance", schema)
    other = entry(3, "external", schema)
    capabilities = field(6, b"\x08\x01")
    message = provider + used + unused + other + capabilities
    assert trimmed(message, USED) == provider + used + other + capabilities


def test_an_empty_message_stays_empty() -> None:
    assert trimmed(b"", USED) == b""
    assert trimmed(field(6, b""), USED) == field(6, b"")
