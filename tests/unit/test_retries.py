"""How long a call is tried again, at the level of botocore's events."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from iot_ca.aws.retries import is_temporary
from iot_ca.aws.session import Account
from iot_ca.errors import Failure, Unavailable
from iot_ca.fleet.clients import Clients
from tests.support.program.aws_calls import TARGET

Answer = tuple[int, bytes] | Exception
OK: Answer = (200, b"{}")
LOST = EndpointConnectionError(endpoint_url="https://iot.example")


class Wire:
    """In place of the network: the answers in order, and the pauses between the attempts."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.attempts = 0
        self.pauses: list[float] = []

    def send(self, _: Any) -> Any:
        """Answer one request; the last answer is given again and again."""
        self.attempts += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        response: Any = AWSResponse("https://iot.example", answer[0], HTTPHeaders(), None)
        response._content = answer[1]
        return response


def error(status: int, code: str, message: str = "sorry") -> Answer:
    """An error as AWS IoT answers it."""
    return status, f'{{"__type": "{code}", "message": "{message}"}}'.encode()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """What answers the calls of `iot`."""
    made = Wire()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", lambda _, r: made.send(r))
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=made.pauses.append))
    return made


@pytest.fixture
def read(wire: Wire) -> Callable[[], Any]:
    """A call that reads."""
    del wire
    account = Account(TARGET)
    iot = account.client("iot")

    def call() -> Any:
        with account.failures():
            return iot.describe_thing_group(thingGroupName="g")

    return call


@pytest.fixture
def write(wire: Wire) -> Callable[[], Any]:
    """A call that writes."""
    del wire
    account = Account(TARGET)
    iot = account.client("iot")

    def call() -> Any:
        with account.failures():
            return iot.create_thing_group(thingGroupName="g")

    return call


TEMPORARY = [
    error(503, "ServiceUnavailableException"),
    error(500, "InternalFailureException"),
    (502, b"<html>Bad Gateway</html>"),
    LOST,
    ReadTimeoutError(endpoint_url="https://iot.example"),
]


@pytest.mark.parametrize("fault", TEMPORARY)
def test_an_outage_of_seconds_is_waited_out(
    wire: Wire, read: Callable[[], Any], write: Callable[[], Any], fault: Answer
) -> None:
    for call in (read, write):
        wire.attempts = 0
        wire.answers = [fault] * 5 + [OK]
        call()
        assert wire.attempts == 6
    assert sum(wire.pauses[:5]) > 1


def test_the_fleet_report_waits_out_an_outage_of_seconds(wire: Wire) -> None:
    credentials = Credentials("AKIA0000", "secret")
    iot = Clients(1).client(None, "iot", "eu-west-1", credentials)
    wire.answers = [error(503, "ServiceUnavailableException")] * 5 + [OK]
    iot.describe_thing_group(thingGroupName="g")
    assert sum(wire.pauses) > 1


@pytest.mark.parametrize("fault", TEMPORARY)
def test_reads_give_up_after_ten_seconds_and_writes_after_thirty(
    wire: Wire, read: Callable[[], Any], write: Callable[[], Any], fault: Answer
) -> None:
    wire.answers = [fault]
    for call, seconds in ((read, 10), (write, 30)):
        wire.pauses.clear()
        with pytest.raises(Unavailable):
            call()
        assert seconds - 1 < sum(wire.pauses) <= seconds + 0.01


def test_throttling_is_waited_out_for_five_minutes(wire: Wire, read: Callable[[], Any]) -> None:
    wire.answers = [error(429, "ThrottlingException")]
    with pytest.raises(Unavailable, match="AWS throttles DescribeThingGroup"):
        read()
    assert 299 < sum(wire.pauses) <= 300.01
    assert wire.pauses[0] >= 0.25


@pytest.fixture
def update(wire: Wire) -> Callable[[], Any]:
    """A call that gives a CA a template, and so a role."""
    del wire
    account = Account(TARGET)
    iot = account.client("iot")

    def call() -> Any:
        with account.failures():
            return iot.update_ca_certificate(
                certificateId="a" * 64, registrationConfig={"templateName": "fleet"}
            )

    return call


NOT_ASSUMED = [
    "The provisioning role cannot be assumed by AWS IoT",
    "AWS IoT (iot.amazonaws.com) is unable to assume role (sts:AssumeRole) on resource: "
    "arn:aws:iam::111122223333:role/new. If the role was just created or updated, please try again",
]


@pytest.mark.parametrize("message", NOT_ASSUMED)
def test_a_role_that_was_just_created_is_waited_for(
    wire: Wire, update: Callable[[], Any], message: str
) -> None:
    wire.answers = [error(400, "InvalidRequestException", message)] * 4 + [OK]
    update()
    assert wire.attempts == 5


@pytest.mark.parametrize("message", NOT_ASSUMED)
def test_a_role_that_stays_refused_is_reported_after_a_minute(
    wire: Wire, update: Callable[[], Any], message: str
) -> None:
    wire.answers = [error(400, "InvalidRequestException", message)]
    with pytest.raises(Failure, match=re.escape(message)) as caught:
        update()
    assert not isinstance(caught.value, Unavailable)
    assert 59 < sum(wire.pauses) <= 60.01


@pytest.mark.parametrize(
    "message",
    [
        "Cannot accept this CACertificate",
        "The template fleet is not of type JITP",
        "User is not authorized to pass the role",
    ],
)
def test_another_refusal_of_a_ca_with_a_template_is_reported_at_once(
    wire: Wire, update: Callable[[], Any], message: str
) -> None:
    wire.answers = [error(400, "InvalidRequestException", message)]
    with pytest.raises(Failure):
        update()
    assert wire.attempts == 1


def test_a_role_is_waited_for_in_the_calls_only_that_take_one(
    wire: Wire, write: Callable[[], Any]
) -> None:
    wire.answers = [error(400, "InvalidRequestException", NOT_ASSUMED[0])]
    with pytest.raises(Failure):
        write()
    assert wire.attempts == 1


def test_each_call_has_its_own_patience(wire: Wire, read: Callable[[], Any]) -> None:
    for _ in range(3):
        wire.answers = [LOST] * 6 + [OK]
        read()


@pytest.mark.parametrize(
    "fault",
    [error(400, "InvalidRequestException"), error(403, "AccessDeniedException"), OK],
)
def test_a_refusal_is_not_repeated(wire: Wire, read: Callable[[], Any], fault: Answer) -> None:
    wire.answers = [fault]
    if fault is OK:
        read()
    else:
        with pytest.raises(Failure) as caught:
            read()
        assert not isinstance(caught.value, Unavailable)
    assert wire.attempts == 1


def test_retries_of_botocore_are_off(wire: Wire, write: Callable[[], Any]) -> None:
    wire.answers = [LOST]
    with pytest.raises(Unavailable):
        write()
    plain: Any = botocore.session.Session().create_client("iot", region_name="eu-west-1")
    attempts, wire.attempts = wire.attempts, 0
    with pytest.raises(EndpointConnectionError):
        plain.create_thing_group(thingGroupName="g")
    assert wire.attempts < attempts


def test_missing_credentials_are_not_temporary() -> None:
    assert not is_temporary(NoCredentialsError())
    assert not is_temporary(None)
    assert is_temporary(LOST)
