"""Feeds: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, JSON Feed 1.0 and 1.1, told apart by what they hold (F-20)."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from bulletin.http import FEEDS
from bulletin.model import Candidate
from bulletin.sources import _quick
from bulletin.sources._dates import day, doubt
from bulletin.sources._entry import Entry
from bulletin.sources._source import Document, Request, Rests, Spec, UnreadableError
from bulletin.sources._text import LONGEST, decode, extract, headline, line, plain, web_link

_NOT_A_FEED: Final = "is not a feed that can be read"
_HEAD: Final = 20_000
"""Bytes at a feed's start in which it says things about itself."""
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONGEST_ID: Final = 500


def request(spec: Spec) -> Request:
    """A feed is meant for programs, so robots.txt is not asked (F-09)."""
    return Request(url=spec.url, accept=FEEDS)


def read(document: Document, spec: Spec) -> tuple[Candidate, ...]:
    """The feed's newest stories. Of several entries for one address the newest counts: an update is not new (F-29).

    A broken feed gives what can be read of it (F-23). Raises `UnreadableError` for what is no feed.
    """
    start = document.body[:2048].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise UnreadableError("is empty")
    try:
        entries = list(_json_entries(document) if start.startswith((b"{", b"[")) else _xml_entries(document))
    except (UnreadableError, MemoryError):
        raise
    except Exception:  # whatever another program's bytes do to a parser, it is one source's failure (F-11)
        raise UnreadableError(_NOT_A_FEED) from None
    return tuple(_candidates(entries, spec))


def more(document: Document, spec: Spec) -> Request | None:
    """The next page of a feed that comes in pages (RFC 5005, and JSON Feed's next_url)."""
    head = document.body[:_HEAD].decode("utf-8", "replace")
    found = next(
        (tag for tag in re.findall(r"<(?:\w+:)?link\b[^>]*>", head) if re.search(r"rel=[\"']next[\"']", tag)), ""
    )
    named = re.search(r"href=[\"']([^\"']+)[\"']", found) or re.search(r'"next_url"\s*:\s*"([^"]+)"', head)
    link = web_link(named[1].replace("&amp;", "&").replace("\\/", "/"), document.url) if named else None
    return Request(url=link, accept=FEEDS) if link and link != document.url else None


def rests(document: Document) -> Rests:
    """What RSS says of how often it wants to be asked: `ttl` in minutes, `skipHours`, `skipDays` (F-08)."""
    head = document.body[:_HEAD].decode("utf-8", "replace")
    ttl = re.search(r"<ttl>\s*(\d{1,6})\s*</ttl>", head)
    hours = re.search(r"<skipHours>(.*?)</skipHours>", head, re.DOTALL)
    days = re.search(r"<skipDays>(.*?)</skipDays>", head, re.DOTALL)
    return Rests(
        seconds=60.0 * int(ttl[1]) if ttl else 0.0,
        hours=frozenset(int(hour) % 24 for hour in re.findall(r"\d{1,2}", hours[1])) if hours else frozenset(),
        weekdays=frozenset(n for n, name in enumerate(_WEEKDAYS) if days and name in days[1]),
    )


def encoding_of(document: Document) -> str:
    """The encoding that the feed turned out to have (F-21)."""
    return _decoded(document)[1]


def _candidates(entries: Iterable[Entry], spec: Spec) -> Iterator[Candidate]:
    dated = [(day(entry.date, spec.zone, spec.today), entry) for entry in entries]
    dated.sort(key=lambda pair: pair[0] or dt.date.min, reverse=True)
    seen: set[str] = set()
    for published, entry in dated:
        if len(seen) >= spec.limit:
            return
        if entry.link in seen:
            continue
        summary = plain(entry.text)
        title = headline(entry.title) or _first_words(summary)
        if not title:
            continue
        seen.add(entry.link)
        image, alt = _picture_in_text(entry)
        changed = day(entry.updated, spec.zone, spec.today) if published else None
        yield Candidate(
            title=title,
            url=entry.link,
            source=spec.title,
            published=published,
            dated="" if published else doubt(entry.date, spec.zone, spec.today),
            updated=changed if changed and published and changed > published else None,
            summary=extract(summary),
            image=image or entry.image,
            image_alt=alt,
            source_id=line(entry.id)[:_LONGEST_ID],
        )


def _picture_in_text(entry: Entry) -> tuple[str | None, str | None]:
    """The first picture in the entry's words that says what it shows. Counting pixels never do."""
    from selectolax.lexbor import LexborHTMLParser

    for markup in (entry.text, entry.full_text):
        if "<img" in markup:
            for node in LexborHTMLParser(markup[:LONGEST]).css("img[src][alt]"):
                image = web_link(node.attributes.get("src") or "", entry.link)
                alt = line(plain(node.attributes.get("alt") or ""))
                if image and alt:
                    return image, alt
    return None, None


def _first_words(text: str) -> str:
    """A headline for an entry that has none."""
    words = text.split()
    return " ".join(words[:12]) + ("…" if len(words) > 12 else "")


# ---------------------------------------------------------------- RSS and Atom


def _xml_entries(document: Document) -> Iterator[Entry]:
    text, _ = _decoded(document)
    quick = _quick.entries(text, document.url)
    return iter(quick) if quick is not None else _judged_entries(document, text)


