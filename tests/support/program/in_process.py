"""The program inside the tests' own process, and the CA that it is run for."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from cryptography import x509

from iot_ca.cli import run
from tests.support.certificates import ec_key, issue, pem
from tests.support.program.fake_aws import ACCOUNT, REGION

TARGET = {"account_id": ACCOUNT, "region": REGION}
WHERE = f"account {ACCOUNT}, {REGION}"
KEY = ec_key()
ROOT = issue(KEY)
OTHER = issue(ec_key(), common_name="other")


class Program:
    """Runs the program inside this process, as Terraform would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *argv: str) -> tuple[int, str, list[str]]:
        """Exit status, standard output, and the lines of standard error."""
        status = run(argv)
        out, err = self._capsys.readouterr()
        return status, out, err.splitlines()

    def inspect_text(self, text: str) -> tuple[int, str, list[str]]:
        """`inspect` with this text on standard input."""
        stdin = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogatepass")), "utf-8")
        self._monkeypatch.setattr("sys.stdin", stdin)
        return self.run("inspect")

    def query(self, authorities: Any) -> tuple[int, str, list[str]]:
        """`inspect` with these certificate authorities."""
        return self.inspect_text(
            json.dumps(
                {
                    "target": json.dumps(TARGET),
                    "certificate_authorities": json.dumps(authorities),
                }
            )
        )

    def inspect(self, authorities: Any) -> dict[str, dict[str, Any]]:
        """What `inspect` answers for each CA."""
        status, out, err = self.query(authorities)
        assert (status, err) == (0, [])
        return {name: json.loads(text) for name, text in json.loads(out).items()}

    def request(self, command: str, request: Any) -> tuple[int, str, list[str]]:
        """`register` or `deregister` with this request."""
        self._monkeypatch.setenv("IOT_CA_REQUEST", json.dumps(request))
        return self.run(command)

    def carry_out(self, command: str, request: Any) -> str:
        """A request that works; returns what the command says."""
        status, out, err = self.request(command, request)
        assert (status, err) == (0, [])
        return out

    def register(self, authority: Any, revision: str = "register 1", owner: str = "me") -> str:
        """`register` that works; returns what it says."""
        request = self.request_to_register(authority, revision, owner)
        return self.carry_out("register", request)

    @staticmethod
    def request_to_register(authority: Any, revision: str = "r", owner: str = "me") -> Any:
        """The request that the module sends."""
        return {
            "name": "root",
            "target": TARGET,
            "certificate_authority": authority,
            "revision": revision,
            "owner": owner,
        }

    def deregister(self, certificate_id: str, **more: Any) -> str:
        """`deregister` that works; returns what it says."""
        request = {
            "name": "root",
            "target": TARGET,
            "certificate_id": certificate_id,
            "owner": "me",
            **more,
        }
        return self.carry_out("deregister", request)


def as_applied(planned: dict[str, Any], owner: str = "me") -> dict[str, Any]:
    """The request to register what `inspect` has answered of a CA."""
    return {**json.loads(planned["request"]), "revision": planned["revision"], "owner": owner}


def once_registered(planned: dict[str, Any]) -> dict[str, Any]:
    """What `inspect` answers of a CA that was registered as it was planned."""
    request = {**json.loads(planned["request"]), "is_absent_in_plan": False}
    return {**planned, "request": json.dumps(request), "differences": [], "is_reconciled": True}


def authority(certificate: x509.Certificate = ROOT, **more: Any) -> dict[str, Any]:
    """A CA with auto-registration, as the module describes it."""
    return {"certificate_pem": pem(certificate), "auto_registration": True, **more}


def identity(certificate: x509.Certificate = ROOT) -> str:
    """The certificate's ID."""
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()
