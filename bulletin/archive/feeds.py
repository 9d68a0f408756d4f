"""The archive's feeds. Atom 1.0 (RFC 4287, F-40), one entry an issue, the newest first."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bulletin.config import Config
from bulletin.editions import issue_url
from bulletin.model import Edition

FEED: Final = "feed.xml"
LONGEST: Final = 24
"""Entries in the feed: two years of a monthly bulletin."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An issue with what a feed reader shows of it, as HTML with whole addresses."""

    edition: Edition
    content: str


def atom(entries: Sequence[Entry], config: Config) -> bytes:
    """The feed, `entries` being the newest first. Ids never change, and no date comes from the clock."""
    from io import BytesIO

    from feedgenerator import Atom1Feed

    feed = Atom1Feed(
        title=config.name,
        link=config.archive_url,
        description=None,
        subtitle=config.description or None,
        language=config.language,
        author_name=config.organisation.name,
        feed_url=config.archive_url + FEED,
    )
    for entry in entries[:LONGEST]:
        edition = entry.edition
        moment = dt.datetime.combine(edition.date, dt.time(), dt.UTC)
        feed.add_item(
            title=edition.title,
            link=issue_url(config, edition.issue),
            description=html.escape(edition.preheader) or None,
            unique_id=_tag(config, edition.date.year, f"issue/{edition.issue}"),
            pubdate=moment,
            updateddate=moment,
            content=entry.content,
        )
    out = BytesIO()
    feed.write(out, "utf-8")
    return out.getvalue()


def _tag(config: Config, year: int, name: str) -> str:
    """A tag URI (RFC 4151): a name that stays when pages move."""
    host = (urlsplit(config.archive_url).hostname or "localhost").lower()
    return f"tag:{host},{year:04}:{name}"
