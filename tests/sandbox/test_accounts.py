"""Who calls: account numbers as keys, issued keys, AssumeRole, refusals of credentials."""

from __future__ import annotations

import datetime as dt
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from sandbox.control import Sandbox
from sandbox.errors import AWSError
from sandbox.identity.policies import trusts, trusts_service, verdict_of
from sandbox.identity.principals import Principal, Session
from sandbox.server.authentication import principal_of_session
from tests.support.sandbox.clients import ONE, TWO, Clients
from tests.support.sandbox.refusals import refused

ROLE = f"arn:aws:iam::{TWO}:role/deploy"


def trust(principal: Any, condition: Any = None, effect: str = "Allow") -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"}
    return {**statement, "Condition": condition} if condition else statement


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def session(aws: Clients, service: str, credentials: Any) -> Any:
    client = aws.new(service, account=credentials["AccessKeyId"], token=credentials["SessionToken"])
    client._request_signer._credentials.secret_key = credentials["SecretAccessKey"]
    return client


@pytest.fixture
def role(aws: Clients) -> str:
    """A role of account TWO that trusts account ONE."""
    return aws.role(TWO, "deploy", policy(trust({"AWS": f"arn:aws:iam::{ONE}:root"})))


def test_twelve_digit_key_is_the_root_user(aws: Clients) -> None:
    for account in (ONE, TWO):
        identity = aws.sts(account).get_caller_identity()
        assert identity["Account"] == account
        assert identity["Arn"] == f"arn:aws:iam::{account}:root"


def test_partition_of_root(aws: Clients) -> None:
    sts = aws.new("sts", region="cn-north-1")
    assert sts.get_caller_identity()["Arn"] == f"arn:aws-cn:iam::{ONE}:root"


def test_a_session_acts_in_the_roles_account(aws: Clients, role: str) -> None:
    answer = aws.sts(ONE).assume_role(RoleArn=role, RoleSessionName="ci")
    arn = f"arn:aws:sts::{TWO}:assumed-role/deploy/ci"
    assert answer["AssumedRoleUser"]["Arn"] == arn
    left = answer["Credentials"]["Expiration"] - dt.datetime.now(dt.timezone.utc)
    assert dt.timedelta(minutes=59) < left <= dt.timedelta(hours=1)
    identity = session(aws, "sts", answer["Credentials"]).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (TWO, arn)
    iot = session(aws, "iot", answer["Credentials"])
    code = iot.get_registration_code()["registrationCode"]
    assert code == aws.iot(TWO).get_registration_code()["registrationCode"]


def test_access_key_of_a_user_is_accepted(aws: Clients) -> None:
    aws.iam().create_user(UserName="me")
    key = aws.iam().create_access_key(UserName="me")["AccessKey"]["AccessKeyId"]
    identity = aws.new("sts", account=key).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{ONE}:user/me"
    aws.iam().update_access_key(UserName="me", AccessKeyId=key, Status="Inactive")
    with refused("InvalidClientTokenId", status=403):
        aws.new("sts", account=key).get_caller_identity()


def test_unknown_access_key_is_refused(aws: Clients) -> None:
    for key in ("AKIAIOSFODNN7EXAMPLE", "12345678901", "1234567890123"):
        with refused("InvalidClientTokenId", status=403):
            aws.new("sts", account=key).get_caller_identity()
        with refused("UnrecognizedClientException", status=403):
            aws.new("iot", account=key).list_ca_certificates()
        with refused("UnrecognizedClientException", status=403):
            aws.new("events", account=key).list_rules()


def test_session_token_must_match(aws: Clients, role: str) -> None:
    issued = aws.sts(ONE).assume_role(RoleArn=role, RoleSessionName="ci")["Credentials"]
    for token in (None, "wrong"):
        with refused("UnrecognizedClientException"):
            session(aws, "iot", {**issued, "SessionToken": token}).list_ca_certificates()
    with refused("InvalidClientTokenId"):
        session(aws, "sts", {**issued, "AccessKeyId": ONE}).get_caller_identity()


