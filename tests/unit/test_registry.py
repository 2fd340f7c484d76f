"""The calls to AWS, and what is made of its errors: one line that says what to do."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st

from iot_ca.aws import snapshots as snapshots_module
from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import Snapshots
from iot_ca.certificates import pem as pem_text
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.model import Credentials, ObservedCa, Snapshot, Target
from iot_ca.reconcile.steps import Register, Update
from tests.unit.support import (
    ACCOUNT,
    CODE,
    NOW,
    REGION,
    FakeAws,
    Refused,
    der,
    ec_key,
    everything_said,
    issue,
    pem,
)

TARGET = Target(ACCOUNT, REGION)

SNAPSHOT = Snapshot(
    "DEFAULT", "ACTIVE", False, {"templateName": "t"}, {"a": "1", "b": "", "c": "3"}
)


@pytest.fixture
def certificate(root: x509.Certificate) -> Certificate:
    return pem_text.read(pem(root))


@pytest.fixture
def ca_certificates(aws: FakeAws) -> CaCertificates:
    del aws
    return CaCertificates(Account(TARGET))


@pytest.fixture
def snapshots(aws: FakeAws) -> Snapshots:
    del aws
    return Snapshots(Account(TARGET))


def registration(certificate: Certificate) -> Register:
    """A registration in SNI_ONLY mode, with a template and a tag."""
    config = {"templateName": "template"}
    return Register(certificate, "SNI_ONLY", True, True, config, {"a": "1"})


ACTIVATE = Update(status="ACTIVE")


def id_of(certificate: Certificate) -> str:
    """The certificate's ID."""
    return certificate.certificate_id


def refusal(work: Callable[[], object]) -> str:
    """The message with which something fails, which is one line."""
    with pytest.raises(Failure) as caught:
        work()
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


# What is called


