"""Calendars (.ics): what is coming up, each day of what comes back by itself."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any, Final

from bulletin.model import Candidate, Event
from bulletin.sources._source import Document, Request, Spec, UnreadableError
from bulletin.sources._text import extract, headline, line, plain, web_link

daily: Final = True
"""What is next changes with the day, though the calendar does not."""
AHEAD_DAYS: Final = 180
"""How far ahead events are looked for."""
_ACCEPT: Final = "text/calendar, */*;q=0.5"
_MOST_EVENTS: Final = 5_000


def request(spec: Spec) -> Request:
    """A calendar is meant for programs, so robots.txt is not asked (F-09)."""
    return Request(url=re.sub(r"\Awebcals?://", "https://", spec.url), accept=_ACCEPT)


def read(document: Document, spec: Spec) -> tuple[Candidate, ...]:
    """The next events that have a web address, the earliest first. Raises `UnreadableError` for what is no calendar."""
    if not document.body.strip():
        raise UnreadableError("is empty")
    if b"BEGIN:VCALENDAR" not in document.body[:4096].upper():
        raise UnreadableError("is not a calendar that can be read")
    try:
        events = list(_events(document, spec))
    except MemoryError:
        raise
    except Exception:  # whatever another program's bytes do to a parser, it is one source's failure (F-11)
        raise UnreadableError("is not a calendar that can be read") from None
    found = sorted((event for event in events if event), key=lambda pair: pair[0])
    if events and not found:
        raise UnreadableError("lists events, but none with a web address; add them by hand with bulletin add")
    seen: set[str] = set()
    return tuple(
        candidate
        for _, candidate in found
        if not (candidate.url in seen or seen.add(candidate.url))  # type: ignore[func-returns-value]
    )[: spec.limit]


def _events(document: Document, spec: Spec) -> Iterator[tuple[dt.datetime, Candidate] | None]:
    import icalendar
    import recurring_ical_events

    if document.body.upper().count(b"BEGIN:VEVENT") > _MOST_EVENTS:
        raise UnreadableError(f"lists more than {_MOST_EVENTS} events")
    calendar = icalendar.Calendar.from_ical(document.body.decode("utf-8", "replace"))
    start = spec.events_from or spec.today
    until = start + dt.timedelta(days=AHEAD_DAYS)
    for entry in recurring_ical_events.of(calendar, skip_bad_series=True).between(start, until):
        if str(entry.get("STATUS", "")).upper() != "CANCELLED":
            yield _candidate(entry, document.url, spec)


def _candidate(entry: Any, base: str, spec: Spec) -> tuple[dt.datetime, Candidate] | None:
    """The event, or None if it has no web address or no headline."""
    title = headline(str(entry.get("SUMMARY", "")))
    words, place = str(entry.get("DESCRIPTION", "")), line(plain(str(entry.get("LOCATION", ""))))
    link = _address(entry, words, place, base)
    if not title or link is None:
        return None
    starts, ends = _local(entry.get("DTSTART"), spec.zone), _local(entry.get("DTEND"), spec.zone)
    if starts is None:
        return None
    whole_day = not isinstance(getattr(entry.get("DTSTART"), "dt", None), dt.datetime)
    where = "Online" if re.match(r"https?://|microsoft teams|zoom", place, re.IGNORECASE) else place
    said = " ".join(each for each in words.splitlines() if "://" not in each)
    event = Event(starts=starts, ends=ends if ends and ends > starts else None, place=where or None, booking=link)
    when = f"On {starts.day} {starts:%B} {starts.year}. " if whole_day else ""
    identity = line(str(entry.get("UID", "")))
    return starts, Candidate(
        title=title,
        url=link,
        source=spec.title,
        summary=extract(when + plain(said)),
        event=None if whole_day else event,
        source_id=f"{identity} {starts:%Y-%m-%d}" if identity else "",
    )


def _address(entry: Any, words: str, place: str, base: str) -> str | None:
    """Where a reader finds more: the event's own address, else the first one in its words."""
    own = web_link(str(entry.get("URL", "")), base)
    if own:
        return own
    inside = re.search(r"https?://[^\s<>\"')\]]+", f"{words} {place}")
    return web_link(inside[0].rstrip(".,;"), base) if inside else None


def _local(value: Any, zone: dt.tzinfo) -> dt.datetime | None:
    """A time in the publication's own zone. A whole day starts at midnight, and is no event: it has no hour."""
    moment = getattr(value, "dt", None)
    if isinstance(moment, dt.datetime):
        return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment
    return dt.datetime.combine(moment, dt.time()) if isinstance(moment, dt.date) else None
