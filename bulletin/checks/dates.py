"""Days: of the issue, of its stories, of events and of deadlines."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from bulletin.checks._months import DAYS, MONTH, MONTHS, YEAR, month_number
from bulletin.checks._reading import Passage, clipped, item_passages, passages
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Event, Severity
from bulletin.render.wording import clock


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


@check("DAT06", Severity.MUST_FIX)
def no_such_day(material: Material) -> Iterator[Found]:
    """A text names a day that no calendar has.

    *Why*: one of the figures is wrong, and a reader who notices has to ask which.

    *Instead of*: "by 31 June", "29 February 2023".

    *Write*: "by 30 June", "28 February 2023". A date with its weekday is looked at by DAT05.
    """
    for passage in passages(material):
        with_weekday = {match.start(2) for match in _WEEKDAY_DATE.finditer(passage.words)}
        for match in _DATE.finditer(passage.words):
            day, month = int(match[1]), month_number(match[2])
            years = [int(match[3])] if match[3] else range(material.issue.date.year - 2, material.issue.date.year + 3)
            if match.start() not in with_weekday and not any(_day(year, month, day) for year in years):
                yield Found(
                    passage.loc, f'{passage.name} says "{match.group()}", but there is no such day.', "Check the date."
                )


@check("DAT09", Severity.LOOK)
def two_days(material: Material) -> Iterator[Found]:
    """The words of an item name another day or time than its `event` or `expires`.

    *Why*: readers see both, and do not know which to believe. It happens when one of the two is moved.

    *Instead of*: "Comment by 17 July 2024" with `expires: 2024-07-10`.

    *Write*: the same day and time in both.
    """
    for at, item in material.items():
        told = [passage for passage in item_passages(at, item) if passage.loc[-1] in {"title", "summary"}]
        if item.event:
            yield from _another_day(told, item.event, material.issue.date)
            yield from _another_time(told, item.event)
        elif item.expires:
            deadlines = [(passage, *found) for passage in told for found in _deadlines(passage, material.issue.date)]
            if deadlines and all(day != item.expires for _, _, day in deadlines):
                passage, words, _ = deadlines[0]
                yield Found(
                    passage.loc,
                    f'{passage.name} says "{clipped(words)}", but expires says {_said(item.expires)}.',
                    "Correct one of the two.",
                )


def _another_day(told: list[Passage], event: Event, issued: dt.date) -> Iterator[Found]:
    """The first day to come that a text names, if none of those named is a day of the event. Deadlines are others."""
    named = [
        (passage, match.group(), day)
        for passage in told
        for match in _DATE.finditer(passage.words)
        if (day := _nearest(match, issued)) and day >= issued
        if all(day != deadline for _, deadline in _deadlines(passage, issued))
    ]
    first, last = event.starts.date(), (event.ends or event.starts).date()
    if named and not any(first <= day <= last for _, _, day in named):
        passage, words, _ = named[0]
        yield Found(
            passage.loc,
            f'{passage.name} says "{words}", but the event is on {_said(first)}.',
            "Correct one of the two.",
        )


def _another_time(told: list[Passage], event: Event) -> Iterator[Found]:
    """The first time at which a text says that something starts, if the event starts at none of those named."""
    named = [(passage, match) for passage in told for match in _STARTS.finditer(passage.words)]
    if event.starts.time() != dt.time() and named and all(_time(match) != event.starts.time() for _, match in named):
        passage, match = named[0]
        yield Found(
            passage.loc,
            f'{passage.name} says "{match.group()}", but the event starts at {clock(event.starts)}.',
            "Correct one of the two.",
        )


@check("DAT10", Severity.LOOK)
def past_deadline(material: Material) -> Iterator[Found]:
    """A text asks readers to do something by a day before the issue goes out.

    *Why*: they can no longer do it, and the words have no `expires` that would have told.

    *Instead of*: "Send your views by 3 May 2024" in the issue of 30 May.

    *Write*: the new day, or what came of it.
    """
    for passage in passages(material):
        if passage.item and passage.item.expires and passage.item.expires < material.issue.date:
            continue  # said already
        for words, day in _deadlines(passage, material.issue.date):
            if day < material.issue.date:
                yield Found(
                    passage.loc,
                    f'{passage.name} says "{clipped(words)}", which is before this issue goes out on '
                    f"{_said(material.issue.date)}.",
                    "Take it out, or correct the date.",
                )


@check("DAT11", Severity.LOOK)
def unrecorded_deadline(material: Material) -> Iterator[Found]:
    """An item's words name a closing date, and the item has no `expires`.

    *Why*: with `expires` the mail shows the closing date in its own place with the year, and the checks see to it that
    the item does not go out too late.

    *Instead of*: "Send your views by 17 July" alone.

    *Write*: the same words, and `expires: 2024-07-17` for the item.
    """
    for at, item in material.items():
        if item.expires or item.event:
            continue
        for passage in item_passages(at, item):
            for words, day in _deadlines(passage, material.issue.date):
                if day >= material.issue.date:
                    yield Found(
                        passage.loc,
                        f'{passage.name} says "{clipped(words)}", and the item has no expires.',
                        f"Add expires: {day.isoformat()}",
                    )


@check("DAT12", Severity.LOOK)
def no_year(material: Material) -> Iterator[Found]:
    """An item names a weekday and a date without the year.

    *Why*: the archive keeps the issue for years, and a search engine shows the words without it.

    *Instead of*: "The session is on Wednesday 12 June."

    *Write*: "The session is on Wednesday 12 June 2024." Where `event` or `expires` gives the day, the mail shows the
    year there.
    """
    for at, item in material.items():
        if item.expires or item.event:
            continue
        for passage in item_passages(at, item):
            match = _WEEKDAY_DATE.search(passage.words)
            if match and not match[4] and not _deadlines(passage, material.issue.date):
                meant = next(iter(_meant(int(match[2]), month_number(match[3]), None, material.issue.date)), None)
                yield Found(
                    passage.loc,
                    f'{passage.name} says "{match.group()}" without a year.',
                    f"Write {match[1]} {_said(meant)}." if meant else "Add the year.",
                )


_DATE = re.compile(rf"(?<![\w.,/:–-])([0-3]?\d)(?:st|nd|rd|th)?\s+(?:of\s+)?({MONTH})(?:,?\s+({YEAR}))?")
_DEADLINE = re.compile(
    r"\b(?:(?i:apply|applications|respond|responses|reply|replies|register|book|send|submit|submissions|comments?|"
    r"nominate|nominations|views|tell us|sign up|have your say)\b[^.\n]{0,60}?\b(?i:by|until|till|before|no later than)"
    r"|(?i:closes|closing(?: dates?)?|deadlines?)\b[^.\n]{0,40}?(?:\b(?i:on|by|is|at)|:))"
    rf"\s+(?:[^.\n]{{0,20}}\bon\s+)?(?:the end of\s+)?(?:(?:{'|'.join(DAYS)}),?\s+)?(?P<date>{_DATE.pattern})"
)
_STARTS = re.compile(
    # What comes before the start, or after it, is another matter: "doors open at 6:15pm".
    r"(?<!\bopen )(?<!\bopens )(?<!\barrive )(?<!\bends )(?<!\bregistration )"
    r"\b(?:from|at|starts|starting)\s+(?:(\d{1,2})(?:[:.](\d\d))?\s*([ap])\.?m\b|(midday|noon|12 noon)\b)",
    re.IGNORECASE,
)


def _time(match: re.Match[str]) -> dt.time | None:
    """The time that words such as "from 2:30pm" name."""
    if match[4]:
        return dt.time(12)
    hour, minute = int(match[1]), int(match[2] or 0)
    if not 1 <= hour <= 12 or minute > 59:
        return None
    return dt.time(hour % 12 + (12 if match[3].lower() == "p" else 0), minute)


def _deadlines(passage: Passage, issued: dt.date) -> list[tuple[str, dt.date]]:
    """The days by which a text asks readers to do something, with its words."""
    found = []
    for match in _DEADLINE.finditer(passage.words):
        date = _DATE.fullmatch(match["date"])
        day = _nearest(date, issued) if date else None
        if day:
            found.append((match.group(), day))
    return found


_TWO_MONTHS = 62


def _nearest(match: re.Match[str], issued: dt.date) -> dt.date | None:
    """The day of a date in a text; without a year, one of the last two months or the next to come."""
    days = _meant(int(match[1]), month_number(match[2]), match[3], issued)
    if not match[3]:
        days = [day for day in days if (issued - day).days <= _TWO_MONTHS]
    return min(days, key=lambda day: abs(day - issued), default=None)


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
