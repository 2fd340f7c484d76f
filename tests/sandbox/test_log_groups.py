"""Log groups that are encrypted with a key of the user's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.sandbox.clients import ONE, REGION, Clients
from tests.support.sandbox.refusals import refused

GROUP = "/aws/lambda/f"
ARN = f"arn:aws:logs:{REGION}:{ONE}:log-group:{GROUP}"
OWNER = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ONE}:root"},
    "Action": "kms:*",
    "Resource": "*",
}


def key(aws: Clients, *statements: dict[str, Any], **settings: str) -> str:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [OWNER, *statements]})
    return str(aws.kept("kms").create_key(Policy=policy, **settings)["KeyMetadata"]["Arn"])


def for_logs(arn: str = ARN, actions: Any = ("kms:Encrypt*", "kms:Decrypt*", "kms:Gen*")) -> Any:
    return {
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{REGION}.amazonaws.com"},
        "Action": list(actions),
        "Resource": "*",
        "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": arn}},
    }


def test_a_key_is_set_changed_and_taken_away(aws: Clients) -> None:
    logs = aws.kept("logs")
    first, second = key(aws, for_logs()), key(aws, for_logs())

    def kept() -> Any:
        return logs.describe_log_groups()["logGroups"][0].get("kmsKeyId")

    logs.create_log_group(logGroupName=GROUP, kmsKeyId=first)
    assert kept() == first
    logs.associate_kms_key(logGroupName=GROUP, kmsKeyId=second)
    assert kept() == second
    logs.disassociate_kms_key(logGroupName=GROUP)
    assert kept() is None
    with refused("ResourceNotFoundException"):
        logs.disassociate_kms_key(logGroupName="other")


@pytest.mark.parametrize("statements", [
    (),
    (for_logs(f"{ARN}-other"),),
    (for_logs(actions=["kms:Encrypt"]),),
])  # fmt: skip
def test_a_key_whose_policy_does_not_let_the_service_in_is_refused(
    aws: Clients, statements: tuple[Any, ...]
) -> None:
    logs = aws.kept("logs")
    with refused("InvalidParameterException", "not allowed to be used with Arn"):
        logs.create_log_group(logGroupName=GROUP, kmsKeyId=key(aws, *statements))
    assert logs.describe_log_groups()["logGroups"] == []


def test_a_key_that_is_disabled_asymmetric_or_missing_is_refused(aws: Clients) -> None:
    logs, disabled = aws.kept("logs"), key(aws, for_logs())
    aws.kept("kms").disable_key(KeyId=disabled)
    asymmetric = key(aws, for_logs(), KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    missing = f"arn:aws:kms:{REGION}:{ONE}:key/none"
    for reference in (disabled, asymmetric, missing):
        with refused("InvalidParameterException"):
            logs.create_log_group(logGroupName=GROUP, kmsKeyId=reference)
