"""What programs ask a site for: the sitemap, rules for robots, headers and redirects for the host, and the 404 page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from itertools import chain
from typing import Final
from urllib.parse import urlsplit

from bulletin.archive import listings
from bulletin.archive.shelf import Part, Shelf, part

MOST_IN_A_SITEMAP: Final = 50_000
"""Addresses one file may hold (F-43)."""

POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every page: nothing but our own pictures and styles."""
SEARCH_POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""That of the search page, the only one with a program, which reads its index from the same place."""


def parts(shelf: Shelf) -> Iterator[Part]:
    """What is there for programs."""
    dated = list(sitemap_entries(shelf))
    yield part(shelf, "sitemap", dated, lambda: sitemaps(shelf.config.archive_url, dated))
    yield part(shelf, "missing", [], lambda: _missing(shelf))
    yield part(shelf, "robots", [], lambda: {"robots.txt": _robots(shelf)})
    yield part(shelf, "headers", [], lambda: {"_headers": _headers(shelf)})
    moved = [(name, card.issue) for card in shelf.own.cards for name in card.formerly]
    yield part(shelf, "redirects", moved, lambda: {"_redirects": _redirects(shelf, moved)})


def sitemap_entries(shelf: Shelf) -> Iterator[tuple[str, str]]:
    """Each page that search engines may list, with the day of its last change: that of the newest issue on it."""
    for tongue in shelf.tongues:
        listed = [card for card in tongue.shown if not card.unlisted]
        if not listed:
            continue
        newest = max(card.changed for card in listed)
        yield tongue.prefix, newest
        yield f"{tongue.prefix}years/", newest
        for card in listed:
            if card.has_page:
                yield f"{tongue.prefix}{card.issue}/", card.changed
        changed = {card.issue: card.changed for card in tongue.shown}
        for year in sorted({card.year for card in listed}, reverse=True):
            yield f"{tongue.prefix}years/{year}/", max(card.changed for card in listed if card.year == year)
        for kind, of in (("topics", listings.topics_of), ("sources", listings.sources_of)):
            for heading in of(tongue):
                yield f"{tongue.prefix}{kind}/{heading.id}/", max(changed[line.issue] for line in heading.lines)
    if not shelf.own.shown:
        yield "", ""


def sitemaps(root: str, entries: list[tuple[str, str]]) -> Mapping[str, bytes]:
    """The sitemap, in several files with one that names them where there are too many addresses for one."""
    pieces = [entries[start : start + MOST_IN_A_SITEMAP] for start in range(0, len(entries), MOST_IN_A_SITEMAP)]
    if len(pieces) == 1:
        return {"sitemap.xml": _xml("urlset", "url", [(root + path, day) for path, day in entries])}
    names = [f"sitemap-{number}.xml" for number in range(1, len(pieces) + 1)]
    found = {
        name: _xml("urlset", "url", [(root + path, day) for path, day in piece])
        for name, piece in zip(names, pieces, strict=True)
    }
    dated = [(root + name, max(day for _, day in piece)) for name, piece in zip(names, pieces, strict=True)]
    return {"sitemap.xml": _xml("sitemapindex", "sitemap", dated), **found}


def _xml(whole: str, one: str, entries: list[tuple[str, str]]) -> bytes:
    lines = (
        f"<{one}><loc>{escape(address)}</loc>" + (f"<lastmod>{day}</lastmod>" if day else "") + f"</{one}>"
        for address, day in entries
    )
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n<{whole} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    return "\n".join(chain([start], lines, [f"</{whole}>", ""])).encode()


def _missing(shelf: Shelf) -> Mapping[str, bytes]:
    """What a server shows for an address that is not there, at any depth, so its links start at the host."""
    root = urlsplit(shelf.config.archive_url).path
    return {"404.html": shelf.fill(shelf.own, "archive/404.html", here="404.html", home=root, root=root)}


def _robots(shelf: Shelf) -> bytes:
    return f"User-agent: *\nAllow: /\n\nSitemap: {shelf.config.archive_url}sitemap.xml\n".encode()


def _headers(shelf: Shelf) -> bytes:
    """Headers in the form that Netlify, Cloudflare Pages and others read; the manual has them for other servers."""
    root = urlsplit(shelf.config.archive_url).path
    searches = "".join(
        f"{root}{tongue.prefix}search/*\n  ! Content-Security-Policy\n  Content-Security-Policy: {SEARCH_POLICY}\n"
        for tongue in shelf.tongues
    )
    kinds = "".join(
        f"{root}{name}\n  Content-Type: {kind}; charset=utf-8\n"
        for name, kind in (
            ("*.xml", "application/xml"),
            ("*.json", "application/feed+json"),
            ("*.ics", "text/calendar"),
        )
    )
    everywhere = (
        f"{root}*\n  Content-Security-Policy: {POLICY}\n  X-Content-Type-Options: nosniff\n"
        "  Referrer-Policy: no-referrer\n  X-Frame-Options: DENY\n"
        "  Permissions-Policy: camera=(), geolocation=(), microphone=()\n"
        "  Strict-Transport-Security: max-age=31536000\n"
    )
    return (everywhere + searches + kinds).encode()


def _redirects(shelf: Shelf, moved: list[tuple[str, str]]) -> bytes:
    root = urlsplit(shelf.config.archive_url).path
    return "".join(
        f"{root}{tongue.prefix}{old}/ {root}{tongue.prefix}{new}/ 301\n"
        for tongue in shelf.tongues
        for old, new in moved
        if any(card.issue == new and card.has_page for card in tongue.cards)
    ).encode()
