"""moto's IAM with AWS's managed policies, made once and copied for every account.

moto parses all of them for each account, which takes longer than everything else a test does.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.iam.models import IAMBackend, ManagedPolicy, iam_backends
from moto.iam.responses import IamResponse


class Backend(IAMBackend):
    """moto's IAM backend, with cheaper managed policies."""

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        policies = [copy.copy(policy) for policy in _aws_policies(self.partition)]
        for policy in policies:
            policy.account_id = self.account_id
        return policies

    @property
    def url_paths(self) -> dict[str, Callable[[Any, str, Any], TYPE_RESPONSE]]:
        """Where requests go."""
        return {"/$": IamResponse.dispatch}


@functools.cache
def _aws_policies(partition: str) -> list[ManagedPolicy]:
    return IAMBackend(partition, "aws").aws_managed_policies


def install() -> None:
    """Makes moto use this module's IAM."""
    iam_backends.backend = Backend
