"""What becomes of a device: the function with real events against moto's AWS IoT."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.exceptions import JsonRESTError

from modules.jitr.function import handler as entry
from modules.jitr.function.errors import UnknownInput
from modules.jitr.function.handler import handler
from modules.jitr.function.hook import PAUSES, HookFailed
from modules.jitr.function.metrics import DEVICES_REFUSED, NAMESPACE
from modules.jitr.function.provisioning import DESCRIPTION_VALID_SECONDS
from tests.support.jitr.fleet import ACCOUNT, POLICY, Fleet, LambdaContext, name

PATIENT = entry.IOT
PROVISIONED = ["create_thing", "attach_policy", "attach_thing_principal", "update_certificate"]
LEFT_ALONE = ["INACTIVE", "REVOKED", "PENDING_TRANSFER", "REGISTER_INACTIVE"]


def provisioned(fleet: Fleet, thing: str = "device-1", **attributes: str) -> dict[str, Any]:
    """The state of a device that is ready for work."""
    own = {"ca_certificate_id": fleet.ca_id, "ca_certificate_mode": "SNI_ONLY"}
    return {
        "status": "ACTIVE",
        "policies": [POLICY],
        "things": [thing],
        "all things": {thing: {**own, **attributes}},
    }


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged; nothing else may be written."""
    written = capsys.readouterr()
    assert written.err == ""
    return [json.loads(line) for line in written.out.splitlines()]


# --- the way of a device