def test_a_registration_sends_everything_in_one_call(
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


def test_a_proof_is_sent_where_there_is_one(
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
def test_an_update_sends_what_it_names_and_nothing_else(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    update: Update,
    sent: dict[str, Any],
) -> None:
    ca_certificates.register(registration(certificate))
    ca_certificates.update(certificate.certificate_id, update)
    assert aws.requests[1:] == [{"certificateId": certificate.certificate_id, **sent}]


def test_tags_are_written_and_removed_on_the_ca(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    ca_certificates.tag(certificate.certificate_id, {"b": "2", "c": ""})
    ca_certificates.untag(certificate.certificate_id, ("a",))
    assert aws.tags[certificate.certificate_id] == {"b": "2", "c": ""}


def test_what_is_registered_is_observed_with_all_its_tags(
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


def test_many_are_observed_and_none_asks_twice(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    ids = [f"{number:064}" for number in range(30)]
    assert ca_certificates.observe([*ids, *ids]) == dict.fromkeys(ids)
    assert aws.calls.count("DescribeCACertificate") == len(ids)
    # Who asks is the same for all of them.
    assert aws.calls.count("GetCallerIdentity") == 1
    assert "ListCACertificates" not in aws.calls


def test_who_asks_is_asked_once_also_when_there_is_no_answer(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    absent = [f"{number:064}" for number in range(5)]
    aws.faults["GetCallerIdentity"] = ("AccessDenied", "no")
    observed = ca_certificates.observe([*absent, certificate.certificate_id])
    assert aws.calls.count("GetCallerIdentity") == 1
    for each in absent:
        assert isinstance(observed[each], Failure)
        assert "may not call sts:GetCallerIdentity" in str(observed[each])
    assert isinstance(observed[certificate.certificate_id], ObservedCa)


def test_tags_that_were_not_found_of_a_ca_that_is_are_asked_for_once_more(
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


def test_tags_that_are_never_found_are_none(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    aws.calls.clear()
    aws.faults["ListTagsForResource"] = ("ResourceNotFoundException", "not yet")
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.tags == {}
    assert aws.calls.count("ListTagsForResource") == 2


def test_tags_of_a_ca_that_is_absent_are_not_asked_for_again(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    assert ca_certificates.observe_one("a" * 64) is None
    assert aws.calls.count("ListTagsForResource") == 1


def test_the_validity_is_that_of_aws_in_utc(
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
            assert [each.utcoffset() for each in observed.validity] == [timedelta(0)] * 2
    del description["validity"]
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.validity is None


def test_nothing_is_asked_about_nothing(ca_certificates: CaCertificates, aws: FakeAws) -> None:
    assert ca_certificates.observe([]) == {}
    assert aws.calls == []


def test_a_registration_of_the_time_before_modes_is_one_in_default_mode(
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


def test_a_template_body_on_the_ca_is_seen(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    aws.cas[certificate.certificate_id]["registrationConfig"] = {"templateBody": "{}"}
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.template_name is None
    assert observed.registration_config == {"templateBody": "{}"}


def test_a_ca_that_is_there_already_is_no_error(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    assert ca_certificates.register(registration(certificate))
    # Somebody else did it, for all that is known.
    assert not ca_certificates.register(registration(certificate))
    assert aws.writes == ["RegisterCACertificate"] * 2


def test_a_ca_that_is_gone_already_is_no_error(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    ca_certificates.delete("a" * 64)
    assert aws.writes == ["DeleteCACertificate"]


def test_the_registration_code_is_that_of_the_account(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    assert ca_certificates.account.registration_code == CODE
    assert aws.calls == ["GetCallerIdentity", "GetRegistrationCode"]


def test_arns_are_those_of_the_partition(aws: FakeAws) -> None:
    del aws
    for region, partition in {"eu-west-1": "aws", "cn-north-1": "aws-cn"}.items():
        arn = CaCertificates(Account(Target(ACCOUNT, region))).arn("1f1a")
        assert arn == f"arn:{partition}:iot:{region}:{ACCOUNT}:cacert/1f1a"


# The right account, the right certificate


def test_nothing_is_called_absent_in_another_account(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    aws.account = "999988887777"
    said = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert "999988887777" in said
    assert ACCOUNT in said
    assert "nothing was written" in said
    assert "credentials" in said


def test_a_ca_of_another_account_is_not_taken_for_ours(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    aws.account = "999988887777"
    ca_certificates.register(registration(certificate))
    assert "999988887777" in refusal(
        lambda: ca_certificates.observe_one(certificate.certificate_id)
    )


def test_no_registration_code_of_another_account_is_used(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    aws.account = "999988887777"
    assert "999988887777" in refusal(lambda: ca_certificates.account.registration_code)
    assert "GetRegistrationCode" not in aws.calls


@pytest.mark.parametrize("operation", ["RegisterCACertificate", "DescribeCACertificate"])
def test_another_id_than_the_fingerprint_stops_everything(
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


def test_the_id_of_the_tests_is_the_fingerprint(
    certificate: Certificate, root: x509.Certificate
) -> None:
    assert certificate.der == der(root)


# Credentials


def test_a_role_is_assumed_with_everything_it_asks_for(aws: FakeAws) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/deployer"
    CaCertificates(
        Account(Target(ACCOUNT, REGION, Credentials(None, role, "id", "me")))
    ).observe_one("a" * 64)
    assert aws.calls[0] == "AssumeRole"
    assert aws.requests[0] == {
        "RoleArn": role,
        "RoleSessionName": "me",
        "ExternalId": "id",
    }
    aws.calls.clear()
    aws.requests.clear()
    CaCertificates(Account(Target(ACCOUNT, REGION, Credentials(role_arn=role)))).observe_one(
        "a" * 64
    )
    assert aws.calls.count("AssumeRole") == 1
    assert aws.requests[0] == {"RoleArn": role, "RoleSessionName": "terraform-aws-iot-ca"}


def test_what_a_role_gives_is_what_is_used(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def client(session: Any, service: str, region: str) -> Any:
        used.append((service, session.get_credentials().access_key))
        return aws.client(session, service, region)

    monkeypatch.setattr("iot_ca.aws.session._client", client)
    role = f"arn:aws:iam::{ACCOUNT}:role/deployer"
    CaCertificates(Account(Target(ACCOUNT, REGION, Credentials(role_arn=role)))).observe_one(
        "a" * 64
    )
    assert used == [("sts", "AKIA0000"), ("iot", "ASIA0000"), ("sts", "ASIA0000")]


def test_a_profile_is_used(aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws
    (tmp_path / "credentials").write_text(
        "[deployer]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    ca_certificates = CaCertificates(
        Account(Target(ACCOUNT, REGION, Credentials(profile="deployer")))
    )
    credentials = ca_certificates.account._session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "AKIAPROFILE"


def test_a_profile_that_is_not_there_is_named(aws: FakeAws) -> None:
    del aws
    ca_certificates = CaCertificates(
        Account(Target(ACCOUNT, REGION, Credentials(profile="nobody")))
    )
    said = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert "nobody" in said
    assert "credentials.profile" in said
    assert "destroy uses the one that was applied last" in said


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any; clients are the real ones, and nothing gets as far as the network."""
    for variable in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
        *("AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("no_credentials")
def test_without_credentials_it_is_said_where_they_are_looked_for() -> None:
    said = refusal(lambda: CaCertificates(Account(TARGET)).observe_one("a" * 64))
    assert "no AWS credentials found" in said
    assert "credentials.profile" in said
    assert "AWS_ACCESS_KEY_ID" in said


@pytest.mark.usefixtures("no_credentials")
def test_half_of_the_credentials_are_called_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    said = refusal(lambda: CaCertificates(Account(TARGET)).observe_one("a" * 64))
    assert "AWS_SECRET_ACCESS_KEY" in said or "secret_key" in said


def test_an_unreachable_endpoint_is_named(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    # Nobody listens there; one attempt is enough for that.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("iot_ca.aws.session._ATTEMPTS", 1)
    said = refusal(lambda: CaCertificates(Account(TARGET)).observe_one("a" * 64))
    assert said == (
        "AWS can't be reached at 127.0.0.1:9 (EndpointConnectionError); check network, proxy and "
        "AWS_ENDPOINT_URL"
    )


# What AWS refuses

FAILED = "DescribeCACertificate failed; fix the cause that AWS reports, or run again; AWS says"


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("ExpiredTokenException", "The token is expired", "the credentials have expired; renew"),
        ("ExpiredToken", "The token is expired", "the credentials have expired; renew"),
        ("RequestExpired", "", "the credentials have expired; renew"),
        ("UnrecognizedClientException", "invalid token", "does not accept the credentials"),
        ("InvalidClientTokenId", "invalid token", "does not accept the credentials"),
        ("InvalidSignatureException", "signature", "does not accept the credentials"),
        ("SignatureDoesNotMatch", "signature", "does not accept the credentials"),
        (
            "AccessDeniedException",
            "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: "
            "iot:TagResource on resource: arn:aws:iot:::cacert/1 because no policy allows it",
            "may not call iot:TagResource; allow it",
        ),
        ("AccessDeniedException", "", "may not call iot:DescribeCACertificate; allow it"),
        ("UnauthorizedException", "no", "may not call iot:DescribeCACertificate; allow it"),
        ("ForbiddenException", "no", "may not call iot:DescribeCACertificate; allow it"),
        (
            "InvalidRequestException",
            "Cannot accept this CACertificate",
            "another account holds this CA in DEFAULT mode in eu-west-1",
        ),
        (
            "LimitExceededException",
            "Limit reached for number of CA Certificates with same subject",
            "DescribeCACertificate reaches a quota",
        ),
        ("ThrottlingException", "Rate exceeded", "AWS throttles DescribeCACertificate; run again"),
        ("Throttling", "Rate exceeded", "AWS throttles DescribeCACertificate; run again"),
        ("TooManyRequestsException", "", "AWS throttles DescribeCACertificate; run again"),
        ("InternalFailureException", "sorry", FAILED),
        ("ServiceUnavailableException", "", FAILED),
    ],
)
def test_a_refusal_of_aws_says_what_to_do(
    ca_certificates: CaCertificates, aws: FakeAws, code: str, message: str, said: str
) -> None:
    aws.faults["DescribeCACertificate"] = (code, message + "\n")
    text = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert said in text
    assert code in text
    assert message in text
    if "another account" in said:
        assert 'certificate_mode = "SNI_ONLY"' in text


def test_who_may_not_assume_the_role_is_told_the_action(aws: FakeAws) -> None:
    aws.faults["AssumeRole"] = ("AccessDenied", "")
    ca_certificates = CaCertificates(
        Account(Target(ACCOUNT, REGION, Credentials(role_arn="arn:aws:iam::1:role/deployer")))
    )
    told = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert "may not call sts:AssumeRole; allow it in their policy, or" in told
    assert "the role's name or its trust policy" in told


@pytest.mark.parametrize(
    ("operation", "work"),
    [
        ("RegisterCACertificate", lambda a, c: CaCertificates(a).register(registration(c))),
        ("UpdateCACertificate", lambda a, c: CaCertificates(a).update(id_of(c), ACTIVATE)),
        ("TagResource", lambda a, c: CaCertificates(a).tag(id_of(c), {"a": "1"})),
        ("UntagResource", lambda a, c: CaCertificates(a).untag(id_of(c), ("a",))),
        ("DeleteCACertificate", lambda a, c: CaCertificates(a).delete(id_of(c))),
        ("GetRegistrationCode", lambda a, _: a.registration_code),
        ("CreateThingGroup", lambda a, c: Snapshots(a).save(id_of(c), SNAPSHOT)),
        ("DescribeThingGroup", lambda a, c: Snapshots(a).load(id_of(c))),
        ("DeleteThingGroup", lambda a, c: Snapshots(a).delete(id_of(c))),
        (
            "ListCertificatesByCA",
            lambda a, c: CaCertificates(a).count_device_certificates(id_of(c)),
        ),
        ("DescribeCACertificate", lambda a, c: CaCertificates(a).observe_one(id_of(c))),
        ("ListTagsForResource", lambda a, c: CaCertificates(a).observe_one(id_of(c))),
    ],
)
def test_every_call_that_may_be_denied_names_its_action(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    work: Callable[[Account, Certificate], object],
) -> None:
    if operation != "RegisterCACertificate":
        ca_certificates.register(registration(certificate))
    aws.faults[operation] = ("AccessDeniedException", "no")
    assert f"may not call iot:{operation}" in refusal(
        lambda: work(ca_certificates.account, certificate)
    )


# The quota of CAs with the same subject


def fill(aws: FakeAws, *certificates_: x509.Certificate, active: bool = True) -> list[str]:
    """Register CAs; returns their IDs."""
    return [
        aws._RegisterCACertificate(
            caCertificate=pem(each),
            certificateMode="SNI_ONLY",
            setAsActive=active,
            allowAutoRegistration=True,
            tags=[],
        )["certificateId"]
        for each in certificates_
    ]


QUOTA = ("LimitExceededException", "Limit reached for number of CA Certificates with same subject")


def test_who_holds_the_quota_of_a_subject_is_named(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    later = issue(ec_key(), end=NOW + timedelta(days=900))
    sooner = issue(ec_key(), end=NOW + timedelta(days=9))
    others = fill(aws, *(issue(ec_key(), common_name=f"other {n}") for n in range(3)))
    (last,) = fill(aws, later)
    (first,) = fill(aws, sooner, active=False)
    aws.faults["RegisterCACertificate"] = QUOTA
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    # The one that ends first is the first to go.
    assert (
        f": {first} (INACTIVE, valid until {sooner.not_valid_after_utc:%Y-%m-%d}), "
        f"{last} (ACTIVE, valid until {later.not_valid_after_utc:%Y-%m-%d}); "
    ) in said
    assert said.startswith("AWS IoT holds at most ten CA certificates with the same subject")
    assert said.endswith(f"AWS says: {': '.join(QUOTA)}")
    assert not any(each in said for each in others)


@pytest.mark.parametrize(
    ("operation", "action"),
    [("ListCACertificates", "iot:ListCACertificates"), ("DescribeCACertificate", "iot:Describe")],
)
def test_the_quota_is_explained_also_to_who_may_not_list(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    action: str,
) -> None:
    fill(aws, issue(ec_key()))
    aws.faults["RegisterCACertificate"] = QUOTA
    aws.faults[operation] = ("AccessDeniedException", "no")
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    assert said.startswith("AWS IoT holds at most ten CA certificates with the same subject")
    assert f"which ones could not be read: the credentials may not call {action}" in said
    assert said.endswith(f"AWS says: {': '.join(QUOTA)}")


def test_who_holds_the_quota_is_told_also_beside_what_can_not_be_read(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    unreadable, holder = fill(aws, issue(ec_key(), common_name="old"), issue(ec_key()))
    aws.cas[unreadable]["certificateDescription"]["certificatePem"] = "from other times"
    aws.faults["RegisterCACertificate"] = QUOTA
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    assert f": {holder} (ACTIVE, valid until " in said
    assert unreadable not in said


@pytest.mark.parametrize(
    "fault",
    [
        ("ThrottlingException", "Rate exceeded"),
        ("InternalFailureException", "sorry"),
        exceptions.ReadTimeoutError(endpoint_url="https://iot.example"),
    ],
)
@pytest.mark.parametrize("operation", ["ListCACertificates", "DescribeCACertificate"])
def test_the_quota_is_explained_whatever_fails_afterwards(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    fault: tuple[str, str] | Exception,
) -> None:
    fill(aws, issue(ec_key()))
    aws.faults |= {"RegisterCACertificate": QUOTA, operation: fault}
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    assert said.startswith("AWS IoT holds at most ten CA certificates with the same subject")
    assert "which ones could not be read: " in said
    assert said.endswith(f"AWS says: {': '.join(QUOTA)}")


def test_a_quota_of_something_else_names_the_operation(snapshots: Snapshots, aws: FakeAws) -> None:
    aws.faults["CreateThingGroup"] = ("LimitExceededException", "too many groups")
    said = refusal(lambda: snapshots.save("a" * 64, SNAPSHOT))
    assert said.startswith("CreateThingGroup reaches a quota; ")
    assert said.endswith("LimitExceededException: too many groups")


@pytest.mark.parametrize("operation", ["DescribeCACertificate", "ListTagsForResource"])
def test_who_is_denied_in_another_account_is_told_the_account(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate, operation: str
) -> None:
    ca_certificates.register(registration(certificate))
    aws.faults[operation] = ("AccessDeniedException", "no")
    observed = ca_certificates.observe([certificate.certificate_id])[certificate.certificate_id]
    assert f"may not call iot:{operation}" in str(observed)
    aws.account = "999988887777"
    elsewhere = CaCertificates(Account(TARGET))
    observed = elsewhere.observe([certificate.certificate_id])[certificate.certificate_id]
    assert "the program's credentials belong to account 999988887777" in str(observed)


def test_another_quota_is_not_blamed_on_the_subject(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    fill(aws, issue(ec_key(), common_name="other"))
    aws.faults["RegisterCACertificate"] = ("LimitExceededException", "of another kind")
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    assert said.startswith("RegisterCACertificate reaches a quota; make room or ask AWS")
    assert said.endswith("AWS says: LimitExceededException: of another kind")


# The snapshot of a change of mode


def test_what_is_remembered_is_recalled_until_it_is_forgotten(
    snapshots: Snapshots, aws: FakeAws
) -> None:
    assert snapshots.load("a" * 64) is None
    snapshots.save("a" * 64, SNAPSHOT)
    assert snapshots.load("a" * 64) == SNAPSHOT
    assert snapshots.load("b" * 64) is None
    # Of a second attempt, which knows better.
    better = replace(SNAPSHOT, registration_config={}, tags={"d": "4"})
    snapshots.save("a" * 64, better)
    assert snapshots.load("a" * 64) == better
    snapshots.delete("a" * 64)
    snapshots.delete("a" * 64)
    assert snapshots.load("a" * 64) is None
    assert aws.groups == {}


# What AWS takes is narrower; what it answers is for AWS to say.
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CONFIG: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries(
    {"templateBody": ANY, "roleArn": ANY}
) | st.just({})
SNAPSHOTS = st.builds(
    Snapshot,
    mode=st.sampled_from(["SNI_ONLY", "DEFAULT"]),
    status=st.sampled_from(["ACTIVE", "INACTIVE"]),
    auto_registration=st.booleans(),
    registration_config=CONFIG | st.fixed_dictionaries({"templateName": ANY}),
    tags=st.dictionaries(ANY, ANY, max_size=10),
)


@given(SNAPSHOTS)
@example(replace(SNAPSHOT, tags={"Stück": "größer 漢字 😀"}))
@example(
    replace(SNAPSHOT, registration_config={"templateBody": '{"ä": "\\n"}' * 999, "roleArn": "r"})
)
def test_all_of_a_memory_fits_where_it_is_kept(snapshot: Snapshot) -> None:
    attributes = snapshots_module._to_attributes(snapshot)
    assert snapshots_module._from_attributes(attributes) == snapshot
    # AWS may answer them in any order.
    backwards = dict(reversed(attributes.items()))
    assert snapshots_module._from_attributes(backwards) == snapshot
    fake = FakeAws()
    payload = {"attributePayload": {"attributes": attributes}}
    # It refuses what AWS does.
    fake._CreateThingGroup(
        thingGroupName="g", thingGroupProperties={"thingGroupDescription": "d", **payload}
    )


def test_a_memory_that_is_too_large_is_a_failure_before_any_call(
    snapshots: Snapshots, aws: FakeAws
) -> None:
    lot = random.Random(0)
    body = "".join(chr(lot.randrange(0x4E00, 0x9FA5)) for _ in range(20_000))
    snapshot = replace(SNAPSHOT, registration_config={"templateBody": body, "roleArn": "r"})
    assert "shorten its tags" in refusal(lambda: snapshots.save("a" * 64, snapshot))
    assert aws.calls == []


def test_a_memory_is_made_by_one_call_and_read_by_one(snapshots: Snapshots, aws: FakeAws) -> None:
    snapshots.save("a" * 64, SNAPSHOT)
    snapshots.load("a" * 64)
    assert aws.calls == ["CreateThingGroup", "DescribeThingGroup"]


def test_a_memory_that_is_there_already_is_not_made_again(
    snapshots: Snapshots, aws: FakeAws
) -> None:
    snapshots.save("a" * 64, SNAPSHOT)
    snapshots.save("a" * 64, SNAPSHOT)
    assert "DeleteThingGroup" not in aws.calls
    # One that somebody has altered is, since the CA is still there to be asked.
    aws.groups[f"iot-ca-mode-change-{'a' * 64}"] = {"00000": "junk"}
    snapshots.save("a" * 64, SNAPSHOT)
    assert snapshots.load("a" * 64) == SNAPSHOT


def test_who_may_not_recall_is_told_the_action(snapshots: Snapshots, aws: FakeAws) -> None:
    snapshots.save("a" * 64, SNAPSHOT)
    aws.faults["DescribeThingGroup"] = ("AccessDeniedException", "no")
    assert "may not call iot:DescribeThingGroup" in refusal(lambda: snapshots.load("a" * 64))


@pytest.mark.parametrize(
    ("count", "counted"),
    [(0, (0, False)), (1, (1, False)), (2, (2, False)), (250, (250, False)), (251, (250, True))],
)
def test_devices_are_counted_in_one_call(
    ca_certificates: CaCertificates, aws: FakeAws, count: int, counted: tuple[int, bool]
) -> None:
    aws.devices["a" * 64] = count
    assert ca_certificates.count_device_certificates("a" * 64) == counted
    assert aws.calls == ["ListCertificatesByCA"]


def test_devices_behind_an_empty_page_are_found(
    ca_certificates: CaCertificates, aws: FakeAws
) -> None:
    aws.empty_pages = 2
    assert ca_certificates.count_device_certificates("a" * 64) == (0, False)
    aws.devices["a" * 64] = 1
    assert ca_certificates.count_device_certificates("a" * 64) == (1, False)
    assert len(aws.calls) == 6


ENDPOINT = {"endpoint_url": f"https://iot.example/cacertificate/{'a' * 64}"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.EndpointConnectionError(**ENDPOINT), "can't be reached"),
        (exceptions.ConnectTimeoutError(**ENDPOINT), "can't be reached"),
        (exceptions.ReadTimeoutError(**ENDPOINT), "can't be reached"),
        (exceptions.ConnectionClosedError(**ENDPOINT), "can't be reached"),
        (exceptions.ProxyConnectionError(proxy_url="http://proxy"), "can't be reached"),
        (exceptions.SSLError(**ENDPOINT, error=OSError("bad certificate")), "can't be reached"),
        (exceptions.CredentialRetrievalError(provider="sso", error_msg="x"), "log in again"),
        (exceptions.UnauthorizedSSOTokenError(), "log in again"),
        (exceptions.SSOTokenLoadError(error_msg="x"), "log in again"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="x"), "log in again"),
        (exceptions.NoCredentialsError(), "no AWS credentials found"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_botocore_can_not_do_says_what_to_do(
    ca_certificates: CaCertificates, aws: FakeAws, error: Exception, said: str
) -> None:
    aws.faults["DescribeCACertificate"] = error
    text = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert said in text
    if said == "can't be reached":
        proxy = isinstance(error, exceptions.ProxyConnectionError)
        where = "its endpoint" if proxy else "iot.example"
        assert f"can't be reached at {where} ({type(error).__name__})" in text
    # Or the same outage would be another line for each CA.
    assert "a" * 64 not in text


def test_one_ca_that_can_not_be_read_leaves_the_others_readable(
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


def test_an_answer_that_is_none_is_a_failure_too(
    ca_certificates: CaCertificates, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy's login page with status 200: botocore makes an answer without anything of it.
    monkeypatch.setattr(aws, "_DescribeCACertificate", lambda **_: {})
    with pytest.raises(Failure):
        ca_certificates.observe_one("a" * 64)


def test_secrets_of_the_credentials_are_never_told(
    ca_certificates: CaCertificates, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "VerySecretIndeed")
    aws.faults["DescribeCACertificate"] = ("SignatureDoesNotMatch", "no")
    with pytest.raises(Failure) as caught:
        ca_certificates.observe_one("a" * 64)
    assert "VerySecretIndeed" not in everything_said(caught.value)
