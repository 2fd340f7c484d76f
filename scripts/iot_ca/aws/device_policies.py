"""The AWS IoT policy of devices: let it be deleted, while the devices keep what it allows."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import Any

from iot_ca.aws.pages import pages
from iot_ca.aws.session import Account
from iot_ca.errors import Failure

# AWS allows 15 AttachPolicy calls a second (AWS IoT Core quotas); more would only be throttled.
_PARALLEL_CALLS = 8
_PAGE_SIZE = 250
# After a call, before the list is read again that does not show its effect yet.
_RETRY_DELAY_SECONDS = 1.0
_MAX_ROUNDS_WITHOUT_EFFECT = 10


def release(account: Account, policy_name: str) -> tuple[int, str]:
    """Move what a policy is attached to over to a copy; return the number and the copy's name.

    AWS IoT deletes a policy only once it is attached to nothing, and devices must keep what it
    allows. The copy is attached before the policy is detached. Its name has a digest of the
    document, so that a run after an interrupted one goes on with the same copy. Raises Failure.
    """
    account.check()
    iot = account.client("iot")
    with account.failures():
        try:
            document = str(iot.get_policy(policyName=policy_name)["policyDocument"])
        except iot.exceptions.ResourceNotFoundException:
            return 0, ""
        targets = _targets(iot, policy_name)
        if not targets:
            return 0, ""
        copy = f"{policy_name}-{hashlib.sha256(document.encode()).hexdigest()[:8]}"
        with suppress(iot.exceptions.ResourceAlreadyExistsException):
            iot.create_policy(policyName=copy, policyDocument=document)
        return _move(account, policy_name, copy, targets), copy


def _move(account: Account, policy_name: str, copy: str, targets: list[str]) -> int:
    """Move all targets, of which the first page is given; return their number."""
    from concurrent.futures import ThreadPoolExecutor

    iot = account.client("iot")

    def move(target: str) -> None:
        with account.failures():
            iot.attach_policy(policyName=copy, target=target)
            # If it is detached already: by a call whose answer was lost, or by another run.
            with suppress(iot.exceptions.ResourceNotFoundException):
                iot.detach_policy(policyName=policy_name, target=target)

    moved: set[str] = set()
    rounds_without_effect = 0
    while targets:
        if moved.issuperset(targets):
            rounds_without_effect += 1
            if rounds_without_effect > _MAX_ROUNDS_WITHOUT_EFFECT:
                raise Failure(
                    f"policy {policy_name} is still attached to {len(targets)} targets after it "
                    "was detached from them; run again when nothing else attaches it"
                )
            time.sleep(_RETRY_DELAY_SECONDS)
        with ThreadPoolExecutor(_PARALLEL_CALLS) as pool:
            list(pool.map(move, targets))
        moved.update(targets)
        # From the beginning: a page that is detached moves all others.
        targets = _targets(iot, policy_name)
    return len(moved)


def _targets(iot: Any, policy_name: str) -> list[str]:
    """Return the ARNs of the first targets of a policy; none if it is attached to nothing."""
    request = {"policyName": policy_name, "pageSize": _PAGE_SIZE}
    for page in pages(iot.list_targets_for_policy, request, "marker", "nextMarker"):
        # A page may be empty and not the last.
        if page.get("targets"):
            return list(page["targets"])
    return []
