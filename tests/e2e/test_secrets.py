"""No byte of a CA's private key leaves the process that signs with it."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.control import Sandbox
from tests.e2e.support import Stack, new_ca, wiretap

PIECE = 16  # bytes of a secret that must not be found in any spelling


def spellings(key: rsa.RSAPrivateKey, pem: str) -> dict[str, bytes]:
    """What would give a part of the key away, by what it is."""
    found = {
        f"line {n} of the file": line.encode()
        for n, line in enumerate(pem.splitlines())
        if "-----" not in line and len(line) >= 16
    }
    numbers = key.private_numbers()
    for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp"):
        number: int = getattr(numbers, name)
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
        found[f"{name} in decimal"] = str(number)[:40].encode()
        for place, piece in (("begin", raw[:PIECE]), ("end", raw[-PIECE:])):
            found[f"{name} raw, {place}"] = piece
            found[f"{name} raw, reversed, {place}"] = piece[::-1]
            found[f"{name} in hex, {place}"] = piece.hex().encode()
            found[f"{name} in colon hex, {place}"] = piece.hex(":").encode()
        for shift in range(3):
            whole = len(raw[shift:]) // 3 * 3
            found[f"{name} in base64, {shift}"] = base64.b64encode(raw[shift : shift + whole])[:24]
    return found


def given_away(secrets: dict[str, bytes], data: bytes) -> list[str]:
    """Which spellings are in `data`, in either case of hex."""
    lower = data.lower()
    return [
        name
        for name, secret in secrets.items()
        if secret in data or (" hex" in name and secret in lower)
    ]


def everything_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below `folder` but the providers, and what is inside of saved plans."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or "providers" in path.relative_to(folder).parts:
            continue
        data = path.read_bytes()
        yield path.name, data
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for member in archive.namelist():
                    yield f"{path.name}/{member}", archive.read(member)


def test_no_byte_of_the_private_key_gets_anywhere(
    stack: Stack, sandbox: Sandbox, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    ca = new_ca("Root", key=rsa.generate_private_key(65537, 2048))
    assert isinstance(ca.key, rsa.RSAPrivateKey)
    key_file = ca.key_file(tmp_path)
    pem = Path(key_file).read_text()
    der = ca.key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    secrets = spellings(ca.key, pem)
    # The search finds what is there: raw numbers in DER, lines in the file.
    assert sum("raw, begin" in name for name in given_away(secrets, der)) == 6
    assert sum(name.startswith("line ") for name in given_away(secrets, pem.encode())) > 20

    folder = stack.terraform.folder
    stack.want(
        {
            "root": {
                "certificate_pem": ca.pem,
                "certificate_mode": "DEFAULT",
                "verification": {"ca_private_key_file": key_file},
                "provisioning": {"type": "JITP"},
            }
        }
    )
    said: dict[str, bytes] = {}
    with wiretap(sandbox.endpoint) as (endpoint, heard):
        env = {
            "AWS_ENDPOINT_URL": endpoint,
            "TF_LOG": "TRACE",
            "TF_LOG_PATH": str(folder / "trace.log"),
            "IOT_CA_DEBUG": "1",
        }
        said["plan"] = stack.plan("-out=saved.plan", env=env).text.encode()
        said["show"] = stack.terraform.run("show", "-json", "saved.plan").stdout.encode()
        # Also where the registration fails, with the traceback.
        sandbox.fault("error", operation="RegisterCACertificate", code="AccessDeniedException")
        failed = stack.run("apply", "saved.plan", expected={1}, env=env)
        assert "Traceback" in failed.text
        said["failed apply"] = failed.text.encode()
        applied = stack.apply(env=env)
        said["apply"] = applied.text.encode()
        said["calls"] = repr([*failed.calls, *applied.calls]).encode()
        said["what AWS received"] = heard()

    assert stack.account.see(ca.id).mode == "DEFAULT"
    assert b"verificationCertificate" in said["what AWS received"]
    assert key_file.encode() in said["show"]
    files = dict(everything_in(folder))
    assert {"trace.log", "terraform.tfstate", "saved.plan", "saved.plan/tfplan"} <= files.keys()
    assert len(files["trace.log"]) > 100_000
    for place, data in {**said, **files}.items():
        with subtests.test("nothing of the key", place=place):
            assert given_away(secrets, data) == []
