"""The archive's feeds, each as Atom 1.0 (RFC 4287, F-40) and JSON Feed 1.1 (F-41): issues, stories, and each topic.

Ids are the same whatever host the archive is on and whatever an issue is called today, and no date is the clock's.
"""

from __future__ import annotations

import datetime as dt
import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bulletin.archive import listings
from bulletin.archive.catalogue import Card, Line, lasting_id
from bulletin.archive.shelf import Part, Shelf, Tongue, part

ISSUES: Final = "feed"
STORIES: Final = "stories"
LONGEST: Final = 24
"""Issues in the feed: two years of a monthly bulletin."""
MOST_STORIES: Final = 60
"""Stories in a feed: some three issues."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a feed reader gets of an issue or a story, with whole addresses."""

    id: str
    title: str
    url: str
    summary: str
    content: str
    """HTML; empty where the summary is all there is."""
    published: dt.date
    changed: dt.date
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed in no format yet."""

    title: str
    page: str
    """Address of the page with the same things on it."""
    address: str
    """Its own address, without the ending that says the format."""
    language: str
    about: str
    author: str
    website: str | None
    entries: tuple[Entry, ...]


def parts(shelf: Shelf, tongue: Tongue) -> Iterator[Part]:
    """All feeds of one language; none before the first issue, as a feed needs a date and only an issue has one."""
    if not tongue.shown:
        return
    cards = tongue.shown[:LONGEST]

    def of_issues() -> Sequence[Entry]:
        return [_issue(shelf, tongue, card) for card in cards]

    keys = [[card.key, shelf.prints[card.issue]] for card in cards]
    yield _feed(shelf, tongue, ISSUES, title=tongue.config.name, page="", keys=keys, entries=of_issues)
    newest = tongue.lines[:MOST_STORIES]
    if newest:
        title = tongue.words.say("archive_feed_stories", name=tongue.config.name)
        yield _of_stories(shelf, tongue, STORIES, newest, title=title, page="")
    for topic in listings.topics_of(tongue):
        base = f"topics/{topic.id}/"
        title = tongue.words.say("archive_feed_topic", name=tongue.config.name, topic=topic.title)
        yield _of_stories(shelf, tongue, f"{base}feed", topic.lines[:MOST_STORIES], title=title, page=base)


def _of_stories(shelf: Shelf, tongue: Tongue, path: str, lines: Sequence[Line], *, title: str, page: str) -> Part:
    def entries() -> Sequence[Entry]:
        return [_story(tongue, line) for line in lines]

    return _feed(shelf, tongue, path, title=title, page=page, keys=[line.key for line in lines], entries=entries)


def _feed(
    shelf: Shelf,
    tongue: Tongue,
    path: str,
    *,
    title: str,
    page: str,
    keys: object,
    entries: Callable[[], Sequence[Entry]],
) -> Part:
    config = tongue.config
    root = config.archive_url + tongue.prefix

    def make() -> Mapping[str, bytes]:
        feed = Feed(
            title=title,
            page=root + page,
            address=root + path,
            language=tongue.language,
            about=config.description,
            author=config.organisation.name,
            website=config.organisation.website,
            entries=tuple(entries()),
        )
        return {
            f"{tongue.prefix}{path}.xml": atom(feed, str(lasting_id(config, "feed", tongue.prefix + path))),
            f"{tongue.prefix}{path}.json": json_feed(feed),
        }

    return part(shelf, f"feed {tongue.prefix}{path}", [title, page, keys], make)


def _issue(shelf: Shelf, tongue: Tongue, card: Card) -> Entry:
    folder = tongue.prefix if card.has_page else ""
    edition = shelf.editions(card.issue, tongue.language)
    url = f"{tongue.config.archive_url}{folder}{card.issue}/"
    content = shelf.fill(tongue, "archive/entry.html", edition=edition, card=card, url=url, here="", home="", root="")
    return Entry(
        id=lasting_id(tongue.config, "issue", card.name, *filter(None, [folder.rstrip("/")])).urn,
        title=card.title,
        url=url,
        summary=card.preheader,
        content=content.decode("utf-8"),
        published=card.day,
        changed=dt.date.fromisoformat(card.changed),
    )


def _story(tongue: Tongue, line: Line) -> Entry:
    folder = tongue.prefix if line.has_page else ""
    name = tongue.names[line.issue]
    day = dt.date.fromisoformat(line.date)
    return Entry(
        id=lasting_id(tongue.config, "story", name, line.lasting, *filter(None, [folder.rstrip("/")])).urn,
        title=line.title,
        url=f"{tongue.config.archive_url}{folder}{line.issue}/#{line.id}",
        summary=line.gist,
        content="",
        published=day,
        changed=day,
        topics=tuple(tongue.config.topic_title(topic) for topic in line.topics),
    )


def moment(day: dt.date) -> dt.datetime:
    """The first moment of a day."""
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def atom(feed: Feed, id_: str) -> bytes:
    """The feed as Atom 1.0."""
    from io import BytesIO

    from feedgenerator import Atom1Feed

    written = Atom1Feed(
        title=feed.title,
        link=feed.page,
        description=None,
        subtitle=feed.about or None,
        language=feed.language,
        author_name=feed.author,
        feed_url=f"{feed.address}.xml",
        feed_guid=f"urn:uuid:{id_}",
    )
    for entry in feed.entries:
        written.add_item(
            title=entry.title,
            link=entry.url,
            description=html.escape(entry.summary) or None,
            unique_id=entry.id,
            pubdate=moment(entry.published),
            updateddate=moment(entry.changed),
            content=entry.content or None,
            categories=entry.topics,
        )
    out = BytesIO()
    written.write(out, "utf-8")
    return out.getvalue()


def json_feed(feed: Feed) -> bytes:
    """The feed as JSON Feed 1.1."""
    author: dict[str, Any] = {"name": feed.author}
    if feed.website:
        author["url"] = feed.website
    value = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.page,
        "feed_url": f"{feed.address}.json",
        **({"description": feed.about} if feed.about else {}),
        "language": feed.language,
        "authors": [author],
        "items": [_json_item(entry) for entry in feed.entries],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _json_item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        **({"content_html": entry.content} if entry.content else {"content_text": entry.summary or entry.title}),
        **({"summary": entry.summary} if entry.summary else {}),
        "date_published": moment(entry.published).isoformat(),
        "date_modified": moment(entry.changed).isoformat(),
    }
    return item | ({"tags": list(entry.topics)} if entry.topics else {})
