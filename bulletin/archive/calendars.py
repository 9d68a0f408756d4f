"""Calendar files of events (RFC 5545), one an event."""

from __future__ import annotations

import datetime as dt

from bulletin.config import Config
from bulletin.editions import issue_url
from bulletin.model import Edition, EditionEvent, EditionItem


def calendar(item: EditionItem, event: EditionEvent, edition: Edition, config: Config) -> bytes:
    """The event as a file that calendar programs open. The same event always gives the same bytes and the same UID.

    Times are in UTC, which every program turns into its reader's own.
    """
    from uuid import NAMESPACE_URL, uuid5

    from icalendar import Calendar, Event

    page = f"{issue_url(config, edition.issue)}#{item.id}"
    entry = Event()
    entry.add("uid", str(uuid5(NAMESPACE_URL, page)))  # RFC 7986 section 5.3; names no host and no person
    # RFC 5545 wants to know when the file was made; the issue's day is the only one that stays the same.
    entry.add("dtstamp", dt.datetime.combine(edition.date, dt.time(), dt.UTC))
    entry.add("dtstart", event.starts.astimezone(dt.UTC))
    if event.ends:
        entry.add("dtend", event.ends.astimezone(dt.UTC))
    entry.add("summary", item.title)
    if event.place:
        entry.add("location", event.place)
    entry.add("description", "\n".join(filter(None, [f"From {edition.title}: {page}", _booking(event)])))
    entry.add("url", event.booking or item.url or page)
    whole = Calendar()
    whole.add("prodid", f"-//{config.name}//bulletin//EN")
    whole.add("version", "2.0")
    whole.add_component(entry)
    data: bytes = whole.to_ical()
    return data


def _booking(event: EditionEvent) -> str:
    return f"Book a place: {event.booking}" if event.booking else ""
