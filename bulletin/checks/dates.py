"""Days: of the issue, of its stories, of events and of deadlines."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from bulletin.checks._months import DAYS, MONTH, MONTHS, YEAR, month_number
from bulletin.checks._reading import clipped, passages
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity


def _said(day: dt.date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


@check("DAT01", Severity.LOOK)
def closed(material: Material) -> Iterator[Found]:
    """An item's closing date lies before the day the issue goes out.

    *Why*: readers are asked to do something they can no longer do.

    *Instead of*: a survey that closed last week.

    *Write*: the new closing date, or take the item out.
    """
    for at, item in material.items():
        if item.expires and item.expires < material.issue.date:
            yield Found(
                (*at, "expires"),
                f'"{clipped(item.title)}" closes on {_said(item.expires)}, before this issue goes out '
                f"on {_said(material.issue.date)}.",
                "Take it out, or correct the date.",
            )


@check("DAT02", Severity.LOOK)
def event_over(material: Material) -> Iterator[Found]:
    """An event is over before the day the issue goes out.

    *Why*: nobody can come any more.

    *Instead of*: an invitation to last week's session.

    *Write*: the next date, or a link to the recording, without `event`.
    """
    for at, item in material.items():
        if item.event:
            last = (item.event.ends or item.event.starts).date()
            if last < material.issue.date:
                yield Found(
                    (*at, "event", "starts"),
                    f'"{clipped(item.title)}" is over on {_said(last)}, before this issue goes out '
                    f"on {_said(material.issue.date)}.",
                    "Take it out, or correct the date.",
                )


@check("DAT03", Severity.MUST_FIX)
def from_the_future(material: Material) -> Iterator[Found]:
    """A story was published after the day of the issue.

    *Why*: one of the two dates is wrong, often the year or the order of day and month.

    *Instead of*: `published: 2024-12-05` for 12 May 2024.

    *Write*: the day the source gives, as year-month-day.
    """
    for at, item in material.items():
        if item.published and item.published > material.issue.date:
            yield Found(
                (*at, "published"),
                f'"{clipped(item.title)}" is dated {_said(item.published)}, after this issue of '
                f"{_said(material.issue.date)}.",
                "Correct one of the two dates.",
            )


@check("DAT04", Severity.LOOK)
def no_source_or_date(material: Material) -> Iterator[Found]:
    """An item does not say who published it, or when.

    *Why*: readers judge a story by its source and its age. An event has its own day and needs no other.

    *Instead of*: leaving both out.

    *Write*: `source` and `published`. If the page truly gives no day, do not guess: accept this finding for the item
    under `allow`, with the reason.
    """
    for at, item in material.items():
        missing = [
            key for key, given in (("source", item.source), ("published", item.published or item.event)) if not given
        ]
        if missing:
            yield Found(
                at,
                f'"{clipped(item.title)}" does not say {_WITHOUT[tuple(missing)]}.',
                f"Add {' and '.join(missing)}; if the page gives no day, accept this under allow."
                if "published" in missing
                else "Add source.",
            )


_WITHOUT = {
    ("source",): "who published it",
    ("published",): "when it was published",
    ("source", "published"): "who published it and when",
}

_WEEKDAY_DATE = re.compile(
    rf"\b({'|'.join(DAYS)}),?\s+(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)?\s+({MONTH})(?:,?\s+({YEAR}))?"
)


@check("DAT05", Severity.LOOK)
def wrong_weekday(material: Material) -> Iterator[Found]:
    """A date in a text falls on another day of the week than the text says, or does not exist.

    *Why*: readers who trust the weekday come on the wrong day.

    *Instead of*: "Monday 24 September 2024", which was a Tuesday.

    *Write*: "Tuesday 24 September 2024".
    """
    for passage in passages(material):
        for match in _WEEKDAY_DATE.finditer(passage.words):
            days = _meant(int(match[2]), month_number(match[3]), match[4], material.issue.date)
            if not any(DAYS[day.weekday()] == match[1] for day in days):
                really = f"{_said(days[0])} is a {DAYS[days[0].weekday()]}" if days else "there is no such day"
                yield Found(passage.loc, f'{passage.name} says "{match.group()}", but {really}.', "Check the date.")


def _meant(day: int, month: int, year: str | None, issued: dt.date) -> list[dt.date]:
    """The days that a date may mean; without a year, those from half a year before the issue to a year after it."""
    if year:
        return [found for found in [_day(int(year), month, day)] if found]
    around = [_day(issued.year + more, month, day) for more in (0, 1, -1)]
    return [found for found in around if found and -183 <= (found - issued).days <= 365]


def _day(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None
