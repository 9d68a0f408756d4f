"""Days as feeds and pages write them, told in the publication's time zone (F-28). A wrong day is worse than none."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import Final

from bulletin.model import Event

_EARLIEST: Final = dt.date(1995, 1, 1)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d(?!\d)|\d{8}(?!\d)")
_USUAL: Final = re.compile(
    r"(?:[A-Z][a-z]{2}, )?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? ([+-]\d{4}|[A-Z]{1,4})"
)
"""RFC 822 as nearly every RSS feed writes it; read without a library, because a feed may hold thousands."""
_WRITTEN_OUT: Final = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)? +(?:of +)?([A-Za-z]{3,10})\.?,? +(\d{4})\b")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WELSH: Final = {
    "ionawr": "January", "chwefror": "February", "mawrth": "March", "ebrill": "April", "mai": "May",
    "mehefin": "June", "gorffennaf": "July", "awst": "August", "medi": "September", "hydref": "October",
    "tachwedd": "November", "rhagfyr": "December",
}  # fmt: skip
_WORD: Final = re.compile(r"[a-z]+", re.IGNORECASE)
_HOURS: Final = {
    "UT": 0,
    "UTC": 0,
    "GMT": 0,
    "Z": 0,
    "WET": 0,
    "BST": 1,
    "WEST": 1,
    "CET": 1,
    "CEST": 2,
    "EET": 2,
    "EEST": 3,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
}


def day(written: str, zone: dt.tzinfo, today: dt.date) -> dt.date | None:
    """The day a date falls on; None if it cannot be told for certain, lies before 1995, or more than a day ahead.

    Days come before months (08/05/2024 is in May), BST is British Summer Time, and a time without a zone is the
    publication's own.
    """
    found = _day(written, zone)
    return found if found and _EARLIEST <= found <= today + dt.timedelta(days=1) else None


def doubt(written: str, zone: dt.tzinfo, today: dt.date) -> str:
    """Why a date that is written gives no day (F-28); empty if it gives one, or if there is none."""
    if not written.strip() or day(written, zone, today):
        return ""
    found = _day(written, zone)
    if found and found > today:
        return f"the source's date, {found.day} {found:%B} {found.year}, lies ahead"
    return "the source's date cannot be read"


def _day(written: str, zone: dt.tzinfo) -> dt.date | None:
    moment = moment_of(written)
    if moment is None:
        return None
    try:
        return (moment.astimezone(zone) if moment.tzinfo else moment).date()
    except (OverflowError, ValueError):
        return None


def event_of(
    starts: str, ends: str, zone: dt.tzinfo, *, place: str | None = None, booking: str | None = None
) -> Event | None:
    """An event in the publication's own time; None if no hour is given. An end before the start is left out."""
    first, last = _local(starts, zone), _local(ends, zone)
    if first is None or not re.search(r"\d[:.]\d\d|\d ?[ap]\.?m", starts):
        return None
    return Event(starts=first, ends=last if last and last > first else None, place=place, booking=booking)


def _local(written: str, zone: dt.tzinfo) -> dt.datetime | None:
    moment = moment_of(written)
    try:
        return moment.astimezone(zone).replace(tzinfo=None) if moment and moment.tzinfo else moment
    except (OverflowError, ValueError):
        return None


def moment_of(written: str) -> dt.datetime | None:
    """Date and time as written, with the zone if one is written. English and Welsh names of months are known."""
    text = " ".join(written[:200].split())[:80]
    if not text:
        return None
    usual = _USUAL.fullmatch(text)
    return (_usual(usual) if usual else None) or _unusual(text)


def _usual(parts: re.Match[str]) -> dt.datetime | None:
    day_, month, year, hour, minute, second, name = parts.groups()
    try:
        return dt.datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day_),
            int(hour),
            int(minute),
            int(second or 0),
            tzinfo=_fixed(name),
        )
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _fixed(name: str) -> dt.timezone:
    """The zone of `+0100` or `BST`. Raises `ValueError` for what is not known."""
    if name[0] in "+-":
        minutes = int(name[1:3]) * 60 + int(name[3:])
        return dt.timezone(dt.timedelta(minutes=-minutes if name[0] == "-" else minutes))
    if name not in _HOURS:
        raise ValueError(name)
    return dt.timezone(dt.timedelta(hours=_HOURS[name]))


def _unusual(text: str) -> dt.datetime | None:
    iso = _ISO.match(text)
    if iso:
        try:
            return dt.datetime.fromisoformat(text)
        except ValueError:
            pass
    else:
        text = _WORD.sub(lambda word: _WELSH.get(word[0].lower(), word[0]), text)
    from dateutil import parser

    read = parser.isoparse if iso else _by_words
    # A time that cannot be, such as 24:00:00, does not spoil the day beside it.
    within = _WRITTEN_OUT.search(text)
    timeless = iso[0] if iso else " ".join(within.groups()) if within else ""
    for attempt in (text.replace(" ", "T", 1) if iso else text, timeless):
        try:
            return read(attempt)
        except (ValueError, OverflowError, TypeError, AttributeError):
            continue
    return None


def _by_words(text: str) -> dt.datetime:
    """dateutil fills in what is missing from a default: read with two, to tell a whole date from a part of one."""
    from dateutil import parser

    readings = {
        parser.parse(text, dayfirst=True, tzinfos=_zone, default=default)
        for default in (dt.datetime(2000, 1, 1), dt.datetime(2004, 2, 2))  # noqa: DTZ001 - no zone is written there
    }
    if len(readings) > 1:
        raise ValueError("a part of the date is missing")
    return readings.pop()


def _zone(name: str | None, offset: int | None) -> dt.tzinfo | None:
    if offset is not None:
        return dt.timezone(dt.timedelta(seconds=offset))
    hours = _HOURS.get((name or "").upper())
    return None if hours is None else dt.timezone(dt.timedelta(hours=hours))
