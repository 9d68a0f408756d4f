"""What the archive's lists say of an issue: a card for each issue and language, a line for each item. Pure.

Lists, feeds and the calendar are made from cards alone, so that one changed issue does not mean reading a thousand.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from bulletin.config import Config
from bulletin.model import Edition, EditionEvent, EditionItem, Issue, Item
from bulletin.render import markdown

LONGEST_GIST: Final = 240
"""Characters of a summary's first sentence that lists and feeds show."""


@dataclass(frozen=True, slots=True)
class Line:
    """One story as lists show it."""

    issue: str
    id: str
    title: str
    gist: str
    """Its first sentence, as plain text."""
    text: str
    """The whole of it, as plain text on one line, for the search."""
    source: str
    topics: tuple[str, ...]
    """Topics by their ids."""
    published: str
    """Day its source published it: 2024-05-08; empty where that is not known."""
    date: str
    """Day of the issue."""
    language: str
    """Language of title and gist, where it is not the page's own; empty where it is."""
    event: tuple[str, str, str, str] | None
    """Start and end (may be empty) with offset, place and booking address."""
    has_page: bool
    """Whether the issue has a page in this language; else the line leads to the publication's own."""
    formerly: tuple[str, ...]
    """Ids it had before."""
    place: str
    """What its title is sorted by."""
    key: str
    """Digest of all that is shown of it."""

    @property
    def day(self) -> dt.date:
        """Day its source published it, else of the issue."""
        return dt.date.fromisoformat(self.published or self.date)

    @property
    def year(self) -> str:
        """The year of its issue."""
        return self.date[:4]

    @property
    def occasion(self) -> EditionEvent | None:
        """The event, with its times in the publication's time zone."""
        if not self.event:
            return None
        starts, ends, place, booking = self.event
        return EditionEvent(
            starts=dt.datetime.fromisoformat(starts),
            ends=dt.datetime.fromisoformat(ends) if ends else None,
            place=place or None,
            booking=booking or None,
            calendar_url=None,
        )

    @property
    def lasting(self) -> str:
        """The first id it ever had, which everything that must never change goes by."""
        return self.formerly[0] if self.formerly else self.id


@dataclass(frozen=True, slots=True)
class Card:
    """One issue in one language as lists show it."""

    issue: str
    title: str
    preheader: str
    date: str
    """Day it went out: 2024-05-30"""
    changed: str
    """Day of the last correction, else the day it went out."""
    language: str
    """Language of the title, where it is not the page's own; empty where it is."""
    has_page: bool
    lines: tuple[Line, ...]
    withdrawn: str
    unlisted: bool
    formerly: tuple[str, ...]
    document: str
    key: str
    """Digest of all that is shown of it."""

    @property
    def year(self) -> str:
        """The year it went out."""
        return self.date[:4]

    @property
    def day(self) -> dt.date:
        """Day it went out."""
        return dt.date.fromisoformat(self.date)

    @property
    def former_ids(self) -> Mapping[str, tuple[str, ...]]:
        """For each story that was renamed, the ids it had before, which still lead to it."""
        return {line.id: line.formerly for line in self.lines if line.formerly}

    @property
    def name(self) -> str:
        """The first name it ever had, which everything that must never change goes by."""
        return self.formerly[0] if self.formerly else self.issue


def card(issue: Issue, edition: Edition, *, has_page: bool) -> Card:
    """The card of an issue, from the edition that everyone reads. `has_page`: whether it is a page of this language."""
    withdrawn = issue.withdrawn or ""
    written = {item.id: item for item in issue.items}
    lines = () if withdrawn else tuple(_line(item, edition, written[item.id], has_page) for item in edition.items)
    changed = max([edition.date, *(one.date for one in edition.corrections)])
    foreign = edition.source_language or edition.language
    values: dict[str, Any] = {
        "issue": issue.id,
        "title": edition.title,
        "preheader": "" if withdrawn else edition.preheader,
        "date": edition.date.isoformat(),
        "changed": changed.isoformat(),
        "language": foreign if "title" in edition.untranslated or not has_page else "",
        "has_page": has_page,
        "lines": lines,
        "withdrawn": withdrawn,
        "unlisted": issue.unlisted,
        "formerly": issue.formerly,
        "document": issue.document or "",
    }
    return Card(**values, key=digest({**values, "lines": [line.key for line in lines]}))


