"""The calls that read and change CA certificates."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore import exceptions
from cryptography import x509

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.certificates import pem as pem_text
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.model import ObservedCa, Target
from iot_ca.reconcile.steps import Register, Update
from tests.support.certificates import der
from tests.support.program.aws_calls import ENDPOINT, TARGET, refusal, registration
from tests.support.program.fake_aws import ACCOUNT, FakeAws
from tests.support.program.refused import Refused


def test_register_sends_all_settings_in_one_call(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    assert aws.calls == ["RegisterCACertificate"]
    assert aws.requests == [
        {
            "caCertificate": certificate.pem,
            "certificateMode": "SNI_ONLY",
            "setAsActive": True,
            "allowAutoRegistration": True,
            "registrationConfig": {"templateName": "template"},
            "tags": [{"Key": "a", "Value": "1"}],
        }
    ]


def test_register_sends_the_proof_of_ownership(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(Register(certificate, "DEFAULT", False, False, {}, {}, "PROOF"))
    (request,) = aws.requests
    assert request["verificationCertificate"] == "PROOF"
    assert request["setAsActive"] is False
    assert request["allowAutoRegistration"] is False
    assert "registrationConfig" not in request


@pytest.mark.parametrize(
    ("update", "sent"),
    [
        (Update(status="INACTIVE"), {"newStatus": "INACTIVE"}),
        (Update(auto_registration=False), {"newAutoRegistrationStatus": "DISABLE"}),
        (Update(auto_registration=True), {"newAutoRegistrationStatus": "ENABLE"}),
        (Update(template_name="t"), {"registrationConfig": {"templateName": "t"}}),
        (Update(remove_registration_config=True), {"removeAutoRegistration": True}),
    ],
)
def test_update_sends_only_the_named_settings(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    update: Update,
    sent: dict[str, Any],
) -> None:
    ca_certificates.register(registration(certificate))
    ca_certificates.update(certificate.certificate_id, update)
    assert aws.requests[1:] == [{"certificateId": certificate.certificate_id, **sent}]


def test_tag_and_untag_change_the_tags_of_the_ca(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    ca_certificates.tag(certificate.certificate_id, {"b": "2", "c": ""})
    ca_certificates.untag(certificate.certificate_id, ("a",))
    assert aws.tags[certificate.certificate_id] == {"b": "2", "c": ""}


def test_observe_returns_settings_validity_and_all_tags(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate, root: x509.Certificate
) -> None:
    tags = {f"key {number}": str(number) for number in range(5)}
    ca_certificates.register(
        Register(certificate, "DEFAULT", False, True, {"templateName": "t"}, tags, "PROOF")
    )
    aws.calls.clear()
    assert ca_certificates.observe_one(certificate.certificate_id) == ObservedCa(
        mode="DEFAULT",
        status="INACTIVE",
        auto_registration=True,
        registration_config={"templateName": "t"},
        tags=tags,
        validity=pem_text.validity(root),
    )
    assert set(aws.calls) == {"DescribeCACertificate", "ListTagsForResource"}


def test_observe_asks_once_per_ca_and_once_for_the_account(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    ids = [f"{number:064}" for number in range(30)]
    assert ca_certificates.observe([*ids, *ids]) == dict.fromkeys(ids)
    assert aws.calls.count("DescribeCACertificate") == len(ids)
    # Who asks is the same for all of them.
    assert aws.calls.count("GetCallerIdentity") == 1
    assert "ListCACertificates" not in aws.calls


def test_without_an_account_tags_are_read_of_registered_cas_only(
    aws: FakeAws, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    CaCertificates(Account(TARGET)).register(registration(certificate))
    absent, odd = f"{1:064}", f"{2:064}"
    describe = aws._DescribeCACertificate

    def answer(**request: Any) -> dict[str, Any]:
        odd_answer: dict[str, Any] = {"certificateDescription": {}}
        return odd_answer if request["certificateId"] == odd else describe(**request)

    monkeypatch.setattr(aws, "_DescribeCACertificate", answer)
    aws.calls.clear()
    aws.requests.clear()
    account = Account(replace(TARGET, account_id=""))
    observed = CaCertificates(account).observe([absent, certificate.certificate_id])
    assert account.target.account_id == ACCOUNT
    assert observed[absent] is None
    assert isinstance(observed[certificate.certificate_id], ObservedCa)
    asked = aws.sent("ListTagsForResource")
    assert {request["resourceArn"] for request in asked} == {
        f"arn:aws:iot:{TARGET.region}:{ACCOUNT}:cacert/{certificate.certificate_id}"
    }
    # An answer without an ARN costs one CA.
    account = Account(replace(TARGET, account_id=""))
    observed = CaCertificates(account).observe([certificate.certificate_id, odd])
    assert isinstance(observed[odd], Failure)
    assert isinstance(observed[certificate.certificate_id], ObservedCa)


def test_a_denied_account_check_fails_only_the_absent_cas(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    absent = [f"{number:064}" for number in range(5)]
    aws.faults["GetCallerIdentity"] = ("AccessDenied", "no")
    observed = ca_certificates.observe([*absent, certificate.certificate_id])
    assert aws.calls.count("GetCallerIdentity") == 1
    for certificate_id in absent:
        assert isinstance(observed[certificate_id], Failure)
        assert "may not call sts:GetCallerIdentity" in str(observed[certificate_id])
    assert isinstance(observed[certificate.certificate_id], ObservedCa)


def test_late_tags_are_queried_a_second_time(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ca_certificates.register(registration(certificate))
    aws.calls.clear()
    list_tags = aws._ListTagsForResource

    def answer(**request: str) -> dict[str, Any]:
        if aws.calls.count("ListTagsForResource") == 1:
            raise Refused("ResourceNotFoundException", "not yet")
        return list_tags(**request)

    monkeypatch.setattr(aws, "_ListTagsForResource", answer)
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.tags == {"a": "1"}
    assert sorted(aws.calls) == ["DescribeCACertificate"] + ["ListTagsForResource"] * 2


def test_tags_that_stay_invisible_are_observed_as_none(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    aws.calls.clear()
    aws.faults["ListTagsForResource"] = ("ResourceNotFoundException", "not yet")
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.tags == {}
    assert aws.calls.count("ListTagsForResource") == 2


def test_tags_of_an_absent_ca_are_queried_only_once(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    assert ca_certificates.observe_one("a" * 64) is None
    assert aws.calls.count("ListTagsForResource") == 1


def test_validity_is_converted_to_utc(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    east = timezone(timedelta(hours=9))
    start, end = datetime(2026, 1, 1, 9, tzinfo=east), datetime(2036, 1, 1, 9, tzinfo=east)
    description = aws.cas[certificate.certificate_id]["certificateDescription"]
    for validity, expected in (
        ({"notBefore": start, "notAfter": end}, (start, end)),
        ({"notBefore": start}, None),
        ({}, None),
    ):
        description["validity"] = validity
        observed = ca_certificates.observe_one(certificate.certificate_id)
        assert observed is not None
        assert observed.validity == expected
        if observed.validity:
            assert [moment.utcoffset() for moment in observed.validity] == [timedelta(0)] * 2
    del description["validity"]
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.validity is None


def test_observing_no_ca_makes_no_call(ca_certificates: CaCertificates, aws: FakeAws) -> None:
    assert ca_certificates.observe([]) == {}
    assert aws.calls == []


def test_a_ca_without_a_mode_is_observed_in_default_mode(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    ca = aws.cas[certificate.certificate_id]
    del ca["certificateDescription"]["certificateMode"]
    del ca["certificateDescription"]["autoRegistrationStatus"]
    del ca["registrationConfig"]
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.mode == "DEFAULT"
    assert not observed.auto_registration
    assert observed.registration_config == {}


def test_an_inline_template_body_is_observed(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    aws.cas[certificate.certificate_id]["registrationConfig"] = {"templateBody": "{}"}
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.template_name is None
    assert observed.registration_config == {"templateBody": "{}"}


def test_registering_a_registered_ca_is_not_an_error(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    assert ca_certificates.register(registration(certificate))
    # As far as the program knows, another client did.
    assert not ca_certificates.register(registration(certificate))
    assert aws.writes == ["RegisterCACertificate"] * 2


def test_deleting_an_absent_ca_is_not_an_error(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    ca_certificates.delete("a" * 64)
    assert aws.writes == ["DeleteCACertificate"]


def test_arn_has_the_partition_of_the_region(aws: FakeAws) -> None:
    del aws
    for region, partition in {"eu-west-1": "aws", "cn-north-1": "aws-cn"}.items():
        arn = CaCertificates(Account(Target(ACCOUNT, region))).arn("1f1a")
        assert arn == f"arn:{partition}:iot:{region}:{ACCOUNT}:cacert/1f1a"


def test_absence_is_not_reported_of_another_account(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    aws.account = "999988887777"
    said = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert "999988887777" in said
    assert ACCOUNT in said
    assert "nothing was written" in said
    assert "credentials" in said


def test_a_ca_of_another_account_is_a_failure(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    aws.account = "999988887777"
    ca_certificates.register(registration(certificate))
    assert "999988887777" in refusal(
        lambda: ca_certificates.observe_one(certificate.certificate_id)
    )


@pytest.mark.parametrize("operation", ["RegisterCACertificate", "DescribeCACertificate"])
def test_an_unexpected_certificate_id_is_a_failure(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ca_certificates.register(registration(certificate))
    other = {"certificateId": "b" * 64, "certificateArn": aws.arn("b" * 64)}
    answer = {
        "RegisterCACertificate": other,
        "DescribeCACertificate": {"certificateDescription": {**other, "status": "ACTIVE"}},
    }[operation]
    monkeypatch.setattr(aws, f"_{operation}", lambda **_: answer)
    said = refusal(
        lambda: (
            ca_certificates.register(registration(certificate))
            if operation == "RegisterCACertificate"
            else ca_certificates.observe_one(certificate.certificate_id)
        )
    )
    assert "b" * 64 in said
    assert certificate.certificate_id in said


def test_the_fixture_certificate_is_the_root_certificate(
    certificate: Certificate, root: x509.Certificate
) -> None:
    assert certificate.der == der(root)


@pytest.mark.parametrize("operation", ["DescribeCACertificate", "ListTagsForResource"])
def test_denied_in_another_account_names_the_account(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate, operation: str
) -> None:
    ca_certificates.register(registration(certificate))
    aws.faults[operation] = ("AccessDeniedException", "no")
    observed = ca_certificates.observe([certificate.certificate_id])[certificate.certificate_id]
    assert f"may not call iot:{operation}" in str(observed)
    aws.account = "999988887777"
    other_account = CaCertificates(Account(TARGET))
    observed = other_account.observe([certificate.certificate_id])[certificate.certificate_id]
    assert "the program's credentials belong to account 999988887777" in str(observed)


@pytest.mark.parametrize(
    ("count", "counted"),
    [(0, (0, False)), (1, (1, False)), (2, (2, False)), (250, (250, False)), (251, (250, True))],
)
def test_device_certificates_are_counted_in_one_call(
    ca_certificates: CaCertificates, aws: FakeAws, count: int, counted: tuple[int, bool]
) -> None:
    aws.devices["a" * 64] = count
    assert ca_certificates.count_device_certificates("a" * 64) == counted
    assert aws.calls == ["ListCertificatesByCA"]


def test_device_certificates_after_empty_pages_are_counted(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    aws.empty_pages = 2
    assert ca_certificates.count_device_certificates("a" * 64) == (0, False)
    aws.devices["a" * 64] = 1
    assert ca_certificates.count_device_certificates("a" * 64) == (1, False)
    assert len(aws.calls) == 6


def test_a_failed_ca_leaves_the_other_cas_observed(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ca_certificates.register(registration(certificate))
    bad = "a" * 64
    describe = aws._DescribeCACertificate

    def answer(*, certificateId: str) -> dict[str, Any]:
        if certificateId == bad:
            raise exceptions.ReadTimeoutError(**ENDPOINT)
        return describe(certificateId=certificateId)

    monkeypatch.setattr(aws, "_DescribeCACertificate", answer)
    observed = ca_certificates.observe([bad, certificate.certificate_id])
    assert isinstance(observed[bad], Failure)
    assert isinstance(observed[certificate.certificate_id], ObservedCa)


def test_an_empty_response_is_a_failure(
    ca_certificates: CaCertificates, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy's login page with status 200: botocore makes an answer without anything of it.
    monkeypatch.setattr(aws, "_DescribeCACertificate", lambda **_: {})
    with pytest.raises(Failure):
        ca_certificates.observe_one("a" * 64)