def test_a_device_gets_thing_and_policy_before_activation(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    event = fleet.meet(name("device-1", SERIAL_NUMBER="17"))

    answer = fleet.call(event)

    assert fleet.writes == PROVISIONED
    assert fleet.state(event) == provisioned(fleet, serial_number="17")
    assert answer == {
        "requestId": None,
        "certificateId": event["certificateId"],
        "outcome": "activated",
        "status": "ACTIVE",
        "thingName": "device-1",
    }
    assert lines(capsys) == [{"level": "INFO", **answer}]


@pytest.mark.usefixtures("sandbox_in_this_process")
def test_tests_of_the_function_do_not_depend_on_earlier_tests(fleet: Fleet) -> None:
    assert fleet.call(fleet.meet(name()))["outcome"] == "activated"


def test_the_same_event_twice_changes_nothing(fleet: Fleet) -> None:
    event = fleet.meet(name())
    fleet.call(event)
    before = fleet.state(event)

    answer = fleet.call(event)

    assert (answer["outcome"], answer["status"]) == ("completed", "ACTIVE")
    assert "update_certificate" not in fleet.writes
    assert fleet.state(event) == before == provisioned(fleet)


def test_a_certificate_activated_by_hand_gets_thing_and_policy(fleet: Fleet) -> None:
    event = fleet.meet(name())
    fleet.set_status(event, "ACTIVE")

    assert fleet.call(event)["outcome"] == "completed"

    assert fleet.state(event) == provisioned(fleet)


@pytest.mark.parametrize("status", LEFT_ALONE)
def test_a_certificate_with_a_status_set_by_hand_is_left_alone(fleet: Fleet, status: str) -> None:
    event = fleet.meet(name())
    fleet.set_status(event, status)

    answer = fleet.call(event)

    assert (answer["outcome"], answer["status"]) == ("left alone", status)
    assert fleet.writes == []
    assert fleet.status(event) == status


def test_an_unknown_status_is_kept_as_a_dead_letter(fleet: Fleet) -> None:
    event = fleet.meet(name())
    fleet.set_status(event, "SUSPENDED")

    with pytest.raises(UnknownInput, match="status that is not known here: SUSPENDED"):
        fleet.call(event)

    assert fleet.writes == []


def test_a_certificate_that_is_gone_is_done(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    event = fleet.meet(name())
    fleet.iot.delete_certificate(
        certificateId=_inactive(fleet, event)["certificateId"], forceDelete=True
    )

    answer = fleet.call(event)

    assert answer["outcome"] == "gone"
    assert "status" not in answer
    assert fleet.writes == []
    assert [line["outcome"] for line in lines(capsys)] == ["gone"]


def _inactive(fleet: Fleet, event: dict[str, Any]) -> dict[str, Any]:
    fleet.set_status(event, "INACTIVE")
    return event


@pytest.mark.parametrize(
    "operation", ["attach_policy", "attach_thing_principal", "update_certificate"]
)
def test_a_certificate_that_goes_meanwhile_is_done(fleet: Fleet, operation: str) -> None:
    event = fleet.meet(name())

    def delete() -> None:
        _inactive(fleet, event)
        fleet.iot.detach_policy(policyName=POLICY, target=_arn(fleet, event))
        for thing in fleet.iot.list_principal_things(principal=_arn(fleet, event))["things"]:
            fleet.iot.detach_thing_principal(thingName=thing, principal=_arn(fleet, event))
        fleet.iot.delete_certificate(certificateId=event["certificateId"])

    def delete_unattached() -> None:
        _inactive(fleet, event)
        fleet.iot.delete_certificate(certificateId=event["certificateId"])

    fleet.before(operation, delete_unattached if operation == "attach_policy" else delete)

    assert fleet.call(event)["outcome"] == "gone"


def _arn(fleet: Fleet, event: dict[str, Any]) -> str:
    described = fleet.iot.describe_certificate(certificateId=event["certificateId"])
    return str(described["certificateDescription"]["certificateArn"])


def test_a_device_takes_one_description_of_its_certificate(fleet: Fleet) -> None:
    """AWS IoT answers ten a second: two would halve how many devices are provisioned."""
    fleet.call(fleet.meet(name()))

    assert [operation for operation, _ in fleet.calls].count("describe_certificate") == 1


@pytest.mark.parametrize("seconds", [DESCRIPTION_VALID_SECONDS, DESCRIPTION_VALID_SECONDS + 0.1])
def test_a_run_that_takes_long_describes_the_certificate_again(
    fleet: Fleet, seconds: float
) -> None:
    clock = fleet.clock()
    event = fleet.meet(name())

    def wait() -> None:
        clock.now += seconds

    fleet.before("create_thing", wait)

    assert fleet.call(event)["outcome"] == "activated"
    looks = [operation for operation, _ in fleet.calls].count("describe_certificate")
    assert looks == (2 if seconds > DESCRIPTION_VALID_SECONDS else 1)


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("status", LEFT_ALONE)
def test_a_revocation_during_a_long_run_is_not_undone(
    fleet: Fleet, status: str, refused: bool
) -> None:
    """As while a slow hook decides, or while AWS IoT throttles."""
    clock = fleet.clock()
    event = fleet.meet(name())

    def revoke() -> None:
        clock.now += DESCRIPTION_VALID_SECONDS + 1
        fleet.set_status(event, status)

    fleet.hook({"allowProvisioning": not refused}, meanwhile=revoke)

    answer = fleet.call(event)

    assert (answer["outcome"], answer["status"]) == ("left alone", status)
    assert fleet.status(event) == status
    assert "update_certificate" not in fleet.writes


# --- half-done, twice, at once


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("operation", ["describe_certificate", *PROVISIONED])
def test_the_next_run_completes_a_half_provisioned_device(
    fleet: Fleet, operation: str, after: bool
) -> None:
    event = fleet.meet(name("device-1", SERIAL_NUMBER="17"))
    fleet.fail(operation, after=after)

    with pytest.raises(ClientError, match="InternalFailureException"):
        fleet.call(event)

    # Whatever was done, no device connects without its policy and its thing.
    half = fleet.state(event)
    if (operation, after) != ("update_certificate", True):
        assert half["status"] == "PENDING_ACTIVATION"
    fleet.call(event)
    assert fleet.state(event) == provisioned(fleet, serial_number="17")


@pytest.mark.parametrize("operation", ["describe_certificate", "describe_thing", *PROVISIONED])
@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 400, "ThrottlingException"),
        ("ServiceUnavailableException", 503, "ServiceUnavailableException"),
        # One that is not in the model of AWS IoT.
        ("AccessDeniedException", 403, "ClientError"),
    ],
)
def test_an_error_of_aws_is_raised_so_that_lambda_tries_again(
    fleet: Fleet,
    capsys: pytest.CaptureFixture[str],
    operation: str,
    code: str,
    status: int,
    kind: str,
) -> None:
    event = fleet.meet(name())
    fleet.fail(operation, code, status)

    with pytest.raises(ClientError, match=code):
        fleet.call(event)

    assert fleet.status(event) == "PENDING_ACTIVATION"
    (line,) = lines(capsys)
    assert (line["level"], line["outcome"], line["error"]) == ("ERROR", "failed", kind)
    assert line["certificateId"] == event["certificateId"]
    assert code in line["message"]


