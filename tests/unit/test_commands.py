"""The three commands from their text to their text, on an AWS in memory."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from iot_ca.aws import session as aws_module
from iot_ca.model import ORIGIN_TAG, OWNER_TAG, REVISION_TAG, TAG_PREFIX
from iot_ca.terraform.protocol import Result
from tests.unit.program import (
    KEY,
    OTHER,
    ROOT,
    TARGET,
    WHERE,
    Program,
    authority,
    identity,
)
from tests.unit.support import (
    ACCOUNT,
    CODE,
    NOW,
    FakeAws,
    Refused,
    assert_tells_nothing_of,
    ec_key,
    issue,
    key_pem,
    pem,
)

SCRIPTS = Path(__file__).parents[2] / "scripts"
# The real one; the fixture `aws` puts another in its place.
CLIENT = aws_module._client


# inspect


def test_a_ca_that_is_missing_is_shown_as_it_will_be(program: Program, aws: FakeAws) -> None:
    result = program.inspect({"root": authority()})["root"]
    assert set(result) == {field.name for field in fields(Result)}
    assert result["certificate_id"] == identity()
    assert result["certificate_arn"] == aws.arn(identity())
    assert result["certificate_mode"] == "SNI_ONLY"
    assert result["status"] == "ACTIVE"
    assert result["auto_registration_status"] == "ENABLE"
    assert result["drift"] == ["not registered"]
    assert result["warnings"] == []
    assert result["revision"].startswith("register ")
    assert datetime.fromisoformat(result["not_after"].replace("Z", "+00:00")) > NOW
    assert aws.writes == []


def test_a_fresh_revision_differs_from_plan_to_plan(program: Program) -> None:
    revisions = [program.inspect({"root": authority()})["root"]["revision"] for _ in range(5)]
    assert len(set(revisions)) == 5


def test_apply_then_plan_shows_nothing_to_do(program: Program, aws: FakeAws) -> None:
    wanted = authority(template_name="t", tags={"a": "1"}, status="INACTIVE")
    planned = program.inspect({"root": wanted})["root"]
    said = program.register(wanted, planned["revision"])
    assert said == f"iot_ca: root ({WHERE}): registered; SNI_ONLY, INACTIVE, template t\n"
    aws.calls.clear()
    assert program.inspect({"root": wanted})["root"] == {**planned, "drift": []}
    assert sorted(aws.calls) == ["DescribeCACertificate"] + ["ListTagsForResource"] * 3
    aws.calls.clear()
    assert "nothing to do" in program.register(wanted, planned["revision"])
    assert aws.writes == []


def test_drift_is_said_and_mended(program: Program, aws: FakeAws) -> None:
    wanted = authority()
    program.register(wanted)
    aws.cas[identity()]["certificateDescription"]["status"] = "INACTIVE"
    result = program.inspect({"root": wanted})["root"]
    assert result["drift"] == ["status is INACTIVE, wanted ACTIVE"]
    assert result["status"] == "ACTIVE"
    assert result["revision"].startswith("repair status=INACTIVE ")
    assert "updated, tagged" in program.register(wanted, result["revision"])
    after = program.inspect({"root": wanted})["root"]
    assert after == {**result, "drift": []}


def test_several_cas_are_answered_by_name(program: Program) -> None:
    answer = program.inspect({"one": authority(), "two ü": authority(OTHER)})
    assert answer["one"]["certificate_id"] == identity()
    assert answer["two ü"]["certificate_id"] == identity(OTHER)


def test_no_ca_needs_no_aws(program: Program, aws: FakeAws) -> None:
    assert program.inspect({}) == {}
    assert aws.calls == []


def test_a_bundle_is_warned_about(program: Program) -> None:
    text = pem(ROOT) + pem(OTHER)
    result = program.inspect({"root": {"certificate_pem": text}})["root"]
    assert result["certificate_id"] == identity()
    assert result["warnings"] == ["certificate_pem holds 2 certificates; the first one is used"]


def test_a_ca_that_expires_while_registered_is_a_warning(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.register(authority())
    monkeypatch.setattr("iot_ca.utc.now", lambda: NOW + timedelta(days=1000))
    (warning,) = program.inspect({"root": authority()})["root"]["warnings"]
    assert warning.startswith("expired at ")
    status, out, err = program.query({"root": authority(), "other": authority(OTHER)})
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert err[0].startswith(f"iot_ca: other ({WHERE}): the certificate expired at ")


def test_another_mode_is_refused_with_both_and_what_to_do(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    aws.calls.clear()
    wanted = authority(certificate_mode="DEFAULT")
    for status, out, err in (
        program.query({"root": wanted}),
        program.request("register", program.request_to_register(wanted)),
    ):
        assert (status, out) == (1, "")
        (line,) = err
        assert "registered in SNI_ONLY mode, wanted DEFAULT" in line
        assert 'certificate_mode = "SNI_ONLY"' in line
        assert "delete" in line
    assert aws.writes == []


def test_one_certificate_under_two_names_is_refused(program: Program, aws: FakeAws) -> None:
    status, out, err = program.query({"one": authority(), "two": authority()})
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: one, two ({WHERE}): same certificate {identity()}")
    assert aws.writes == []


def test_every_ca_that_is_wrong_is_named_in_one_plan(program: Program) -> None:
    leaf = issue(ec_key(), ca=False)
    status, out, err = program.query(
        {
            "good": authority(OTHER),
            "leaf": authority(leaf),
            "junk": {"certificate_pem": "junk"},
            "more junk": {"certificate_pem": "more"},
        }
    )
    assert (status, out) == (1, "")
    assert len(err) == 2
    assert any(line.startswith(f"iot_ca: leaf ({WHERE}): ") for line in err)
    assert any(line.startswith(f"iot_ca: junk, more junk ({WHERE}): ") for line in err)


def test_a_failure_about_all_names_them_all_once(program: Program, aws: FakeAws) -> None:
    aws.faults["DescribeCACertificate"] = ("ExpiredTokenException", "expired")
    roots = {f"root {n}": authority(issue(ec_key())) for n in range(7)}
    status, out, err = program.query(roots)
    assert (status, out) == (1, "")
    (line,) = err
    assert "root 0, root 1, root 2, root 3, root 4 and 2 more" in line
    assert "the credentials have expired" in line


def test_a_name_with_a_line_break_stays_on_one_line(program: Program) -> None:
    status, out, err = program.query({"root\nof 2026": {"certificate_pem": "junk"}})
    assert (status, out) == (1, "")
    assert len(err) == 1


@pytest.mark.parametrize("command", ["inspect", "register"])
def test_default_mode_without_a_proof_fails_before_anything_is_written(
    program: Program, aws: FakeAws, command: str
) -> None:
    wanted = authority(certificate_mode="DEFAULT")
    status, out, err = (
        program.query({"root": wanted})
        if command == "inspect"
        else program.request("register", program.request_to_register(wanted))
    )
    assert (status, out) == (1, "")
    (line,) = err
    assert "DEFAULT mode needs a proof of ownership" in line
    assert aws.writes == []


def test_default_mode_with_the_cas_key(
    program: Program,
    aws: FakeAws,
    tmp_path: Path,
    root: x509.Certificate,
    rsa_key: rsa.RSAPrivateKey,
) -> None:
    (tmp_path / "ca.key").write_text(key_pem(rsa_key))
    verification = {"ca_private_key_file": str(tmp_path / "ca.key")}
    wanted = authority(root, certificate_mode="DEFAULT", verification=verification)
    planned = program.inspect({"root": wanted})["root"]
    said = program.register(wanted, planned["revision"])
    # The first half of the key's file is the modulus, which is public.
    lines = key_pem(rsa_key).splitlines()
    private_half = "\n".join(lines[len(lines) // 2 :])
    assert_tells_nothing_of(private_half, json.dumps(aws.requests) + json.dumps(planned) + said)
    request = aws.requests[aws.calls.index("RegisterCACertificate")]
    proof = x509.load_pem_x509_certificate(request["verificationCertificate"].encode())
    proof.verify_directly_issued_by(root)
    # Once it is registered the proof has done its work: the key may be away.
    (tmp_path / "ca.key").unlink()
    assert program.inspect({"root": wanted})["root"]["drift"] == []
    assert "nothing to do" in program.register(wanted, planned["revision"])


# From when and to when


def test_the_validity_of_a_registered_ca_is_what_aws_says(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    east = timezone(timedelta(hours=9))
    aws.cas[identity()]["certificateDescription"]["validity"] = {
        "notBefore": datetime(2001, 1, 1, 9, tzinfo=east),
        "notAfter": datetime(2101, 1, 1, 9, tzinfo=east),
    }
    result = program.inspect({"root": authority()})["root"]
    assert result["not_before"] == "2001-01-01T00:00:00Z"
    assert result["not_after"] == "2101-01-01T00:00:00Z"


@pytest.mark.parametrize("tells_validity", [True, False])
def test_the_validity_is_the_same_whoever_says_it(
    program: Program, aws: FakeAws, tells_validity: bool
) -> None:
    aws.tells_validity = tells_validity
    planned = program.inspect({"root": authority()})["root"]
    program.register(authority(), planned["revision"])
    assert ("validity" in aws.cas[identity()]["certificateDescription"]) is tells_validity
    assert program.inspect({"root": authority()})["root"] == {**planned, "drift": []}


@pytest.fixture
def endpoint(aws: FakeAws) -> Iterator[str]:
    """The URL of a server that answers what `aws` has: for the program as a process."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/cacertificate/"):
                answer: Any = aws.cas[self.path.rpartition("/")[2]]
            else:
                (tags,) = aws.tags.values()
                answer = {"tags": [{"Key": key, "Value": tags[key]} for key in tags]}
            # Moments are seconds in AWS's JSON.
            body = json.dumps(answer, default=lambda moment: moment.timestamp()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("start", ["commands", "entry"])
@pytest.mark.parametrize("tells_validity", [True, False])
def test_a_ca_in_sync_is_answered_without_importing_cryptography(
    program: Program,
    aws: FakeAws,
    endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    tells_validity: bool,
    start: str,
) -> None:
    aws.tells_validity = tells_validity
    program.register(authority(tags={"a": "1"}))
    wanted = {"root": authority(tags={"a": "1"})}
    status, expected, _ = program.query(wanted)
    assert status == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    begin = {
        "commands": "from iot_ca.cli import run as main",
        "entry": "import runpy; main = runpy.run_path(sys.argv[1] + '/iot_ca')['main']",
    }[start]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            # botocore loads pyOpenSSL, and with it cryptography, where it happens to be installed.
            "import sys; sys.modules['OpenSSL'] = None; sys.path.insert(0, sys.argv[1])\n"
            f"{begin}\n"
            "status = main(['inspect'])\n"
            "print(*sys.modules, file=sys.stderr)\n"
            "sys.exit(status)",
            str(SCRIPTS),
        ],
        input=json.dumps(
            {"target": json.dumps(TARGET), "certificate_authorities": json.dumps(wanted)}
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
    imported = set(done.stderr.splitlines()[-1].split())
    assert "botocore" in imported
    # The entry script reads the package's version, which costs next to nothing.
    assert ("cryptography" in imported) is (start == "entry" or not tells_validity)
    assert ("cryptography.x509" in imported) is not tells_validity


# An endpoint that is none


@pytest.mark.parametrize("endpoint_url", ["localhost:5555", "http//localhost", "://"])
@pytest.mark.parametrize("command", ["inspect", "register", "deregister"])
def test_an_endpoint_that_is_no_url_is_one_line(
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


def test_one_outage_is_one_line_for_all(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_ca.aws.session._client", CLIENT)
    monkeypatch.setattr("iot_ca.aws.session._ATTEMPTS", 1)
    # Nobody listens there.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    status, out, err = program.query({"one": authority(), "two": authority(OTHER)})
    assert (status, out) == (1, "")
    assert err == [
        f"iot_ca: one, two ({WHERE}): AWS can't be reached at 127.0.0.1:9 "
        "(EndpointConnectionError); check network, proxy and AWS_ENDPOINT_URL"
    ]


def test_an_account_that_can_not_be_asked_for_is_one_line(program: Program, aws: FakeAws) -> None:
    aws.faults["GetCallerIdentity"] = ("AccessDenied", "no")
    status, out, err = program.query({"one": authority(), "two": authority(OTHER)})
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: one, two ({WHERE}): ")
    assert "sts:GetCallerIdentity" in line
    assert aws.calls.count("GetCallerIdentity") == 1


# register


def test_a_ca_that_was_registered_by_hand_is_adopted(program: Program, aws: FakeAws) -> None:
    program.register(authority(tags={"theirs": "1"}))
    aws.tags[identity()] = {"theirs": "1"}
    aws.calls.clear()
    result = program.inspect({"root": authority()})["root"]
    assert result["revision"].startswith("adopt ")
    assert "tagged" in program.register(authority(), result["revision"])
    assert aws.writes == ["TagResource"]
    assert aws.tags[identity()]["theirs"] == "1"
    assert program.inspect({"root": authority()})["root"]["drift"] == []


@pytest.mark.parametrize("removal_disables", [False, True])
def test_a_ca_without_provisioning_keeps_its_auto_registration(
    program: Program, aws: FakeAws, removal_disables: bool
) -> None:
    aws.removal_disables = removal_disables
    program.register(authority(template_name="t"))
    program.register(authority(), "repair 2")
    ca = aws.cas[identity()]
    assert ca["registrationConfig"] == {}
    assert ca["certificateDescription"]["autoRegistrationStatus"] == "ENABLE"
    assert program.inspect({"root": authority()})["root"]["revision"] == "repair 2"


def test_register_gives_up_on_somebody_who_always_undoes_it(program: Program, aws: FakeAws) -> None:
    program.register(authority())

    def undo(operation: str) -> None:
        if operation == "DescribeCACertificate":
            aws.cas[identity()]["certificateDescription"]["status"] = "INACTIVE"

    aws.before = undo
    status, out, err = program.request("register", program.request_to_register(authority()))
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: root ({WHERE}): what was written does not show up")
    assert aws.tags[identity()][REVISION_TAG] == "register 1"


def test_a_registration_whose_answer_was_lost_is_finished(program: Program, aws: FakeAws) -> None:
    # Somebody else, or an earlier attempt of the same call, is faster by a moment.
    fake_register = aws._RegisterCACertificate

    def twice(**request: Any) -> dict[str, Any]:
        fake_register(**{**request, "tags": []})
        return fake_register(**request)

    aws._RegisterCACertificate = twice  # type: ignore[method-assign]
    program.register(authority(tags={"a": "1"}), "register 7")
    assert aws.tags[identity()]["a"] == "1"
    assert aws.tags[identity()][REVISION_TAG] == "register 7"
    # It may have been somebody else's registration: better to leave it than to delete it.
    assert aws.tags[identity()][ORIGIN_TAG] == "adopted"


@pytest.mark.parametrize("lag", [0, 1, 2, 3])
@pytest.mark.parametrize("how", ["not found", "empty"])
def test_what_was_registered_stays_so_while_the_tags_lag_behind(
    program: Program, aws: FakeAws, how: str, lag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_tags = aws._ListTagsForResource
    asked = 0

    def answer(**request: str) -> dict[str, Any]:
        nonlocal asked
        if "RegisterCACertificate" in aws.calls:
            asked += 1
            if asked <= lag:
                if how == "empty":
                    return {"tags": []}
                raise Refused("ResourceNotFoundException", "not yet")
        return list_tags(**request)

    monkeypatch.setattr(aws, "_ListTagsForResource", answer)
    program.register(authority(tags={"a": "1"}), "register 7")
    assert asked > lag
    assert aws.tags[identity()]["a"] == "1"
    assert aws.tags[identity()][ORIGIN_TAG] == "registered"
    assert aws.tags[identity()][REVISION_TAG] == "register 7"
    assert "deleted, since this module registered it" in program.deregister(identity())


def test_register_refuses_what_is_no_ca(program: Program, aws: FakeAws) -> None:
    wanted = authority(issue(ec_key(), ca=False))
    status, _, err = program.request("register", program.request_to_register(wanted))
    assert status == 1
    assert len(err) == 1
    assert err[0].startswith(f"iot_ca: root ({WHERE}): the certificate is not a CA's")
    assert aws.writes == []


def test_nothing_is_written_to_another_account(program: Program, aws: FakeAws) -> None:
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
    ]
    for command, request in requests:
        status, out, err = program.request(command, request)
        assert (status, out) == (1, "")
        (line,) = err
        assert "999988887777" in line
        assert ACCOUNT in line
    assert aws.writes == []


# deregister


def test_what_was_registered_is_deleted(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    assert "deleted, since this module registered it" in program.deregister(identity())
    assert aws.cas == {}
    assert "not registered, nothing to do" in program.deregister(identity())


def adopted(program: Program, aws: FakeAws, **settings: Any) -> None:
    """A CA of somebody else's that the module has taken under its wing."""
    program.register(authority(**settings))
    aws.tags[identity()] = {}
    program.register(authority(**settings))


def test_what_was_adopted_is_retained(program: Program, aws: FakeAws) -> None:
    adopted(program, aws)
    before = copy.deepcopy(aws.cas)
    assert "retained, since this module only adopted it" in program.deregister(identity())
    assert aws.cas == before


@pytest.mark.parametrize(
    ("on_destroy", "left"), [("delete", None), ("deactivate", "INACTIVE"), ("retain", "ACTIVE")]
)
@pytest.mark.parametrize("origin", ["registered", "adopted"])
def test_on_destroy_has_the_last_word(
    program: Program, aws: FakeAws, on_destroy: str, left: str | None, origin: str
) -> None:
    if origin == "adopted":
        adopted(program, aws)
    else:
        program.register(authority())
    said = program.deregister(identity(), on_destroy=on_destroy)
    assert "since on_destroy says so" in said
    if left is None:
        assert aws.cas == {}
    else:
        assert aws.cas[identity()]["certificateDescription"]["status"] == left


@pytest.mark.parametrize("removal_disables", [False, True])
def test_a_ca_that_stays_lets_go_of_the_template_and_of_nothing_else(
    program: Program, aws: FakeAws, removal_disables: bool
) -> None:
    aws.removal_disables = removal_disables
    adopted(program, aws, template_name="t")
    said = program.deregister(identity(), template_name="t")
    assert "template t detached" in said
    assert aws.cas[identity()]["registrationConfig"] == {}
    assert aws.cas[identity()]["certificateDescription"]["status"] == "ACTIVE"
    assert aws.cas[identity()]["certificateDescription"]["autoRegistrationStatus"] == "ENABLE"


@pytest.mark.parametrize("removal_disables", [False, True])
@pytest.mark.parametrize(("auto_registration", "status"), [(True, "ENABLE"), (False, "DISABLE")])
def test_auto_registration_is_always_written_back_behind_the_template(
    program: Program,
    aws: FakeAws,
    auto_registration: bool,
    status: str,
    removal_disables: bool,
) -> None:
    # What AWS answers right after the removal may be what was before it: nothing to rely on.
    aws.removal_disables = removal_disables
    adopted(program, aws, template_name="t", auto_registration=auto_registration)
    aws.calls.clear()
    aws.requests.clear()
    program.deregister(identity(), template_name="t")
    requests = [
        request
        for call, request in zip(aws.calls, aws.requests, strict=True)
        if call == "UpdateCACertificate"
    ]
    assert requests == [
        {"certificateId": identity(), "removeAutoRegistration": True},
        {"certificateId": identity(), "newAutoRegistrationStatus": status},
    ]
    assert aws.cas[identity()]["certificateDescription"]["autoRegistrationStatus"] == status


@pytest.mark.parametrize("on_destroy", ["retain", "deactivate"])
@pytest.mark.parametrize("origin", ["registered", "adopted"])
def test_a_ca_that_stays_keeps_all_tags_but_the_modules(
    program: Program, aws: FakeAws, on_destroy: str, origin: str
) -> None:
    settings: dict[str, Any] = {"tags": {"a": "1", "b": "2"}}
    if origin == "adopted":
        adopted(program, aws, **settings)
    else:
        program.register(authority(**settings))
    stay = {"a": "1", "b": "2", "iot-ca": "no prefix", "theirs": "iot-ca:origin", "x-iot-ca:y": ""}
    aws.tags[identity()].update(stay)
    # As another version of the module may have left it.
    aws.tags[identity()][TAG_PREFIX + "other"] = "1"
    program.deregister(identity(), on_destroy=on_destroy)
    assert aws.tags[identity()] == stay
    # Only when all else is done: a run that dies before can be made again.
    assert aws.writes[-1] == "UntagResource"
    # Whoever takes it next does not delete it.
    program.register(authority(), "adopt 2", owner="next")
    assert aws.tags[identity()][ORIGIN_TAG] == "adopted"
    assert "retained" in program.deregister(identity(), owner="next")
    assert identity() in aws.cas


def test_a_ca_without_tags_of_the_module_is_not_written_to(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    aws.tags[identity()] = {"theirs": "1"}
    aws.calls.clear()
    assert "retained" in program.deregister(identity())
    assert aws.writes == []
    assert aws.tags[identity()] == {"theirs": "1"}


def test_a_template_of_somebody_elses_stays(program: Program, aws: FakeAws) -> None:
    adopted(program, aws, template_name="theirs")
    aws.calls.clear()
    program.deregister(identity(), template_name="t")
    assert aws.writes == ["UntagResource"]
    assert aws.cas[identity()]["registrationConfig"] == {"templateName": "theirs"}


def test_what_another_state_manages_now_is_left_alone(program: Program, aws: FakeAws) -> None:
    program.register(authority(), owner="another")
    assert aws.tags[identity()][OWNER_TAG] == "another"
    aws.calls.clear()
    assert "left alone" in program.deregister(identity(), on_destroy="delete")
    assert aws.writes == []


# deregister: devices


def test_a_ca_whose_devices_are_registered_is_not_deleted(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    before = copy.deepcopy((aws.cas, aws.tags))
    aws.devices[identity()] = 3
    aws.calls.clear()
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    for more, why in (({}, "this module registered it"), ({"on_destroy": "delete"}, "on_destroy")):
        status, out, err = program.request("deregister", {**request, **more})
        assert (status, out) == (1, "")
        (line,) = err
        assert line.startswith(f"iot_ca: root ({WHERE}): it can't be deleted ({why}")
        assert "AWS IoT has 3 certificates of devices that it has signed (aws iot list-" in line
        assert f"--region eu-west-1 --ca-certificate-id {identity()}): delete them" in line
        assert "apply force_destroy = true" in line
    assert (aws.cas, aws.tags) == before
    assert aws.writes == []


def test_a_device_that_comes_while_its_ca_is_deactivated_is_not_left_behind(
    program: Program, aws: FakeAws
) -> None:
    program.register(authority())
    before = copy.deepcopy((aws.cas, aws.tags))

    def device(operation: str) -> None:
        if operation == "UpdateCACertificate":
            aws.devices[identity()] = 1

    aws.before = device
    aws.calls.clear()
    aws.requests.clear()
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    status, out, (line,) = program.request("deregister", request)
    assert (status, out) == (1, "")
    assert "1 certificate of a device that it has signed" in line
    # Nothing is different, and the device can connect.
    assert (aws.cas, aws.tags) == before
    assert aws.writes == ["UpdateCACertificate"] * 2
    assert aws.sent("UpdateCACertificate")[1]["newStatus"] == "ACTIVE"


def test_an_inactive_ca_is_asked_for_devices_once_and_stays_inactive(
    program: Program, aws: FakeAws
) -> None:
    program.register(authority(status="INACTIVE"))
    aws.devices[identity()] = 1
    aws.calls.clear()
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    assert program.request("deregister", request)[0] == 1
    assert aws.calls.count("ListCertificatesByCA") == 1
    assert aws.writes == []


def test_a_ca_is_deleted_with_its_devices_left_for_those_who_force_it(
    program: Program, aws: FakeAws
) -> None:
    program.register(authority())
    aws.devices[identity()] = 3
    assert "deleted" in program.deregister(identity(), force_destroy=True)
    assert aws.cas == {}
    # Who does not care need not be able to ask.
    assert "ListCertificatesByCA" not in aws.calls


@pytest.mark.parametrize("on_destroy", ["deactivate", "retain"])
def test_devices_are_no_business_of_a_ca_that_stays(
    program: Program, aws: FakeAws, on_destroy: str
) -> None:
    program.register(authority())
    aws.devices[identity()] = 3
    program.deregister(identity(), on_destroy=on_destroy)
    assert identity() in aws.cas
    assert "ListCertificatesByCA" not in aws.calls


# deregister: interrupted


@pytest.mark.parametrize("removal_disables", [False, True])
@pytest.mark.parametrize(("auto_registration", "status"), [(True, "ENABLE"), (False, "DISABLE")])
@pytest.mark.parametrize("on_destroy", ["retain", "deactivate"])
def test_leaving_may_be_interrupted_at_any_call_and_keeps_auto_registration(
    program: Program,
    aws: FakeAws,
    on_destroy: str,
    auto_registration: bool,
    status: str,
    removal_disables: bool,
) -> None:
    aws.removal_disables = removal_disables
    program.register(
        authority(template_name="t", auto_registration=auto_registration, tags={"a": "1"})
    )
    start = copy.deepcopy((aws.cas, aws.tags))
    settings = {"template_name": "t", "on_destroy": on_destroy}
    aws.calls.clear()
    program.deregister(identity(), **settings)
    end, calls = copy.deepcopy((aws.cas, aws.tags)), len(aws.writes)
    assert calls == (4 if on_destroy == "retain" else 5)
    for at in range(1, calls + 1):
        aws.cas, aws.tags = copy.deepcopy(start)
        interrupt(aws, at)
        request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
        assert program.request("deregister", {**request, **settings})[0] == 1
        aws.before = lambda _: None
        program.deregister(identity(), **settings)
        assert (aws.cas, aws.tags) == end
        description = aws.cas[identity()]["certificateDescription"]
        assert description["autoRegistrationStatus"] == status
        assert aws.cas[identity()]["registrationConfig"] == {}
        assert aws.tags[identity()] == {"a": "1"}


def interrupt(aws: FakeAws, at: int) -> None:
    """End the program before the effect of a call that writes: the first is 1."""
    seen = 0

    def before(operation: str) -> None:
        nonlocal seen
        seen += operation in aws.WRITES
        if operation in aws.WRITES and seen == at:
            raise KeyboardInterrupt

    aws.before = before


def half_way(program: Program, aws: FakeAws, at: int) -> None:
    """A change from SNI_ONLY to DEFAULT mode that ended before its call number `at`."""
    program.register(authority(tags={"a": "1"}))
    aws.tags[identity()]["theirs"] = "1"
    proof = {"certificate_pem": pem(issue(KEY, common_name=CODE, issuer=ROOT, ca=False))}
    wanted = authority(
        certificate_mode="DEFAULT", verification=proof, allow_mode_change=True, tags={"a": "1"}
    )
    # Two of its calls before that are only tried.
    interrupt(aws, at + 2)
    status, _, err = program.request("register", program.request_to_register(wanted))
    assert (status, len(err)) == (1, 1)
    aws.before = lambda _: None
    assert len(aws.groups) == 1
    aws.calls.clear()


def test_a_ca_that_is_left_deactivated_by_a_change_of_mode_is_retained_as_it_was(
    program: Program, aws: FakeAws
) -> None:
    half_way(program, aws, 3)
    assert aws.cas[identity()]["certificateDescription"]["status"] == "INACTIVE"
    assert "retained" in program.deregister(identity(), on_destroy="retain")
    assert aws.cas[identity()]["certificateDescription"]["status"] == "ACTIVE"
    assert aws.tags[identity()] == {"a": "1", "theirs": "1"}
    assert aws.groups == {}


def test_a_ca_that_a_change_of_mode_has_taken_out_can_not_be_retained(
    program: Program, aws: FakeAws
) -> None:
    half_way(program, aws, 4)
    assert aws.cas == {}
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    for on_destroy in ("retain", "deactivate"):
        done = program.request("deregister", {**request, "on_destroy": on_destroy})
        assert done[:2] == (1, "")
        (line,) = done[2]
        assert "a change of its mode was interrupted and it is not registered now" in line
        assert "apply once more before you destroy" in line
    assert aws.writes == []
    # It was this module's own, which is remembered as well.
    assert "not registered, nothing to do" in program.deregister(identity())
    assert aws.groups == {}


def test_what_another_record_has_taken_over_in_the_middle_is_left_alone(
    program: Program, aws: FakeAws
) -> None:
    half_way(program, aws, 4)
    assert "left alone" in program.deregister(identity(), owner="another")
    assert aws.writes == []


# Two runs at once


def test_two_runs_that_want_the_same_do_not_write_over_each_other_for_ever(
    program: Program, aws: FakeAws
) -> None:
    def other_run(operation: str) -> None:
        # It ends a moment later every time, and puts its own name on the CA.
        if operation == "DescribeCACertificate" and identity() in aws.tags:
            aws.tags[identity()] |= {REVISION_TAG: "register theirs", OWNER_TAG: "them"}

    aws.before = other_run
    said = program.register(authority(tags={"a": "1"}), "register ours")
    assert "registered" in said
    assert aws.writes == ["RegisterCACertificate"]
    assert aws.tags[identity()][REVISION_TAG] == "register theirs"


def test_a_run_that_finds_another_ones_revision_writes_its_own(
    program: Program, aws: FakeAws
) -> None:
    # Or a repair would never be finished: what was there before is nobody's answer to it.
    program.register(authority(), "register 1", owner="before")
    program.register(authority(), "repair 2", owner="me")
    assert aws.tags[identity()][REVISION_TAG] == "repair 2"
    assert aws.tags[identity()][OWNER_TAG] == "me"


def test_another_run_that_wants_something_else_is_not_taken_for_the_same(
    program: Program, aws: FakeAws
) -> None:
    count = 0

    def other_run(operation: str) -> None:
        nonlocal count
        if operation == "DescribeCACertificate" and identity() in aws.tags:
            count += 1
            if count == 1:
                aws.tags[identity()] |= {REVISION_TAG: "register theirs", "a": "2"}

    aws.before = other_run
    program.register(authority(tags={"a": "1"}), "register ours")
    assert aws.tags[identity()]["a"] == "1"
    assert aws.tags[identity()][REVISION_TAG] == "register ours"


# How it ends


def test_stdout_holds_the_answer_and_nothing_else(program: Program) -> None:
    _, out, err = program.query({"root": authority()})
    assert out.count("\n") == 1
    assert set(json.loads(out)) == {"root"}
    assert err == []


@pytest.mark.parametrize("argv", [(), ("unknown",), ("inspect", "more"), ("--help",)])
def test_a_wrong_command_is_told_the_right_ones(program: Program, argv: tuple[str, ...]) -> None:
    status, out, err = program.run(*argv)
    assert (status, out) == (1, "")
    assert err == ["iot_ca: usage: iot_ca inspect | register | deregister | csr | status"]


@pytest.mark.parametrize("command", ["register", "deregister"])
def test_without_a_request_it_is_said_who_sets_it(program: Program, command: str) -> None:
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


def test_bytes_that_are_no_text_are_one_line_that_blames_the_query(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe{}"), "utf-8"))
    status, out, err = program.run("inspect")
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert "the query" in err[0]


def test_a_closed_standard_input_is_one_line_that_blames_the_query(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python makes of `<&-`.
    monkeypatch.setattr("sys.stdin", None)
    status, out, err = program.run("inspect")
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert "the query" in err[0]


def test_names_are_read_as_utf_8_whatever_the_locale(
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


@pytest.mark.parametrize(
    "place",
    [
        "iot_ca.terraform.protocol.read_inspect",
        "iot_ca.certificates.pem.read",
        "iot_ca.certificates.pem.parse",
        "iot_ca.certificates.validation.check",
        "iot_ca.aws.ca_certificates.CaCertificates.observe",
        "iot_ca.terraform.inspect.current_revision",
        "iot_ca.terraform.protocol.write_results",
    ],
)
def test_an_unforeseen_error_never_tells_its_text(
    program: Program, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(place, explode)
    status, out, err = program.query({"root": authority()})
    assert (status, out) == (1, "")
    assert err == ["iot_ca: unforeseen ValueError; run with IOT_CA_DEBUG=1 and report it"]


@pytest.mark.parametrize("debug", ["", "0", "true"])
def test_a_traceback_is_only_for_those_who_ask(
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


# The private key


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
def test_no_way_to_go_wrong_prints_the_private_key(
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
