"""One article page: what it says about itself, for `bulletin add URL`.

Pages describe themselves in JSON-LD, OpenGraph, Twitter cards and plain HTML; they are asked in the order in which each
is usually right.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from bulletin.http import PAGES
from bulletin.model import Candidate, Event
from bulletin.sources._dates import day, event_of
from bulletin.sources._source import Document, Request, Spec, UnreadableError
from bulletin.sources._text import decoded, extract, headline, line, plain, web_link

_ARTICLES: Final = ("Article", "NewsArticle", "BlogPosting", "Report", "ScholarlyArticle", "TechArticle")
_DATES: Final = (
    "article:published_time",
    "og:published_time",
    "date",
    "dc.date",
    "dcterms.date",
    "dcterms.issued",
    "dcterms.created",
    "pubdate",
    "publishdate",
    "govuk:first-published-at",
    "parsely-pub-date",
)


def request(spec: Spec) -> Request:
    """A person named this page, so robots.txt is not asked (F-09)."""
    return Request(url=spec.url, accept=PAGES)


def read(document: Document, spec: Spec) -> tuple[Candidate, ...]:
    """The page as one candidate. Raises `UnreadableError` for what is no web page or gives no headline."""
    if not document.body.strip():
        raise UnreadableError("is empty")
    if document.body.startswith(b"%PDF"):
        raise UnreadableError("is a PDF, not a web page; look for the page that leads to it")
    try:
        return (_candidate(document, spec),)
    except (UnreadableError, MemoryError):
        raise
    except Exception:  # whatever another program's bytes do to a parser, it is one page's failure (F-11)
        raise UnreadableError("is not a web page that can be read") from None


def _candidate(document: Document, spec: Spec) -> Candidate:
    page = _open(document)
    article, event = page.linked(_ARTICLES), page.linked(("Event",))
    about = article or event
    title = headline(page.meta("og:title") or _string(about, "headline", "name") or page.meta("twitter:title"))
    title = title or headline(page.words("h1")) or headline(page.words("title"))
    if not title:
        raise UnreadableError("gives no headline; add the story by hand")
    summary = page.meta("og:description", "description", "twitter:description") or _string(about, "description")
    picture = page.meta("og:image:secure_url", "og:image", "twitter:image", "twitter:image:src") or _image(about)
    image = web_link(picture, document.url)
    written = (_string(article, "datePublished"), page.meta(*_DATES), page.time())
    days = (day(date, spec.zone, spec.today) for date in written if date)
    return Candidate(
        title=title,
        url=_canonical(page, document.url),
        source=_site(page, about, document.url),
        published=next((found for found in days if found), None),
        summary=extract(plain(summary or page.words("main p, article p"))),
        image=image,
        image_alt=line(plain(page.meta("og:image:alt", "twitter:image:alt"))) or None if image else None,
        event=_event(event, document.url, spec.zone),
    )


@dataclass(frozen=True, slots=True)
class _Page:
    tree: Any
    named: dict[str, str]
    """Contents of meta elements by property or name, in small letters; the first of each counts."""
    linked_data: tuple[dict[str, Any], ...]

    def meta(self, *names: str) -> str:
        return next((self.named[name] for name in names if self.named.get(name)), "")

    def words(self, selector: str) -> str:
        node = self.tree.css_first(selector)
        return (node.html or "") if node is not None else ""

    def time(self) -> str:
        node = self.tree.css_first("article time, main time, time")
        if node is None:
            return ""
        return node.attributes.get("datetime") or plain(node.html or "")

    def linked(self, kinds: tuple[str, ...]) -> dict[str, Any]:
        """The first JSON-LD object of one of these types; empty if there is none."""
        return next((thing for thing in self.linked_data if any(_is_a(thing, kind) for kind in kinds)), {})


def _open(document: Document) -> _Page:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(decoded(document.body, document.content_type))
    named: dict[str, str] = {}
    for node in tree.css("meta[content]"):
        name = (node.attributes.get("property") or node.attributes.get("name") or "").lower()
        named.setdefault(name, (node.attributes.get("content") or "").strip())
    scripts = [node.text() for node in tree.css('script[type="application/ld+json"]')]
    return _Page(tree, named, tuple(thing for script in scripts for thing in _things(script)))


def _things(script: str) -> Iterator[dict[str, Any]]:
    """The JSON-LD objects of a script, those of a graph included."""
    try:
        data = json.loads(script)
    except (ValueError, RecursionError):
        return
    for thing in data if isinstance(data, list) else [data]:
        if isinstance(thing, dict):
            yield thing
            graph = thing.get("@graph")
            yield from (inner for inner in (graph if isinstance(graph, list) else ()) if isinstance(inner, dict))


def _is_a(thing: dict[str, Any], kind: str) -> bool:
    types = thing.get("@type")
    return kind == types or (isinstance(types, list) and kind in types)


def _string(thing: dict[str, Any], *keys: str) -> str:
    return next((thing[key].strip() for key in keys if isinstance(thing.get(key), str)), "")


def _image(thing: dict[str, Any]) -> str:
    image = thing.get("image")
    if isinstance(image, list):
        image = next(iter(image), None)
    if isinstance(image, dict):
        return _string(image, "url")
    return image if isinstance(image, str) else ""


def _site(page: _Page, about: dict[str, Any], url: str) -> str:
    publisher = about.get("publisher")
    named = page.meta("og:site_name") or (_string(publisher, "name") if isinstance(publisher, dict) else "")
    return line(plain(named)) or (urlsplit(url).hostname or "").removeprefix("www.")


def _canonical(page: _Page, url: str) -> str:
    """The page's own name for itself, believed only on its own site."""
    node = page.tree.css_first('link[rel="canonical"][href]')
    own = web_link((node.attributes.get("href") or "") if node is not None else "", url)
    return own if own and _host(own) == _host(url) else url


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower().removeprefix("www.")


def _event(thing: dict[str, Any], url: str, zone: dt.tzinfo) -> Event | None:
    place = thing.get("location")
    if isinstance(place, list):
        place = next(iter(place), None)
    where = _string(place, "name") or _string(place, "@type") if isinstance(place, dict) else place
    where = "Online" if where == "VirtualLocation" else where
    return event_of(
        _string(thing, "startDate"),
        _string(thing, "endDate"),
        zone,
        place=line(plain(where)) or None if isinstance(where, str) else None,
        booking=web_link(_offer(thing), url),
    )


def _offer(thing: dict[str, Any]) -> str:
    offers = thing.get("offers")
    offer = next(iter(offers), None) if isinstance(offers, list) else offers
    return _string(offer, "url") if isinstance(offer, dict) else ""
