"""Which certificates are a fleet's CAs."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from iot_ca.fleet import inventory
from tests.support.status.variable_files import ONE, ROOT, account, failure_text, write_json


def test_cas_of_the_command_line_replace_those_of_the_file(tmp_path: Path) -> None:
    variables = {
        "certificate_authorities": {
            "root": {"certificate_file": "gone.pem", "status": "INACTIVE"},
        },
        "accounts": {"one": account(certificate_authorities=["root", "retired"])},
    }
    path = write_json(tmp_path, variables)
    fleet = inventory.read([path], [f"root={tmp_path / 'root-ca.pem'}"])
    assert fleet.account_regions[0].cas["root"].desired.status == "INACTIVE"


def test_a_name_on_the_command_line_must_be_utf_8(tmp_path: Path) -> None:
    """Python represents other bytes of an argument as lone surrogates."""
    text = failure_text(ONE, tmp_path, cas=[f"\udcff={tmp_path / 'root-ca.pem'}"])
    assert text == "--ca has a name that is not UTF-8"


@pytest.mark.parametrize("option", ["root", "=x.pem", "root=", ""])
def test_a_ca_on_the_command_line_needs_name_and_file(tmp_path: Path, option: str) -> None:
    assert failure_text(ONE, tmp_path, cas=[option]).startswith("--ca takes NAME=FILE")


def test_a_private_key_is_refused_and_not_quoted(tmp_path: Path) -> None:
    secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    variables = {**ONE, "certificate_authorities": {"root": {"certificate_pem": secret}}}
    text = failure_text(variables, tmp_path)
    assert text.startswith("CA root: certificate_pem holds a private key")
    assert "c2VjcmV0" not in text


def test_a_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path, {})
    (tmp_path / "junk.pem").write_text("junk")
    text = failure_text({**ONE, "certificate_file": "junk.pem"}, tmp_path)
    assert text.startswith("CA junk: ")
    assert x509.load_pem_x509_certificate((tmp_path / "root-ca.pem").read_bytes()) == ROOT
