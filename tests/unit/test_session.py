"""Credentials, roles and the account that they belong to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.errors import Failure
from iot_ca.model import Credentials, Target
from tests.support.messages import everything_said
from tests.support.program.aws_calls import TARGET, refusal
from tests.support.program.fake_aws import ACCOUNT, REGION, FakeAws
from tests.support.program.fake_iot import CODE


def test_registration_code_is_read_after_an_account_check(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    assert ca_certificates.account.registration_code == CODE
    assert aws.calls == ["GetCallerIdentity", "GetRegistrationCode"]


def test_no_registration_code_is_read_in_another_account(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    aws.account = "999988887777"
    assert "999988887777" in refusal(lambda: ca_certificates.account.registration_code)
    assert "GetRegistrationCode" not in aws.calls


def test_role_is_assumed_with_session_name_and_external_id(aws: FakeAws) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/deployer"
    CaCertificates(
        Account(Target(ACCOUNT, REGION, Credentials(None, role, "id", "me")))
    ).observe_one("a" * 64)
    assert aws.calls[0] == "AssumeRole"
    assert aws.requests[0] == {
        "RoleArn": role,
        "RoleSessionName": "me",
        "ExternalId": "id",
    }
    aws.calls.clear()
    aws.requests.clear()
    CaCertificates(Account(Target(ACCOUNT, REGION, Credentials(role_arn=role)))).observe_one(
        "a" * 64
    )
    assert aws.calls.count("AssumeRole") == 1
    assert aws.requests[0] == {"RoleArn": role, "RoleSessionName": "terraform-aws-iot-ca"}


def test_calls_use_the_credentials_of_the_assumed_role(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def client(session: Any, service: str, region: str) -> Any:
        used.append((service, session.get_credentials().access_key))
        return aws.client(session, service, region)

    monkeypatch.setattr("iot_ca.aws.session._client", client)
    role = f"arn:aws:iam::{ACCOUNT}:role/deployer"
    CaCertificates(Account(Target(ACCOUNT, REGION, Credentials(role_arn=role)))).observe_one(
        "a" * 64
    )
    assert used == [("sts", "AKIA0000"), ("iot", "ASIA0000"), ("sts", "ASIA0000")]


def test_the_credentials_of_a_profile_are_used(
    aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del aws
    (tmp_path / "credentials").write_text(
        "[deployer]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    ca_certificates = CaCertificates(
        Account(Target(ACCOUNT, REGION, Credentials(profile="deployer")))
    )
    credentials = ca_certificates.account._session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "AKIAPROFILE"


def test_a_missing_profile_is_named(aws: FakeAws) -> None:
    del aws
    ca_certificates = CaCertificates(
        Account(Target(ACCOUNT, REGION, Credentials(profile="missing")))
    )
    said = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert "missing" in said
    assert "credentials.profile" in said
    assert "destroy uses the one that was applied last" in said


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any; clients are the real ones, and nothing gets as far as the network."""
    for variable in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
        *("AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("no_credentials")
def test_missing_credentials_name_the_settings() -> None:
    said = refusal(lambda: CaCertificates(Account(TARGET)).observe_one("a" * 64))
    assert "no AWS credentials found" in said
    assert "in the module: credentials" in said
    assert "AWS_ACCESS_KEY_ID" in said


@pytest.mark.usefixtures("no_credentials")
def test_partial_credentials_name_the_missing_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    said = refusal(lambda: CaCertificates(Account(TARGET)).observe_one("a" * 64))
    assert "AWS_SECRET_ACCESS_KEY" in said or "secret_key" in said


def test_an_unreachable_endpoint_is_named(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    # No server listens there; nothing waits between the attempts.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    said = refusal(lambda: CaCertificates(Account(TARGET)).observe_one("a" * 64))
    assert said == (
        "AWS can't be reached at 127.0.0.1:9 (EndpointConnectionError); check network, proxy and "
        "AWS_ENDPOINT_URL"
    )


def test_failures_never_contain_the_secret_access_key(
    ca_certificates: CaCertificates, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "VerySecretIndeed")
    aws.faults["DescribeCACertificate"] = ("SignatureDoesNotMatch", "no")
    with pytest.raises(Failure) as caught:
        ca_certificates.observe_one("a" * 64)
    assert "VerySecretIndeed" not in everything_said(caught.value)
