"""What was called, and failing on demand."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.control import Fault, Sandbox, SandboxError
from sandbox.server.calls import kept_parameters
from tests.support.certificates import new_ca
from tests.support.sandbox.clients import BODY, ONE, REGION, TWO, Clients
from tests.support.sandbox.refusals import refused


def operations(sandbox: Sandbox, **wanted: Any) -> list[str]:
    return [call.operation for call in sandbox.calls(**wanted)]


# --- calls


def test_calls_are_recorded_in_order(sandbox: Sandbox, aws: Clients) -> None:
    ca = new_ca()
    began = time.time()
    aws.template("fleet")
    aws.iot().register_ca_certificate(
        caCertificate=ca.pem,
        certificateMode="SNI_ONLY",
        registrationConfig={"templateName": "fleet"},
        setAsActive=True,
    )
    with refused("CertificateStateException"):
        aws.iot().delete_ca_certificate(certificateId=ca.id)
    aws.sts(TWO).get_caller_identity()
    aws.new("events").list_rules()
    assert operations(sandbox) == [
        "CreateRole", "CreateProvisioningTemplate", "RegisterCACertificate",
        "DeleteCACertificate", "GetCallerIdentity", "ListRules",
    ]  # fmt: skip
    role, template, registered, deleted, identity, rules = sandbox.calls()
    assert (role.service, role.parameters) == ("iam", {"RoleName": "role-of-fleet"})
    assert template.parameters["templateName"] == "fleet"
    assert registered.parameters == {
        "certificateId": ca.id,
        "certificateMode": "SNI_ONLY",
        "templateName": "fleet",
        "setAsActive": "true",
    }
    assert began <= registered.time <= time.time()
    assert registered.access_key_id == registered.account == ONE
    assert registered.principal == f"arn:aws:iam::{ONE}:root"
    assert (registered.service, registered.region) == ("iot", REGION)
    assert (registered.status, registered.error, registered.fault) == (200, None, None)
    assert registered.user_agent.startswith("Boto3/")
    assert (deleted.status, deleted.error) == (406, "CertificateStateException")
    assert deleted.parameters == {"certificateId": ca.id}
    assert (identity.service, identity.account, identity.write) == ("sts", TWO, False)
    assert (rules.service, rules.write) == ("events", False)
    assert [call.write for call in (role, template, registered, deleted)] == [True] * 4


def test_calls_by_filter(sandbox: Sandbox, aws: Clients) -> None:
    aws.iot(ONE).get_registration_code()
    aws.iot(TWO).list_ca_certificates()
    aws.iam(TWO).create_user(UserName="me")
    assert operations(sandbox, account=TWO) == ["ListCACertificates", "CreateUser"]
    assert operations(sandbox, write=True) == ["CreateUser"]
    assert operations(sandbox, service="iot", write=False, account=ONE) == ["GetRegistrationCode"]
    assert operations(sandbox, operation="CreateUser", region="us-east-1") == []
    sandbox.forget_calls()
    assert sandbox.calls() == []


def test_calls_with_refused_credentials_are_recorded(sandbox: Sandbox, aws: Clients) -> None:
    with refused("UnrecognizedClientException"):
        aws.new("iot", account="AKIAIOSFODNN7EXAMPLE").get_registration_code()
    [call] = sandbox.calls()
    assert (call.access_key_id, call.account) == ("AKIAIOSFODNN7EXAMPLE", "")
    assert (call.operation, call.error) == ("GetRegistrationCode", "UnrecognizedClientException")


def test_documents_and_keys_are_not_recorded(sandbox: Sandbox, aws: Clients) -> None:
    ca = new_ca()
    code = aws.iot().get_registration_code()["registrationCode"]
    role_arn = aws.role()
    aws.iot().register_ca_certificate(
        caCertificate=ca.pem,
        verificationCertificate=ca.verification(code),
        registrationConfig={"templateBody": BODY, "roleArn": role_arn},
    )
    aws.iot().create_keys_and_certificate()
    kept = json.dumps([call.parameters for call in sandbox.calls()])
    for never in ("BEGIN", "Statement", "Resources", "PRIVATE", code):
        assert never not in kept
    assert kept_parameters({"caCertificate": "x", "templateBody": "x", "tags": []}) == {}


def test_operations_of_late_services_are_named(sandbox: Sandbox, aws: Clients) -> None:
    aws.new("s3").list_buckets()
    aws.new("lambda").list_functions()
    aws.new("sqs").create_queue(QueueName="letters")
    services = [(call.service, call.operation) for call in sandbox.calls()]
    assert services == [
        ("s3", "ListBuckets"),
        ("lambda", "ListFunctions"),
        ("sqs", "CreateQueue"),
    ]


# --- faults


def test_throttling_fault(sandbox: Sandbox, aws: Clients) -> None:
    sandbox.fault("throttling", service="iot", operation="GetRegistrationCode")
    with refused("ThrottlingException", "Rate exceeded", 400):
        aws.iot().get_registration_code()
    aws.iot().get_registration_code()
    first, second = sandbox.calls()
    assert (first.status, first.error, first.fault) == (400, "ThrottlingException", "throttling")
    assert (second.status, second.fault) == (200, None)
    sandbox.fault("throttling", status=429)
    with refused("ThrottlingException", status=429):
        aws.iot().get_registration_code()


@pytest.mark.parametrize("service", ["iot", "sts", "events"])
def test_clients_retry_retryable_errors(sandbox: Sandbox, aws: Clients, service: str) -> None:
    client = aws.new(service, attempts=3)
    call = {"iot": "list_ca_certificates", "sts": "get_caller_identity", "events": "list_rules"}
    sandbox.fault("throttling")
    sandbox.fault("error", code="ServiceUnavailable", status=503)
    getattr(client, call[service])()
    assert [c.status for c in sandbox.calls()] == [400, 503, 200]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalFailureException", 500),
        ("ServiceUnavailableException", 503),
        ("AccessDeniedException", 403),
        ("ExpiredTokenException", 403),
        ("UnrecognizedClientException", 403),
        ("UnauthorizedException", 401),
        ("LimitExceededException", 410),
    ],
)
def test_error_fault_has_code_and_status(
    sandbox: Sandbox, aws: Clients, code: str, status: int
) -> None:
    sandbox.fault("error", code=code)
    with refused(code, status=status):
        aws.iot().get_registration_code()
    sandbox.fault("error", code=code, status=418, message="Said so")
    with refused(code, "Said so", 418):
        aws.iot().get_registration_code()


def test_errors_in_xml_and_json(sandbox: Sandbox, aws: Clients) -> None:
    sandbox.fault("error", code="ExpiredToken", times=2)
    sandbox.fault("error", code="AccessDeniedException", message="<no> & never")
    for call in (aws.sts().get_caller_identity, aws.iam().list_roles):
        with refused("ExpiredToken", "expired", 403):
            call()
    with refused("AccessDeniedException", "<no> & never"):
        aws.new("events").list_rules()
    sandbox.fault("error", code="RequestLimitExceeded", status=503)
    with refused("RequestLimitExceeded"):
        aws.new("ec2").describe_vpcs()
    sandbox.fault("error", code="SlowDown", status=503)
    with refused("SlowDown"):
        aws.new("s3").list_buckets()


def test_cut_before_has_no_effect(sandbox: Sandbox, aws: Clients) -> None:
    ca = new_ca()
    sandbox.fault("cut_before", operation="RegisterCACertificate")
    with pytest.raises(ConnectionClosedError):
        aws.iot().register_ca_certificate(caCertificate=ca.pem, certificateMode="SNI_ONLY")
    assert aws.iot().list_ca_certificates()["certificates"] == []
    call = sandbox.calls()[0]
    assert (call.status, call.fault) == (None, "cut_before")


def test_cut_after_has_an_effect(sandbox: Sandbox, aws: Clients) -> None:
    ca = new_ca()
    sandbox.fault("cut_after", operation="RegisterCACertificate")
    with pytest.raises(ConnectionClosedError):
        aws.iot().register_ca_certificate(caCertificate=ca.pem, certificateMode="SNI_ONLY")
    assert len(aws.iot().list_ca_certificates()["certificates"]) == 1
    call = sandbox.calls()[0]
    assert (call.status, call.fault) == (200, "cut_after")


def test_latency_alone_and_combined(sandbox: Sandbox, aws: Clients) -> None:
    iot = aws.iot()
    iot.get_registration_code()
    sandbox.fault("latency", seconds=0.3)
    began = time.monotonic()
    iot.get_registration_code()
    assert time.monotonic() - began >= 0.3
    sandbox.fault("throttling", seconds=0.3)
    sandbox.fault("latency", seconds=0.2)
    sandbox.fault("error", code="InternalFailureException")
    for code, least in (("ThrottlingException", 0.3), ("InternalFailureException", 0.2)):
        began = time.monotonic()
        with refused(code):
            iot.get_registration_code()
        assert time.monotonic() - began >= least
    assert sandbox.faults() == []


def test_skip_and_times(sandbox: Sandbox, aws: Clients) -> None:
    sandbox.fault("throttling", operation="GetRegistrationCode", skip=1, times=2)
    aws.iot().list_ca_certificates()
    for _ in range(4):
        with contextlib.suppress(ClientError):
            aws.iot().get_registration_code()
    calls = sandbox.calls(operation="GetRegistrationCode")
    assert [call.status for call in calls] == [200, 400, 400, 200]
    assert sandbox.faults() == []
    sandbox.fault("throttling", times=None)
    for _ in range(3):
        with refused("ThrottlingException"):
            aws.iot().get_registration_code()
    assert sandbox.faults() == [Fault("throttling", times=None)]
    sandbox.forget_faults()
    aws.iot().get_registration_code()


def test_fault_matches_service_account_and_region(sandbox: Sandbox, aws: Clients) -> None:
    sandbox.fault("throttling", service="iot", operation="*", account=TWO, region="us-east-1")
    aws.iot(ONE, "us-east-1").get_registration_code()
    aws.iot(TWO).get_registration_code()
    aws.sts(TWO).get_caller_identity()
    with refused("ThrottlingException"):
        aws.iot(TWO, "us-east-1").list_ca_certificates()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"kind": "flood"}, "kind must be one of"),
        ({"kind": "error"}, "needs a code"),
        ({"kind": "latency", "seconds": -1}, "seconds"),
        ({"kind": "throttling", "times": 0}, "times"),
        ({"kind": "throttling", "skip": -1}, "skip"),
        ({"kind": "throttling", "status": 200}, "status"),
    ],
)
def test_invalid_faults_are_refused(sandbox: Sandbox, order: dict[str, Any], message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        sandbox.fault(**order)
    assert sandbox.faults() == []


# --- control


def test_reset_forgets_everything(sandbox: Sandbox, aws: Clients) -> None:
    aws.template()
    code = aws.iot().get_registration_code()["registrationCode"]
    sandbox.fault("throttling")
    sandbox.reset()
    assert (sandbox.calls(), sandbox.faults()) == ([], [])
    assert aws.iot().get_registration_code()["registrationCode"] != code
    assert aws.iam().list_roles()["Roles"] == []
    assert aws.iot().list_provisioning_templates()["templates"] == []


def raw(sandbox: Sandbox, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(sandbox.endpoint.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_health_and_unknown_controls(sandbox: Sandbox) -> None:
    assert sandbox.health()["server"] == "sandbox of terraform-aws-iot-ca"
    assert raw(sandbox, "GET", "/_sandbox/nothing")[0] == 404
    assert raw(sandbox, "POST", "/_sandbox/health")[0] == 404


def test_browsers_are_refused(sandbox: Sandbox) -> None:
    for path in ("/_sandbox/calls", "/cacertificates"):
        assert raw(sandbox, "GET", path, Origin="https://example.com")[0] == 403


def test_moto_admin_paths_are_refused(sandbox: Sandbox) -> None:
    for path in ("/moto-api/", "/latest/meta-data/iam/security-credentials/", "/favicon.ico"):
        assert raw(sandbox, "GET", path)[0] == 403


def test_connections_are_kept(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(sandbox.endpoint.removeprefix("http://"), timeout=60)
    try:
        connection.request("GET", "/_sandbox/health")
        assert connection.getresponse().read()
        kept = connection.sock
        connection.request("GET", "/_sandbox/health")
        assert connection.getresponse().read()
        assert kept is not None
        assert connection.sock is kept
    finally:
        connection.close()
