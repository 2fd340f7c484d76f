"""Fixtures of the unit tests. No network, no Terraform."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.loaders import Loader
from botocore.session import Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from iot_ca.aws import session as iot_ca_aws
from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import Snapshots
from iot_ca.certificates import pem as pem_text
from iot_ca.certificates.pem import Certificate
from tests.support import repeatable
from tests.support.certificates import issue, key_pem, pem
from tests.support.program.aws_calls import TARGET
from tests.support.program.fake_aws import FakeAws
from tests.support.program.in_process import KEY, Program

repeatable.load()


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    """A key as most CAs have it."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def root(rsa_key: rsa.RSAPrivateKey) -> x509.Certificate:
    """A CA that AWS IoT accepts, with `rsa_key`."""
    return issue(rsa_key)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, loader: Loader) -> FakeAws:
    """An AWS in memory that the program talks to, with credentials that fit."""
    fake = FakeAws()
    for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr("iot_ca.aws.session._client", fake.client)
    monkeypatch.setattr("iot_ca.aws.session._loader", lambda _: loader)
    return fake


@pytest.fixture(scope="session")
def loader() -> Loader:
    """One loader for all: reading the model of a service takes longer than a test."""
    return iot_ca_aws._loader(Session())


@pytest.fixture
def program(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """The program, which talks to `aws` and waits for nothing."""
    del aws
    monkeypatch.delenv("IOT_CA_DEBUG", raising=False)
    monkeypatch.delenv("IOT_CA_REQUEST", raising=False)
    monkeypatch.setattr("iot_ca.waiting.sleep", lambda _: None)
    return Program(monkeypatch, capsys)


@pytest.fixture
def certificate(root: x509.Certificate) -> Certificate:
    """The certificate of `root`, as the program reads it."""
    return pem_text.read(pem(root))


@pytest.fixture
def ca_certificates(aws: FakeAws) -> CaCertificates:
    """The CA certificates in `aws`."""
    del aws
    return CaCertificates(Account(TARGET))


@pytest.fixture
def snapshots(aws: FakeAws) -> Snapshots:
    """The snapshots in `aws`."""
    del aws
    return Snapshots(Account(TARGET))


@pytest.fixture
def proof(tmp_path: Path) -> dict[str, str]:
    """A `verification` that works."""
    (tmp_path / "ca.key").write_text(key_pem(KEY))
    return {"ca_private_key_file": str(tmp_path / "ca.key")}