def test_an_ended_session_is_expired() -> None:
    now = dt.datetime.now(dt.timezone.utc)
    principal = Principal(TWO, "arn", "id")
    ended = Session("ASIA", "token", now, principal)
    for protocol, code in (("rest-json", "ExpiredTokenException"), ("query", "ExpiredToken")):
        with pytest.raises(AWSError) as caught:
            principal_of_session(ended, "token", now, protocol)
        assert (caught.value.code, caught.value.status) == (code, 403)
    lasting = Session("ASIA", "token", now + dt.timedelta(seconds=1), principal)
    assert principal_of_session(lasting, "token", now, "query") is principal


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/cacertificates", None, "MissingAuthenticationTokenException"),
        ("/", b"Action=GetCallerIdentity&Version=2011-06-15", "MissingAuthenticationToken<"),
    ],
)
def test_unsigned_call_is_refused(
    sandbox: Sandbox, path: str, body: bytes | None, code: str
) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(sandbox.endpoint + path, body)
    with caught.value as answer:
        assert answer.code == 403
        assert code in f"{answer.headers}{answer.read().decode()}"


# --- AssumeRole


def denied(role_arn: str) -> str:
    return (
        f"User: arn:aws:iam::{ONE}:root is not authorized to perform: sts:AssumeRole "
        f"on resource: {role_arn}"
    )


def test_a_missing_role_is_access_denied(aws: Clients) -> None:
    with refused("AccessDenied", denied(ROLE), 403):
        aws.sts(ONE).assume_role(RoleArn=ROLE, RoleSessionName="ci")


def test_role_with_external_id(aws: Clients) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "secret"}}
    arn = aws.role(TWO, "deploy", policy(trust({"AWS": ONE}, condition)))
    for wrong in ({}, {"ExternalId": "other"}):
        with refused("AccessDenied", denied(arn)):
            aws.sts(ONE).assume_role(RoleArn=arn, RoleSessionName="ci", **wrong)
    aws.sts(ONE).assume_role(RoleArn=arn, RoleSessionName="ci", ExternalId="secret")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"DurationSeconds": 899}, "between 900 and 43200"),
        ({"DurationSeconds": 43201}, "between 900 and 43200"),
        ({"DurationSeconds": 3601}, "MaxSessionDuration"),
        ({"RoleSessionName": "a b"}, "roleSessionName"),
    ],
)
def test_assume_role_refusals(
    aws: Clients, role: str, wanted: dict[str, Any], message: str
) -> None:
    with refused("ValidationError", message, 400):
        aws.sts(ONE).assume_role(**{"RoleArn": role, "RoleSessionName": "ci", **wanted})


