"""Fixtures for the tests of JITR: the function of modules/jitr against moto, in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from moto import mock_aws
from moto.iot.models import IoTBackend, iot_backends

from modules.jitr.function import handler as entry
from sandbox.iot import service as sandbox_iot
from tests.support import repeatable
from tests.support.certificates import pem
from tests.support.jitr.fleet import (
    ACCOUNT,
    ONCE,
    POLICY,
    REGION,
    Fleet,
    behave_as_aws,
    certificate,
    client,
    name,
    record_calls,
)

repeatable.load()


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """An account with a CA in SNI_ONLY mode, and the function's settings for it."""
    for variable in [variable for variable in os.environ if variable.startswith(("AWS_", "JITR_"))]:
        monkeypatch.delenv(variable)
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, os.devnull)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    # A sandbox that a test has started in this process has put its own in this place.
    monkeypatch.setattr(iot_backends, "backend", IoTBackend)
    # What Lambda would do by calling again is what the tests look at.
    monkeypatch.setattr(entry, "IOT", ONCE)
    with mock_aws(config={"iot": {"use_valid_cert": True}, "lambda": {"use_docker": False}}):
        behave_as_aws(monkeypatch)
        iot = client()
        ca_pem = pem(certificate(name("Root")))
        ca_id = iot.register_ca_certificate(caCertificate=ca_pem, setAsActive=True)["certificateId"]
        iot.create_policy(policyName=POLICY, policyDocument="{}")
        monkeypatch.setenv("JITR_CA_CERTIFICATE_ID", ca_id)
        monkeypatch.setenv("JITR_CA_CERTIFICATE_MODE", "SNI_ONLY")
        monkeypatch.setenv("JITR_ACCOUNT_ID", ACCOUNT)
        monkeypatch.setenv("JITR_POLICY_NAME", POLICY)
        monkeypatch.setenv("JITR_SUBJECT_ATTRIBUTES", '{"serial_number": "SerialNumber"}')
        made = Fleet(iot, ca_pem, ca_id, monkeypatch)
        record_calls(made)
        yield made


@pytest.fixture
def sandbox_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sandbox's server leaves behind in moto where it has run in this process."""
    monkeypatch.setattr(iot_backends, "backend", iot_backends.backend)
    sandbox_iot.install()
