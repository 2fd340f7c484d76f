"""How many device certificates of a CA are counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from iot_ca.errors import Failure
from iot_ca.provisioning.facts import DeviceCertificates, Unreadable
from iot_ca.provisioning.observe.cas import count_devices
from iot_ca.provisioning.observe.reading import Reader


class Account:
    """AWS IoT with so many device certificates, on pages of a size; `pending` are the newest."""

    def __init__(self, pages: list[int], pending: int = 0) -> None:
        self.pages, self.pending = pages, pending
        self.calls = 0

    def client(self, service: str) -> Any:
        assert service == "iot"
        return self

    @contextmanager
    def failures(self, service: str) -> Iterator[None]:
        assert service == "iot"
        yield

    def list_certificates_by_ca(self, **request: Any) -> dict[str, Any]:
        assert request["caCertificateId"] == "ab"
        page = int(request.get("marker", 0))
        self.calls += 1
        statuses = ["ACTIVE"] * self.pages[page]
        if page == 0:
            statuses[: self.pending] = ["PENDING_ACTIVATION"] * self.pending
        more = {"nextMarker": str(page + 1)} if page + 1 < len(self.pages) else {}
        return {"certificates": [{"status": status} for status in statuses], **more}


def count(account: Any) -> DeviceCertificates | Unreadable:
    reader = Reader(account)
    try:
        return count_devices(reader, "ab")
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("pages", "pending", "counted", "calls"),
    [
        ([0], 0, DeviceCertificates(0), 1),
        ([250, 3], 2, DeviceCertificates(253, 2), 2),
        # A page may be empty and not the last.
        ([250, 0, 1], 0, DeviceCertificates(251), 3),
        ([250] * 4, 0, DeviceCertificates(1000), 4),
        ([250] * 9, 250, DeviceCertificates(1000, 250, more=True), 4),
    ],
)
def test_device_certificates_are_counted_up_to_a_thousand(
    pages: list[int], pending: int, counted: DeviceCertificates, calls: int
) -> None:
    account = Account(pages, pending)
    assert count(account) == counted
    assert account.calls == calls


def test_device_certificates_that_may_not_be_listed_are_unreadable() -> None:
    class Denied(Account):
        def list_certificates_by_ca(self, **_: Any) -> dict[str, Any]:
            raise Failure("no permission")

    assert count(Denied([0])) == Unreadable("no permission")
