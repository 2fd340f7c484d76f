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

from iot_ca.aws import registry as registry_module
from iot_ca.aws.registry import Registry
from iot_ca.certificates import pem as pem_text
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.model import Credentials, ObservedCa, Snapshot, Target
from iot_ca.reconcile.drift import Register, Tag, Untag, Update
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
REGISTER = Register("SNI_ONLY", True, True, {"templateName": "template"}, {"a": "1"})

MEMORY = Snapshot("DEFAULT", "ACTIVE", False, {"templateName": "t"}, {"a": "1", "b": "", "c": "3"})


@pytest.fixture
def certificate(root: x509.Certificate) -> Certificate:
    return pem_text.read(pem(root))


@pytest.fixture
def registry(aws: FakeAws) -> Registry:
    del aws
    return Registry(TARGET)


def refusal(work: Callable[[], object]) -> str:
    """The message with which something fails, which is one line."""
    with pytest.raises(Failure) as caught:
        work()
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


# What is called


def test_a_registration_sends_everything_in_one_call(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    registry.carry_out(REGISTER, certificate, None)
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
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    registry.carry_out(Register("DEFAULT", False, False, {}, {}), certificate, "PROOF")
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
    registry: Registry,
    aws: FakeAws,
    certificate: Certificate,
    update: Update,
    sent: dict[str, Any],
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    registry.carry_out(update, certificate, None)
    assert aws.requests[1:] == [{"certificateId": certificate.certificate_id, **sent}]


def test_tags_are_written_and_removed_on_the_ca(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    registry.carry_out(Tag({"b": "2", "c": ""}), certificate, None)
    registry.carry_out(Untag(("a",)), certificate, None)
    assert aws.tags[certificate.certificate_id] == {"b": "2", "c": ""}


def test_what_is_registered_is_observed_with_all_its_tags(
    registry: Registry, aws: FakeAws, certificate: Certificate, root: x509.Certificate
) -> None:
    tags = {f"key {number}": str(number) for number in range(5)}
    registry.carry_out(
        Register("DEFAULT", False, True, {"templateName": "t"}, tags), certificate, "PROOF"
    )
    aws.calls.clear()
    assert registry.observe_one(certificate.certificate_id) == ObservedCa(
        mode="DEFAULT",
        status="INACTIVE",
        auto_registration=True,
        registration_config={"templateName": "t"},
        tags=tags,
        validity=pem_text.validity(root),
    )
    assert set(aws.calls) == {"DescribeCACertificate", "ListTagsForResource"}


def test_many_are_observed_and_none_asks_twice(registry: Registry, aws: FakeAws) -> None:
    ids = [f"{number:064}" for number in range(30)]
    assert registry.observe([*ids, *ids]) == dict.fromkeys(ids)
    assert aws.calls.count("DescribeCACertificate") == len(ids)
    # Who asks is the same for all of them.
    assert aws.calls.count("GetCallerIdentity") == 1
    assert "ListCACertificates" not in aws.calls


def test_who_asks_is_asked_once_also_when_there_is_no_answer(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    absent = [f"{number:064}" for number in range(5)]
    aws.faults["GetCallerIdentity"] = ("AccessDenied", "no")
    observed = registry.observe([*absent, certificate.certificate_id])
    assert aws.calls.count("GetCallerIdentity") == 1
    for each in absent:
        assert isinstance(observed[each], Failure)
        assert "may not call sts:GetCallerIdentity" in str(observed[each])
    assert isinstance(observed[certificate.certificate_id], ObservedCa)


def test_tags_that_were_not_found_of_a_ca_that_is_are_asked_for_once_more(
    registry: Registry, aws: FakeAws, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    aws.calls.clear()
    list_tags = aws._ListTagsForResource

    def answer(**request: str) -> dict[str, Any]:
        if aws.calls.count("ListTagsForResource") == 1:
            raise Refused("ResourceNotFoundException", "not yet")
        return list_tags(**request)

    monkeypatch.setattr(aws, "_ListTagsForResource", answer)
    observed = registry.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.tags == REGISTER.tags
    assert sorted(aws.calls) == ["DescribeCACertificate"] + ["ListTagsForResource"] * 2


def test_tags_that_are_never_found_are_none(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    aws.calls.clear()
    aws.faults["ListTagsForResource"] = ("ResourceNotFoundException", "not yet")
    observed = registry.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.tags == {}
    assert aws.calls.count("ListTagsForResource") == 2


def test_tags_of_a_ca_that_is_absent_are_not_asked_for_again(
    registry: Registry, aws: FakeAws
) -> None:
    assert registry.observe_one("a" * 64) is None
    assert aws.calls.count("ListTagsForResource") == 1


def test_the_validity_is_that_of_aws_in_utc(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    east = timezone(timedelta(hours=9))
    start, end = datetime(2026, 1, 1, 9, tzinfo=east), datetime(2036, 1, 1, 9, tzinfo=east)
    description = aws.cas[certificate.certificate_id]["certificateDescription"]
    for validity, expected in (
        ({"notBefore": start, "notAfter": end}, (start, end)),
        ({"notBefore": start}, None),
        ({}, None),
    ):
        description["validity"] = validity
        observed = registry.observe_one(certificate.certificate_id)
        assert observed is not None
        assert observed.validity == expected
        if observed.validity:
            assert [each.utcoffset() for each in observed.validity] == [timedelta(0)] * 2
    del description["validity"]
    observed = registry.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.validity is None


def test_nothing_is_asked_about_nothing(registry: Registry, aws: FakeAws) -> None:
    assert registry.observe([]) == {}
    assert aws.calls == []


def test_a_registration_of_the_time_before_modes_is_one_in_default_mode(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    ca = aws.cas[certificate.certificate_id]
    del ca["certificateDescription"]["certificateMode"]
    del ca["certificateDescription"]["autoRegistrationStatus"]
    del ca["registrationConfig"]
    observed = registry.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.mode == "DEFAULT"
    assert not observed.auto_registration
    assert observed.registration_config == {}


def test_a_template_body_on_the_ca_is_seen(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    aws.cas[certificate.certificate_id]["registrationConfig"] = {"templateBody": "{}"}
    observed = registry.observe_one(certificate.certificate_id)
    assert observed is not None
    assert observed.template_name is None
    assert observed.registration_config == {"templateBody": "{}"}


def test_a_ca_that_is_there_already_is_no_error(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    assert registry.carry_out(REGISTER, certificate, None)
    # Somebody else did it, for all that is known.
    assert not registry.carry_out(REGISTER, certificate, None)
    assert aws.writes == ["RegisterCACertificate"] * 2


def test_a_ca_that_is_gone_already_is_no_error(registry: Registry, aws: FakeAws) -> None:
    registry.delete("a" * 64)
    assert aws.writes == ["DeleteCACertificate"]


def test_the_registration_code_is_that_of_the_account(registry: Registry, aws: FakeAws) -> None:
    assert registry.account.registration_code == CODE
    assert aws.calls == ["GetCallerIdentity", "GetRegistrationCode"]


def test_arns_are_those_of_the_partition(aws: FakeAws) -> None:
    del aws
    for region, partition in {"eu-west-1": "aws", "cn-north-1": "aws-cn"}.items():
        arn = Registry(Target(ACCOUNT, region)).arn("1f1a")
        assert arn == f"arn:{partition}:iot:{region}:{ACCOUNT}:cacert/1f1a"


# The right account, the right certificate


def test_nothing_is_called_absent_in_another_account(registry: Registry, aws: FakeAws) -> None:
    aws.account = "999988887777"
    said = refusal(lambda: registry.observe_one("a" * 64))
    assert "999988887777" in said
    assert ACCOUNT in said
    assert "nothing was written" in said
    assert "credentials" in said


def test_a_ca_of_another_account_is_not_taken_for_ours(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    aws.account = "999988887777"
    registry.carry_out(REGISTER, certificate, None)
    assert "999988887777" in refusal(lambda: registry.observe_one(certificate.certificate_id))


def test_no_registration_code_of_another_account_is_used(registry: Registry, aws: FakeAws) -> None:
    aws.account = "999988887777"
    assert "999988887777" in refusal(lambda: registry.account.registration_code)
    assert "GetRegistrationCode" not in aws.calls


@pytest.mark.parametrize("operation", ["RegisterCACertificate", "DescribeCACertificate"])
def test_another_id_than_the_fingerprint_stops_everything(
    registry: Registry,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    other = {"certificateId": "b" * 64, "certificateArn": aws.arn("b" * 64)}
    answer = {
        "RegisterCACertificate": other,
        "DescribeCACertificate": {"certificateDescription": {**other, "status": "ACTIVE"}},
    }[operation]
    monkeypatch.setattr(aws, f"_{operation}", lambda **_: answer)
    said = refusal(
        lambda: (
            registry.carry_out(REGISTER, certificate, None)
            if operation == "RegisterCACertificate"
            else registry.observe_one(certificate.certificate_id)
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
    Registry(Target(ACCOUNT, REGION, Credentials(None, role, "id", "me"))).observe_one("a" * 64)
    assert aws.calls[0] == "AssumeRole"
    assert aws.requests[0] == {
        "RoleArn": role,
        "RoleSessionName": "me",
        "ExternalId": "id",
    }
    aws.calls.clear()
    aws.requests.clear()
    Registry(Target(ACCOUNT, REGION, Credentials(role_arn=role))).observe_one("a" * 64)
    assert aws.calls.count("AssumeRole") == 1
    assert aws.requests[0] == {"RoleArn": role, "RoleSessionName": "terraform-aws-iot-ca"}


def test_what_a_role_gives_is_what_is_used(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def client(session: Any, service: str, region: str) -> Any:
        used.append((service, session.get_credentials().access_key))
        return aws.client(session, service, region)

    monkeypatch.setattr("iot_ca.aws.session._client", client)
    role = f"arn:aws:iam::{ACCOUNT}:role/deployer"
    Registry(Target(ACCOUNT, REGION, Credentials(role_arn=role))).observe_one("a" * 64)
    assert used == [("sts", "AKIA0000"), ("iot", "ASIA0000"), ("sts", "ASIA0000")]


def test_a_profile_is_used(aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws
    (tmp_path / "credentials").write_text(
        "[deployer]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    registry = Registry(Target(ACCOUNT, REGION, Credentials(profile="deployer")))
    credentials = registry.account._session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "AKIAPROFILE"


def test_a_profile_that_is_not_there_is_named(aws: FakeAws) -> None:
    del aws
    registry = Registry(Target(ACCOUNT, REGION, Credentials(profile="nobody")))
    said = refusal(lambda: registry.observe_one("a" * 64))
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
    said = refusal(lambda: Registry(TARGET).observe_one("a" * 64))
    assert "no AWS credentials found" in said
    assert "credentials.profile" in said
    assert "AWS_ACCESS_KEY_ID" in said


@pytest.mark.usefixtures("no_credentials")
def test_half_of_the_credentials_are_called_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    said = refusal(lambda: Registry(TARGET).observe_one("a" * 64))
    assert "AWS_SECRET_ACCESS_KEY" in said or "secret_key" in said


def test_an_unreachable_endpoint_is_named(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    del aws
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    # Nobody listens there; one attempt is enough for that.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("iot_ca.aws.session._ATTEMPTS", 1)
    said = refusal(lambda: Registry(TARGET).observe_one("a" * 64))
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
    registry: Registry, aws: FakeAws, code: str, message: str, said: str
) -> None:
    aws.faults["DescribeCACertificate"] = (code, message + "\n")
    text = refusal(lambda: registry.observe_one("a" * 64))
    assert said in text
    assert code in text
    assert message in text
    if "another account" in said:
        assert 'certificate_mode = "SNI_ONLY"' in text


def test_who_may_not_assume_the_role_is_told_the_action(aws: FakeAws) -> None:
    aws.faults["AssumeRole"] = ("AccessDenied", "")
    registry = Registry(
        Target(ACCOUNT, REGION, Credentials(role_arn="arn:aws:iam::1:role/deployer"))
    )
    told = refusal(lambda: registry.observe_one("a" * 64))
    assert "may not call sts:AssumeRole; allow it in their policy, or" in told
    assert "the role's name or its trust policy" in told


@pytest.mark.parametrize(
    ("operation", "work"),
    [
        ("RegisterCACertificate", lambda r, c: r.carry_out(REGISTER, c, None)),
        ("UpdateCACertificate", lambda r, c: r.carry_out(Update(status="ACTIVE"), c, None)),
        ("TagResource", lambda r, c: r.carry_out(Tag({"a": "1"}), c, None)),
        ("UntagResource", lambda r, c: r.carry_out(Untag(("a",)), c, None)),
        ("DeleteCACertificate", lambda r, c: r.delete(c.certificate_id)),
        ("GetRegistrationCode", lambda r, _: r.account.registration_code),
        ("CreateThingGroup", lambda r, c: r.remember(c.certificate_id, MEMORY)),
        ("DescribeThingGroup", lambda r, c: r.recall(c.certificate_id)),
        ("DeleteThingGroup", lambda r, c: r.forget(c.certificate_id)),
        ("ListCertificatesByCA", lambda r, c: r.devices(c.certificate_id)),
        ("DescribeCACertificate", lambda r, c: r.observe_one(c.certificate_id)),
        ("ListTagsForResource", lambda r, c: r.observe_one(c.certificate_id)),
    ],
)
def test_every_call_that_may_be_denied_names_its_action(
    registry: Registry,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    work: Callable[[Registry, Certificate], object],
) -> None:
    if operation != "RegisterCACertificate":
        registry.carry_out(REGISTER, certificate, None)
    aws.faults[operation] = ("AccessDeniedException", "no")
    assert f"may not call iot:{operation}" in refusal(lambda: work(registry, certificate))


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
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    later = issue(ec_key(), end=NOW + timedelta(days=900))
    sooner = issue(ec_key(), end=NOW + timedelta(days=9))
    others = fill(aws, *(issue(ec_key(), common_name=f"other {n}") for n in range(3)))
    (last,) = fill(aws, later)
    (first,) = fill(aws, sooner, active=False)
    aws.faults["RegisterCACertificate"] = QUOTA
    said = refusal(lambda: registry.carry_out(REGISTER, certificate, None))
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
    registry: Registry, aws: FakeAws, certificate: Certificate, operation: str, action: str
) -> None:
    fill(aws, issue(ec_key()))
    aws.faults["RegisterCACertificate"] = QUOTA
    aws.faults[operation] = ("AccessDeniedException", "no")
    said = refusal(lambda: registry.carry_out(REGISTER, certificate, None))
    assert said.startswith("AWS IoT holds at most ten CA certificates with the same subject")
    assert f"which ones can't be told: the credentials may not call {action}" in said
    assert said.endswith(f"AWS says: {': '.join(QUOTA)}")


def test_who_holds_the_quota_is_told_also_beside_what_can_not_be_read(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    unreadable, holder = fill(aws, issue(ec_key(), common_name="old"), issue(ec_key()))
    aws.cas[unreadable]["certificateDescription"]["certificatePem"] = "from other times"
    aws.faults["RegisterCACertificate"] = QUOTA
    said = refusal(lambda: registry.carry_out(REGISTER, certificate, None))
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
    registry: Registry,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    fault: tuple[str, str] | Exception,
) -> None:
    fill(aws, issue(ec_key()))
    aws.faults |= {"RegisterCACertificate": QUOTA, operation: fault}
    said = refusal(lambda: registry.carry_out(REGISTER, certificate, None))
    assert said.startswith("AWS IoT holds at most ten CA certificates with the same subject")
    assert "which ones can't be told: " in said
    assert said.endswith(f"AWS says: {': '.join(QUOTA)}")


def test_a_quota_of_something_else_names_the_operation(registry: Registry, aws: FakeAws) -> None:
    aws.faults["CreateThingGroup"] = ("LimitExceededException", "too many groups")
    said = refusal(lambda: registry.remember("a" * 64, MEMORY))
    assert said.startswith("CreateThingGroup reaches a quota; ")
    assert said.endswith("LimitExceededException: too many groups")


@pytest.mark.parametrize("operation", ["DescribeCACertificate", "ListTagsForResource"])
def test_who_is_denied_in_another_account_is_told_the_account(
    registry: Registry, aws: FakeAws, certificate: Certificate, operation: str
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    aws.faults[operation] = ("AccessDeniedException", "no")
    observed = registry.observe([certificate.certificate_id])[certificate.certificate_id]
    assert f"may not call iot:{operation}" in str(observed)
    aws.account = "999988887777"
    elsewhere = Registry(TARGET)
    observed = elsewhere.observe([certificate.certificate_id])[certificate.certificate_id]
    assert "the program's credentials belong to account 999988887777" in str(observed)


def test_another_quota_is_not_blamed_on_the_subject(
    registry: Registry, aws: FakeAws, certificate: Certificate
) -> None:
    fill(aws, issue(ec_key(), common_name="other"))
    aws.faults["RegisterCACertificate"] = ("LimitExceededException", "of another kind")
    said = refusal(lambda: registry.carry_out(REGISTER, certificate, None))
    assert said.startswith("RegisterCACertificate reaches a quota; make room or ask AWS")
    assert said.endswith("AWS says: LimitExceededException: of another kind")


# The memory of a change of mode


def test_what_is_remembered_is_recalled_until_it_is_forgotten(
    registry: Registry, aws: FakeAws
) -> None:
    assert registry.recall("a" * 64) is None
    registry.remember("a" * 64, MEMORY)
    assert registry.recall("a" * 64) == MEMORY
    assert registry.recall("b" * 64) is None
    # Of a second attempt, which knows better.
    better = replace(MEMORY, registration_config={}, tags={"d": "4"})
    registry.remember("a" * 64, better)
    assert registry.recall("a" * 64) == better
    registry.forget("a" * 64)
    registry.forget("a" * 64)
    assert registry.recall("a" * 64) is None
    assert aws.groups == {}


# What AWS takes is narrower; what it answers is for AWS to say.
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CONFIG: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries(
    {"templateBody": ANY, "roleArn": ANY}
) | st.just({})
MEMORIES = st.builds(
    Snapshot,
    mode=st.sampled_from(["SNI_ONLY", "DEFAULT"]),
    status=st.sampled_from(["ACTIVE", "INACTIVE"]),
    auto_registration=st.booleans(),
    registration_config=CONFIG | st.fixed_dictionaries({"templateName": ANY}),
    tags=st.dictionaries(ANY, ANY, max_size=10),
)


@given(MEMORIES)
@example(replace(MEMORY, tags={"Stück": "größer 漢字 😀"}))
@example(
    replace(MEMORY, registration_config={"templateBody": '{"ä": "\\n"}' * 999, "roleArn": "r"})
)
def test_all_of_a_memory_fits_where_it_is_kept(memory: Snapshot) -> None:
    attributes = registry_module._attributes_of(memory)
    assert registry_module._memory_in(attributes) == memory
    # AWS may answer them in any order.
    backwards = dict(reversed(attributes.items()))
    assert registry_module._memory_in(backwards) == memory
    fake = FakeAws()
    payload = {"attributePayload": {"attributes": attributes}}
    # It refuses what AWS does.
    fake._CreateThingGroup(
        thingGroupName="g", thingGroupProperties={"thingGroupDescription": "d", **payload}
    )


def test_a_memory_that_is_too_large_is_a_failure_before_any_call(
    registry: Registry, aws: FakeAws
) -> None:
    lot = random.Random(0)
    body = "".join(chr(lot.randrange(0x4E00, 0x9FA5)) for _ in range(20_000))
    memory = replace(MEMORY, registration_config={"templateBody": body, "roleArn": "r"})
    assert "shorten its tags" in refusal(lambda: registry.remember("a" * 64, memory))
    assert aws.calls == []


def test_a_memory_is_made_by_one_call_and_read_by_one(registry: Registry, aws: FakeAws) -> None:
    registry.remember("a" * 64, MEMORY)
    registry.recall("a" * 64)
    assert aws.calls == ["CreateThingGroup", "DescribeThingGroup"]


def test_a_memory_that_is_there_already_is_not_made_again(registry: Registry, aws: FakeAws) -> None:
    registry.remember("a" * 64, MEMORY)
    registry.remember("a" * 64, MEMORY)
    assert "DeleteThingGroup" not in aws.calls
    # One that somebody has altered is, since the CA is still there to be asked.
    aws.groups[f"iot-ca-mode-change-{'a' * 64}"] = {"00000": "junk"}
    registry.remember("a" * 64, MEMORY)
    assert registry.recall("a" * 64) == MEMORY


def test_who_may_not_recall_is_told_the_action(registry: Registry, aws: FakeAws) -> None:
    registry.remember("a" * 64, MEMORY)
    aws.faults["DescribeThingGroup"] = ("AccessDeniedException", "no")
    assert "may not call iot:DescribeThingGroup" in refusal(lambda: registry.recall("a" * 64))


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ""),
        (1, "1 certificate of a device"),
        (2, "2 certificates of devices"),
        (250, "250 certificates of devices"),
        (251, "more than 250 certificates of devices"),
    ],
)
def test_devices_are_counted_in_one_call(
    registry: Registry, aws: FakeAws, count: int, said: str
) -> None:
    aws.devices["a" * 64] = count
    assert registry.devices("a" * 64) == said
    assert aws.calls == ["ListCertificatesByCA"]


def test_devices_behind_an_empty_page_are_found(registry: Registry, aws: FakeAws) -> None:
    aws.empty_pages = 2
    assert registry.devices("a" * 64) == ""
    aws.devices["a" * 64] = 1
    assert registry.devices("a" * 64) == "1 certificate of a device"
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
    registry: Registry, aws: FakeAws, error: Exception, said: str
) -> None:
    aws.faults["DescribeCACertificate"] = error
    text = refusal(lambda: registry.observe_one("a" * 64))
    assert said in text
    if said == "can't be reached":
        proxy = isinstance(error, exceptions.ProxyConnectionError)
        where = "its endpoint" if proxy else "iot.example"
        assert f"can't be reached at {where} ({type(error).__name__})" in text
    # Or the same outage would be another line for each CA.
    assert "a" * 64 not in text


def test_one_ca_that_can_not_be_read_leaves_the_others_readable(
    registry: Registry, aws: FakeAws, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.carry_out(REGISTER, certificate, None)
    bad = "a" * 64
    describe = aws._DescribeCACertificate

    def answer(*, certificateId: str) -> dict[str, Any]:
        if certificateId == bad:
            raise exceptions.ReadTimeoutError(**ENDPOINT)
        return describe(certificateId=certificateId)

    monkeypatch.setattr(aws, "_DescribeCACertificate", answer)
    observed = registry.observe([bad, certificate.certificate_id])
    assert isinstance(observed[bad], Failure)
    assert isinstance(observed[certificate.certificate_id], ObservedCa)


def test_an_answer_that_is_none_is_a_failure_too(
    registry: Registry, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy's login page with status 200: botocore makes an answer without anything of it.
    monkeypatch.setattr(aws, "_DescribeCACertificate", lambda **_: {})
    with pytest.raises(Failure):
        registry.observe_one("a" * 64)


def test_secrets_of_the_credentials_are_never_told(
    registry: Registry, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "VerySecretIndeed")
    aws.faults["DescribeCACertificate"] = ("SignatureDoesNotMatch", "no")
    with pytest.raises(Failure) as caught:
        registry.observe_one("a" * 64)
    assert "VerySecretIndeed" not in everything_said(caught.value)