def test_a_little_throttling_is_waited_out(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "IOT", PATIENT)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    event = fleet.meet(name())
    fleet.fail("create_thing", "ThrottlingException", 400, times=2)

    assert fleet.call(event)["outcome"] == "activated"


def test_a_missing_policy_is_not_taken_for_a_missing_certificate(fleet: Fleet) -> None:
    event = fleet.meet(name())
    fleet.iot.delete_policy(policyName=POLICY)

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        fleet.call(event)

    assert fleet.status(event) == "PENDING_ACTIVATION"


def test_a_missing_thing_type_is_not_taken_for_a_missing_certificate(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JITR_THING_TYPE_NAME", "sensor")
    event = fleet.meet(name())

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        fleet.call(event)

    fleet.iot.create_thing_type(thingTypeName="sensor")
    assert fleet.call(event)["outcome"] == "activated"
    assert fleet.iot.describe_thing(thingName="device-1")["thingTypeName"] == "sensor"


def test_many_runs_at_once_are_one(fleet: Fleet) -> None:
    events = [fleet.meet(name(f"device-{number}")) for number in range(3)]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda event: handler(event, None), events * 4))

    assert {answer["outcome"] for answer in answers} <= {"activated", "completed"}
    for number, event in enumerate(events):
        state = fleet.state(event)
        assert (state["status"], state["policies"]) == ("ACTIVE", [POLICY])
        assert state["things"] == [f"device-{number}"]


def test_a_thing_that_another_run_has_just_made_is_found(fleet: Fleet) -> None:
    event = fleet.meet(name())
    fleet.before("create_thing", lambda: fleet.iot.create_thing(thingName="device-1"))

    assert fleet.call(event)["outcome"] == "activated"

    assert fleet.state(event) == provisioned(fleet)


def test_a_device_with_a_new_certificate_keeps_its_thing(fleet: Fleet) -> None:
    first = fleet.meet(name("device-1", SERIAL_NUMBER="1"))
    fleet.call(first)
    second = fleet.meet(name("device-1", SERIAL_NUMBER="2"))

    fleet.call(second)

    assert fleet.state(first) == fleet.state(second) == provisioned(fleet, serial_number="2")


def test_an_unmanaged_thing_keeps_its_attributes(fleet: Fleet) -> None:
    theirs = {"color": "red", "size": "s"}
    fleet.iot.create_thing(thingName="device-1", attributePayload={"attributes": theirs})
    event = fleet.meet(name("device-1", SERIAL_NUMBER="17"))

    fleet.call(event)

    # Three are all that a thing without a type has room for.
    described = fleet.iot.describe_thing(thingName="device-1")["attributes"]
    assert described == {**theirs, "ca_certificate_id": fleet.ca_id}
    assert fleet.status(event) == "ACTIVE"


@pytest.mark.parametrize("typed", [False, True])
def test_a_new_thing_gets_as_many_attributes_as_fit(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, typed: bool
) -> None:
    wanted = {"maker": "Organization", "serial_number": "SerialNumber", "state": "StateName"}
    monkeypatch.setenv("JITR_SUBJECT_ATTRIBUTES", json.dumps(wanted))
    if typed:
        fleet.iot.create_thing_type(thingTypeName="sensor")
        monkeypatch.setenv("JITR_THING_TYPE_NAME", "sensor")
    # The first one wanted is not in this subject: its place is another's.
    event = fleet.meet(name("device-1", SERIAL_NUMBER="17", STATE_OR_PROVINCE_NAME="Hessen"))

    fleet.call(event)

    assert fleet.writes == PROVISIONED
    others = {"serial_number": "17", "state": "Hessen"} if typed else {"serial_number": "17"}
    assert fleet.state(event) == provisioned(fleet, **others)
    # The same again changes nothing: what did not fit does not come by way of an update.
    fleet.call(event)
    assert "update_thing" not in fleet.writes


