"""Secrets Manager: secrets in the own account, and in others with policy and key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.sandbox.clients import ONE, THREE, TWO, Clients
from tests.support.sandbox.refusals import refused

KEY = "-----BEGIN PRIVATE KEY-----\nnot really\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def secrets(aws: Clients) -> Any:
    return aws.kept("secretsmanager", ONE)


def policy(account: str, *actions: str, effect: str = "Allow", **members: Any) -> str:
    statement = {
        "Effect": effect,
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": list(actions),
        "Resource": "*",
        **members,
    }
    own = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ONE}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    both = [own, statement] if actions[0].startswith("kms:") else [statement]
    return json.dumps({"Version": "2012-10-17", "Statement": both})


def test_create_describe_read_delete(secrets: Any, sandbox: Sandbox) -> None:
    arn = secrets.create_secret(Name="iot/ca", SecretString=KEY)["ARN"]
    for name in ("iot/ca", arn):
        secret = secrets.get_secret_value(SecretId=name)
        assert (secret["ARN"], secret["SecretString"], secret["VersionStages"]) == (
            arn,
            KEY,
            ["AWSCURRENT"],
        )
        assert secrets.describe_secret(SecretId=name)["Name"] == "iot/ca"
    secrets.put_secret_value(SecretId=arn, SecretString="new")
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "new"
    before = secrets.get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")
    assert before["SecretString"] == KEY
    binary = secrets.create_secret(Name="der", SecretBinary=b"\x30\x82")["ARN"]
    assert secrets.get_secret_value(SecretId=binary)["SecretBinary"] == b"\x30\x82"
    kept = json.dumps([call.parameters for call in sandbox.calls()])
    assert "PRIVATE" not in kept
    reads = {call.operation for call in sandbox.calls(write=False)}
    assert reads == {"GetSecretValue", "DescribeSecret"}
    assert sandbox.calls(operation="GetSecretValue")[0].parameters == {"SecretId": "iot/ca"}
    secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    with refused("InvalidRequestException", "marked deleted"):
        secrets.get_secret_value(SecretId=arn)


def test_refused_secrets(secrets: Any, aws: Clients) -> None:
    arn = secrets.create_secret(Name="ca", SecretString=KEY)["ARN"]
    for name in ("none", f"{arn[:-1]}_"):
        with refused("ResourceNotFoundException", "can't find the specified secret", 400):
            secrets.get_secret_value(SecretId=name)
    with refused("ResourceNotFoundException", status=400):
        aws.kept("secretsmanager", ONE, "us-east-1").get_secret_value(SecretId=arn)
    with refused("ResourceExistsException"):
        secrets.create_secret(Name="ca", SecretString="other")
    for wrong in (
        {"Name": "a b", "SecretString": "x"},
        {"Name": "x" * 513, "SecretString": "x"},
        {"SecretString": "x"},
    ):
        with refused("ValidationException"):
            secrets.create_secret(**wrong)
    for big in ({"SecretString": "x" * 65537}, {"SecretString": "x", "SecretBinary": b"x"}):
        with refused("InvalidParameterException"):
            secrets.create_secret(Name="big", **big)
    with refused("MalformedPolicyDocumentException"):
        secrets.put_resource_policy(SecretId=arn, ResourcePolicy="{}")
    for_all = policy(TWO, "secretsmanager:GetSecretValue", Principal="*")
    with refused("PublicPolicyException"):
        secrets.put_resource_policy(SecretId=arn, ResourcePolicy=for_all, BlockPublicPolicy=True)


def test_other_account_needs_policy_and_key(secrets: Any, aws: Clients) -> None:
    kms = aws.kept("kms", ONE)
    reads = ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret")
    arn = secrets.create_secret(Name="ca", SecretString=KEY)["ARN"]
    two = aws.kept("secretsmanager", TWO)

    with refused("AccessDeniedException", "secretsmanager:GetSecretValue", 400):
        two.get_secret_value(SecretId=arn)
    secrets.put_resource_policy(SecretId=arn, ResourcePolicy=policy(TWO, *reads))
    assert two.describe_secret(SecretId=arn)["ARN"] == arn
    with refused("InvalidRequestException", "default KMS service key"):
        two.get_secret_value(SecretId=arn)

    key = kms.create_key()["KeyMetadata"]["Arn"]
    secrets.update_secret(SecretId=arn, KmsKeyId=key)
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == KEY
    with refused("AccessDeniedException", "Access to KMS is not allowed", 400):
        two.get_secret_value(SecretId=arn)
    via = {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}
    decrypts = policy(TWO, "kms:Decrypt", Condition=via)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=decrypts)
    secret = two.get_secret_value(SecretId=arn)
    assert (secret["ARN"], secret["SecretString"]) == (arn, KEY)

    with refused("ResourceNotFoundException"):
        two.get_secret_value(SecretId="ca")  # a name is the own account's
    with refused("AccessDeniedException"):
        two.get_secret_value(SecretId=arn[:-7])  # a partial ARN isn't enough
    with refused("AccessDeniedException"):
        aws.kept("secretsmanager", THREE).get_secret_value(SecretId=arn)
    with refused("AccessDeniedException"):
        two.put_secret_value(SecretId=arn, SecretString="mine")
    missing = arn.replace(":ca-", ":none-")
    with refused("AccessDeniedException"):
        two.get_secret_value(SecretId=missing)

    kms.disable_key(KeyId=key)
    for client in (secrets, two):
        with refused("DecryptionFailure"):
            client.get_secret_value(SecretId=arn)


def test_deny_holds_for_the_own_account(secrets: Any) -> None:
    arn = secrets.create_secret(Name="ca", SecretString=KEY)["ARN"]
    denied = policy(ONE, "secretsmanager:GetSecretValue", effect="Deny")
    secrets.put_resource_policy(SecretId=arn, ResourcePolicy=denied)
    with refused("AccessDeniedException", "explicit deny"):
        secrets.get_secret_value(SecretId="ca")
    secrets.describe_secret(SecretId="ca")
    secrets.delete_resource_policy(SecretId="ca")
    secrets.get_secret_value(SecretId="ca")


def test_key_must_exist_and_encrypt(secrets: Any, aws: Clients) -> None:
    kms = aws.kept("kms", ONE)
    missing = "00000000-0000-4000-8000-000000000000"
    with refused("AccessDeniedException", "Access to KMS is not allowed"):
        secrets.create_secret(Name="ca", SecretString=KEY, KmsKeyId=missing)
    signs = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["Arn"]
    with refused("EncryptionFailure"):
        secrets.create_secret(Name="ca", SecretString=KEY, KmsKeyId=signs)
    secrets.create_secret(Name="ca", SecretString=KEY, KmsKeyId="alias/aws/secretsmanager")
    assert secrets.get_secret_value(SecretId="ca")["SecretString"] == KEY


def test_faults_of_secrets_manager(secrets: Any, sandbox: Sandbox) -> None:
    secrets.create_secret(Name="ca", SecretString=KEY)
    sandbox.fault("throttling", service="secretsmanager", operation="GetSecretValue")
    sandbox.fault("error", code="InternalServiceError", status=500, service="secretsmanager")
    for code, status in (("ThrottlingException", 400), ("InternalServiceError", 500)):
        with refused(code, status=status):
            secrets.get_secret_value(SecretId="ca")
    assert secrets.get_secret_value(SecretId="ca")["SecretString"] == KEY
