"""A policy that devices have is let go of, and they keep what it allows."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from iot_ca.aws import device_policies
from iot_ca.aws.session import Account
from iot_ca.errors import Failure

POLICY = "iot-jitr-root"
DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'


class NotFoundError(Exception):
    """ResourceNotFoundException."""


class ExistsError(Exception):
    """ResourceAlreadyExistsException."""


class FakeIot:
    """The policies of an account and what they are attached to; `late` lists answer as before."""

    class exceptions:  # as botocore names it
        """The exceptions of a client."""

        ResourceNotFoundException = NotFoundError
        ResourceAlreadyExistsException = ExistsError

    def __init__(self, targets: int, late: int = 0) -> None:
        self.documents = {POLICY: DOCUMENT}
        self.attached: dict[str, list[str]] = defaultdict(list)
        self.attached[POLICY] = [f"arn:cert/{number:04}" for number in range(targets)]
        self.first = list(self.attached[POLICY])
        self.late = late
        self.lock = threading.Lock()

    def get_policy(self, *, policyName: str) -> dict[str, Any]:
        if policyName not in self.documents:
            raise NotFoundError
        return {"policyDocument": self.documents[policyName]}

    def create_policy(self, *, policyName: str, policyDocument: str) -> None:
        if policyName in self.documents:
            raise ExistsError
        self.documents[policyName] = policyDocument

    def list_targets_for_policy(
        self, *, policyName: str, pageSize: int, marker: str = "0"
    ) -> dict[str, Any]:
        targets = self.attached[policyName]
        if self.late and len(targets) < len(self.first):
            self.late -= 1
            targets = self.first
        start = int(marker)
        more = {"nextMarker": str(start + pageSize)} if start + pageSize < len(targets) else {}
        return {"targets": targets[start : start + pageSize], **more}

    def attach_policy(self, *, policyName: str, target: str) -> None:
        with self.lock:
            if target not in self.attached[policyName]:
                self.attached[policyName].append(target)

    def detach_policy(self, *, policyName: str, target: str) -> None:
        with self.lock:
            copies = [name for name in self.attached if name != policyName]
            assert any(target in self.attached[name] for name in copies), "without any policy"
            if target in self.attached[policyName]:
                self.attached[policyName].remove(target)


class FakeAccount:
    """An account with this client."""

    def __init__(self, iot: FakeIot) -> None:
        self.iot = iot

    def client(self, _service: str) -> FakeIot:
        """The client."""
        return self.iot

    def check(self) -> None:
        """It is the right account."""

    @contextmanager
    def failures(self) -> Iterator[None]:
        """No error is expected."""
        yield


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_policies, "_RETRY_DELAY_SECONDS", 0)


def release(iot: FakeIot) -> tuple[int, str]:
    """Release the policy in an account with this client."""
    return device_policies.release(cast("Account", FakeAccount(iot)), POLICY)


@pytest.mark.parametrize("late", [0, 3])
def test_all_targets_of_several_pages_get_the_copy(late: int) -> None:
    iot = FakeIot(targets=601, late=late)

    count, copy = release(iot)

    assert count == 601
    assert iot.attached[POLICY] == []
    assert sorted(iot.attached[copy]) == iot.first
    assert iot.documents[copy] == DOCUMENT


def test_an_interrupted_run_continues_with_the_same_copy() -> None:
    iot = FakeIot(targets=2)
    _, copy = release(iot)
    iot.attached[POLICY] = ["arn:cert/late"]

    assert release(iot) == (1, copy)
    assert set(iot.documents) == {POLICY, copy}


def test_a_policy_that_nothing_has_is_not_copied() -> None:
    iot = FakeIot(targets=0)
    assert release(iot) == (0, "")
    assert set(iot.documents) == {POLICY}


def test_a_policy_that_does_not_exist_needs_no_release() -> None:
    iot = FakeIot(targets=0)
    del iot.documents[POLICY]
    assert release(iot) == (0, "")


def test_a_policy_that_is_attached_again_and_again_is_a_failure() -> None:
    iot = FakeIot(targets=1, late=1000)
    with pytest.raises(Failure, match="is still attached to 1 targets"):
        release(iot)
