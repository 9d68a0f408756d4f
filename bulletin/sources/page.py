"""One article page: what it says about itself, for `bulletin add URL`.

Pages describe themselves in JSON-LD, OpenGraph, Twitter cards, microdata and plain HTML, and not always the same way.
For each field all are asked; what several say counts for more than what one says, and else the one that is most often
right. Where a page says no day, one is guessed, and marked as such (F-28).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Sequence
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
_CHANGES: Final = ("article:modified_time", "og:updated_time", "dcterms.modified", "govuk:public-updated-at")
_GUESSED_SIZE: Final = 1_000_000
"""Letters of a page in which a day is looked for where it is not said; more would take too long."""

_Saying = tuple[str, str]
"""What a page says, and where it says it."""


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
    site = _site(page, about, document.url)
    title, from_title = _best(
        (
            (_string(about, "headline", "name"), "JSON-LD"),
            (page.meta("og:title"), "OpenGraph"),
            (page.meta("twitter:title"), "Twitter card"),
            (page.itemprop("headline"), "microdata"),
            (page.words("h1"), "main heading"),
            (page.words("title"), "page title"),
        ),
        lambda said: _without_site(headline(said), site),
    )
    if not title:
        raise UnreadableError("gives no headline; add the story by hand")
    summary, _ = _best(
        (
            (page.meta("og:description"), "OpenGraph"),
            (page.meta("description"), "description"),
            (page.meta("twitter:description"), "Twitter card"),
            (_string(about, "description"), "JSON-LD"),
            (page.itemprop("description"), "microdata"),
        ),
        plain,
    )
    picture = page.meta("og:image:secure_url", "og:image", "twitter:image", "twitter:image:src") or _image(about)
    image = web_link(picture or page.itemprop("image", "src"), document.url)
    published, from_day, dated = _day(page, article, document, spec)
    changed, _ = _first_day(
        ((_string(article, "dateModified"), ""), (page.meta(*_CHANGES), ""), (page.itemprop("dateModified"), "")), spec
    )
    return Candidate(
        title=title,
        url=_canonical(page, document.url),
        source=site,
        published=published,
        dated=dated,
        updated=changed if changed and published and changed > published else None,
        summary=extract(summary or plain(page.words("main p, article p"))),
        image=image,
        image_alt=line(plain(page.meta("og:image:alt", "twitter:image:alt"))) or None if image else None,
        event=_event(event, document.url, spec.zone),
        why=f"headline from {from_title}, " + (f"day from {from_day}" if published else "no day found"),
    )


def _best(sayings: Sequence[_Saying], cleaned: Callable[[str], str]) -> _Saying:
    """What most places of a page say, and where; of equals what the first says."""
    said = [(text, place) for text, place in ((cleaned(raw), place) for raw, place in sayings if raw) if text]
    votes: dict[str, list[str]] = {}
    for text, place in said:
        votes.setdefault(" ".join(re.findall(r"\w+", text.casefold())), []).append(place)
    winner = max(votes.values(), key=len, default=[])
    text = next((text for text, place in said if winner and place == winner[0]), "")
    return text, " and ".join(winner[:2])


def _without_site(title: str, site: str) -> str:
    """A page title less the site's name behind it: "Headline | Ofcom", "Headline - GOV.UK"."""
    parts = re.match(r"(.{12,}?)\s+[|–—-]\s+([^|–—]{2,60})\Z", title)
    if not parts:
        return title
    names = {re.sub(r"\W", "", name.casefold()) for name in (site, *site.split("."))}
    return parts[1] if re.sub(r"\W", "", parts[2].casefold()) in names or "|" in title else title


def _day(page: _Page, article: dict[str, Any], document: Document, spec: Spec) -> tuple[dt.date | None, str, str]:
    """The day of publication, where it stands, and a remark if it is not sure."""
    found, place = _first_day(
        (
            (_string(article, "datePublished"), "JSON-LD"),
            (page.meta(*_DATES), "OpenGraph or meta"),
            (page.itemprop("datePublished"), "microdata"),
            (page.time(), "time element"),
        ),
        spec,
    )
    if found:
        return found, place, ""
    guessed = _guessed_day(page.text, document.url, spec)
    return (
        (guessed, "a guess", "guessed from the page's address or words; look at the page")
        if guessed
        else (None, "", "")
    )


def _first_day(sayings: Sequence[_Saying], spec: Spec) -> tuple[dt.date | None, str]:
    for written, place in sayings:
        found = day(written, spec.zone, spec.today) if written else None
        if found:
            return found, place
    return None, ""


def _guessed_day(text: str, url: str, spec: Spec) -> dt.date | None:
    """A day that stands in the address or the words (htmldate, which guesses right nine times in ten)."""
    import logging

    from htmldate import find_date

    logging.getLogger("htmldate").setLevel(logging.CRITICAL)
    try:
        found = find_date(
            text[:_GUESSED_SIZE],
            url=url or None,
            original_date=True,
            extensive_search=False,
            max_date=spec.today.isoformat(),
        )
    except Exception:  # a guess that fails is no guess
        return None
    return day(found, spec.zone, spec.today) if found else None


@dataclass(frozen=True, slots=True)
class _Page:
    tree: Any
    text: str
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

    def itemprop(self, name: str, attribute: str = "") -> str:
        """What microdata says: an attribute made for programs, else the words."""
        node = self.tree.css_first(f'[itemprop~="{name}"]')
        if node is None:
            return ""
        for key in (attribute, "content", "datetime"):
            if key and node.attributes.get(key):
                return str(node.attributes[key])
        return "" if attribute else plain(node.html or "")

    def linked(self, kinds: tuple[str, ...]) -> dict[str, Any]:
        """The first JSON-LD object of one of these types; empty if there is none."""
        return next((thing for thing in self.linked_data if any(_is_a(thing, kind) for kind in kinds)), {})


def _open(document: Document) -> _Page:
    from selectolax.lexbor import LexborHTMLParser

    text = decoded(document.body, document.content_type)
    tree = LexborHTMLParser(text)
    named: dict[str, str] = {}
    for node in tree.css("meta[content]"):
        name = (node.attributes.get("property") or node.attributes.get("name") or "").lower()
        named.setdefault(name, (node.attributes.get("content") or "").strip())
    scripts = [node.text() for node in tree.css('script[type="application/ld+json"]')]
    return _Page(tree, text, named, tuple(thing for script in scripts for thing in _things(script)))


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