# --- what is never provisioned


@pytest.mark.parametrize(
    ("subject", "said", "fields"),
    [
        (
            name(None, ORGANIZATION_NAME="Example"),
            "no common name",
            {"Organization": ["Example"]},
        ),
        (
            name("the device"),
            "'the device' cannot be the name of a thing",
            {"CommonName": ["the device"]},
        ),
        (
            name("dévice"),
            r"'d\xe9vice' cannot be the name of a thing",
            {"CommonName": ["dévice"]},
        ),
    ],
)
def test_a_certificate_without_a_fit_common_name_is_refused_for_good(
    fleet: Fleet, capsys: pytest.CaptureFixture[str], subject: Any, said: str, fields: Any
) -> None:
    event = fleet.meet(subject, serial_number=0xAB12)

    answer = fleet.call_in_lambda(event)

    assert (answer["outcome"], answer["status"]) == ("refused", "INACTIVE")
    assert fleet.writes == ["update_certificate"]
    assert fleet.status(event) == "INACTIVE"
    (line,) = lines(capsys)
    assert said in line["reason"]
    assert (line["level"], line["cause"]) == ("WARN", "subject")
    assert line["certificateId"] == event["certificateId"]
    assert (line["subject"], line["serialNumber"]) == (fields, "AB12")
    # The same event again, which was under way already: nothing is refused twice.
    assert fleet.call_in_lambda(event)["outcome"] == "left alone"
    assert fleet.writes == []
    assert [entry["outcome"] for entry in lines(capsys)] == ["left alone"]


