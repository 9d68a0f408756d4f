"""Calendar files of events (RFC 5545): one an event, and one of all events, which a calendar program can follow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bulletin.archive.catalogue import Line, lasting_id
from bulletin.archive.shelf import Part, Shelf, part
from bulletin.config import Config
from bulletin.editions import issue_url

ALL: Final = "events/events.ics"
LONGEST: Final = 500
"""Events in the calendar to follow, the latest ones; programs fetch it over and over."""


def parts(shelf: Shelf) -> Iterator[Part]:
    """The calendar of all events, in the publication's own language."""
    events = sorted((line for line in shelf.own.lines if line.event), key=_starts)[-LONGEST:]
    if events:
        keys = [line.key for line in events]
        yield part(shelf, "calendar", keys, lambda: {ALL: calendar(events, shelf.config, shelf.own.names)})


def _starts(line: Line) -> tuple[dt.datetime, str, str]:
    return moment(line.event[0] if line.event else line.date), line.issue, line.id


def moment(text: str) -> dt.datetime:
    """A moment of a line, in UTC."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def calendar(lines: Sequence[Line], config: Config, names: Mapping[str, str] | None = None) -> bytes:
    """The events of these stories as a file that calendar programs open. The same event always has the same UID.

    `names` holds the first name of an issue that was renamed. Times are in UTC, which every program turns into its
    reader's own.
    """
    from icalendar import Calendar, Event

    whole = Calendar()
    whole.add("prodid", f"-//{config.name}//bulletin//EN")
    whole.add("version", "2.0")
    if len(lines) > 1:
        whole.add("x-wr-calname", config.name)
        whole.add("name", config.name)  # RFC 7986
        whole.add("refresh-interval", dt.timedelta(days=1), parameters={"value": "DURATION"})
    for line in lines:
        if not line.event:
            continue
        starts, ends, place, booking = line.event
        page = f"{issue_url(config, line.issue)}#{line.id}"
        name = (names or {}).get(line.issue, line.issue)
        entry = Event()
        # RFC 7986 section 5.3: names no host and no person.
        entry.add("uid", str(lasting_id(config, "event", name, line.lasting)))
        # RFC 5545 wants to know when the file was made; the issue's day is the only one that stays the same.
        entry.add("dtstamp", dt.datetime.combine(dt.date.fromisoformat(line.date), dt.time(), dt.UTC))
        entry.add("dtstart", moment(starts))
        if ends:
            entry.add("dtend", moment(ends))
        entry.add("summary", line.title)
        if place:
            entry.add("location", place)
        entry.add("description", "\n".join(filter(None, [f"From {config.name}: {page}", _booking(booking)])))
        entry.add("url", booking or page)
        whole.add_component(entry)
    data: bytes = whole.to_ical()
    return data


def _booking(address: str) -> str:
    return f"Book a place: {address}" if address else ""
