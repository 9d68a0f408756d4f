"""List pages: a web page that lists news or events without a feed, read by CSS selectors.

The selectors are `entry`, `link`, `title`, `date`, `summary`, and `next` for the page after it; for events also
`starts`, `ends` and `place`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from bulletin.http import PAGES
from bulletin.model import Candidate, Event
from bulletin.sources._dates import day, event_of
from bulletin.sources._source import Document, Request, Spec, UnreadableError
from bulletin.sources._text import decoded, extract, headline, line, plain, web_link

USUAL_SELECTORS: Final[Mapping[str, str]] = {"entry": "article", "link": "a[href]", "date": "time"}
"""Used where the settings name none. Without `title` the words of the link are the headline."""
baseline: Final = True
"""What has no date and stands on the page when it is first read is no news."""


def request(spec: Spec) -> Request:
    """The page is made for people, so robots.txt is asked first (F-09)."""
    return Request(url=spec.url, accept=PAGES, robots=True)


def read(document: Document, spec: Spec) -> tuple[Candidate, ...]:
    """The page's stories, in its order. Raises `UnreadableError` if the selectors find none."""
    if not document.body.strip():
        raise UnreadableError("is empty")
    try:
        return tuple(_candidates(document, spec))
    except (UnreadableError, MemoryError):
        raise
    except Exception:  # whatever another program's bytes do to a parser, it is one source's failure (F-11)
        raise UnreadableError("is not a web page that can be read") from None


def more(document: Document, spec: Spec) -> Request | None:
    """The page that the selector `next` leads to, on the same site."""
    from selectolax.lexbor import LexborHTMLParser

    if "next" not in spec.selectors:
        return None
    tree = LexborHTMLParser(decoded(document.body, document.content_type))
    link = web_link(_attribute(_first(tree, spec.selectors, "next"), "href"), document.url)
    same_site = link and urlsplit(link).netloc == urlsplit(document.url).netloc
    return Request(url=link, accept=PAGES, robots=True) if link and same_site and link != document.url else None


