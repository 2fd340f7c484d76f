"""`iot_ca csr`: the request for a verification certificate, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from iot_ca.aws.session import Account
from tests.support.program.broken_streams import BROKEN, broken_stream
from tests.support.program.fake_aws import ACCOUNT, REGION, FakeAws
from tests.support.program.fake_iot import CODE
from tests.support.program.in_process import Program

OTHER_ACCOUNT = "999988887777"


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def refused(program: Program, *options: str) -> str:
    """The one line with which it fails."""
    status, out, err = program.run("csr", *options)
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith("iot_ca: ")
    return line.removeprefix("iot_ca: ")


def test_stdout_has_the_request_and_stderr_the_next_step(program: Program, aws: FakeAws) -> None:
    status, out, err = program.run("csr")
    assert status == 0
    assert out.startswith("-----BEGIN CERTIFICATE REQUEST-----\n")
    assert out.endswith("-----END CERTIFICATE REQUEST-----\n")
    assert out.count("-----BEGIN") == 1
    request = x509.load_pem_x509_csr(out.encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == f"CN={CODE}"
    (line,) = err
    assert f"for account {ACCOUNT}, {REGION}" in line
    assert f"common name {CODE}" in line
    assert "verification.certificate_pem" in line
    assert aws.writes == []
    # Its key is thrown away: no two are the same.
    assert program.run("csr")[1] != out


@pytest.mark.parametrize("kind", BROKEN)
def test_stdout_has_only_the_request_without_a_standard_error(
    program: Program, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with broken_stream(kind) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        status, out, _ = program.run("csr")
    assert status == 0
    assert out.endswith("-----END CERTIFICATE REQUEST-----\n")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_request_that_can_not_be_printed_is_one_line(
    program: Program, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with broken_stream(kind) as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert refused(program).startswith("standard output can't be written: ")


def test_credentials_of_another_account_are_refused(program: Program, aws: FakeAws) -> None:
    assert program.run("csr", "--account-id", ACCOUNT)[0] == 0
    aws.calls.clear()
    said = refused(program, "--account-id", OTHER_ACCOUNT)
    assert f"belong to account {ACCOUNT}, not to {OTHER_ACCOUNT}" in said
    assert "--profile" in said
    assert "GetRegistrationCode" not in aws.calls


@pytest.mark.parametrize(
    ("options", "environment", "region"),
    [
        ((), {"AWS_DEFAULT_REGION": "eu-north-1"}, "eu-north-1"),
        # As Terraform and the AWS CLI read it.
        ((), {"AWS_DEFAULT_REGION": "eu-north-1", "AWS_REGION": "us-east-2"}, "us-east-2"),
        (("--region", "ap-south-1"), {"AWS_REGION": "us-east-2"}, "ap-south-1"),
    ],
)
def test_the_region_is_chosen_as_by_terraform(
    program: Program,
    aws: FakeAws,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    environment: dict[str, str],
    region: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    status, _, (line,) = program.run("csr", *options)
    assert status == 0
    assert f"account {ACCOUNT}, {region}" in line
    assert ("iot", region) in aws.clients


def test_the_region_of_a_profile_is_used(
    program: Program, aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    (tmp_path / "config").write_text("[profile deployer]\nregion = sa-east-1\n")
    assert program.run("csr", "--profile", "deployer")[0] == 0
    assert ("iot", "sa-east-1") in aws.clients
    assert "nobody" in refused(program, "--profile", "nobody")


def test_a_missing_region_is_refused_with_the_remedy(
    program: Program, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert refused(program) == "no region; set --region, or AWS_REGION in the environment"
    assert aws.calls == []


def test_a_role_is_assumed(program: Program, aws: FakeAws) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/deployer"
    assert program.run("csr", "--role-arn", role, "--external-id", "id")[0] == 0
    assumed = aws.sent("AssumeRole")
    assert assumed
    for request in assumed:
        assert (request["RoleArn"], request["ExternalId"]) == (role, "id")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--unknown",), "unrecognized arguments: --unknown"),
        (("--reg", "eu-west-1"), "unrecognized arguments: --reg"),
        (("root.pem",), "unrecognized arguments: root.pem"),
        (("--region",), "expected one argument"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_help(
    program: Program, aws: FakeAws, options: tuple[str, ...], said: str
) -> None:
    line = refused(program, *options)
    assert said in line
    assert "iot_ca csr --help" in line
    assert aws.calls == []


def test_the_help_lists_every_option(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.run("csr", "--help")
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for option in ("--account-id", "--region", "--profile", "--role-arn", "--external-id"):
        assert option in out


@pytest.mark.parametrize("operation", ["GetCallerIdentity", "GetRegistrationCode"])
def test_a_missing_permission_is_named(program: Program, aws: FakeAws, operation: str) -> None:
    aws.faults[operation] = ("AccessDenied", "no")
    assert f":{operation}; allow it in their policy" in refused(program)


def test_an_unforeseen_error_is_one_line(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(_: object) -> str:
        raise ValueError("the text of an unforeseen error")

    monkeypatch.setattr(Account, "caller", property(explode))
    assert refused(program).startswith("unforeseen ValueError; ")
