"""`inspect`, from the query to the answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from iot_ca.terraform.protocol import Result
from tests.support.certificates import NOW, ec_key, issue, pem
from tests.support.program.fake_aws import FakeAws
from tests.support.program.in_process import (
    OTHER,
    ROOT,
    TARGET,
    WHERE,
    Program,
    authority,
    identity,
    once_registered,
)

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_an_absent_ca_is_shown_as_after_apply(program: Program, aws: FakeAws) -> None:
    result = program.inspect({"root": authority()})["root"]
    assert set(result) == {field.name for field in fields(Result)}
    assert result["certificate_id"] == identity()
    assert result["certificate_arn"] == aws.arn(identity())
    assert result["certificate_mode"] == "SNI_ONLY"
    assert result["status"] == "ACTIVE"
    assert result["auto_registration_status"] == "ENABLE"
    assert result["differences"] == ["not registered"]
    assert result["drift"] == []
    assert result["warnings"] == []
    assert result["revision"].startswith("register ")
    assert datetime.fromisoformat(result["not_after"].replace("Z", "+00:00")) > NOW
    assert aws.writes == []


def test_a_new_revision_differs_from_plan_to_plan(program: Program) -> None:
    revisions = [program.inspect({"root": authority()})["root"]["revision"] for _ in range(5)]
    assert len(set(revisions)) == 5


def test_plan_after_apply_is_empty(program: Program, aws: FakeAws) -> None:
    wanted = authority(template_name="t", tags={"a": "1"}, status="INACTIVE")
    planned = program.inspect({"root": wanted})["root"]
    said = program.register(wanted, planned["revision"])
    assert said == f"iot_ca: root ({WHERE}): registered; SNI_ONLY, INACTIVE, template t\n"
    aws.calls.clear()
    result = program.inspect({"root": wanted})["root"]
    attached = {"template_exists": True, "address_prefix": "<address of this module>."}
    assert result == {**once_registered(planned), **attached}
    assert sorted(aws.calls) == ["DescribeCACertificate"] + ["ListTagsForResource"] * 3
    aws.calls.clear()
    assert "nothing to do" in program.register(wanted, planned["revision"])
    assert aws.writes == []


def test_drift_is_reported_and_repaired(program: Program, aws: FakeAws) -> None:
    wanted = authority()
    program.register(wanted)
    aws.cas[identity()]["certificateDescription"]["status"] = "INACTIVE"
    result = program.inspect({"root": wanted})["root"]
    assert result["drift"] == ["status is INACTIVE, wanted ACTIVE"]
    assert result["differences"] == result["drift"]
    assert result["status"] == "ACTIVE"
    assert result["revision"].startswith("repair status INACTIVE -> ACTIVE ")
    assert "updated, tagged" in program.register(wanted, result["revision"])
    after = program.inspect({"root": wanted})["root"]
    assert after == {**result, "drift": [], "differences": [], "is_reconciled": True}


def test_several_cas_are_answered_by_name(program: Program) -> None:
    answer = program.inspect({"one": authority(), "two ü": authority(OTHER)})
    assert answer["one"]["certificate_id"] == identity()
    assert answer["two ü"]["certificate_id"] == identity(OTHER)


def test_an_empty_query_makes_no_call(program: Program, aws: FakeAws) -> None:
    assert program.inspect({}) == {}
    assert aws.calls == []


def test_a_bundle_gives_a_warning(program: Program) -> None:
    text = pem(ROOT) + pem(OTHER)
    result = program.inspect({"root": {"certificate_pem": text}})["root"]
    assert result["certificate_id"] == identity()
    assert result["warnings"] == ["certificate_pem holds 2 certificates; the first one is used"]


def test_expiry_is_a_warning_only_for_a_registered_ca(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.register(authority())
    monkeypatch.setattr("iot_ca.utc.now", lambda: NOW + timedelta(days=1000))
    (warning,) = program.inspect({"root": authority()})["root"]["warnings"]
    # AWS IoT developer guide, "Deactivate a CA certificate", of the registered certificates.
    assert re.fullmatch(
        r"expired at [-0-9T:]+Z; its new devices are not provisioned, and registered device "
        "certificates keep working until they are revoked; remove it once its devices have "
        "certificates of its successor",
        warning,
    )
    status, out, err = program.query({"root": authority(), "other": authority(OTHER)})
    assert (status, out) == (1, "")
    assert len(err) == 1
    assert err[0].startswith(f"iot_ca: other ({WHERE}): the certificate expired at ")


def test_a_mode_that_is_not_allowed_names_both_modes(program: Program, aws: FakeAws) -> None:
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


def test_one_plan_names_every_failing_ca(program: Program) -> None:
    leaf = issue(ec_key(), is_ca=False)
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


def test_a_common_failure_is_one_line_with_all_names(program: Program, aws: FakeAws) -> None:
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


def test_validity_of_a_registered_ca_comes_from_aws(program: Program, aws: FakeAws) -> None:
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
def test_validity_is_the_same_from_aws_and_certificate(
    program: Program, aws: FakeAws, tells_validity: bool
) -> None:
    aws.tells_validity = tells_validity
    planned = program.inspect({"root": authority()})["root"]
    program.register(authority(), planned["revision"])
    assert ("validity" in aws.cas[identity()]["certificateDescription"]) is tells_validity
    assert program.inspect({"root": authority()})["root"] == once_registered(planned)


@pytest.fixture
def endpoint(aws: FakeAws) -> Iterator[str]:
    """The URL of a server that answers what `aws` has: for the program as a process."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/cacertificate/"):
                answer: Any = aws.cas[self.path.rpartition("/")[2]]
            elif self.path == "/event-configurations":
                answer = {"eventConfigurations": {"CA_CERTIFICATE": {"Enabled": True}}}
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
def test_inspect_in_sync_does_not_import_cryptography(
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
            "import sys; sys.path.insert(0, sys.argv[1])\n"
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
    # Which would import cryptography.
    assert "OpenSSL" not in imported
    # The entry script reads the package's version, which costs next to nothing.
    assert ("cryptography" in imported) is (start == "entry" or not tells_validity)
    assert ("cryptography.x509" in imported) is not tells_validity


@pytest.mark.parametrize("registered", [False, True])
def test_a_template_without_its_ca_is_reported_as_existing(
    program: Program, aws: FakeAws, registered: bool
) -> None:
    wanted = authority(template_name="t")
    if registered:
        program.register(authority())
    assert program.inspect({"root": wanted})["root"]["template_exists"] is False
    aws.templates.add("t")
    assert program.inspect({"root": wanted})["root"]["template_exists"] is True
    # Others are not asked for.
    assert program.inspect({"root": authority()})["root"]["template_exists"] is False
    assert aws.sent("DescribeProvisioningTemplate") == [{"templateName": "t"}] * 2


def test_an_attached_template_costs_no_call(program: Program, aws: FakeAws) -> None:
    wanted = authority(template_name="t")
    program.register(wanted)
    aws.calls.clear()
    assert program.inspect({"root": wanted})["root"]["template_exists"] is True
    assert "DescribeProvisioningTemplate" not in aws.calls


@pytest.mark.parametrize(
    "fault", [("AccessDeniedException", "no"), ("InternalFailureException", "sorry")]
)
def test_a_template_that_cannot_be_read_is_not_mentioned(
    program: Program, aws: FakeAws, fault: tuple[str, str]
) -> None:
    aws.templates.add("t")
    aws.faults["DescribeProvisioningTemplate"] = fault
    result = program.inspect({"root": authority(template_name="t")})["root"]
    assert (result["template_exists"], result["warnings"]) == (False, [])


# --- events of JITR


def test_disabled_events_are_warned_of_once_where_a_ca_has_jitr(
    aws: FakeAws, program: Program
) -> None:
    aws.event_types = {"CERTIFICATE"}
    cas = {
        "jitp": authority(issue(ec_key(), common_name="jitp"), template_name="fleet"),
        "none": {"certificate_pem": pem(issue(ec_key(), common_name="none"))},
        "one": authority(),
        "two": authority(OTHER),
    }
    warnings = {name: ca["warnings"] for name, ca in program.inspect(cas).items()}
    assert warnings == {
        "jitp": [],
        "none": [],
        "one": [
            "JITR needs events of the type CA_CERTIFICATE, which AWS IoT might not publish in this "
            "account and Region because they are disabled; enable them: aws iot "
            "update-event-configurations --region eu-west-1 --event-configurations "
            """'{"CA_CERTIFICATE":{"Enabled":true}}'"""
        ],
        "two": [],
    }
    assert aws.calls.count("DescribeEventConfigurations") == 1


def test_events_are_not_looked_up_without_jitr(aws: FakeAws, program: Program) -> None:
    aws.event_types = set()
    with_template = program.inspect({"root": authority(template_name="fleet")})
    without = program.inspect({"root": authority(auto_registration=False)})
    assert with_template["root"]["warnings"] == without["root"]["warnings"] == []
    assert "DescribeEventConfigurations" not in aws.calls


def test_event_configurations_that_may_not_be_read_are_no_error(
    aws: FakeAws, program: Program
) -> None:
    aws.event_types = set()
    aws.faults["DescribeEventConfigurations"] = ("AccessDeniedException", "no")
    assert program.inspect({"root": authority()})["root"]["warnings"] == []
