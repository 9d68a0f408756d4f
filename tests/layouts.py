"""An edition with every layout, and in each of them an item with and without everything an item can have."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from bulletin.model import Edition, EditionEvent, EditionSection

LAYOUTS = ("lead", "cards", "compact", "events", "list")


def every_layout(may: Edition) -> Edition:
    """Made of the May issue's items: one with a picture, a full one, a plain one, in a section of each layout."""
    items = list(may.items)
    pictured = next(item for item in items if item.picture)
    zone = next(item.event for item in items if item.event).starts.tzinfo
    event = EditionEvent(
        starts=dt.datetime(2024, 6, 12, 11, tzinfo=zone),
        ends=dt.datetime(2024, 6, 12, 12, 30, tzinfo=zone),
        place="College of Policing, Ryton",
        booking="https://booking.example.org/",
        calendar_url="https://bulletin.example.org/event.ics",
    )
    sections = []
    for layout in LAYOUTS:
        full = replace(
            pictured,
            id=f"{layout}-full",
            title=f"A full item in the {layout} layout",
            url=f"https://news.example.org/{layout}",
            event=replace(event, booking=f"https://booking.example.org/{layout}"),
            expires=dt.date(2024, 6, 1),
            restricted=True,
            marking="OFFICIAL-SENSITIVE",
            tlp="TLP:AMBER",
        )
        held = (
            replace(pictured, id=f"{layout}-picture"),
            full,
            replace(items[5], id=f"{layout}-plain", link=None),
            replace(items[6], id=f"{layout}-bare", url=None, link=None, source=None, published=None, topics=()),
        )
        intro = "An opening with a [link](https://example.org/intro)."
        sections.append(EditionSection(id=layout, title=f"The {layout} layout", intro=intro, items=held, layout=layout))
    marked = "OFFICIAL-SENSITIVE - RECIPIENTS ONLY"
    return replace(may, sections=tuple(sections), marking=marked, tlp="TLP:AMBER+STRICT")
