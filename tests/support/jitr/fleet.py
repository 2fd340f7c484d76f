"""Devices of a CA in moto's AWS IoT, which the function of modules/jitr lets in."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.exceptions import JsonRESTError
from moto.iot.models import FakeCertificate, IoTBackend, iot_backends

from modules.jitr.function import handler as entry
from tests.support.certificates import ec_key, issue, pem, x509_name
from tools.checkout import ROOT

ACCOUNT, REGION = "123456789012", "eu-west-1"  # the account is moto's own
POLICY = "iot-jitr-root"
HOOK_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hook"
FUNCTION = ROOT / "modules" / "jitr" / "function"

ONCE = entry.IOT.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))

# What a run calls, in the words of moto's backend.
CALLS = (
    "describe_certificate",
    "describe_thing",
    "create_thing",
    "update_thing",
    "attach_policy",
    "attach_thing_principal",
    "update_certificate",
)


@functools.cache
def client() -> Any:
    """A client for what others than the function do."""
    return boto3.client("iot", config=ONCE)


@functools.cache
def key() -> ec.EllipticCurvePrivateKey:
    """One key for all: what is tested never looks at it."""
    return ec_key()


def certificate(
    subject: x509.Name,
    issuer: x509.Certificate | None = None,
    serial_number: int | None = None,
) -> x509.Certificate:
    """A certificate with any subject, signed by `key`."""
    return issue(key(), subject=subject, issuer=issuer, serial_number=serial_number, is_ca=None)


def name(common_name: str | None = "device-1", **others: str) -> x509.Name:
    """A subject; `others` by the names that cryptography has for them."""
    return x509_name(common_name, **others)


class LambdaContext:
    """What Lambda gives a function in addition to the event."""

    aws_request_id = "1a2b"
    function_name = "iot-jitr-root"


@dataclass
class Clock:
    """The seconds that `time.monotonic` answers, as long as a test lets them pass."""

    now: float = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@dataclass
class Fleet:
    """An account with a CA and the policy of the module, and what has happened to its devices.

    Attributes:
        calls: what the function called, in order: the operation of moto's backend and its
            arguments by name.
        asked: what the hook was asked.
    """

    iot: Any
    ca_pem: str
    ca_id: str
    monkeypatch: pytest.MonkeyPatch
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def meet(
        self,
        subject: x509.Name,
        status: str = "PENDING_ACTIVATION",
        serial_number: int | None = None,
    ) -> dict[str, Any]:
        """A device connects for the first time; returns the event that AWS IoT publishes."""
        authority = x509.load_pem_x509_certificate(self.ca_pem.encode())
        made = certificate(subject, authority, serial_number)
        registered = self.iot.register_certificate(
            certificatePem=pem(made), caCertificatePem=self.ca_pem, status=status
        )
        # As the developer guide shows it.
        return {
            "certificateId": registered["certificateId"],
            "caCertificateId": self.ca_id,
            "timestamp": 1764061200000,
            "certificateStatus": "PENDING_ACTIVATION",
            "awsAccountId": ACCOUNT,
            "certificateRegistrationTimestamp": "2025-11-25T09:00:00.000Z",
        }

    def call(self, event: object) -> dict[str, Any]:
        """Call the function as Lambda does; `calls` has what it did."""
        self.calls.clear()
        return entry.handler(event, None)

    def call_in_lambda(self, event: object) -> dict[str, Any]:
        """Call the function with Lambda's context, which names the function."""
        self.calls.clear()
        return entry.handler(event, LambdaContext())

    def clock(self) -> Clock:
        """Take over the time of the function."""
        clock = Clock()
        self.monkeypatch.setattr("modules.jitr.function.provisioning.time", clock)
        return clock

    def forget_ca(self, event: dict[str, Any], ca_id: str | None = None) -> None:
        """Let AWS IoT name no CA for the event's certificate, or another one."""
        stored = iot_backends[ACCOUNT][REGION].certificates[event["certificateId"]]
        stored.ca_certificate_id = ca_id

    @property
    def writes(self) -> list[str]:
        """The calls that changed something."""
        return [operation for operation, _ in self.calls if not operation.startswith("describe")]

    def status(self, event: dict[str, Any]) -> str:
        """The status of the event's certificate."""
        described = self.iot.describe_certificate(certificateId=event["certificateId"])
        return str(described["certificateDescription"]["status"])

    def stored_status(self, event: Mapping[str, Any]) -> str:
        """The same, without a call."""
        return str(iot_backends[ACCOUNT][REGION].certificates[event["certificateId"]].status)

    def set_status(self, event: dict[str, Any], status: str) -> None:
        """What an operator does, or AWS IoT itself."""
        stored = iot_backends[ACCOUNT][REGION].certificates[event["certificateId"]]
        stored.status = status

    def state(self, event: dict[str, Any]) -> dict[str, Any]:
        """Everything that a run may have changed."""
        arn = f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{event['certificateId']}"
        policies = self.iot.list_attached_policies(target=arn)["policies"]
        return {
            "status": self.status(event),
            "policies": [policy["policyName"] for policy in policies],
            "things": self.iot.list_principal_things(principal=arn)["things"],
            "all things": {
                thing["thingName"]: thing["attributes"]
                for thing in self.iot.list_things()["things"]
            },
        }

    def fail(
        self,
        operation: str,
        code: str = "InternalFailureException",
        status: int = 500,
        *,
        after: bool = False,
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Let the next calls of an operation fail, before or after their effect."""
        original = getattr(IoTBackend, operation)
        seen = 0

        @functools.wraps(original)
        def failing(backend: IoTBackend, *args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if not skip < seen <= skip + times:
                return original(backend, *args, **kwargs)
            if after:
                original(backend, *args, **kwargs)
            error = JsonRESTError(code, "on purpose")
            error.code = status
            raise error

        self.monkeypatch.setattr(IoTBackend, operation, failing)

    def before(self, operation: str, act: Callable[[], object]) -> None:
        """Let something happen once, just before the next call of an operation."""
        original = getattr(IoTBackend, operation)
        done = False

        @functools.wraps(original)
        def acting(backend: IoTBackend, *args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if not done:
                done = True
                act()
            return original(backend, *args, **kwargs)

        self.monkeypatch.setattr(IoTBackend, operation, acting)

    def hook(
        self,
        answer: object,
        error: str | None = None,
        on_refusal: str = "INACTIVE",
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Make a hook: a function that answers always the same; text is sent as it is.

        meanwhile: what happens while it decides.
        """

        def invoke(
            _backend: LambdaSimpleBackend,
            function_name: str,
            _qualifier: str | None,
            body: str,
            _headers: Any,
            response_headers: dict[str, str],
        ) -> bytes:
            assert function_name == HOOK_ARN
            self.asked.append(json.loads(body))
            meanwhile()
            if error:
                response_headers["x-amz-function-error"] = error
            text = answer if isinstance(answer, str) else json.dumps(answer)
            return text.encode()

        self.monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
        self.monkeypatch.setenv("JITR_HOOK_FUNCTION_ARN", HOOK_ARN)
        self.monkeypatch.setenv("JITR_ON_REFUSAL", on_refusal)


def behave_as_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two things that AWS IoT does and moto does not."""
    describe = FakeCertificate.to_description_dict
    create = IoTBackend.create_thing

    def with_ca(stored: FakeCertificate) -> dict[str, Any]:
        described: dict[str, Any] = describe(stored)
        if stored.ca_certificate_id is not None:
            described["caCertificateId"] = stored.ca_certificate_id
        return described

    def without_overwriting(
        backend: IoTBackend,
        thing_name: str,
        thing_type_name: str,
        attribute_payload: dict[str, Any] | None,
        billing_group_name: str | None = None,
    ) -> Any:
        if any(thing.thing_name == thing_name for thing in backend.things.values()):
            error = JsonRESTError("ResourceAlreadyExistsException", f"Thing {thing_name} exists")
            error.code = 409
            raise error
        return create(backend, thing_name, thing_type_name, attribute_payload, billing_group_name)

    monkeypatch.setattr(FakeCertificate, "to_description_dict", with_ca)
    monkeypatch.setattr(IoTBackend, "create_thing", without_overwriting)


def record_calls(made: Fleet) -> None:
    """Note what the function calls in `made.calls`."""
    # moto's operations call each other, which AWS does not count.
    inside = threading.local()
    for operation in CALLS:
        original = getattr(IoTBackend, operation)

        def recording(
            backend: IoTBackend,
            *args: Any,
            _operation: str = operation,
            _original: Callable[..., Any] = original,
            **kwargs: Any,
        ) -> Any:
            if getattr(inside, "operation", None):
                return _original(backend, *args, **kwargs)
            made.calls.append((_operation, kwargs))
            inside.operation = _operation
            try:
                return _original(backend, *args, **kwargs)
            finally:
                inside.operation = None

        made.monkeypatch.setattr(IoTBackend, operation, recording)
