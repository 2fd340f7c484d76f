"""What the errors of AWS and botocore become: one line with a remedy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore import exceptions

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import Snapshots
from iot_ca.certificates.pem import Certificate
from iot_ca.model import Credentials, Target
from iot_ca.reconcile.steps import Update
from tests.support.program.aws_calls import ENDPOINT, SNAPSHOT, id_of, refusal, registration
from tests.support.program.fake_aws import ACCOUNT, REGION, FakeAws

ACTIVATE = Update(status="ACTIVE")
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
def test_every_error_code_has_a_remedy(
    ca_certificates: CaCertificates, aws: FakeAws, code: str, message: str, said: str
) -> None:
    aws.faults["DescribeCACertificate"] = (code, message + "\n")
    text = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert said in text
    assert code in text
    assert message in text
    if "another account" in said:
        assert 'certificate_mode = "SNI_ONLY"' in text


def test_a_denied_role_names_the_action_and_the_trust_policy(aws: FakeAws) -> None:
    aws.faults["AssumeRole"] = ("AccessDenied", "")
    ca_certificates = CaCertificates(
        Account(Target(ACCOUNT, REGION, Credentials(role_arn="arn:aws:iam::1:role/deployer")))
    )
    said = refusal(lambda: ca_certificates.observe_one("a" * 64))
    assert "may not call sts:AssumeRole; allow it in their policy, or" in said
    assert "the role's name or its trust policy" in said


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
def test_every_denied_call_names_the_missing_action(
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
def test_every_botocore_error_has_a_remedy(
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
