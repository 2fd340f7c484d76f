"""What can't work fails in the plan: one line for each CA, nothing written, nothing echoed."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.control import Sandbox
from tests.support.certificates import DAY, NOW, new_ca, new_leaf, write_key
from tests.support.network import closed_port
from tests.support.openssl import openssl
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform

pytestmark = pytest.mark.one_engine("the program judges the input; Terraform only passes it on")


def _lines_of(text: str) -> list[str]:
    """The base64 lines of a PEM or a bare base64 text."""
    return [line for line in text.splitlines() if len(line) >= 40 and "-----" not in line]


def test_every_unusable_text_has_a_line_of_its_own(
    stack: Stack, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    good = new_ca("good")
    twin = new_ca("twin")
    body = base64.b64encode(new_ca("der").certificate.public_bytes(serialization.Encoding.DER))
    openssl(
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "csr.key",
        "-out",
        "csr.pem",
        "-subj",
        "/CN=request",
        folder=tmp_path,
    )
    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "sha1.key",
        "-sha1",
        "-out",
        "sha1.pem",
        "-subj",
        "/CN=sha1",
        folder=tmp_path,
    )
    truncated = new_ca("truncated").pem
    cut = new_ca("cut").pem.splitlines()
    bad: dict[str, tuple[str, str]] = {
        "leaf": (new_leaf(good, "device").pem, "the certificate is not a CA's"),
        "expired": (
            new_ca(start=NOW - 30 * DAY, end=NOW - DAY).pem,
            "the certificate expired at ",
        ),
        "not-yet-valid": (
            new_ca(start=NOW + DAY).pem,
            "the certificate is not valid before ",
        ),
        "request": ((tmp_path / "csr.pem").read_text(), "is a certificate signing request"),
        "der": (body.decode(), "is base64 without PEM's BEGIN and END lines"),
        "text": ("root-ca.pem", "holds no PEM certificate"),
        "truncated": (truncated[: len(truncated) // 2], "has a BEGIN line and no matching END"),
        "cut": ("\n".join([*cut[:3], *cut[-1:]]), "is damaged or truncated"),
        "rsa-1024": (
            new_ca(key=rsa.generate_private_key(65537, 1024)).pem,
            "RSA key has 1024 bits; AWS IoT needs 2048 or more",
        ),
        "sha-1": ((tmp_path / "sha1.pem").read_text(), "signature uses SHA1"),
        "curve": (new_ca(key=ec.generate_private_key(ec.SECP256K1())).pem, "curve is secp256k1"),
        "twin-one": (twin.pem, f"same certificate {twin.id}"),
        "twin-two": (twin.pem, f"same certificate {twin.id}"),
    }
    stack.want(
        {"good": {"certificate_pem": good.pem}}
        | {name: {"certificate_pem": pem} for name, (pem, _) in bad.items()}
    )

    refused = stack.plan(fails=True)

    for name, (_, says) in bad.items():
        with subtests.test("one line that says what is wrong", ca=name):
            line = refused.error(name)
            assert says in line
            assert f"(account {stack.account.number}, {stack.account.region})" in line
    assert not any("iot_ca: good" in line for line in refused.errors)
    assert refused.writes == []
    for name in ("request", "der", "truncated"):
        for line in _lines_of(bad[name][0]):
            assert line not in refused.text, f"{name} is echoed"


def test_a_private_key_is_refused_and_not_echoed(stack: Stack, tmp_path: Path) -> None:
    ca = new_ca()
    key = Path(ca.key_file(tmp_path)).read_text()
    stack.want({"root": {"certificate_pem": ca.pem + key}})

    refused = stack.plan(fails=True)

    assert any("certificate_pem holds a private key" in line for line in refused.errors)
    assert refused.writes == []
    for line in _lines_of(key):
        assert line not in refused.text


def test_a_fault_that_only_aws_knows_fails_in_the_plan_too(
    stack: Stack, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    account = stack.account
    names = ["is-sni", "is-default", "no-proof", "wrong-name", "not-signed", "no-file", "folder"]
    cas = {name: new_ca(name) for name in [*names, "other-key", "no-key", "damaged-proof"]}
    account.register(cas["is-sni"])
    account.register_default(cas["is-default"])
    code = account.iot.get_registration_code()["registrationCode"]
    other_key = write_key(new_ca().key, tmp_path / "other.key")
    (tmp_path / "no.key").write_text(cas["no-key"].pem)
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "is-sni": (
            {"ca_private_key_file": cas["is-sni"].key_file(tmp_path)},
            "registered in SNI_ONLY mode, wanted DEFAULT",
        ),
        "no-proof": (
            {},
            "or have the CA's owner sign the request that",
        ),
        "wrong-name": (
            {"certificate_pem": new_leaf(cas["wrong-name"], "something else").pem},
            f"common name is not the registration code of this account and region, {code}",
        ),
        "not-signed": (
            {"certificate_pem": new_leaf(new_ca("not-signed"), code).pem},
            "the verification certificate is not signed by this CA",
        ),
        "damaged-proof": (
            {"certificate_pem": "proof.pem"},
            "verification.certificate_pem holds no",
        ),
        "no-file": ({"ca_private_key_file": str(tmp_path / "none")}, "No such file or directory"),
        "folder": ({"ca_private_key_file": str(tmp_path)}, "Is a directory"),
        "no-key": (
            {"ca_private_key_file": str(tmp_path / "no.key")},
            "holds no PEM or PKCS#8 private key",
        ),
        "other-key": (
            {"ca_private_key_file": other_key},
            "is not the key of this CA's certificate",
        ),
    }
    stack.want(
        {"is-default": {"certificate_pem": cas["is-default"].pem}}
        | {
            name: {
                "certificate_pem": cas[name].pem,
                "certificate_mode": "DEFAULT",
                **({"verification": proof} if proof else {}),
            }
            for name, (proof, _) in cases.items()
        }
    )

    refused = stack.plan(fails=True)

    for name, (_, says) in cases.items():
        with subtests.test("one line that says what is wrong", ca=name):
            assert says in refused.error(name)
    with subtests.test("one line that says what is wrong", ca="is-default"):
        line = refused.error("is-default")
        assert "registered in DEFAULT mode, wanted SNI_ONLY" in line
        assert 'set certificate_mode = "DEFAULT", or' in line
    assert refused.writes == []
    for line in _lines_of(Path(other_key).read_text()):
        assert line not in refused.text


def test_a_bundle_of_200_kb_is_registered_and_deregistered(stack: Stack) -> None:
    """Linux passes at most 128 KiB in one environment variable, MAX_ARG_STRLEN of execve(2)."""
    ca = new_ca()
    text = (ca.pem + new_ca("Other").pem) * 220
    assert len(text) > 200_000
    stack.want({"root": {"certificate_pem": text}})

    planned = stack.plan()
    says = "certificate_pem holds 440 certificates; the first one is used"
    assert any(says in warning for warning in planned.warning("root"))
    assert planned.writes == []

    applied = stack.apply()
    assert applied.outputs["certificate_authorities"]["root"]["certificate_id"] == ca.id
    assert stack.account.see(ca.id).status == "ACTIVE"
    assert stack.plan().status == 0

    stack.destroy()
    assert stack.account.look(ca.id) is None


def test_no_way_to_ask_aws_is_told_in_one_line(
    workspace: Terraform, sandbox: Sandbox, region: str, account: str
) -> None:
    provider = f'access_key = "{account}"\n  secret_key = "sandbox"'
    stack = Stack(workspace, sandbox, account, region, provider=provider)
    stack.want({"root": {"certificate_pem": new_ca().pem}})

    def line(**env: str) -> str:
        refused = stack.plan(fails=True, env=env)
        assert refused.writes == []
        return refused.error("root")

    sandbox.fault("error", operation="DescribeCACertificate", code="AccessDeniedException")
    assert "the credentials may not call iot:DescribeCACertificate" in line()

    sandbox.fault("error", operation="DescribeCACertificate", code="ExpiredTokenException")
    assert "the credentials have expired; renew them" in line()

    assert "no AWS credentials found" in line(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")

    with closed_port() as port:
        unreachable = line(AWS_ENDPOINT_URL_IOT=f"http://127.0.0.1:{port}")
    assert f"AWS can't be reached at 127.0.0.1:{port} (" in unreachable
    assert "AWS_ENDPOINT_URL" in unreachable
