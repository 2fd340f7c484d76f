"""The host names at which devices reach AWS IoT: one per account and region.

AWS gives an account a prefix of its own and puts the region into the name (developer guide,
"Connecting devices to AWS IoT"). Here the prefix is a hash of the account, so that it is the same
in every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

PREFIX_LENGTH = 14  # as AWS's, and as moto's random ones


def prefix_of(account: str) -> str:
    """Return the first label of an account's host names, without the endpoint type's suffix."""
    digest = hashlib.sha256(f"endpoint of {account}".encode()).hexdigest()
    return f"a{digest[: PREFIX_LENGTH - 1]}"


def domain_of(region: str) -> str:
    """Return what the data endpoints of all accounts in ``region`` end with."""
    return f"iot.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def data_endpoint(account: str, region: str) -> str:
    """Return where the devices of ``account`` connect in ``region`` (type ``iot:Data-ATS``)."""
    return f"{prefix_of(account)}-ats.{domain_of(region)}"


def account_at(host: str, region: str, accounts: Iterable[str]) -> str | None:
    """Return the account whose data endpoint in ``region`` is ``host``; None without one."""
    wanted = host.lower().rstrip(".")
    return next((a for a in accounts if data_endpoint(a, region) == wanted), None)
