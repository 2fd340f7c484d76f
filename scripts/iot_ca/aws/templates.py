"""Provisioning templates that exist in AWS IoT."""

from __future__ import annotations

from collections.abc import Iterable

from iot_ca.aws.session import Account
from iot_ca.errors import Failure

_PARALLEL_CALLS = 10


def existing_templates(account: Account, names: Iterable[str]) -> set[str]:
    """Return which of these provisioning templates AWS IoT has (DescribeProvisioningTemplate).

    A template that can't be read, such as for lack of a permission, is left out: the answer is for
    a hint alone, and must not make a plan fail.
    """
    from concurrent.futures import ThreadPoolExecutor

    wanted = sorted(set(names))
    if not wanted:
        return set()
    iot = account.client("iot")

    def exists(name: str) -> bool:
        try:
            with account.failures():
                iot.describe_provisioning_template(templateName=name)
        except Failure:
            return False
        return True

    with ThreadPoolExecutor(min(_PARALLEL_CALLS, len(wanted))) as pool:
        return {
            name
            for name, name_exists in zip(wanted, pool.map(exists, wanted), strict=True)
            if name_exists
        }
