"""Fixtures of the unit tests. No network, no Terraform."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.loaders import Loader
from botocore.session import Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from iot_ca.aws import session as iot_ca_aws
from tests import repeatable
from tests.unit.program import Program
from tests.unit.support import FakeAws, issue

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
    monkeypatch.setattr("iot_ca.reconcile.loop._RETRY_DELAY_SECONDS", 0)
    return Program(monkeypatch, capsys)
