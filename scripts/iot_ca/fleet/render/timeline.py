"""The expiry dates of the CAs as an SVG timeline for the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from iot_ca.fleet.render.summary import days_in_words
from iot_ca.fleet.render.text import escape_html

if TYPE_CHECKING:
    from iot_ca.fleet.report import Report, Row

# Vertical positions are in pixels. Horizontal ones are in percent, so that the timeline fits any
# screen without smaller text.
_ROW_HEIGHT = 48
_AXIS_HEIGHT = 26
_LEFT, _RIGHT = 2.0, 96.0

_MAX_TICKS = 6
_MAX_NAME_LENGTH = 24
_MIN_SPAN = timedelta(days=365)
# A CA without an expiry is valid until the year 9999 (RFC 5280, 4.1.2.5): a timeline that long
# would show all others at the same place.
_MAX_SPAN = timedelta(days=100 * 365.25)


@dataclass(frozen=True)
class _Scale:
    """The period that the timeline shows."""

    begin: datetime
    end: datetime

    def x(self, moment: datetime) -> float:
        """Return the horizontal position of a moment, in percent.

        One before the period is at its beginning, one after it at its end.
        """
        share = (moment - self.begin) / (self.end - self.begin)
        return round(_LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, share)), 2)


def render(report: Report) -> Iterator[str]:
    """Yield the `svg` element: a line for each CA, which expires on one day in all accounts."""
    rows = _row_of_each_ca(report)
    scale = _scale(report.moment, [row.not_after for row in rows])
    bottom = len(rows) * _ROW_HEIGHT
    dates = "; ".join(f"{row.ca}: {row.not_after.date()}" for row in rows)
    yield (
        f'<svg role="img" height="{bottom + _AXIS_HEIGHT}" '
        f'aria-label="{escape_html(f"Expiry dates. {dates}")}">'
    )
    yield from _background(report, scale, bottom)
    for index, row in enumerate(rows):
        yield from _line(row, report, scale, index * _ROW_HEIGHT)
    yield "</svg>"


def _scale(moment: datetime, ends: Sequence[datetime]) -> _Scale:
    """Return the period from today, or the first end, to the last end within a century."""
    shown = [end for end in ends if abs(end - moment) <= _MAX_SPAN]
    return _Scale(min([moment, *shown]), max([moment + _MIN_SPAN, *shown]))


def _row_of_each_ca(report: Report) -> list[Row]:
    """Return one row of each CA, the first to expire first."""
    rows = {(row.not_after, row.ca): row for row in report.rows}
    return [row for _, row in sorted(rows.items())]


def _background(report: Report, scale: _Scale, bottom: int) -> Iterator[str]:
    """Yield the warning period, the years and today."""
    today = scale.x(report.moment)
    warning_end = scale.x(report.moment + timedelta(days=report.warning_days))
    yield (
        f'<rect class="zone" x="{today}%" y="0" width="{warning_end - today:.2f}%" '
        f'height="{bottom}"/>'
    )
    for year in _marked_years(scale.begin, scale.end):
        x = scale.x(report.moment.replace(year=year, month=1, day=1, hour=0, minute=0))
        yield f'<line class="grid" x1="{x}%" x2="{x}%" y1="0" y2="{bottom}"/>'
        yield (
            f'<text class="tick" x="{x}%" y="{bottom + _AXIS_HEIGHT - 8}" '
            f'text-anchor="middle">{year}</text>'
        )
    yield f'<line class="today" x1="{today}%" x2="{today}%" y1="0" y2="{bottom + 4}"/>'


def _line(row: Row, report: Report, scale: _Scale, top: int) -> Iterator[str]:
    """Yield the line of one CA, from today to its expiry, or back to it."""
    if row.days < 0:
        tone = "expired"
    else:
        tone = "expiring" if row.days < report.warning_days else "in-sync"
    name = row.ca if len(row.ca) <= _MAX_NAME_LENGTH else row.ca[: _MAX_NAME_LENGTH - 1] + "…"
    until = f"{row.not_after.date()}, {days_in_words(row.days)}"
    yield f'<g class="{tone}"><title>{escape_html(f"{row.ca}: {until}")}</title>'
    yield (
        f'<text x="{_LEFT}%" y="{top + 18}" dx="6"><tspan class="name">{escape_html(name)}</tspan>'
        f'<tspan class="until" dx="8">{until}</tspan></text>'
    )
    end = scale.x(row.not_after)
    first, last = sorted((scale.x(report.moment), end))
    yield f'<line class="track" x1="{first}%" x2="{last}%" y1="{top + 32}" y2="{top + 32}"/>'
    yield f'<circle class="end" cx="{end}%" cy="{top + 32}" r="6"/></g>'


def _marked_years(begin: datetime, end: datetime) -> Sequence[int]:
    """Return the years to mark: all, or every second, fifth, tenth, ..., so that few remain."""
    years = range(begin.year + 1, end.year + 1)
    for step in (1, 2, 5, 10, 20, 50, 100, 1000):
        marked = [year for year in years if year % step == 0]
        if len(marked) <= _MAX_TICKS:
            return marked
    return []
