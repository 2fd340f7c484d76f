"""Times as text, and the times in AWS's responses, in any time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from iot_ca import utc
from iot_ca.aws import session as aws

UTC = timezone.utc
# The last second that X.509 can write: "no well-defined expiration date" (RFC 5280, 4.1.2.5).
NO_EXPIRY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.fixture(
    params=["UTC", "Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles", "Etc/GMT+12"]
)
def time_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's time zone: ends of the world, and where many build devices."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, 12, tzinfo=UTC),
        datetime(1949, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(1950, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
        NO_EXPIRY - timedelta(hours=10),
        NO_EXPIRY,
    ],
    ids=str,
)
@pytest.mark.usefixtures("time_zone")
def test_a_response_has_its_times_in_utc_in_every_time_zone(moment: datetime) -> None:
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    iso = moment.isoformat().replace("+00:00", "Z")
    # AWS IoT's JSON has numbers, AWS STS's XML has text.
    for written in (seconds, float(seconds), f"{seconds}.0", iso):
        parsed = response_time(written)
        assert parsed == moment
        assert parsed.utcoffset() == timedelta()


def response_time(written: object) -> datetime:
    """A time of a response as a session of the program reads it."""
    factory = aws.new_session(None).get_component("response_parser_factory")
    parsed = factory.create_parser("rest-json")._timestamp_parser(written)
    assert isinstance(parsed, datetime)
    return parsed


@pytest.mark.parametrize("seconds", [1e12, 1e300, float("inf")])
def test_a_time_that_python_cannot_hold_is_the_nearest_one(seconds: float) -> None:
    assert utc.from_epoch(seconds) == NO_EXPIRY
    assert utc.from_epoch(-seconds) == datetime(1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("year", [1, 99, 999, 1000, 1949, 9999])
@pytest.mark.usefixtures("time_zone")
def test_a_year_has_four_digits_in_rfc_3339(year: int) -> None:
    assert utc.rfc3339(datetime(year, 2, 3, 4, 5, 6, 7, tzinfo=UTC)) == f"{year:04}-02-03T04:05:06Z"
