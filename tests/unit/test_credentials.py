"""Settings of credentials and endpoints that are wrong: each has a line of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from iot_ca.aws import session as aws
from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.model import Credentials, Target
from tests.support.program.aws_calls import TARGET, refusal
from tests.support.program.fake_aws import ACCOUNT, REGION

FAILED = "could not obtain credentials: "
PROCESS = f"{FAILED}credential_process of profile default "
REFUSED = f"{PROCESS}failed; log in again, or correct it: "
NOT_JSON = (
    f"{PROCESS}is not a command that prints a JSON object with Version 1, AccessKeyId and "
    "SecretAccessKey; correct it"
)
KEYS = '"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "s"'


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without AWS settings, of which no call leaves."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(aws, "_ATTEMPTS", 1)


def said(target: Target = TARGET) -> str:
    """What a lookup fails with."""
    return refusal(lambda: CaCertificates(Account(target)).observe_one("a" * 64))


def short(text: str) -> bool:
    """Whether a message is of the length that a reader takes in."""
    return len(text) <= 200


ROLE = {"AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/ci"}
LOCAL = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/credentials"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {**ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such"},
            "the file that AWS_WEB_IDENTITY_TOKEN_FILE names can't be read: No such file or "
            "directory: /no/such; correct it",
        ),
        (
            {**ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/"},
            "the file that AWS_WEB_IDENTITY_TOKEN_FILE names can't be read: Is a directory: /; "
            "correct it",
        ),
        (
            {**LOCAL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/no/such"},
            "the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names can't be read: No such "
            "file or directory: /no/such; correct it",
        ),
    ],
)
def test_a_token_file_that_cannot_be_read_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], message: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert said() == FAILED + message
    assert short(message)


def test_a_token_file_of_a_profile_is_named_with_its_setting(tmp_path: Path) -> None:
    lines = f"[default]\nrole_arn = {ROLE['AWS_ROLE_ARN']}\nweb_identity_token_file = /no/such\n"
    (tmp_path / "config").write_text(lines)
    assert said().startswith(f"{FAILED}the file that web_identity_token_file names can't be read")


def test_a_token_that_is_not_text_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE["AWS_ROLE_ARN"])
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    assert said().startswith(f"{FAILED}a token or a file with credentials is not text")


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/", "Unsupported host"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:port/", "FULL_URI"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\nb", "Auth token value is not a legal"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "soon", "invalid literal for int()"),
    ],
)
def test_other_settings_of_credentials_do_not_blame_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, message: str
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    if "CONTAINER" in setting:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/")
    monkeypatch.setenv(setting, value)
    text = said()
    assert text.startswith("could not obtain credentials")
    assert message in text
    assert "AWS_ENDPOINT_URL" not in text


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/no/such/helper", f"{PROCESS}can't be run (No such file or directory); correct it"),
        ("/", f"{PROCESS}can't be run (Permission denied); correct it or install"),
        ("echo garbage SECRET", NOT_JSON),
        ("echo '[1, 2]'", NOT_JSON),
        ("echo 1", NOT_JSON),
        ("echo", NOT_JSON),
        ("printf '\\377'", NOT_JSON),
        ("", NOT_JSON),
        ("unclosed 'quote", NOT_JSON),
        ("echo '{}'", f"{REFUSED}Unsupported version"),
        (
            "echo '{\"Version\": 1}'",
            f"{REFUSED}Missing required key",
        ),
        (
            "sh -c 'echo log in first >&2; exit 3'",
            f"{REFUSED}log in first",
        ),
        ("false", f"{REFUSED}no message"),
        (
            f'echo \'{{{KEYS}, "Expiration": "2001-01-01T00:00:00Z"}}\'',
            f"{FAILED}those that were just issued have expired; log in again",
        ),
        (f'echo \'{{{KEYS}, "Expiration": "soon"}}\'', f"{FAILED}Unknown string format: soon"),
        (
            'echo \'{"Version": 1, "AccessKeyId": 1, "SecretAccessKey": "s"}\'',
            "the access key ID of the AWS credentials has a line break",
        ),
    ],
)
def test_a_credential_process_that_gives_no_credentials_is_named(
    tmp_path: Path, command: str, message: str
) -> None:
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {command}\n")
    text = said()
    assert text.startswith(message)
    assert "SECRET" not in text
    assert short(text.partition("correct it: ")[0])


@pytest.mark.parametrize("profile", ["default", "through-a-role"])
def test_a_credential_process_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.setattr("iot_ca.aws.credentials._PROCESS_SECONDS", 1)
    # A shell, which has begun long before it is ended, also on a busy machine.
    (tmp_path / "hang.sh").write_text('echo $$ > "$1"\nexec sleep 60\n')
    (tmp_path / "config").write_text(
        "[default]\n"
        f"credential_process = sh {tmp_path}/hang.sh {tmp_path}/pid\n"
        "[profile through-a-role]\nsource_profile = default\n"
        f"role_arn = {ROLE['AWS_ROLE_ARN']}\n"
    )
    start = time.monotonic()
    text = said(Target(ACCOUNT, REGION, Credentials(profile=profile)))
    assert text == f"{PROCESS}has not ended within 1 seconds; run it by hand"
    assert time.monotonic() - start < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("value", ["AKIA\n", "AKIA\r\n", " AKIA", "AK IA", "AKIÄ", "AK\x1bIA"])
@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("aws_access_key_id", "access key ID"),
        ("aws_secret_access_key", "secret access key"),
        ("aws_session_token", "session token"),
    ],
)
def test_a_key_with_an_impossible_character_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, setting: str, what: str, value: str
) -> None:
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        monkeypatch.setenv(name.upper(), "usual")
    monkeypatch.setenv(setting.upper(), value)
    text = said()
    assert text.startswith(f"the {what} of the AWS credentials has a line break, a space or")
    assert "IA" not in text
    assert short(text)


# Endpoints and proxies


@pytest.fixture
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.parametrize("port", ["port", "99999", "-1", "0", "1:2"])
@pytest.mark.usefixtures("_keys")
def test_a_malformed_endpoint_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_IOT", f"http://user:password@localhost:{port}/")
    text = said()
    assert text == f"Invalid endpoint: http://localhost:{port}/; check AWS_ENDPOINT_URL_IOT"


@pytest.mark.usefixtures("_keys")
def test_a_malformed_endpoint_of_a_profile_is_named_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://localhost:port\n")
    assert said() == "Invalid endpoint: http://localhost:port; check endpoint_url of the profile"


@pytest.mark.usefixtures("_keys")
def test_a_password_in_an_endpoint_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:password@127.0.0.1:9")
    assert said() == (
        "AWS can't be reached at 127.0.0.1:9 (EndpointConnectionError); check network, proxy and "
        "AWS_ENDPOINT_URL"
    )


@pytest.mark.usefixtures("_keys")
def test_a_proxy_that_is_not_a_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:port")
    assert "the proxy of HTTP_PROXY or HTTPS_PROXY is not the URL of one" in said()


@pytest.mark.usefixtures("_keys")
def test_an_outage_does_not_blame_an_endpoint_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert said().endswith("(ProxyConnectionError); check network and proxy")


@pytest.mark.usefixtures("_keys")
def test_a_region_that_is_not_one_does_not_blame_the_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert "AWS_ENDPOINT_URL" not in said(Target(ACCOUNT, "eu-west-1\n"))


@pytest.mark.usefixtures("_keys")
def test_a_configuration_file_that_is_not_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("garbage\n")
    assert said() == (
        f"Unable to parse config file: {tmp_path}/config; correct that file, or AWS_CONFIG_FILE"
    )
