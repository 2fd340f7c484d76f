"""CA certificates in one account."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import (
    Answer,
    code_of,
    eventually,
    possible_refusal,
    refusal,
    words_of,
)
from tests.support.aws_contract.run import Run
from tests.support.aws_contract.sources import (
    API,
    BLOG,
    GENERAL_REFERENCE,
    MANAGE_CAS,
    OPEN,
    PROVIDER_TESTS,
    SEEN,
)
from tests.support.certificates import CA, DAY, NOW, ec_key, issue, issue_v1

REGISTER = f"{API}/API_RegisterCACertificate.html"
UPDATE = f"{API}/API_UpdateCACertificate.html"
DELETE = f"{API}/API_DeleteCACertificate.html"
# As the module tags: all characters that a tag's value may have in addition to letters and digits.
TAGS = {"iot-ca:revision": "register 3f2a9c01 +-=._:/@", "team": "acceptance"}


@pytest.fixture(scope="module")
def ca(run: Run) -> CA:
    """A CA that the tests of this file share."""
    return run.new_ca()


@pytest.fixture(scope="module")
def registered(run: Run, account: AwsAccount, ca: CA) -> dict[str, Any]:
    """The answer to the registration of the shared CA: in SNI_ONLY mode, with tags."""
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    return run.register(account, ca, tags=tags)


def _described(account: AwsAccount, ca: CA) -> dict[str, Any]:
    answer: dict[str, Any] = account.iot.describe_ca_certificate(certificateId=ca.id)
    return answer


@pytest.mark.assumption(
    "A CA is registered in `SNI_ONLY` mode without a verification certificate, and its ID is the "
    "SHA-256 of the DER of the certificate",
    source=BLOG,
)
def test_certificate_id(registered: dict[str, Any], ca: CA, answer: Answer) -> None:
    same = registered["certificateId"] == ca.id
    answer("the ID is the SHA-256 of the DER" if same else f"{registered['certificateId']}")
    assert same


@pytest.mark.assumption(
    "The ARN of a CA is known beforehand: `arn:PARTITION:iot:REGION:ACCOUNT:cacert/ID`",
    source="https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html",
)
def test_arn(registered: dict[str, Any], account: AwsAccount, ca: CA, answer: Answer) -> None:
    answer(registered["certificateArn"])
    assert registered["certificateArn"] == account.arn(f"cacert/{ca.id}")


@pytest.mark.assumption(
    "`DescribeCACertificate` answers a CA as soon as it is registered, with mode, status, "
    "auto-registration, validity and owner",
    source=f"{API}/API_DescribeCACertificate.html",
)
@pytest.mark.usefixtures("registered")
def test_description(account: AwsAccount, ca: CA, answer: Answer) -> None:
    described = _described(account, ca)
    description = described["certificateDescription"]
    names = ("certificateMode", "status", "autoRegistrationStatus")
    answer(", ".join(str(description.get(name)) for name in names))
    assert [description.get(name) for name in names] == ["SNI_ONLY", "ACTIVE", "ENABLE"]
    assert description["ownedBy"] == account.number
    assert description["validity"]["notBefore"] == ca.certificate.not_valid_before_utc
    assert description["validity"]["notAfter"] == ca.certificate.not_valid_after_utc
    assert not described.get("registrationConfig")


@pytest.mark.assumption(
    "Tags that are given at the registration are there, with all characters of the module's own",
    source=REGISTER,
)
@pytest.mark.usefixtures("registered")
def test_tags(account: AwsAccount, ca: CA, answer: Answer) -> None:
    arn = account.arn(f"cacert/{ca.id}")
    listed = account.iot.list_tags_for_resource(resourceArn=arn)["tags"]
    answer(f"{len(listed)} tags")
    assert {tag["Key"]: tag["Value"] for tag in listed} == TAGS


@pytest.mark.assumption(
    "`ListCACertificates` lists a CA with its ARN, ID, status and creation date",
    source=f"{API}/API_CACertificate.html",
)
@pytest.mark.usefixtures("registered")
def test_listing(account: AwsAccount, ca: CA, answer: Answer) -> None:
    pages = account.iot.get_paginator("list_ca_certificates").paginate(
        PaginationConfig={"PageSize": 250}
    )
    items = [item for page in pages for item in page["certificates"]]
    item: dict[str, Any] = next((it for it in items if it["certificateId"] == ca.id), {})
    answer(", ".join(sorted(item)) or "the CA is not listed")
    wanted = {"certificateArn", "certificateId", "status", "creationDate"}
    assert wanted <= set(item)


@pytest.mark.assumption(
    "Registering a CA again answers `ResourceAlreadyExistsException` with the ID of the CA",
    source=REGISTER,
)
@pytest.mark.usefixtures("registered")
def test_register_again(run: Run, account: AwsAccount, ca: CA, answer: Answer) -> None:
    error = refusal(lambda: run.register(account, ca))
    answer(words_of(error))
    assert code_of(error) == "ResourceAlreadyExistsException"
    assert error.response.get("resourceId") == ca.id


@pytest.mark.assumption(
    "Registering a CA in the other mode answers `ResourceAlreadyExistsException` too: an account "
    "has a CA in one mode",
    source=BLOG,
)
@pytest.mark.usefixtures("registered")
def test_register_in_the_other_mode(run: Run, account: AwsAccount, ca: CA, answer: Answer) -> None:
    error = refusal(lambda: run.register(account, ca, "DEFAULT"))
    answer(words_of(error))
    assert code_of(error) == "ResourceAlreadyExistsException"


@pytest.mark.assumption(
    "Line ends, text before a certificate and a chain behind it do not change its ID",
    source=SEEN,
)
@pytest.mark.usefixtures("registered")
def test_text_around_the_certificate(run: Run, account: AwsAccount, ca: CA, answer: Answer) -> None:
    text = "subject=...\n" + ca.pem + run.new_ca().pem
    windows = text.replace("\n", "\r\n")
    error = refusal(lambda: run.register(account, ca, caCertificate=windows))
    answer(words_of(error))
    assert code_of(error) == "ResourceAlreadyExistsException"
    assert error.response.get("resourceId") == ca.id


@pytest.mark.assumption(
    "Tags of a registered CA are added and removed one by one",
    source=f"{API}/API_TagResource.html",
)
def test_change_tags(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca()
    run.register(account, ca, tags=[{"Key": "old", "Value": "1"}])
    arn = account.arn(f"cacert/{ca.id}")
    account.iot.tag_resource(resourceArn=arn, tags=[{"Key": "new", "Value": "2"}])
    account.iot.untag_resource(resourceArn=arn, tagKeys=["old"])

    def changed() -> bool:
        tags = account.iot.list_tags_for_resource(resourceArn=arn)["tags"]
        return bool(tags == [{"Key": "new", "Value": "2"}])

    assert eventually(changed), "the tags did not change"
    answer("the tags that were set last")


@pytest.mark.assumption(
    "`UpdateCACertificate` changes status and auto-registration of a CA in place",
    source=UPDATE,
)
def test_update(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca()
    run.register(account, ca)
    account.iot.update_ca_certificate(
        certificateId=ca.id, newStatus="INACTIVE", newAutoRegistrationStatus="DISABLE"
    )
    description = _described(account, ca)["certificateDescription"]
    observed = description["status"], description["autoRegistrationStatus"]
    answer(", ".join(observed))
    assert observed == ("INACTIVE", "DISABLE")


@pytest.mark.assumption(
    "An `ACTIVE` CA can't be deleted: `CertificateStateException`, and the CA is still there",
    source=DELETE,
)
def test_delete_an_active_ca(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca()
    run.register(account, ca)
    error = refusal(lambda: account.iot.delete_ca_certificate(certificateId=ca.id))
    answer(words_of(error))
    assert code_of(error) == "CertificateStateException"
    assert _described(account, ca)["certificateDescription"]["status"] == "ACTIVE"


@pytest.mark.assumption(
    "An `INACTIVE` CA is deleted, is not found afterwards, and can be registered again",
    source=DELETE,
)
def test_delete_and_register_again(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca()
    run.register(account, ca, setAsActive=False)
    account.iot.delete_ca_certificate(certificateId=ca.id)

    def is_gone() -> bool:
        try:
            _described(account, ca)
        except account.iot.exceptions.ResourceNotFoundException:
            return True
        return False

    assert eventually(is_gone), "the CA is still described"
    again = run.register(account, ca)
    answer("deleted, not found, registered again under the same ID")
    assert again["certificateId"] == ca.id


@pytest.mark.assumption(
    "A CA without keyCertSign in its key usage is accepted", source=PROVIDER_TESTS
)
def test_key_usage(run: Run, account: AwsAccount, answer: Answer) -> None:
    run.register(account, run.new_ca(cert_sign=False))
    answer("registered")


@pytest.mark.assumption(
    "A CA that is valid until 9999-12-31T23:59:59Z is accepted, and its end is answered as it is",
    source="RFC 5280, 4.1.2.5",
)
def test_no_well_defined_expiration(run: Run, account: AwsAccount, answer: Answer) -> None:
    end = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.timezone.utc)
    ca = run.new_ca(end=end)
    run.register(account, ca)
    validity = _described(account, ca)["certificateDescription"]["validity"]
    answer(f"valid until {validity['notAfter'].astimezone(dt.timezone.utc).isoformat()}")
    assert validity["notAfter"] == end


@pytest.mark.assumption(
    "A certificate without `CA:TRUE` is refused: `CertificateValidationException`", source=SEEN
)
def test_not_a_ca(run: Run, account: AwsAccount, answer: Answer) -> None:
    error = refusal(lambda: run.register(account, run.new_ca(is_ca=False)))
    answer(words_of(error))
    assert code_of(error) == "CertificateValidationException"


@pytest.mark.assumption(
    "Whether a certificate of X.509 version 1 is refused is open (the program refuses one itself)",
    source=OPEN,
)
def test_version_1(run: Run, account: AwsAccount, answer: Answer) -> None:
    key = ec_key()
    ca = CA(issue_v1(key, run.name("ca")), key)
    error = possible_refusal(lambda: run.register(account, ca))
    answer(words_of(error) if error else "registered")


@pytest.mark.assumption(
    "A certificate that has expired is refused: `CertificateValidationException`",
    source=MANAGE_CAS,
)
def test_expired(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca(start=NOW - 3 * DAY, end=NOW - DAY)
    error = refusal(lambda: run.register(account, ca))
    answer(words_of(error))
    assert code_of(error) == "CertificateValidationException"


@pytest.mark.assumption(
    "The eleventh CA with one subject is refused: `LimitExceededException`",
    source=GENERAL_REFERENCE,
)
def test_cas_with_one_subject(run: Run, account: AwsAccount, answer: Answer) -> None:
    subject, first = run.name("same"), run.new_ca()
    for serial_number in range(1, 11):
        certificate = issue(first.key, common_name=subject, serial_number=serial_number)
        run.register(account, CA(certificate, first.key))
    eleventh = CA(issue(first.key, common_name=subject, serial_number=11), first.key)
    run.remove_ca(account, eleventh.id)
    error = refusal(
        lambda: account.iot_once.register_ca_certificate(
            caCertificate=eleventh.pem, certificateMode="SNI_ONLY"
        )
    )
    answer(words_of(error))
    assert code_of(error) == "LimitExceededException"


@pytest.mark.assumption(
    "`ListCertificatesByCA` answers a CA without device certificates with an empty list",
    source=OPEN,
)
@pytest.mark.usefixtures("registered")
def test_no_device_certificates(account: AwsAccount, ca: CA, answer: Answer) -> None:
    page = account.iot.list_certificates_by_ca(caCertificateId=ca.id, pageSize=250)
    answer(f"{len(page['certificates'])} certificates")
    assert page["certificates"] == []