def test_role_chaining_lasts_an_hour_at_most(aws: Clients, role: str) -> None:
    last = aws.role(ONE, "last", policy(trust({"AWS": role})))
    aws.iam(ONE).update_role(RoleName="last", MaxSessionDuration=7200)
    first = aws.sts(ONE).assume_role(RoleArn=role, RoleSessionName="ci")["Credentials"]
    sts = session(aws, "sts", first)
    with refused("ValidationError", "role chaining"):
        sts.assume_role(RoleArn=last, RoleSessionName="on", DurationSeconds=7200)
    on = sts.assume_role(RoleArn=last, RoleSessionName="on")
    assert on["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ONE}:assumed-role/last/on"


ROOT = Principal(ONE, f"arn:aws:iam::{ONE}:root", ONE)
SESSION = Principal(TWO, f"arn:aws:sts::{TWO}:assumed-role/deploy/ci", "id", ROLE)
ANY_OF_ONE = trust({"AWS": ONE})


@pytest.mark.parametrize(
    ("document", "caller", "external_id", "allowed"),
    [
        (policy(trust("*")), ROOT, None, True),
        (policy(trust({"AWS": "*"})), ROOT, None, True),
        (policy(trust({"AWS": [TWO, ONE]})), ROOT, None, True),
        (policy(trust({"AWS": TWO})), ROOT, None, False),
        (policy(trust({"AWS": TWO})), SESSION, None, True),
        (policy(trust({"AWS": ROLE})), SESSION, None, True),
        (policy(trust({"AWS": SESSION.arn})), SESSION, None, True),
        (policy(trust({"AWS": f"{ROLE}2"})), SESSION, None, False),
        (policy(trust({"Service": "iot.amazonaws.com"})), ROOT, None, False),
        (policy(ANY_OF_ONE, trust({"AWS": ONE}, effect="Deny")), ROOT, None, False),
        (policy(trust("*", {"StringLike": {"sts:ExternalId": "a*"}})), ROOT, "abc", True),
        (policy(trust("*", {"StringLike": {"sts:ExternalId": "a*"}})), ROOT, None, False),
        (policy(trust("*", {"StringEquals": {"sts:ExternalId": ["a", "b"]}})), ROOT, "b", True),
        (policy(trust("*", {"Bool": {"aws:MultiFactorAuthPresent": "true"}})), ROOT, None, False),
        (
            policy(ANY_OF_ONE, trust("*", {"Bool": {"aws:SecureTransport": "false"}}, "Deny")),
            ROOT,
            None,
            False,
        ),
        (
            json.dumps({"Statement": {**ANY_OF_ONE, "Action": ["sts:TagSession"]}}),
            ROOT,
            None,
            False,
        ),
        (json.dumps({"Statement": {**ANY_OF_ONE, "Action": "sts:*"}}), ROOT, None, True),
        ("nonsense", ROOT, None, False),
    ],
)
def test_trust_policies(
    document: str, caller: Principal, external_id: str | None, allowed: bool
) -> None:
    assert trusts(document, caller, external_id) is allowed


IOT = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "iot.amazonaws.com"}}
RULE = f"arn:aws:iot:eu-west-1:{ONE}:rule/registered"
SOURCE = {"aws:SourceAccount": ONE, "aws:SourceArn": RULE}


def only(operator: str, **keys: Any) -> dict[str, Any]:
    return {"Condition": {operator: {f"aws:{key}": value for key, value in keys.items()}}}


@pytest.mark.parametrize(
    ("members", "with_source", "without_source"),
    [
        # What it comes to if the service says whom it acts for, and if that isn't known.
        ({}, True, True),
        ({"Principal": {"Service": ["lambda.amazonaws.com", "iot.amazonaws.com"]}}, True, True),
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, False, False),
        ({"Principal": {"Service": "*"}}, False, False),
        ({"Principal": "*"}, False, False),  # stricter
        (only("StringEquals", SourceAccount=ONE), True, False),
        (only("StringEquals", sourceAccount=[TWO, ONE]), True, False),
        (only("StringEquals", SourceAccount=TWO), False, False),
        (only("StringEquals", SourceAccount="${aws:PrincipalAccount}"), False, False),
        (only("ArnLike", SourceArn=RULE), True, False),
        (only("ArnEquals", SourceArn=f"arn:aws:iot:*:{ONE}:rule/*"), True, False),
        (only("ArnLike", SourceArn=f"{RULE}-2"), False, False),
        (only("ArnLike", SourceArn=RULE.replace(ONE, TWO)), False, False),
        (only("ArnLike", SourceArn="arn:aws:iot:*"), False, False),  # not the six parts of an ARN
        (only("StringLike", SourceArn="arn:aws:iot:*"), True, False),
        (only("StringLike", SourceArn="arn:aws:iot:*[d]"), False, False),
        (only("StringEquals", SourceOrgID="o-1"), False, False),
        (only("StringEquals", PrincipalAccount=ONE), False, False),
        (only("Bool", PrincipalIsAWSService="true"), False, False),
    ],
)
def test_trust_in_a_service(
    members: dict[str, Any], with_source: bool, without_source: bool
) -> None:
    document = policy({**IOT, **members})
    service = "iot.amazonaws.com"
    assert trusts_service(document, service, SOURCE) is with_source
    assert trusts_service(document, service) is without_source


