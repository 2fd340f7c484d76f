"""Listings of AWS: all pages, and an end to those that have none."""

from __future__ import annotations

import contextlib
import itertools
import re
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import xform_name

from iot_ca.aws import device_policies
from iot_ca.aws import pages as pages_module
from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.pages import pages
from iot_ca.certificates.pem import Certificate
from iot_ca.fleet.organization import list_accounts
from tests.support.program.aws_calls import id_of, refusal, registration
from tests.support.program.fake_aws import FakeAws
from tools.checkout import ROOT

ENDLESS = "AWS answers a listing that does not end"


# The last page of each listing of AWS Organizations.
MEMBER = {"Id": "111122223333", "Arn": "arn:aws:organizations::1:account/o/1", "State": "ACTIVE"}
ENDS: dict[str, dict[str, Any]] = {
    "list_accounts": {"Accounts": [MEMBER]},
    "list_accounts_for_parent": {"Accounts": [MEMBER]},
    "list_organizational_units_for_parent": {"OrganizationalUnits": []},
    "list_tags_for_resource": {"Tags": []},
}


def organization(endless: str, *units: str) -> None:
    """Read an organization of which one listing does not end."""
    client = SimpleNamespace(
        **{
            name: partial(dict, page, NextToken="again") if name == endless else partial(dict, page)
            for name, page in ENDS.items()
        }
    )
    reader: Any = SimpleNamespace(
        client=lambda _: client, failures=lambda _: contextlib.nullcontext()
    )
    list_accounts(reader, units, {"team": "iot"})


def test_all_pages_are_read_with_the_token_of_the_one_before() -> None:
    calls: list[dict[str, Any]] = []
    answers = iter([{"n": 1, "next": "a"}, {"n": 2, "next": "b"}, {"n": 3, "next": ""}])

    def call(**request: Any) -> dict[str, Any]:
        calls.append(request)
        return next(answers)

    request = {"size": 9}
    assert [page["n"] for page in pages(call, request, "marker", "next")] == [1, 2, 3]
    assert calls == [{"size": 9}, {"size": 9, "marker": "a"}, {"size": 9, "marker": "b"}]
    assert request == {"size": 9}


@pytest.mark.parametrize("period", [1, 2])
def test_a_token_that_comes_again_ends_the_listing(period: int) -> None:
    tokens = itertools.cycle("ab"[:period])
    said = refusal(lambda: list(pages(lambda **_: {"next": next(tokens)}, {}, "marker", "next")))
    assert said.startswith(ENDLESS)


def test_a_listing_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "_MAX_PAGES", 7)
    tokens = itertools.count(1)
    said = refusal(lambda: list(pages(lambda **_: {"next": next(tokens)}, {}, "marker", "next")))
    assert said.startswith(ENDLESS)
    assert next(tokens) == 8


def test_every_listing_of_the_program_ends(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    aws.endless = True
    assert ENDLESS in refusal(lambda: ca_certificates.observe_one(id_of(certificate)))
    assert ENDLESS in refusal(lambda: ca_certificates.count_device_certificates(id_of(certificate)))
    account = ca_certificates.account
    assert ENDLESS in refusal(lambda: device_policies.release(account, "iot-jitr-root"))
    aws.faults["RegisterCACertificate"] = ("LimitExceededException", "Limit reached")
    assert ENDLESS in refusal(lambda: ca_certificates.register(registration(certificate)))
    assert ENDLESS in refusal(lambda: organization("list_accounts"))
    assert ENDLESS in refusal(lambda: organization("list_accounts_for_parent", "ou-1"))
    assert ENDLESS in refusal(lambda: organization("list_organizational_units_for_parent", "ou-1"))
    assert ENDLESS in refusal(lambda: organization("list_tags_for_resource", "ou-1"))
    # These are all.
    in_source = {
        method
        for path in (ROOT / "scripts" / "iot_ca").rglob("*.py")
        for method in re.findall(r"\.(list_\w+)", path.read_text(encoding="utf-8"))
    }
    of_iot = {xform_name(call) for call in aws.calls if call.startswith("List")}
    assert in_source == of_iot | ENDS.keys()
