"""Which permissions a call needs.

Every operation needs one or more permissions: an action on a resource, under conditions. Which
ones is from AWS's Service Authorization Reference; what stands there as an action that another one
depends on counts too. Where services document tags to need a permission of their own when something
is created with them, it is needed; AWS IoT documents nothing, and requiring it is the stricter
guess. An operation that is in no table here is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.identity.evaluation import Permission
from sandbox.identity.principals import Principal
from sandbox.permissions.api_call import ApiCall, Rule
from sandbox.permissions.functions import CLOUDWATCH, LAMBDA, LOGS, SQS
from sandbox.permissions.identity import IAM, STS
from sandbox.permissions.iot import IOT
from sandbox.permissions.keys import KMS, PRIVATE_CA, SECRETS
from sandbox.permissions.organizations import ORGANIZATIONS

# By signing name; what stands before the colon in actions is the same, but for CloudWatch.
TABLES: dict[str, dict[str, Rule]] = {
    "iot": IOT,
    "iam": IAM,
    "sts": STS,
    "kms": KMS,
    "secretsmanager": SECRETS,
    "acm-pca": PRIVATE_CA,
    "lambda": LAMBDA,
    "sqs": SQS,
    "logs": LOGS,
    "monitoring": CLOUDWATCH,
    "organizations": ORGANIZATIONS,
}
PREFIXES = {"monitoring": "cloudwatch"}


def required_permissions(
    caller: Principal, region: str, service: str, operation: str, given: Mapping[str, Any]
) -> list[Permission] | None:
    """Return the permissions that a call needs; None for an operation that is in no table.

    service: the signing name. given: all parameters of the call.
    """
    rule = TABLES.get(service, {}).get(operation)
    if rule is None:
        return None
    return rule(ApiCall(caller, region, PREFIXES.get(service, service), operation, given))


def action_of(service: str, operation: str) -> str:
    """Return the name of the operation's own action."""
    return f"{PREFIXES.get(service, service)}:{operation}"