def test_a_refused_device_is_counted_in_the_embedded_metric_format(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the specification in the CloudWatch user guide has it, else CloudWatch drops it."""
    fleet.call_in_lambda(fleet.meet(name("the device")))
    fleet.call_in_lambda(fleet.meet(name()))

    refused, activated = lines(capsys)

    metadata = refused["_aws"]
    assert abs(metadata["Timestamp"] / 1000 - time.time()) < 60
    (directive,) = metadata["CloudWatchMetrics"]
    assert directive == {
        "Namespace": NAMESPACE,
        "Dimensions": [["FunctionName"]],
        "Metrics": [{"Name": DEVICES_REFUSED, "Unit": "Count"}],
    }
    # What the directive refers to are members of the line itself.
    assert (refused["FunctionName"], refused[DEVICES_REFUSED]) == (LambdaContext.function_name, 1)
    assert not {"_aws", DEVICES_REFUSED} & activated.keys()


@pytest.mark.parametrize("failure", ["subject", "CA"])
def test_a_device_that_cannot_be_provisioned_may_keep_its_status(
    fleet: Fleet, failure: str
) -> None:
    fleet.monkeypatch.setenv("JITR_ON_PERMANENT_FAILURE", "KEEP")
    event = fleet.meet(name("the device" if failure == "subject" else "device-1"))
    if failure == "CA":
        fleet.forget_ca(event)

    for _ in range(2):
        answer = fleet.call(event)
        assert (answer["outcome"], answer["cause"]) == ("refused", failure)
        assert answer["status"] == "PENDING_ACTIVATION"
        assert fleet.writes == []


def test_a_device_at_work_that_cannot_be_provisioned_stays_at_work(fleet: Fleet) -> None:
    event = fleet.meet(name("the device"))
    fleet.set_status(event, "ACTIVE")

    answer = fleet.call(event)

    assert (answer["outcome"], answer["status"]) == ("refused", "ACTIVE")
    assert fleet.writes == []


def test_a_refusal_that_aws_does_not_take_is_tried_again(fleet: Fleet) -> None:
    event = fleet.meet(name("the device"))
    fleet.fail("update_certificate", "ThrottlingException", 400)

    with pytest.raises(ClientError, match="ThrottlingException"):
        fleet.call(event)
    assert fleet.status(event) == "PENDING_ACTIVATION"

    assert fleet.call(event)["outcome"] == "refused"
    assert fleet.status(event) == "INACTIVE"


def test_a_certificate_for_which_aws_names_no_ca_is_not_activated(fleet: Fleet) -> None:
    """Whatever the event says: it might have been sent by anyone who may invoke the function."""
    event = fleet.meet(name())
    fleet.forget_ca(event)

    answer = fleet.call(event)

    assert (answer["outcome"], answer["cause"]) == ("refused", "CA")
    assert "names no CA" in answer["reason"]
    assert fleet.writes == []
    assert fleet.state(event) == {
        "status": "PENDING_ACTIVATION",
        "policies": [],
        "things": [],
        "all things": {},
    }


def test_an_active_certificate_without_a_known_ca_gets_no_policy(fleet: Fleet) -> None:
    event = fleet.meet(name())
    fleet.forget_ca(event)
    fleet.set_status(event, "ACTIVE")

    assert fleet.call(event)["outcome"] == "refused"

    assert fleet.writes == []
    assert fleet.state(event)["status"] == "ACTIVE"


def test_an_event_of_another_account_changes_nothing(fleet: Fleet) -> None:
    event = fleet.meet(name())

    answer = fleet.call({**event, "awsAccountId": "444455556666"})

    assert (answer["outcome"], answer["cause"]) == ("refused", "account")
    assert answer["reason"] == f"the event is of account 444455556666, not of {ACCOUNT}"
    assert fleet.calls == []
    assert fleet.status(event) == "PENDING_ACTIVATION"


def test_a_certificate_of_another_ca_is_left_to_that_ca(fleet: Fleet) -> None:
    event = fleet.meet(name())
    other = "0" * 64

    answer = fleet.call({**event, "caCertificateId": other})
    assert (answer["outcome"], answer["cause"]) == ("refused", "CA")
    assert f"signed by CA {other}, not by {fleet.ca_id}" in answer["reason"]
    assert fleet.calls == []
    # The event is believed no more than what AWS IoT says of the certificate.
    fleet.forget_ca(event, other)
    answer = fleet.call(event)
    assert (answer["outcome"], answer["cause"]) == ("refused", "CA")
    assert f"signed by CA {other}, not by {fleet.ca_id}" in answer["reason"]

    assert fleet.writes == []
    assert fleet.status(event) == "PENDING_ACTIVATION"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"certificateId": "1f1a"},
        {"certificateId": "f" * 64},
        {"certificateId": "F" * 64, "caCertificateId": "f" * 64},
        {"certificateId": 17, "caCertificateId": "f" * 64},
        {"requestPayload": {}},
        {"base64OriginalPayload": "???"},
        {"base64OriginalPayload": None},
        {"base64OriginalPayload": base64.b64encode(b"text").decode()},
    ],
)
def test_an_invalid_event_goes_to_the_dead_letters(fleet: Fleet, document: object) -> None:
    with pytest.raises(UnknownInput):
        fleet.call(document)

    assert fleet.calls == []


def test_a_function_without_its_settings_fails(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = fleet.meet(name())
    monkeypatch.delenv("JITR_POLICY_NAME")

    with pytest.raises(KeyError, match="JITR_POLICY_NAME"):
        fleet.call(event)

    assert [line["message"] for line in lines(capsys)] == ["'JITR_POLICY_NAME'"]


# --- dead letters, sent again


def from_lambda(event: dict[str, Any]) -> dict[str, Any]:
    """A dead letter of Lambda's destination for failures, as its developer guide shows it."""
    return {
        "version": "1.0",
        "timestamp": "2025-11-25T09:03:00.000Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:iot-jitr-root:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "on purpose", "errorType": "ClientError"},
    }


def from_the_rule(event: object) -> dict[str, Any]:
    """A dead letter of a rule's error action, as the developer guide of AWS IoT shows it."""
    return {
        "ruleName": "iot_jitr_root",
        "topic": "$aws/events/certificates/registered/1f1a",
        "clientId": "N/A",
        "base64OriginalPayload": base64.b64encode(json.dumps(event).encode()).decode(),
        "failures": [{"failedAction": "LambdaAction", "errorMessage": "on purpose"}],
    }


@pytest.mark.parametrize(
    "wrap", [from_lambda, from_the_rule, lambda event: from_lambda(from_the_rule(event))]
)
def test_a_dead_letter_is_accepted_unchanged(fleet: Fleet, wrap: Any) -> None:
    event = fleet.meet(name())

    assert fleet.call(wrap(event))["outcome"] == "activated"

    assert fleet.state(event) == provisioned(fleet)


def test_an_event_may_be_sent_by_hand(fleet: Fleet) -> None:
    """For a certificate whose own event reached nobody."""
    event = fleet.meet(name())
    by_hand = {key: event[key] for key in ("certificateId", "caCertificateId")}

    assert fleet.call(by_hand)["outcome"] == "activated"

    assert fleet.state(event) == provisioned(fleet)


# --- the hook


def test_the_hook_is_called_first_with_the_known_facts(fleet: Fleet) -> None:
    fleet.hook({"allowProvisioning": True})
    event = fleet.meet(name("device-1", SERIAL_NUMBER="17"))

    assert fleet.call(event)["outcome"] == "activated"

    (question,) = fleet.asked
    assert question["event"] == event
    facts = question["certificate"]
    validity = {facts.pop("notBefore"), facts.pop("notAfter")}
    assert all(time.startswith("20") for time in validity)
    assert facts == {
        "certificateId": event["certificateId"],
        "certificateArn": _arn(fleet, event),
        "status": "PENDING_ACTIVATION",
        "caCertificateId": fleet.ca_id,
        "caCertificateMode": "SNI_ONLY",
        "thingName": "device-1",
        "subject": {"CommonName": ["device-1"], "SerialNumber": ["17"]},
    }
    assert "BEGIN" not in json.dumps(question)


@pytest.mark.parametrize("on_refusal", ["INACTIVE", "REVOKED"])
def test_a_refused_device_gets_nothing_and_stays_out(fleet: Fleet, on_refusal: str) -> None:
    fleet.hook({"allowProvisioning": False, "reason": "stolen\n" * 50}, on_refusal=on_refusal)
    event = fleet.meet(name())

    answer = fleet.call(event)

    assert (answer["outcome"], answer["status"]) == ("refused", on_refusal)
    assert answer["cause"] == "hook"
    assert answer["subject"] == {"CommonName": ["device-1"]}
    assert answer["serialNumber"]
    assert answer["reason"] == ("stolen\n" * 50)[:256]
    assert fleet.writes == ["update_certificate"]
    assert fleet.state(event) == {
        "status": on_refusal,
        "policies": [],
        "things": [],
        "all things": {},
    }
    # The same event again: it has been decided.
    assert fleet.call(event)["outcome"] == "left alone"
    assert len(fleet.asked) == 1


def test_a_refusal_does_not_stop_a_device_that_is_at_work(fleet: Fleet) -> None:
    event = fleet.meet(name())
    fleet.call(event)
    fleet.hook({"allowProvisioning": False, "reason": "came twice"}, on_refusal="REVOKED")

    answer = fleet.call(event)

    assert (answer["outcome"], answer["status"]) == ("refused", "ACTIVE")
    assert fleet.writes == []
    assert fleet.state(event) == provisioned(fleet)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"allowProvisioning": True}, "Unhandled"),
        ({"allowProvisioning": False}, "Handled"),
        ({"errorMessage": "no"}, None),
        ({"allowProvisioning": "true"}, None),
        ({"allowProvisioning": 1}, None),
        ({"allowProvisioning": None}, None),
        ([True], None),
        (True, None),
        (None, None),
        ("yes", None),
        ("", None),
    ],
)
def test_a_hook_that_fails_or_answers_nonsense_admits_no_device(
    fleet: Fleet, answer: object, error: str | None
) -> None:
    fleet.hook(answer, error)
    event = fleet.meet(name())

    with pytest.raises(HookFailed):
        fleet.call(event)

    assert fleet.writes == []
    assert fleet.status(event) == "PENDING_ACTIVATION"


