"""Looks for pieces of private keys and passphrases, in all the spellings that we can think of."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.support.certificates import Key

FORMS = {"PKCS #8": PrivateFormat.PKCS8, "the traditional": PrivateFormat.TraditionalOpenSSL}
PIECE = 16  # bytes of a secret that must not be found in any spelling


def numbers(key: Key) -> dict[str, int]:
    """The numbers that make a key private."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"d": key.private_numbers().private_value}
    private = key.private_numbers()
    return {name: getattr(private, name) for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp")}


def spellings(key: Key) -> dict[str, bytes]:
    """What would give a part of the key away, by what it is."""
    texts: dict[str, bytes] = {}
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for label, form in FORMS.items():
        pem = key.private_bytes(Encoding.PEM, form, NoEncryption())
        for name, line in lines(pem).items():
            # The certificate has the public half, maybe with the same line breaks.
            if base64.b64decode(line + b"==") not in public:
                texts[f"{name} of {label}"] = line
    for name, number in numbers(key).items():
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
        texts[f"{name} in decimal"] = str(number)[:40].encode()
        for part, piece in (("begin", raw[:PIECE]), ("end", raw[-PIECE:])):
            texts[f"{name} raw, {part}"] = piece
            texts[f"{name} raw, reversed, {part}"] = piece[::-1]
            texts[f"{name} in hex, {part}"] = piece.hex().encode()
            texts[f"{name} in colon hex, {part}"] = piece.hex(":").encode()
        for shift in range(3):
            whole = len(raw[shift:]) // 3 * 3
            texts[f"{name} in base64, {shift}"] = base64.b64encode(raw[shift : shift + whole])[:24]
    return texts


def lines(pem: bytes) -> dict[str, bytes]:
    """The lines of a key's text, encrypted or not, that say something of the key."""
    return {
        f"line {n}": line
        for n, line in enumerate(pem.splitlines())
        if len(line) >= PIECE and b"-----" not in line and b":" not in line and b"{" not in line
    }


def passphrase_spellings(passphrase: str) -> dict[str, bytes]:
    """What would give a passphrase away."""
    text = passphrase.encode()
    texts = {"as it is": text, "in hex": text.hex().encode(), "reversed": text[::-1]}
    for shift in range(3):
        whole = len(text[shift:]) // 3 * 3
        texts[f"in base64, {shift}"] = base64.b64encode(text[shift : shift + whole])
    return texts


def given_away(secrets: Mapping[str, bytes], data: bytes) -> list[str]:
    """Which spellings are in `data`, in either case of hex."""
    lower = data.lower()
    return [
        name
        for name, secret in secrets.items()
        if secret in data or (" hex" in name and secret in lower)
    ]
