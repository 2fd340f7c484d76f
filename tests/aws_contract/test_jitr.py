"""Just-in-time registration (JITR), with devices over MQTT."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import Answer, could_not_be_tested, eventually
from tests.support.aws_contract.devices import Fleet, connect, is_accepted, is_refused, words
from tests.support.aws_contract.documents import allow, device_policy, trust
from tests.support.aws_contract.run import NewDevice, Run
from tests.support.aws_contract.sources import BLOG, GUIDE, OPEN

JITR = f"{GUIDE}/auto-register-device-cert.html"
RESERVED_TOPICS = f"{GUIDE}/reserved-topics.html"
EVENTS = f"{GUIDE}/iot-events.html"
CONFUSED_DEPUTY = f"{GUIDE}/cross-service-confused-deputy-prevention.html"
# A rule's role that was just made may lack its permissions for as long.
NEW_ROLE_SECONDS = 120.0
# Until an event that is published is in the queue.
EVENT_SECONDS = 30.0
# By then AWS IoT acts by the new status of a certificate.
NEW_STATUS_SECONDS = 10.0
MORE_THAN_COME = 1000
# Amazon SQS asks more than some of its servers only if it may wait (long polling).
POLL_SECONDS = 5.0
MEMBERS = {
    "certificateId",
    "caCertificateId",
    "timestamp",
    "certificateStatus",
    "awsAccountId",
    "certificateRegistrationTimestamp",
}


@dataclass
class Events:
    """The events of a CA, as its rule puts them into a queue."""

    account: AwsAccount
    url: str
    received: list[dict[str, Any]] = field(default_factory=list)

    def of(self, device: NewDevice, count: int, seconds: float) -> list[dict[str, Any]]:
        """Return the events of a device, once there are `count` or the time is over."""
        poll = round(self.account.patience.seconds(POLL_SECONDS))

        def enough() -> bool:
            answer = self.account.client("sqs").receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=poll
            )
            for message in answer.get("Messages", []):
                self.received.append(json.loads(message["Body"]))
                self.account.client("sqs").delete_message(
                    QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
                )
            return len(self._known(device)) >= count

        eventually(enough, seconds)
        return self._known(device)

    def _known(self, device: NewDevice) -> list[dict[str, Any]]:
        return [event for event in self.received if event["certificateId"] == device.issued.id]


@dataclass(frozen=True)
class FirstContact:
    """A CA with JITR, a device that was refused once, and the events that came of it."""

    fleet: Fleet
    events: Events
    device: NewDevice
    first: list[dict[str, Any]]

    def new_device(self) -> tuple[NewDevice, list[dict[str, Any]]]:
        """Return a device that has connected twice, and its events: two, unless one is lost."""
        account, device = self.fleet.account, self.fleet.new_device()
        connect(account, device)
        self.events.of(device, 1, EVENT_SECONDS)
        connect(account, device)
        return device, self.events.of(device, 2, account.patience.seconds(EVENT_SECONDS))

    def deactivate(self, device: NewDevice) -> float:
        """Set a device's certificate INACTIVE; return when, in the unit of the events' time."""
        self.fleet.account.iot.update_certificate(
            certificateId=device.issued.id, newStatus="INACTIVE"
        )
        certificate = self.fleet.certificate(device)
        assert certificate, "the certificate was not registered"
        return float(certificate["lastModifiedDate"].timestamp() * 1000)


@pytest.fixture(scope="module")
def is_enabled(account: AwsAccount) -> bool:
    """Whether the account's events of CA certificates are switched on."""
    configurations = account.iot.describe_event_configurations()["eventConfigurations"]
    return bool(configurations["CA_CERTIFICATE"]["Enabled"])


@pytest.fixture(scope="module")
def contact(run: Run, account: AwsAccount) -> FirstContact:
    """The first contact of a device with a CA that has auto-registration and no template."""
    ca, rule = run.new_ca(), run.rule_name()
    url, arn = run.queue(account)
    condition = {
        "StringEquals": {"aws:SourceAccount": account.number},
        "ArnLike": {"aws:SourceArn": account.arn(f"rule/{rule}")},
    }
    role = run.role(
        account, trust("iot.amazonaws.com", condition), inline=allow("sqs:SendMessage", arn)
    )
    payload = {
        "sql": f"SELECT * FROM '$aws/events/certificates/registered/{ca.id}'",
        "awsIotSqlVersion": "2016-03-23",
        "actions": [{"sqs": {"queueUrl": url, "roleArn": role, "useBase64": False}}],
    }
    run.topic_rule(account, rule, payload)
    run.register(account, ca)
    fleet, events = Fleet(run, account, ca), Events(account, url)
    device, deadline = fleet.new_device(), time.monotonic() + NEW_ROLE_SECONDS
    while True:
        # A new role may lack its permissions at first, and the event comes again.
        connect(account, device)
        first = events.of(device, 1, EVENT_SECONDS)
        if first or time.monotonic() > deadline:
            break
    return FirstContact(fleet, events, device, first)


@pytest.fixture
def event(contact: FirstContact, account: AwsAccount) -> dict[str, Any]:
    """The first event of the device. Without any, JITR can only be tested if they are on."""
    if not contact.first:
        configurations = account.iot.describe_event_configurations()["eventConfigurations"]
        if not configurations["CA_CERTIFICATE"]["Enabled"]:
            could_not_be_tested("no event came, and CA_CERTIFICATE events are off in the account")
        pytest.fail("no event came, and CA_CERTIFICATE events are on in the account")
    return contact.first[0]