def _decoded(document: Document) -> tuple[str, str]:
    declared = re.match(rb"[^<]{0,20}<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{2,30})", document.body)
    return decode(document.body, document.content_type, declared[1].decode("ascii") if declared else "")


def _judged_entries(document: Document, text: str) -> Iterator[Entry]:
    """The entries as feedparser reads them, which makes the best of anything."""
    from io import BytesIO

    import feedparser

    # Bytes only: feedparser takes text for an address or a file name and opens it. Its own cleaning and mending of
    # links are off because they are slow on hostile input; both happen afterwards, for the few entries that are kept.
    headers = {"content-type": "application/xml; charset=utf-8"}
    parsed: Any = feedparser.parse(
        BytesIO(text.encode("utf-8", "replace")),
        response_headers=headers,
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    # A web page parses without complaint, so that only a version or entries tell a feed.
    if not parsed.get("version") and not parsed.entries:
        raise UnreadableError(_what_it_is(document))
    base = _base(parsed.feed, document.url)
    for entry in parsed.entries:
        link = _link(entry, base)
        if link:
            summary, content = entry.get("summary", ""), _content(entry)
            updated = _own(entry, "updated")
            yield Entry(
                link=link,
                id=entry.get("id", ""),
                title=entry.get("title", ""),
                date=entry.get("published") or updated or entry.get("created") or "",
                updated=updated,
                text=summary or content,
                full_text=content,
                image=_picture(entry, base),
            )


def _own(entry: Any, key: str) -> str:
    """A value of the entry itself: feedparser gives the published date for one that was never updated, and warns."""
    return dict.get(entry, key) or ""


def _base(feed: Any, url: str) -> str:
    """Where relative links start: the feed's own address or its site's, else the address that answered (F-24)."""
    own = next((link.get("href", "") for link in feed.get("links", ()) if link.get("rel") == "self"), "")
    return web_link(own, url) or web_link(feed.get("link", ""), url) or url


def _link(entry: Any, base: str) -> str | None:
    """Where the story is. GOV.UK ids are the address and a time stamp; the time stamp is no part of the story."""
    for link in (entry.get("link", ""), *(link.get("href", "") for link in entry.get("links", ()))):
        found = web_link(link, base)
        if found:
            return found
    name = entry.get("id", "")
    return web_link(name.partition("#")[0], base) if name.startswith(("http://", "https://")) else None


def _content(entry: Any) -> str:
    contents = (content.get("value", "") for content in entry.get("content", ()))
    return next((content for content in contents if content), "")


def _picture(entry: Any, base: str) -> str | None:
    """A picture that stands beside the words. What it shows is not told: feedparser mixes that with the summary."""
    media = [medium for medium in entry.get("media_content", ()) if _is_picture(medium)]
    media += entry.get("media_thumbnail", ())
    media += [link for link in entry.get("enclosures", ()) if _is_picture(link)]
    found = (web_link(medium.get("url") or medium.get("href") or "", base) for medium in media)
    return next((link for link in found if link), None)


def _is_picture(medium: Any) -> bool:
    return medium.get("medium") == "image" or str(medium.get("type", "")).startswith("image/")


def _what_it_is(document: Document) -> str:
    start = document.body[:4096].lower()
    if not re.search(rb"<!doctype html|<html|<head|<body", start):
        return _NOT_A_FEED
    feeds = named_feeds(document)[:3]
    return "is a web page, not a feed" + (f"; the page names this feed: {', '.join(feeds)}" if feeds else "")


def named_feeds(document: Document) -> tuple[str, ...]:
    """The feeds a web page names, for a person to choose from (F-30)."""
    from selectolax.lexbor import LexborHTMLParser

    kinds = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/json")
    links = LexborHTMLParser(document.body).css('link[rel~="alternate"][href]')
    offered = [(link.attributes.get("type") or "", link.attributes.get("href") or "") for link in links]
    found = [web_link(href, document.url) for kind in kinds for type_, href in offered if type_.strip().lower() == kind]
    return tuple(link for link in dict.fromkeys(found) if link)


# ---------------------------------------------------------------- JSON Feed


def _json_entries(document: Document) -> Iterator[Entry]:
    try:
        feed = json.loads(document.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise UnreadableError(_NOT_A_FEED) from None
    if not isinstance(feed, dict) or not _text(feed, "version").startswith("https://jsonfeed.org/version/1"):
        raise UnreadableError(_NOT_A_FEED)
    base = web_link(_text(feed, "feed_url"), document.url) or document.url
    items = feed.get("items")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            link = _json_link(item, base)
            if link:
                yield Entry(
                    link=link,
                    id=_text(item, "id"),
                    title=_as_markup(_text(item, "title")),
                    date=_text(item, "date_published") or _text(item, "date_modified"),
                    updated=_text(item, "date_modified"),
                    text=_as_markup(_text(item, "summary") or _text(item, "content_text"))
                    or _text(item, "content_html"),
                    image=web_link(_text(item, "image") or _text(item, "banner_image"), base),
                )


def _json_link(item: dict[str, Any], base: str) -> str | None:
    for link in (_text(item, "url"), _text(item, "external_url")):
        found = web_link(link, base)
        if found:
            return found
    name = _text(item, "id")
    return web_link(name, base) if name.startswith(("http://", "https://")) else None


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _as_markup(text: str) -> str:
    """A JSON Feed's titles and summaries are plain text: a "<" in them is a sign, not a tag."""
    return re.sub(r"<(?![a-zA-Z/!])", "&lt;", text)