def _line(item: EditionItem, edition: Edition, written: Item, has_page: bool) -> Line:
    event = item.event
    foreign = bool(item.untranslated & {"title", "summary"}) or not has_page
    values: dict[str, Any] = {
        "issue": edition.issue,
        "id": item.id,
        "title": item.title,
        "gist": _cut(markdown.one_line(markdown.gist(item.summary))),
        "text": markdown.one_line(item.summary),
        "source": item.source or "",
        "topics": written.topics,
        "published": item.published.isoformat() if item.published else "",
        "date": edition.date.isoformat(),
        "language": (edition.source_language or edition.language) if foreign else "",
        "event": event
        and (
            event.starts.isoformat(),
            event.ends.isoformat() if event.ends else "",
            event.place or "",
            event.booking or "",
        ),
        "has_page": has_page,
        "formerly": written.formerly,
        "place": sorting(item.title),
    }
    return Line(**values, key=digest(values))


def _cut(text: str) -> str:
    if len(text) <= LONGEST_GIST:
        return text
    return text[:LONGEST_GIST].rsplit(" ", 1)[0].rstrip(",;:") + "…"


# ---------------------------------------------------------------- kept between builds


def to_plain(of: Card) -> list[Any]:
    """A card as lists, for a JSON file."""
    return [
        [[getattr(line, name) for name in _LINE] for line in of.lines] if name == "lines" else getattr(of, name)
        for name in _CARD
    ]


def from_plain(values: list[Any]) -> Card:
    """The card that `to_plain` took apart."""
    known = dict(zip(_CARD, values, strict=True))
    known["lines"] = tuple(_plain_line(line) for line in known["lines"])
    known["formerly"] = tuple(known["formerly"])
    return Card(**known)


def _plain_line(values: list[Any]) -> Line:
    issue, id_, title, gist, text, source, topics, published, date, language, event, has_page, formerly, place, key = (
        values
    )
    event = tuple(event) if event else None
    texts = (issue, id_, title, gist, text, source, tuple(topics), published, date)
    return Line(*texts, language, event, has_page, tuple(formerly), place, key)


_LINE: Final = tuple(field.name for field in fields(Line))
_CARD: Final = tuple(field.name for field in fields(Card))


# ---------------------------------------------------------------- names


def digest(value: object) -> str:
    """A short digest of plain values: equal for equal ones, whatever run of the program asks."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _plain(value: object) -> object:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)  # type: ignore[call-overload]


def lasting_id(config: Config, *names: str) -> UUID:
    """An id for feeds and calendars that stays the same when the archive moves to another host (F-40).

    It goes by the mailing list's name, which never changes; a publication that has none goes by its first address.
    """
    whole = config.sender.list_id or config.archive_url
    return uuid5(uuid5(NAMESPACE_URL, whole), "/".join(names))


def slug(name: str) -> str:
    """A name as a part of a web address: small ASCII letters, digits and hyphens; names that differ in less are one."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or digest(name)[:8]


_LEADING: Final = re.compile(r"(?:the|an?|yr?|’r) (?=\w)")


def sorting(title: str) -> str:
    """What a title is sorted by: its letters without accents, signs and a leading article."""
    plain = unicodedata.normalize("NFKD", title.casefold())
    bare = " ".join(re.findall(r"[^\W_]+", "".join(sign for sign in plain if not unicodedata.combining(sign))))
    return _LEADING.sub("", bare, count=1)