@pytest.mark.assumption(
    "Events of CA certificates come if `CA_CERTIFICATE` is enabled in the account; whether they do "
    "if it is not is open (the lookup warns of it)",
    source=EVENTS,
)
def test_event_configuration(contact: FirstContact, is_enabled: bool, answer: Answer) -> None:
    came = "events come" if contact.first else "no event came"
    answer(f"{'enabled' if is_enabled else 'not enabled'}, {came}")
    assert contact.first or not is_enabled


@pytest.mark.assumption(
    "The first connection registers the certificate as `PENDING_ACTIVATION` and publishes an event "
    "on `$aws/events/certificates/registered/CA-ID`, with all members of the documentation",
    source=JITR,
)
def test_event(contact: FirstContact, event: dict[str, Any], answer: Answer) -> None:
    answer(f"{event['certificateStatus']}, members {', '.join(sorted(event))}")
    assert set(event) >= MEMBERS
    assert event["certificateStatus"] == "PENDING_ACTIVATION"
    assert event["caCertificateId"] == contact.fleet.ca.id
    assert event["awsAccountId"] == contact.fleet.account.number


@pytest.mark.assumption(
    "A rule's role may ask for `aws:SourceAccount` and `aws:SourceArn` of the rule",
    source=CONFUSED_DEPUTY,
)
def test_conditions_of_the_rules_role(event: dict[str, Any], answer: Answer) -> None:
    answer("the event reached the queue under the role")
    assert event["certificateId"]


@pytest.mark.assumption(
    "A certificate that JITR registers names its CA, and is `SNI_ONLY` as the CA", source=BLOG
)
def test_certificate(contact: FirstContact, answer: Answer) -> None:
    certificate = contact.fleet.certificate(contact.device) or {}
    named = certificate.get("caCertificateId") == contact.fleet.ca.id
    answer(f"{'the' if named else 'no'} CA's ID, {certificate.get('certificateMode')}")
    assert named
    assert certificate["certificateMode"] == "SNI_ONLY"


@pytest.mark.assumption(
    "The event is published again whenever a device presents a certificate that is "
    "`PENDING_ACTIVATION`",
    source=RESERVED_TOPICS,
)
@pytest.mark.usefixtures("event")
def test_event_again(contact: FirstContact, answer: Answer) -> None:
    _, events = contact.new_device()
    answer("again" if len(events) > 1 else f"{len(events)} event in two connections")
    assert len({event["timestamp"] for event in events}) > 1


@pytest.mark.assumption(
    "A device is accepted once its certificate has a policy and is `ACTIVE`",
    source=JITR,
)
def test_activation(contact: FirstContact, run: Run, answer: Answer) -> None:
    fleet, device = contact.fleet, contact.fleet.new_device()
    iot, arn = fleet.account.iot, fleet.account.arn(f"cert/{device.issued.id}")
    connect(fleet.account, device)
    assert eventually(lambda: fleet.certificate(device)), "the certificate was not registered"
    name = run.name("policy")
    run.remove_policy(fleet.account, name)
    document = device_policy(fleet.account, run.prefix)
    iot.create_policy(policyName=name, policyDocument=document)
    iot.create_thing(thingName=device.name)
    iot.attach_policy(policyName=name, target=arn)
    iot.attach_thing_principal(thingName=device.name, principal=arn)
    iot.update_certificate(certificateId=device.issued.id, newStatus="ACTIVE")
    visit = is_accepted(fleet.account, device)
    answer(words(visit))
    assert visit.accepted, visit.error


@pytest.mark.assumption(
    "A certificate that is set `INACTIVE` is refused, and its device causes no event",
    source=RESERVED_TOPICS,
)
@pytest.mark.usefixtures("event")
def test_inactive_certificate(contact: FirstContact, answer: Answer) -> None:
    account = contact.fleet.account
    started = time.monotonic()
    device, _ = contact.new_device()
    control = time.monotonic() - started
    deactivated_at = contact.deactivate(device)
    account.patience.wait(NEW_STATUS_SECONDS)
    since = deactivated_at + account.patience.seconds(NEW_STATUS_SECONDS) * 1000
    visit = is_refused(account, device, control)
    seconds = max(account.patience.seconds(EVENT_SECONDS), 2 * control)
    events = contact.events.of(device, MORE_THAN_COME, seconds)
    late = [event for event in events if event["timestamp"] > since]
    answer(f"{words(visit)}, {len(late)} events")
    assert not visit.accepted
    assert late == []


@pytest.mark.assumption(
    "A device whose certificate was set `INACTIVE` and then deleted is registered anew when it "
    "connects, with a new event",
    source=OPEN,
)
@pytest.mark.usefixtures("event")
def test_deleted_certificate(contact: FirstContact, answer: Answer) -> None:
    account = contact.fleet.account
    device, before = contact.new_device()
    deactivated_at = contact.deactivate(device)
    account.iot.delete_certificate(certificateId=device.issued.id)

    def new_event() -> dict[str, Any] | None:
        # AWS IoT may still know the certificate at first.
        connect(account, device)
        events = contact.events.of(device, len(before) + 1, seconds=0)
        return next((event for event in events if event["timestamp"] > deactivated_at), None)

    event = eventually(new_event, EVENT_SECONDS) or {}
    certificate = contact.fleet.certificate(device) or {}
    answer(f"{event.get('certificateStatus', 'no event')}, {certificate.get('status')}")
    assert event["certificateStatus"] == "PENDING_ACTIVATION"
    assert certificate["status"] == "PENDING_ACTIVATION"
