"""Just-in-time provisioning (JITP), with devices over MQTT."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import (
    Answer,
    code_of,
    could_not_be_tested,
    eventually,
    words_of,
)
from tests.support.aws_contract.devices import (
    Fleet,
    is_accepted,
    is_refused,
    may_be_accepted,
    provisioning_seconds,
    provisions,
    registered_certificate,
    wait_until_provisioning,
    words,
)
from tests.support.aws_contract.documents import device_policy, template_body, trust
from tests.support.aws_contract.run import NewDevice, Run
from tests.support.aws_contract.sources import API, BLOG, GUIDE, MANAGE_CAS, OPEN
from tools.device import Visit

JITP = f"{GUIDE}/jit-provisioning.html"
TEMPLATES = f"{GUIDE}/provision-template.html"
CONFUSED_DEPUTY = f"{GUIDE}/cross-service-confused-deputy-prevention.html"
# As modules/jitp sets them.
OVERRIDES = {
    "AttributePayload": "MERGE",
    "ThingTypeName": "DO_NOTHING",
    "ThingGroups": "DO_NOTHING",
}
# By then a new role has its permissions, also one that is older than a role that has them.
NEW_ROLE_SECONDS = 30.0
# By then AWS IoT acts by the new status of a CA.
NEW_STATUS_SECONDS = 10.0


@pytest.fixture(scope="module")
def role(run: Run, account: AwsAccount) -> str:
    """A role for provisioning, which the templates of this file share."""
    return run.provisioning_role(account)


def _fleet(run: Run, account: AwsAccount, template: str) -> Fleet:
    ca = run.new_ca()
    run.register(account, ca, registrationConfig={"templateName": template})
    return Fleet(run, account, ca)


@pytest.fixture(scope="module")
def fleet(run: Run, account: AwsAccount, role: str) -> Fleet:
    """A CA in SNI_ONLY mode whose template provisions devices."""
    body = template_body(account, run.prefix, overrides=OVERRIDES)
    return wait_until_provisioning(_fleet(run, account, run.template(account, role, body)))


@pytest.fixture
def control(fleet: Fleet) -> float:
    """The seconds that a new device of this account needs to be provisioned, at this moment."""
    return provisioning_seconds(fleet)


@pytest.fixture(scope="module")
def provisioned(fleet: Fleet) -> NewDevice:
    """A device that was provisioned by the template, and accepted."""
    device = fleet.new_device()
    assert is_accepted(fleet.account, device).accepted, "the device was not provisioned"
    return device


@pytest.mark.assumption(
    "The first connection of a new device is closed; it is accepted once the template is carried "
    "out, and may use the topics of its policy",
    source=JITP,
)
def test_first_connections(fleet: Fleet, answer: Answer) -> None:
    device = fleet.new_device()
    visit = is_accepted(fleet.account, device)
    answer(f"{words(visit)}, {len(visit.received)} message came back")
    assert visit.accepted, visit.error
    assert visit.attempts > 1
    assert visit.received == ((f"{device.name}/acceptance", b"hello"),)


@pytest.mark.assumption(
    "The template makes the thing with its attributes, activates the certificate, and attaches a "
    "policy with its document",
    source=TEMPLATES,
)
def test_what_is_provisioned(fleet: Fleet, provisioned: NewDevice, answer: Answer) -> None:
    iot, arn = fleet.account.iot, fleet.account.arn(f"cert/{provisioned.issued.id}")
    thing, certificate = fleet.thing(provisioned) or {}, fleet.certificate(provisioned) or {}
    policies = iot.list_attached_policies(target=arn)["policies"]
    things = iot.list_principal_things(principal=arn)["things"]
    documents = [iot.get_policy(policyName=policy["policyName"]) for policy in policies]
    answer(f"a thing, {certificate.get('status')}, {len(policies)} policy")
    assert thing["attributes"] == {"made_by": "first"}
    assert certificate["status"] == "ACTIVE"
    assert things == [provisioned.name]
    assert [json.loads(each["policyDocument"]) for each in documents] == [
        json.loads(device_policy(fleet.account, fleet.run.prefix))
    ]


@pytest.mark.assumption(
    "A certificate that JITP registers names its CA and is `SNI_ONLY` as the CA", source=BLOG
)
def test_certificate_of_jitp(fleet: Fleet, provisioned: NewDevice, answer: Answer) -> None:
    certificate = fleet.certificate(provisioned) or {}
    named = certificate.get("caCertificateId") == fleet.ca.id
    answer(f"{'the' if named else 'no'} CA's ID, {certificate.get('certificateMode')}")
    assert named
    assert certificate["certificateMode"] == "SNI_ONLY"


@pytest.mark.assumption(
    "`ListCertificatesByCA` lists the certificates that JITP registers for a CA in `SNI_ONLY` mode",
    source=OPEN,
)
def test_listed_by_ca(fleet: Fleet, provisioned: NewDevice, answer: Answer) -> None:
    def listed() -> bool:
        page = fleet.account.iot.list_certificates_by_ca(caCertificateId=fleet.ca.id, pageSize=250)
        return provisioned.issued.id in [item["certificateId"] for item in page["certificates"]]

    answer("listed" if eventually(listed, seconds=30) else "not listed")
    assert listed()


@pytest.mark.assumption(
    "With the module's `OverrideSettings`, a second certificate of a known thing is provisioned, "
    "and the thing's attributes follow the template",
    source=TEMPLATES,
)
def test_override_settings(
    run: Run, account: AwsAccount, role: str, provisioned: NewDevice, answer: Answer
) -> None:
    body = template_body(account, run.prefix, "second", OVERRIDES)
    other = _fleet(run, account, run.template(account, role, body))
    renewed = other.new_device(provisioned.name)
    visit = is_accepted(account, renewed)
    attributes = (other.thing(renewed) or {}).get("attributes")
    answer(f"{words(visit)}; attributes of the {(attributes or {}).get('made_by')} template")
    assert visit.accepted, visit.error
    assert attributes == {"made_by": "second"}
    assert is_accepted(account, provisioned).accepted, "the first certificate is refused since"


@pytest.mark.assumption(
    "Without `OverrideSettings`, the attributes of a known thing are not replaced, whether or not "
    "its second certificate is provisioned (the module relies on neither: it sets them)",
    source=OPEN,
)
def test_no_override_settings(
    run: Run,
    account: AwsAccount,
    role: str,
    provisioned: NewDevice,
    control: float,
    answer: Answer,
) -> None:
    body = template_body(account, run.prefix, "third")
    other = _fleet(run, account, run.template(account, role, body))
    before = (other.thing(provisioned) or {}).get("attributes")
    renewed = other.new_device(provisioned.name)
    visit = may_be_accepted(account, renewed, control)
    after = (other.thing(renewed) or {}).get("attributes")
    answer(f"the device is {words(visit)}; attributes {'kept' if before == after else 'replaced'}")
    assert registered_certificate(account, renewed), "the certificate was not registered"
    assert before == after


@dataclass(frozen=True)
class Lacking:
    """Devices that were not provisioned: their certificates lack what the template declares."""

    fleet: Fleet
    template: str
    devices: tuple[NewDevice, NewDevice]
    visits: tuple[Visit, Visit]


@pytest.fixture(scope="module")
def lacking(run: Run, account: AwsAccount, fleet: Fleet, role: str) -> Lacking:
    """Two devices of a CA whose template declares a country."""
    body = template_body(account, run.prefix, parameters=("CommonName", "Id", "Country"))
    template = run.template(account, role, body)
    other, seconds = _fleet(run, account, template), provisioning_seconds(fleet)
    devices = other.new_device(), other.new_device()
    first, second = (is_refused(account, device, seconds) for device in devices)
    return Lacking(other, template, devices, (first, second))


@pytest.mark.assumption(
    "A device whose certificate lacks a parameter of the template is registered, not provisioned",
    source=JITP,
)
def test_missing_parameter(lacking: Lacking, answer: Answer) -> None:
    device, visit = lacking.devices[0], lacking.visits[0]
    certificate = lacking.fleet.certificate(device) or {}
    answer(f"{words(visit)}, {certificate.get('status')}, no thing")
    assert not visit.accepted
    assert certificate["status"] == "PENDING_ACTIVATION"
    assert lacking.fleet.thing(device) is None


@pytest.mark.assumption(
    "After the template is repaired, a device whose certificate was not provisioned is accepted "
    "once the certificate is deleted; whether it is accepted without that is open",
    source=OPEN,
)
def test_repaired_template(
    run: Run, account: AwsAccount, lacking: Lacking, control: float, answer: Answer
) -> None:
    if any(visit.accepted for visit in lacking.visits):
        could_not_be_tested("the devices were provisioned before the template was repaired")
    account.iot.create_provisioning_template_version(
        templateName=lacking.template,
        templateBody=template_body(account, run.prefix),
        setAsDefault=True,
    )
    wait_until_provisioning(lacking.fleet)
    kept, deleted = lacking.devices
    again = may_be_accepted(account, kept, control)
    answer(f"without that {words(again)}")
    account.iot.delete_certificate(certificateId=deleted.issued.id)
    anew = is_accepted(account, deleted)
    status = (lacking.fleet.certificate(deleted) or {}).get("status")
    answer(f"deleted: {words(anew)}, {status}")
    assert anew.accepted, anew.error
    assert status == "ACTIVE"
    assert lacking.fleet.thing(deleted)


@pytest.mark.assumption(
    "A role whose trust policy has the condition `aws:SourceAccount` provisions devices, or is "
    "refused, while a role without it does (open: the module sets the condition only if asked to)",
    source=CONFUSED_DEPUTY,
)
def test_source_account(run: Run, account: AwsAccount, answer: Answer) -> None:
    condition: Mapping[str, Any] = {"StringEquals": {"aws:SourceAccount": account.number}}
    role = run.provisioning_role(account, condition)
    # The control is younger: once it is known and has its permissions, so has the other one.
    control = run.provisioning_role(account)
    body = template_body(account, run.prefix)
    fleet = _fleet(run, account, run.template(account, control, body))
    seconds = provisioning_seconds(wait_until_provisioning(fleet))
    account.patience.wait(NEW_ROLE_SECONDS)
    request = {"type": "JITP", "enabled": True, "provisioningRoleArn": role, "templateBody": body}
    name = run.name("t")
    run.remove_template(account, name)
    try:
        account.iot.create_provisioning_template(templateName=name, **request)
    except ClientError as error:
        if code_of(error) != "InvalidRequestException":
            raise
        answer(f"the template is refused: {words_of(error)}")
    else:
        limit = account.patience.seconds(NEW_ROLE_SECONDS)
        done = provisions(_fleet(run, account, name), limit, seconds)
        answer(f"with the condition devices are {'' if done else 'not '}provisioned")
    account.client("iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2], PolicyDocument=trust("iot.amazonaws.com")
    )
    wait_until_provisioning(_fleet(run, account, run.template(account, role, body)))
    answer("without the condition devices are provisioned")


@pytest.mark.assumption(
    "An `INACTIVE` CA registers no new device, and a device that is registered stays accepted",
    source=MANAGE_CAS,
)
def test_inactive_ca(run: Run, account: AwsAccount, role: str, answer: Answer) -> None:
    body = template_body(account, run.prefix, overrides=OVERRIDES)
    other = _fleet(run, account, run.template(account, role, body))
    control = provisioning_seconds(other)
    known = other.new_device()
    assert is_accepted(account, known).accepted, "the device was not provisioned"
    account.iot.update_ca_certificate(certificateId=other.ca.id, newStatus="INACTIVE")
    account.patience.wait(NEW_STATUS_SECONDS)
    unknown = other.new_device()
    refused, accepted = is_refused(account, unknown, control), is_accepted(account, known)
    answer(f"a new device is {words(refused)}, a registered one {words(accepted)}")
    assert not refused.accepted
    assert other.certificate(unknown) is None
    assert accepted.accepted
    account.iot.delete_ca_certificate(certificateId=other.ca.id)
    account.patience.wait(NEW_STATUS_SECONDS)
    after = is_accepted(account, known)
    answer(f"after the CA is deleted {words(after)}")
    assert after.accepted


@pytest.mark.assumption(
    "A CA with auto-registration disabled registers no new device",
    source=f"{API}/API_UpdateCACertificate.html",
)
def test_auto_registration_disabled(
    run: Run, account: AwsAccount, control: float, answer: Answer
) -> None:
    ca = run.new_ca()
    run.register(account, ca, allowAutoRegistration=False)
    fleet = Fleet(run, account, ca)
    device = fleet.new_device()
    visit = is_refused(account, device, control)
    answer(f"{words(visit)}, not registered")
    assert not visit.accepted
    assert fleet.certificate(device) is None
