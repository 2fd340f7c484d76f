"""moto's IAM with AWS's managed policies, made once and copied for every account.

moto parses all of them for each account, which takes longer than everything else a test does.
"""

from __future__ import annotations

import copy
import functools
import re
from typing import Any

from moto.iam.models import IAMBackend as MotoIamBackend
from moto.iam.models import ManagedPolicy, iam_backends
from moto.iam.responses import IamResponse

from sandbox.moto_service import ServedBackend

ROLE_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/(?:.*/)?[\w+=,.@-]{1,64}"
)


class IamBackend(ServedBackend, MotoIamBackend):
    """moto's IAM backend, with cheaper managed policies."""

    operations = IamResponse

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        policies = [copy.copy(policy) for policy in _aws_policies(self.partition)]
        for policy in policies:
            policy.account_id = self.account_id
        return policies


@functools.cache
def _aws_policies(partition: str) -> list[ManagedPolicy]:
    return MotoIamBackend(partition, "aws").aws_managed_policies


def find_role(role_arn: str) -> Any | None:
    """Return moto's role of this ARN; None if it is not one, or does not exist."""
    parts = ROLE_ARN.fullmatch(role_arn)
    if not parts:
        return None
    roles = iam_backends[parts["account"]][parts["partition"]].roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def install() -> None:
    """Make moto use this module's IAM."""
    iam_backends.backend = IamBackend