@pytest.mark.parametrize(
    ("members", "with_source", "without_source"),
    [
        ({}, False, False),
        ({"Principal": "*"}, False, False),
        ({"Principal": {"AWS": "*"}}, False, False),
        ({"Principal": {"AWS": ONE}}, True, True),
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, True, True),
        ({"Action": "sts:TagSession"}, True, True),
        (only("StringEquals", SourceAccount=ONE), False, False),
        (only("StringEquals", SourceAccount=TWO), True, False),  # not known: it may hold
        (only("StringEquals", SourceAccount="${aws:PrincipalAccount}"), False, False),
        (only("StringNotEquals", SourceAccount=ONE), False, False),  # not understood
    ],
)
def test_deny_wins_over_trust_in_a_service(
    members: dict[str, Any], with_source: bool, without_source: bool
) -> None:
    document = policy(IOT, {**IOT, "Effect": "Deny", **members})
    service = "iot.amazonaws.com"
    assert trusts_service(document, service, SOURCE) is with_source
    assert trusts_service(document, service) is without_source


@pytest.mark.parametrize(
    ("excepted", "trusted"),
    [
        ({"Service": "iot.amazonaws.com"}, True),
        ({"Service": "lambda.amazonaws.com"}, False),
        ({"AWS": ONE}, False),
    ],
)
def test_deny_with_not_principal_of_a_service(excepted: dict[str, str], trusted: bool) -> None:
    deny = {"Effect": "Deny", "NotPrincipal": excepted, "Action": "*"}
    answer = trusts_service(policy(IOT, deny), "iot.amazonaws.com")
    assert answer is trusted


def test_only_assume_role_issues_sessions(aws: Clients) -> None:
    with refused("AccessDenied", "AssumeRole only"):
        aws.sts().get_session_token()


# --- other policies


CALLER = Principal(
    TWO, f"arn:aws:sts::{TWO}:assumed-role/deploy/ci", "id", f"arn:aws:iam::{TWO}:role/deploy"
)


@pytest.mark.parametrize(
    ("members", "verdict"),
    [
        ({}, True),
        ({"Effect": "Deny"}, False),
        ({"Action": ["KMS:s*"]}, True),
        ({"Action": "kms:Verify"}, None),
        ({"Resource": "arn:key/*"}, True),
        ({"Resource": "ARN:KEY/1"}, None),
        ({"Principal": {"AWS": [ONE, CALLER.role_arn]}}, True),
        ({"Principal": {"AWS": ONE}}, None),
        ({"Principal": {"Service": "*"}}, None),
        ({"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*deploy"}}}, None),
        ({"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/deploy"}}}, True),
        ({"Condition": {"StringEquals": {"kms:MessageType": ["RAW", "DIGEST"]}}}, True),
        ({"Condition": {"StringEquals": {"kms:MessageType": "raw"}}}, None),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, None),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}, "Effect": "Deny"}, False),
    ],
)
def test_policy_verdicts(members: dict[str, Any], verdict: bool | None) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "kms:Sign", "Resource": "*"}
    context = {"kms:MessageType": "DIGEST"}
    document = policy({**statement, **members})
    answer = verdict_of(document, CALLER, "kms:Sign", "arn:key/1", context)
    assert answer is verdict


@pytest.mark.parametrize(
    ("members", "verdict"),
    [
        ({"Principal": "*", "NotAction": "kms:Verify", "Resource": "*"}, False),
        ({"Principal": "*", "NotAction": "kms:*", "Resource": "*"}, True),
        ({"Principal": "*", "Action": "*", "NotResource": "arn:other/*"}, False),
        ({"Principal": "*", "Action": "*", "NotResource": "arn:key/*"}, True),
        ({"NotPrincipal": {"AWS": ONE}, "Action": "*", "Resource": "*"}, False),
        ({"NotPrincipal": {"AWS": TWO}, "Action": "*", "Resource": "*"}, True),
        ({"Principal": "*"}, False),  # without an action and a resource it counts for all
    ],
)
def test_deny_with_not_elements(members: dict[str, Any], verdict: bool) -> None:
    allow = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    document = policy(allow, {"Effect": "Deny", **members})
    assert verdict_of(document, CALLER, "kms:Sign", "arn:key/1") is verdict
