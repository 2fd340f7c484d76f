"""No byte of a CA's private key leaves the process that signs with it, nor does a passphrase.

Whichever way ownership is proved. The keys that AWS makes are known here because the local AWS runs
in this very process: they are read from where moto keeps them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import Key
from tests.support.leaks import given_away, lines, passphrase_spellings, spellings
from tests.support.network import wiretap
from tests.support.processes import watched
from tests.support.sandbox.in_process import in_this_process
from tests.support.signers import ENVIRONMENT, PASSPHRASE, PASSPHRASE_VARIABLE, Signer, every_signer
from tests.support.terraform.stack import Stack


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A local AWS in this process, whose secrets are at hand."""
    with in_this_process() as running:
        yield running


def key_of(signer: Signer, region: str) -> Key:
    """The CA's private key, wherever it is."""
    if signer.key_location is None:
        assert signer.key is not None
        return signer.key
    account, service, name = signer.key_location
    private_key: Any
    if service == "kms":
        from moto.kms.models import kms_backends

        private_key = kms_backends[account][region].keys[name].private_key
        private_key = private_key.private_key
    else:
        from moto.acmpca.models import acmpca_backends

        private_key = acmpca_backends[account][region].certificate_authorities[name].key
    key: Key = private_key
    return key


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


@pytest.mark.own_python("the test looks at the processes of the program")
@pytest.mark.newest_engine("what a Terraform writes by itself grows from version to version")
def test_no_byte_of_a_private_key_gets_anywhere(
    stack: Stack,
    sandbox: Sandbox,
    new_account_by_hand: Callable[[], Account],
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    account = stack.account
    (tmp_path / "keys").mkdir()
    signers = every_signer(account, new_account_by_hand(), tmp_path / "keys")
    secrets = {f"passphrase {k}": v for k, v in passphrase_spellings(PASSPHRASE).items()}
    for name, signer in signers.items():
        key = key_of(signer, account.region)
        mine = {f"{name}: {spelling}": piece for spelling, piece in spellings(key).items()}
        # The search finds what is there, whatever has made the key.
        der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        assert f"{name}: d raw, begin" in given_away(mine, der)
        assert f"{name}: line 1 of PKCS #8" in given_away(mine, pem)
        secrets |= mine
        if signer.stored:
            secrets |= {f"{name}: stored {n}": line for n, line in lines(signer.stored).items()}
    assert len(secrets) > 13 * 20

    folder = stack.terraform.folder
    jitp = {"provisioning": {"type": "JITP"}}
    stack.want({name: signer.wanted(**jitp) for name, signer in signers.items()})
    said: dict[str, bytes] = {}
    with watched() as seen, wiretap(sandbox.endpoint) as (endpoint, heard):
        env = {
            "AWS_ENDPOINT_URL": endpoint,
            "TF_LOG": "TRACE",
            "TF_LOG_PATH": str(folder / "trace.log"),
            "IOT_CA_DEBUG": "1",
            **ENVIRONMENT,
        }
        said["plan"] = stack.plan("-out=saved.plan", env=env).text.encode()
        said["show"] = stack.terraform.run("show", "-json", "saved.plan").stdout.encode()
        # Also where the registration fails, with the traceback.
        sandbox.fault(
            "error", operation="RegisterCACertificate", code="AccessDeniedException", times=None
        )
        failed = stack.run("apply", "saved.plan", expected={1}, env=env)
        assert failed.text.count("Traceback") >= len(signers)
        said["failed apply"] = failed.text.encode()
        sandbox.forget_faults()
        applied = stack.apply(env=env)
        said["apply"] = applied.text.encode()
        said["calls"] = repr([*failed.calls, *applied.calls]).encode()

    for signer in signers.values():
        assert account.see(signer.id).mode == "DEFAULT"
    # A key in Secrets Manager has to come from there to the program; AWS's answer is encrypted.
    by_target = b"secretsmanager.GetSecretValue"
    handed_out = b"".join(exchange.answer for exchange in heard if by_target in exchange.request)
    said["what AWS received"] = b"\n".join(exchange.request for exchange in heard)
    said["what AWS answered"] = b"\n".join(
        exchange.answer for exchange in heard if by_target not in exchange.request
    )
    for name in ("secret", "secret-json", "secret-foreign"):
        assert any(spelling.startswith(f"{name}: ") for spelling in given_away(secrets, handed_out))
    assert b"verificationCertificate" in said["what AWS received"]
    assert said["what AWS answered"].count(b'"Signature"') >= 3

    said["arguments of processes"] = b"\n".join(seen.arguments)
    # The user has put the passphrase into this variable, for all that Terraform starts.
    said["environment of processes"] = b"\n".join(
        entry
        for environment in seen.environments
        for entry in environment.split(b"\0")
        if not entry.startswith(f"{PASSPHRASE_VARIABLE}=".encode())
    )
    assert seen.variables(PASSPHRASE_VARIABLE) == {PASSPHRASE.encode()}
    for command in (b"inspect", b"register"):
        assert any(b"iot_ca\0" + command in arguments for arguments in seen.arguments), command
    requests = b"\n".join(seen.variables("IOT_CA_REQUEST"))
    for name in signers:
        assert f'"name":"{name}"'.encode() in requests, name

    assert str(tmp_path / "keys" / "file.key").encode() in said["show"]
    files = dict(everything_in(folder))
    assert {"trace.log", "terraform.tfstate", "saved.plan", "saved.plan/tfplan"} <= files.keys()
    assert len(files["trace.log"]) > 100_000
    for source, data in {**said, **files}.items():
        with subtests.test("nothing of any key", source=source):
            assert given_away(secrets, data) == []