def test_a_missing_hook_admits_no_device(fleet: Fleet) -> None:
    fleet.hook({"allowProvisioning": True})
    event = fleet.meet(name())
    fleet.monkeypatch.setattr(
        "moto.awslambda_simple.models.LambdaSimpleBackend.invoke", lambda *_: None
    )

    with pytest.raises((ClientError, HookFailed)):
        fleet.call(event)

    assert fleet.status(event) == "PENDING_ACTIVATION"


def test_a_late_hook_admits_no_device_and_is_not_called_twice(fleet: Fleet) -> None:
    fleet.hook({"allowProvisioning": True})
    event = fleet.meet(name())
    calls: list[object] = []

    def late(*arguments: object) -> bytes:
        calls.append(arguments)
        raise ReadTimeoutError(endpoint_url="the hook")

    fleet.monkeypatch.setattr("moto.awslambda_simple.models.LambdaSimpleBackend.invoke", late)

    with pytest.raises(ReadTimeoutError):
        fleet.call(event)

    assert len(calls) == 1
    assert fleet.status(event) == "PENDING_ACTIVATION"


class HookClock:
    """The time that passes in the pauses, and in tries that Lambda is slow to refuse."""

    def __init__(self, fleet: Fleet, refusals: int, code: str, seconds: float = 0.0) -> None:
        self.now, self.pauses, self.tries = 0.0, list[float](), 0
        answer = LambdaSimpleBackend.invoke

        def invoke(*arguments: Any) -> Any:
            self.tries += 1
            self.now += seconds
            if self.tries > refusals:
                return answer(*arguments)
            error = JsonRESTError(code, "on purpose")
            error.code = 429
            raise error

        fleet.monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
        fleet.monkeypatch.setattr("modules.jitr.function.hook.time", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_a_throttled_hook_is_asked_again(fleet: Fleet) -> None:
    fleet.hook({"allowProvisioning": True})
    event = fleet.meet(name())
    clock = HookClock(fleet, len(PAUSES), "TooManyRequestsException")

    assert fleet.call(event)["outcome"] == "activated"

    assert len(fleet.asked) == 1
    assert len(clock.pauses) == len(PAUSES)
    assert all(most / 2 <= pause <= most for pause, most in zip(clock.pauses, PAUSES, strict=True))


@pytest.mark.parametrize(
    ("code", "seconds", "tries"),
    [
        ("TooManyRequestsException", 0, 1 + len(PAUSES)),
        # The pauses are over before there was one.
        ("TooManyRequestsException", 30, 1),
        # These do not say that the hook has not heard the question.
        ("EC2ThrottledException", 0, 1),
        ("ServiceException", 0, 1),
    ],
)
def test_a_hook_that_stays_throttled_admits_no_device(
    fleet: Fleet, code: str, seconds: float, tries: int
) -> None:
    fleet.hook({"allowProvisioning": True})
    event = fleet.meet(name())
    clock = HookClock(fleet, 9, code, seconds)

    with pytest.raises(ClientError, match=code):
        fleet.call(event)

    assert clock.tries == tries
    assert clock.now <= seconds + sum(PAUSES)
    assert fleet.status(event) == "PENDING_ACTIVATION"


def test_the_hook_is_not_called_for_a_device_that_is_refused_anyway(fleet: Fleet) -> None:
    fleet.hook({"allowProvisioning": True})
    assert fleet.call(fleet.meet(name("no name")))["cause"] == "subject"
    revoked = fleet.meet(name())
    fleet.set_status(revoked, "REVOKED")
    fleet.call(revoked)

    assert fleet.asked == []


def test_a_reason_that_is_no_text_is_left_out(fleet: Fleet) -> None:
    fleet.hook({"allowProvisioning": False, "reason": {"a": 1}})

    assert "reason" not in fleet.call(fleet.meet(name()))


def test_no_line_holds_a_certificate(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.hook({"allowProvisioning": True})
    for subject in (name(), name("no name")):
        event = fleet.meet(subject)
        fleet.call(event)
    written = capsys.readouterr().out
    assert len(written.splitlines()) == 2
    assert "CERTIFICATE-----" not in written
    assert "MII" not in written
