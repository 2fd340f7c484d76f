"""How the commands start, fail and print."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from iot_ca import __main__ as start_of_program
from iot_ca.aws import session as aws_module
from iot_ca.certificates import pem as pem_module
from iot_ca.certificates.pem import Certificate
from tests.support.certificates import key_pem, pem
from tests.support.messages import assert_tells_nothing_of
from tests.support.program.broken_streams import BROKEN, broken_stream
from tests.support.program.fake_aws import ACCOUNT, FakeAws
from tests.support.program.in_process import (
    OTHER,
    ROOT,
    TARGET,
    WHERE,
    Program,
    authority,
    identity,
)

# The real one; the fixture `aws` puts another in its place.
CLIENT = aws_module._client


@pytest.mark.parametrize(
    "endpoint_url",
    [
        *("localhost:5555", "http//localhost", "://", "http://", "ftp://localhost"),
        *("http://localhost:port", "http://localhost:99999", "http://localhost:0"),
        *("http://localhost:-1", "http://localhost:1:2", "http://local host:80"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "register", "deregister"])
def test_a_malformed_endpoint_is_one_line(
    program: Program, monkeypatch: pytest.MonkeyPatch, command: str, endpoint_url: str
) -> None:
    monkeypatch.setattr("iot_ca.aws.session._client", CLIENT)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    status, out, err = {
        "inspect": lambda: program.query({"root": authority()}),
        "register": lambda: program.request("register", program.request_to_register(authority())),
        "deregister": lambda: program.request("deregister", request),
    }[command]()
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: root ({WHERE}): ")
    assert endpoint_url in line
    assert line.endswith("; check AWS_ENDPOINT_URL")


def test_an_outage_is_one_line_for_all_cas(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iot_ca.aws.session._client", CLIENT)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    # No server listens there.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    status, out, err = program.query({"one": authority(), "two": authority(OTHER)})
    assert (status, out) == (1, "")
    assert err == [
        f"iot_ca: one, two ({WHERE}): AWS can't be reached at 127.0.0.1:9 "
        "(EndpointConnectionError); check network, proxy and AWS_ENDPOINT_URL"
    ]


def test_a_denied_account_check_is_one_line_for_all_cas(program: Program, aws: FakeAws) -> None:
    aws.faults["GetCallerIdentity"] = ("AccessDenied", "no")
    status, out, err = program.query({"one": authority(), "two": authority(OTHER)})
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: one, two ({WHERE}): ")
    assert "sts:GetCallerIdentity" in line
    assert aws.calls.count("GetCallerIdentity") == 1


def test_no_command_writes_to_another_account(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    aws.account = "999988887777"
    for ca in aws.cas.values():
        ca["certificateDescription"]["certificateArn"] = aws.arn(identity())
    aws.calls.clear()
    requests: list[tuple[str, Any]] = [
        ("register", program.request_to_register(authority(status="INACTIVE"))),
        ("register", program.request_to_register(authority(OTHER))),
        (
            "deregister",
            {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"},
        ),
        (
            "deregister",
            {"name": "root", "target": TARGET, "certificate_id": "a" * 64, "owner": "me"},
        ),
        ("release-policy", {"name": "root", "target": TARGET, "policy_name": "iot-jitr-root"}),
    ]
    for command, request in requests:
        status, out, err = program.request(command, request)
        assert (status, out) == (1, "")
        (line,) = err
        assert "999988887777" in line
        named_by = "the aws provider" if command == "register" else "the state"
        assert f"{named_by}'s to account {ACCOUNT}; nothing was written" in line
    assert aws.writes == []


def test_standard_output_holds_only_the_answer(program: Program) -> None:
    _, out, err = program.query({"root": authority()})
    assert out.count("\n") == 1
    assert set(json.loads(out)) == {"root"}
    assert err == []


@pytest.mark.parametrize("argv", [(), ("unknown",), ("inspect", "more"), ("--help",)])
def test_a_wrong_command_prints_the_usage(program: Program, argv: tuple[str, ...]) -> None:
    status, out, err = program.run(*argv)
    assert (status, out) == (1, "")
    assert err == [
        "iot_ca: usage: iot_ca inspect | register | deregister | release-policy | csr | status | "
        "diagnose | inventory"
    ]


@pytest.mark.parametrize("command", ["register", "deregister", "release-policy"])
def test_a_missing_request_names_the_environment_variable(program: Program, command: str) -> None:
    status, out, err = program.run(command)
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert "IOT_CA_REQUEST is not set" in err[0]


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"target": 1}', "\x00"])
def test_an_unreadable_query_is_one_line(program: Program, text: str) -> None:
    status, out, err = program.inspect_text(text)
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert err[0].startswith("iot_ca: the query ")


def test_a_query_that_is_not_utf_8_is_one_line(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe{}"), "utf-8"))
    status, out, err = program.run("inspect")
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert "the query" in err[0]


def test_a_closed_standard_input_is_one_line(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python makes of `<&-`.
    monkeypatch.setattr("sys.stdin", None)
    status, out, err = program.run("inspect")
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert "the query" in err[0]


def test_names_are_read_as_utf_8_in_any_locale(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Terraform writes UTF-8; a Windows or an old Unix has another encoding for its streams.
    text = json.dumps(
        {
            "target": json.dumps(TARGET),
            "certificate_authorities": json.dumps({"Wurzel ü": authority()}, ensure_ascii=False),
        },
        ensure_ascii=False,
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), "latin-1"))
    status, out, err = program.run("inspect")
    assert (status, err) == (0, [])
    assert list(json.loads(out)) == ["Wurzel ü"]


def explode(*_: object, **__: object) -> None:
    raise ValueError("the text of an unforeseen error")


UNFORESEEN = "unforeseen ValueError; run with IOT_CA_DEBUG=1 and report it"


@pytest.mark.parametrize(
    ("function", "concerned"),
    [
        ("iot_ca.terraform.protocol.read_inspect", ""),
        ("iot_ca.certificates.pem.read", f"root ({WHERE}): "),
        ("iot_ca.certificates.pem.parse", f"root ({WHERE}): "),
        ("iot_ca.certificates.validation.check", f"root ({WHERE}): "),
        ("iot_ca.aws.ca_certificates.CaCertificates.observe", f"root ({WHERE}): "),
        ("iot_ca.aws.observation.read_tags", f"root ({WHERE}): "),
        ("iot_ca.terraform.inspect.current_revision", f"root ({WHERE}): "),
        ("iot_ca.terraform.protocol.write_results", ""),
    ],
)
def test_an_unforeseen_error_hides_the_text_of_the_exception(
    program: Program, monkeypatch: pytest.MonkeyPatch, function: str, concerned: str
) -> None:
    if function == "iot_ca.aws.observation.read_tags":
        program.register(authority())
    monkeypatch.setattr(function, explode)
    status, out, err = program.query({"root": authority()})
    assert (status, out) == (1, "")
    assert err == [f"iot_ca: {concerned}{UNFORESEEN}"]


def test_an_unforeseen_error_costs_one_ca_of_a_plan(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = pem_module.parse

    def parse_others(certificate: Certificate) -> x509.Certificate:
        if certificate.certificate_id == identity():
            # As an extension module in Rust panics: no Exception.
            raise BaseException("panicked")
        return parse(certificate)

    monkeypatch.setattr("iot_ca.certificates.pem.parse", parse_others)
    junk = {"certificate_pem": "junk"}
    status, out, err = program.query({"odd": authority(), "good": authority(OTHER), "junk": junk})
    assert (status, out) == (1, "")
    assert sorted(line.split(" (")[0] for line in err) == ["iot_ca: junk", "iot_ca: odd"]
    assert any("unforeseen BaseException" in line for line in err)


def test_an_unforeseen_error_in_a_call_costs_one_ca_of_a_plan(
    program: Program, aws: FakeAws
) -> None:
    program.register(authority())
    program.register(authority(OTHER))
    # As a proxy might answer.
    aws.cas[identity()]["certificateDescription"]["validity"] = {"notBefore": 1, "notAfter": 2}
    status, out, err = program.query({"odd": authority(), "good": authority(OTHER)})
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: odd ({WHERE}): unforeseen AttributeError; ")


@pytest.mark.parametrize("command", ["register", "deregister"])
def test_an_unforeseen_error_of_a_write_names_the_ca(
    program: Program, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    program.register(authority())
    request: Any = program.request_to_register(authority())
    if command == "deregister":
        request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    unforeseen = [f"iot_ca: root ({WHERE}): {UNFORESEEN}"]
    aws.faults["DescribeCACertificate"] = ValueError("the text of an unforeseen error")
    assert program.request(command, request) == (1, "", unforeseen)
    aws.faults.clear()
    monkeypatch.setattr("iot_ca.aws.ca_certificates.CaCertificates.observe", explode)
    assert program.request(command, request) == (1, "", unforeseen)


def test_an_unforeseen_error_has_its_traceback_for_debugging(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IOT_CA_DEBUG", "1")
    monkeypatch.setattr("iot_ca.terraform.inspect.current_revision", explode)
    _, _, err = program.query({"root": authority(), "other": authority(OTHER)})
    assert err.count("ValueError: the text of an unforeseen error") == 2
    assert err[-1] == f"iot_ca: root, other ({WHERE}): {UNFORESEEN}"


# What AWS answers, and what prints it


def test_control_characters_of_an_answer_are_visible(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    aws.cas[identity()]["certificateDescription"]["status"] = "\x1b[2JACTIVE\u202e\r\n"
    (drift,) = program.inspect({"root": authority()})["root"]["drift"]
    assert drift.startswith("status is \\x1b[2JACTIVE\\u202e , wanted")
    aws.faults["DescribeCACertificate"] = ("InternalFailure", "\x1b]0;title\x07\x00 \u2028 sorry ü")
    _, _, (line,) = program.query({"root": authority()})
    assert line.isprintable()
    assert line.endswith("\\x1b]0;title\\x07\\x00 sorry ü")


NAME = "デバイス \ud800 ü"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "shift_jis", "utf-16"])
def test_a_name_that_the_encoding_lacks_fails_no_finished_write(
    program: Program, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding))
    request = {**program.request_to_register(authority()), "name": NAME}
    assert program.request("register", request)[0] == 0
    request = {"name": NAME, "target": TARGET, "certificate_id": identity(), "owner": "me"}
    assert program.request("deregister", request)[0] == 0
    assert aws.cas == {}
    registered, deregistered = written.getvalue().decode(encoding).splitlines()
    assert "registered; SNI_ONLY" in registered
    assert "deleted, since" in deregistered


@pytest.mark.parametrize("kind", BROKEN)
def test_a_standard_output_that_takes_nothing_fails_no_finished_write(
    program: Program, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    request = program.request_to_register(authority())
    with broken_stream(kind) as stream:
        monkeypatch.setattr("sys.stdout", stream)
        status, _, err = program.request("register", request)
    assert (status, err) == (0, [])
    assert list(aws.cas) == [identity()]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_standard_error_that_takes_nothing_leaves_the_status(
    program: Program, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("IOT_CA_DEBUG", "1")
    with broken_stream(kind) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        assert program.query({"root": {"certificate_pem": "junk"}})[:2] == (1, "")
        start_of_program.say("a line")


@pytest.mark.parametrize("debug", ["", "0", "true"])
def test_a_traceback_needs_the_debug_variable(
    program: Program, monkeypatch: pytest.MonkeyPatch, debug: str
) -> None:
    monkeypatch.setenv("IOT_CA_DEBUG", debug)
    _, _, err = program.query({"root": {"certificate_pem": "junk"}})
    assert len(err) == 1
    monkeypatch.setenv("IOT_CA_DEBUG", "1")
    status, out, err = program.query({"root": {"certificate_pem": "junk"}})
    assert (status, out) == (1, "")
    assert any(line.startswith("Traceback") for line in err)
    assert err[-1].startswith(f"iot_ca: root ({WHERE}): ")


def test_an_interrupt_is_one_line(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("iot_ca.terraform.protocol.read_inspect", interrupt)
    status, out, err = program.query({})
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert "interrupted" in err[0]


@pytest.mark.parametrize("debug", ["0", "1"])
@pytest.mark.parametrize(
    "wrong",
    [
        lambda key, _: authority(certificate_pem=key),
        lambda key, _: authority(certificate_pem=pem(ROOT) + key),
        lambda key, _: authority(certificate_pem="".join(key.splitlines()[1:-1])),
        lambda key, _: authority(verification={"certificate_pem": key}),
        lambda key, _: authority(verification={"ca_private_key_file": key}),
        lambda _, path: authority(verification={"ca_private_key_file": path}),
        lambda key, _: authority(verification=key),
        lambda key, _: authority(certificate_mode=key),
        lambda key, _: authority(status=key),
        lambda key, _: authority(auto_registration=key),
        lambda key, _: authority(tags=key),
        lambda key, _: {"certificate_pem": [key]},
        lambda key, _: key,
    ],
    ids=[
        *("as-certificate", "behind-certificate", "as-base64", "as-proof", "as-path", "other-key"),
        *("as-verification", "as-mode", "as-status", "as-flag", "as-tags", "in-a-list", "as-ca"),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "register"])
def test_a_misplaced_private_key_is_never_printed(
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    rsa_key: rsa.RSAPrivateKey,
    command: str,
    wrong: Callable[[str, str], Any],
    debug: str,
) -> None:
    key = key_pem(rsa_key)
    (tmp_path / "ca.key").write_text(key)
    wanted = wrong(key, str(tmp_path / "ca.key"))
    if isinstance(wanted, dict) and "verification" in wanted:
        wanted["certificate_mode"] = "DEFAULT"
    monkeypatch.setenv("IOT_CA_DEBUG", debug)
    if command == "inspect":
        status, out, err = program.query({"root": wanted})
    else:
        status, out, err = program.request("register", program.request_to_register(wanted))
    assert (status, out) == (1, "")
    assert_tells_nothing_of(key, "\n".join(err))
    if debug == "0":
        assert len(err) == 1
