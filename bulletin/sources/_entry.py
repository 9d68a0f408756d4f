"""A feed's entry as it stands, before its words are cleaned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the readers of feeds give; all of it other people's text."""

    link: str
    title: str
    date: str
    """When it was published, as written; else when it was changed."""
    text: str
    id: str = ""
    updated: str = ""
    full_text: str = ""
    image: str | None = None