def remarks(document: Document, spec: Spec) -> tuple[str, ...]:
    """Selectors of the settings that find nothing in any story: the page has changed, or they have a slip."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(decoded(document.body, document.content_type))
    entries = _select(tree, {**USUAL_SELECTORS, **spec.selectors}, "entry")
    return tuple(
        f'finds no {part} with the selector "{selector}"; the page may have changed'
        for part, selector in spec.selectors.items()
        if part not in ("entry", "next") and all(_first(entry, spec.selectors, part) is None for entry in entries)
    )


def _candidates(document: Document, spec: Spec) -> Iterator[Candidate]:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(decoded(document.body, document.content_type))
    base_tag = tree.css_first("base[href]")
    base = web_link(_attribute(base_tag, "href"), document.url) or document.url
    selectors = {**USUAL_SELECTORS, **spec.selectors}
    entries = _select(tree, selectors, "entry")
    if not entries:
        raise UnreadableError(f'holds nothing that fits the selector "{selectors["entry"]}"; the page may have changed')
    found = 0
    seen: set[str] = set()
    for entry in entries:
        link = entry if entry.tag == "a" else _first(entry, selectors, "link")
        url = web_link(_attribute(link, "href"), base)
        title = headline(_words(_first(entry, selectors, "title") or link))
        if not url or not title or url in seen:
            continue
        seen.add(url)
        yield Candidate(
            title=title,
            url=url,
            source=spec.title,
            published=day(_date(_first(entry, selectors, "date")), spec.zone, spec.today),
            summary=extract(plain(_words(_first(entry, selectors, "summary")))),
            event=_event(entry, selectors, spec.zone),
        )
        found += 1
        if found >= spec.limit:
            return
    if not found:
        raise UnreadableError("lists no story with a link and a headline; its selectors may need a look")


def _event(entry: Any, selectors: Mapping[str, str], zone: dt.tzinfo) -> Event | None:
    place = line(plain(_words(_first(entry, selectors, "place")))) or None
    starts, ends = (_date(_first(entry, selectors, part)) for part in ("starts", "ends"))
    return event_of(starts, ends, zone, place=place)


def _select(node: Any, selectors: Mapping[str, str], part: str) -> list[Any]:
    try:
        return list(node.css(selectors[part]))
    except Exception:  # selectolax raises several kinds for a selector it cannot read
        raise UnreadableError(f'has a selector for {part} that cannot be read: "{selectors[part]}"') from None


def _first(node: Any, selectors: Mapping[str, str], part: str) -> Any:
    return next(iter(_select(node, selectors, part)), None) if part in selectors else None


def _words(node: Any) -> str:
    return node.html or "" if node is not None else ""


def _date(node: Any) -> str:
    return _attribute(node, "datetime") or plain(_words(node))


def _attribute(node: Any, name: str) -> str:
    return (node.attributes.get(name) or "") if node is not None else ""


# ---------------------------------------------------------------- how a page that nobody described is made

_FEWEST: Final = 2
_HEADLINE_LETTERS: Final = 20
_MOST_LINKS: Final = 2_000
_A_FEED: Final = re.compile(
    r"(?:/feed/?|/rss/?|\.rss|\.atom|/atom/?|(?:rss|atom|feed)\.xml|format=feed.*)\Z", re.IGNORECASE
)
_DATED: Final = re.compile(
    r"\b\d{1,2}(?:st|nd|rd|th)? +(?:of +)?[A-Z][a-z]{2,8}\.?,? +\d{4}\b|\b\d{1,2}[/.]\d{1,2}[/.]\d{4}\b"
)


def linked_sources(document: Document) -> tuple[tuple[str, str], ...]:
    """Kind and address of feeds and calendars that the page links to like any other page."""
    from selectolax.lexbor import LexborHTMLParser

    found: dict[str, str] = {}
    for node in LexborHTMLParser(decoded(document.body, document.content_type)).css("a[href]")[:_MOST_LINKS]:
        href = (node.attributes.get("href") or "").strip()
        link = web_link(re.sub(r"\Awebcals?://", "https://", href), document.url)
        if link and (href.startswith("webcal") or urlsplit(link).path.lower().endswith(".ics")):
            found.setdefault(link, "calendar")
        elif link and _A_FEED.search(link):
            found.setdefault(link, "feed")
    return tuple((kind, link) for link, kind in found.items())


def guessed_selectors(document: Document) -> dict[str, str]:
    """Selectors that fit the longest list of headlines on the page, dated ones first; empty if there is none."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(decoded(document.body, document.content_type))
    lists: dict[tuple[str, str], list[Any]] = {}
    for link in tree.css("a[href]")[:_MOST_LINKS]:
        if len(plain(_words(link))) >= _HEADLINE_LETTERS:
            entry = _entry_around(link)
            if entry is not None:
                lists.setdefault((_selector(entry), _selector(link)), []).append((entry, link))
    best: tuple[tuple[bool, int], dict[str, str]] = ((False, 0), {})
    for (entry_selector, link_selector), pairs in lists.items():
        if len(pairs) < _FEWEST:
            continue
        entry = pairs[0][0]
        selectors = {"entry": entry_selector, "link": link_selector}
        date = _date_selector(entry)
        selectors |= {"date": date} if date else {}
        summary = next((node for node in entry.css("p") if len(plain(_words(node))) > 40), None)
        selectors |= {"summary": _selector(summary)} if summary is not None else {}
        score = (bool(date), len(pairs))
        if score > best[0]:
            best = (score, selectors)
    return best[1]


def _entry_around(link: Any) -> Any:
    """The nearest thing around a link that has siblings made like it."""
    node = link
    for _ in range(6):
        parent = node.parent
        if parent is None or parent.tag in ("-undef", "html", "nav", "footer", "header"):
            return None
        alike = sum(1 for child in parent.iter() if _selector(child) == _selector(node))
        if alike >= _FEWEST:
            return node if node is not link else None
        node = parent
    return None


def _selector(node: Any) -> str:
    classes = re.findall(r"(?<!\S)[A-Za-z_][\w-]*(?!\S)", node.attributes.get("class") or "")
    return f"{node.tag}.{classes[0]}" if classes else str(node.tag)


def _date_selector(entry: Any) -> str:
    if entry.css_first("time") is not None:
        return "time"
    for node in entry.css("*"):
        text = plain(_words(node))
        if len(text) <= 40 and _DATED.search(text) and not node.css("a") and node.tag != "a":
            return _selector(node)
    return ""
