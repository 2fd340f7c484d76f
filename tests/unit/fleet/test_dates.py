"""Dates at both ends of the calendar, with the clock of the machine in any time zone."""

from __future__ import annotations

import io
import json
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from iot_ca.certificates import pem as pem_text
from iot_ca.fleet import inventory
from iot_ca.fleet.assessment import assess
from iot_ca.fleet.lookup import Observations
from iot_ca.fleet.render import html, table
from iot_ca.fleet.render import json as json_report
from iot_ca.fleet.report import Report
from tests.support.certificates import NOW, der, ec_key, issue, pem
from tests.support.status.reports import IN_SYNC, a_report, a_row
from tests.support.status.variable_files import failure_text, write_json

# RFC 5280, 4.1.2.5: the end of a certificate without a well-defined expiry.
NO_EXPIRY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
LONG_EXPIRED = datetime(1950, 1, 1, tzinfo=timezone.utc)
# A second less than 30 days: 29 whole days.
SOON = NOW + timedelta(days=30) - timedelta(seconds=1)


@pytest.fixture(
    params=["UTC", "Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles", "Etc/GMT+12"]
)
def _time_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time zone of this process."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def encoded(certificate: x509.Certificate, *replaced: tuple[bytes, bytes]) -> str:
    """The PEM text of a certificate with other dates; its signature is not checked."""
    data = der(certificate)
    for old, new in replaced:
        assert data.count(old) == 1
        data = data.replace(old, new)
    return pem_text.from_der(data)


def report_of(folder: Path) -> Report:
    """The report of CAs that never expire, expire soon, and expired long ago; all are in sync."""
    first, last = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2051, 2052))
    # cryptography issues no certificate with a date before 1950.
    ancient = encoded(
        issue(ec_key(), start=first, end=last),
        (b"20510101", b"00010101"),
        (b"20520101", b"19500101"),
    )
    (folder / "ancient.pem").write_text(ancient)
    (folder / "never.pem").write_text(pem(issue(ec_key(), end=NO_EXPIRY)))
    (folder / "soon.pem").write_text(pem(issue(ec_key(), end=SOON)))
    names = ("never", "soon", "ancient")
    variables: dict[str, Any] = {
        "accounts": {"one": {"account_id": "1" * 12, "region": "eu-west-1"}},
        "certificate_authorities": {name: {"certificate_file": f"{name}.pem"} for name in names},
    }
    fleet = inventory.read([write_json(folder, variables)])
    (account_region,) = fleet.account_regions
    in_sync = {ca.certificate_id: IN_SYNC for ca in fleet.certificates.values()}
    return assess(fleet, {account_region: Observations(in_sync)}, NOW)


@pytest.mark.usefixtures("_time_zone")
def test_dates_at_both_ends_are_assessed_and_shown(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    facts = [(row.ca, row.state, row.not_after) for row in report.rows]
    assert facts == [
        ("ancient", "expired", LONG_EXPIRED),
        ("soon", "expiring", SOON),
        ("never", "in sync", NO_EXPIRY),
    ]
    days = (NO_EXPIRY - NOW).days
    assert [row.days for row in report.rows] == [(LONG_EXPIRED - NOW).days, 29, days]

    document = json.loads(json_report.render(report))
    dates = [row["not_after"] for row in document["certificate_authorities"]]
    assert dates == ["1950-01-01T00:00:00Z", f"{SOON:%Y-%m-%dT%H:%M:%SZ}", "9999-12-31T23:59:59Z"]

    shown = io.StringIO()
    table.print_report(report, shown)
    lines = shown.getvalue().splitlines()
    assert [line.split("  ")[-1].strip() for line in lines[1:4]] == [
        "expired",
        "29 days",
        f"{days} days",
    ]
    assert "✕ expired  expired at 1950-01-01T00:00:00Z" in lines

    page = html.render(report)
    assert '<time datetime="9999-12-31T23:59:59Z" title="9999-12-31">' in page
    assert "Expiry dates. ancient: 1950-01-01; " in page


def circles(report: Report) -> list[float]:
    """Where the timeline ends the line of each CA, in percent."""
    (svg,) = re.findall(r"<svg.*?</svg>", html.render(report), re.DOTALL)
    drawing = ElementTree.fromstring(svg)
    return [float((e.get("cx") or "").rstrip("%")) for e in drawing.iter() if e.tag == "circle"]


def test_a_date_far_away_does_not_move_the_others_together() -> None:
    ends = [NOW + timedelta(days=365 * years) for years in (5, 20)]
    near = [a_row(ca=str(end), not_after=end) for end in ends]
    far = [
        a_row(ca="first", not_after=datetime(1, 1, 1, tzinfo=timezone.utc)),
        a_row(ca="last", not_after=NO_EXPIRY),
    ]
    first, *middle, last = circles(a_report(far[0], *near, far[1]))
    assert middle == circles(a_report(*near))
    assert (first, last) == (2.0, 96.0)
    assert circles(a_report(*far)) == [2.0, 96.0]


@pytest.mark.parametrize("year", [1, 999, 1950, 9999])
def test_a_date_of_any_year_is_written_with_four_digits(year: int) -> None:
    end = datetime(year, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    row = a_row(not_after=end, days=(end - NOW).days)
    page = html.render(a_report(row, replace(row, ca="other")))
    assert f"root: {year:04}-12-31" in page
    assert f'title="{year:04}-12-31"' in page


def test_a_date_that_python_does_not_have_is_reported(tmp_path: Path) -> None:
    start = datetime(2051, 1, 1, tzinfo=timezone.utc)
    certificate = issue(ec_key(), start=start, end=start + timedelta(days=1000))
    text = encoded(certificate, (b"20510101", b"00000101"))
    variables = {
        "accounts": {"one": {"account_id": "1" * 12, "region": "eu-west-1"}},
        "certificate_authorities": {"root": {"certificate_pem": text}},
    }
    message = failure_text(variables, tmp_path)
    assert message == (
        "CA root: the certificate's validity has a time that is not one; have it issued again"
    )
