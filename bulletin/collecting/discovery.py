"""What a site offers to collect from: `bulletin sources try` (F-30). Several findings are listed, none is chosen."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from bulletin.collecting._asking import document_of
from bulletin.errors import BulletinError
from bulletin.http import PAGES, Client, FetchError
from bulletin.model import Candidate
from bulletin.sources import Document, Spec, UnreadableError
from bulletin.sources._readers import Readers

_USUAL_PLACES: Final = ("feed/", "rss.xml", "feed.xml", "atom.xml")
"""Where feeds lie that no page names."""
_MOST: Final = 8
"""Things that are looked at on one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that could be a source: what it is, what it gives, or why it cannot be read."""

    kind: str
    url: str
    how: str
    """How it was found, to be said after its address."""
    selectors: Mapping[str, str] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    failure: str = ""
    encoding: str = ""
    """The encoding a feed turned out to have (F-21)."""

    def lines(self) -> str:
        """The lines that make it a source in `bulletin.toml`."""
        host = (urlsplit(self.url).hostname or "source").removeprefix("www.")
        name = re.sub(r"[^a-z0-9]+", "-", host.partition(".")[0].lower()).strip("-") or "source"
        written = ["[[sources]]", f'id = "{name}"', f"title = {_quoted(host)}"]
        written += [f'kind = "{self.kind}"'] if self.kind != "feed" else []
        written += [f"url = {_quoted(self.url)}"]
        if self.selectors:
            inside = ", ".join(f"{part} = {_quoted(selector)}" for part, selector in self.selectors.items())
            written += [f"selectors = {{ {inside} }}"]
        return "\n".join(written)


def discover(url: str, *, client: Client, zone: dt.tzinfo, today: dt.date) -> tuple[Finding, ...]:
    """Everything at an address that could be a source, what can be read first.

    Raises `BulletinError` if the address itself cannot be fetched, with what can be done instead.
    """
    try:
        document = document_of(client.get(url, accept=PAGES))
    except FetchError as error:
        refused = error.status in (401, 403)
        hint = (
            "Save its pages in your browser into a folder, and collect from there. See: bulletin help sources"
            if refused
            else "Open the address in a browser; if it shows there, try again later."
        )
        raise BulletinError(error.message, hint=hint) from None
    with Readers(workers=1) as readers:
        looking = _Looking(client, readers, zone, today)
        found = tuple(looking.at(document))
    return tuple(sorted(found, key=lambda finding: (bool(finding.failure), finding.kind == "listing")))


@dataclass(frozen=True, slots=True)
class _Looking:
    client: Client
    readers: Readers
    zone: dt.tzinfo
    today: dt.date

    def at(self, document: Document) -> Iterator[Finding]:
        """The address as a source itself, or what the page there leads to."""
        start = document.body[:4096].lstrip()
        if b"BEGIN:VCALENDAR" in start.upper():
            yield self._read("calendar", document, "the address itself")
            return
        itself = self._read(_feed_kind(document.url), document, "the address itself")
        if not itself.failure or not re.search(rb"<!doctype html|<html|<head|<body", start, re.IGNORECASE):
            yield itself
            return
        offered = list(self._offered(document))
        for kind, url, how in offered[:_MOST]:
            yield self._fetched(kind, url, how)
        selectors: dict[str, str] = self.readers.ask("listing", "guessed_selectors", document)
        if selectors:
            found = self._read("listing", document, "a list on the page; look whether all stories are right", selectors)
            if found.candidates:
                yield found

    def _offered(self, document: Document) -> Iterator[tuple[str, str, str]]:
        seen: set[str] = set()
        named = [
            (_feed_kind(url), url, "named by the page") for url in self.readers.ask("feed", "named_feeds", document)
        ]
        linked = [
            (kind if kind == "calendar" else _feed_kind(url), url, "linked on the page")
            for kind, url in self.readers.ask("listing", "linked_sources", document)
        ]
        for kind, url, how in (*named, *linked):
            if url not in seen:
                seen.add(url)
                yield kind, url, how
        if not any(kind != "calendar" for kind, _, _ in (*named, *linked)):
            yield from self._usual_places(document.url)

    def _usual_places(self, page: str) -> Iterator[tuple[str, str, str]]:
        """Feeds that no page names, where there really are some."""
        places = [urljoin(page, "/" + place) for place in _USUAL_PLACES]
        if re.search(r"\.gov\.uk/(government|search)/", page):
            places.insert(0, page.partition("?")[0].rstrip("/") + ".atom")
        for url in places:
            if not self._fetched("feed", url, "").failure:
                yield _feed_kind(url), url, "found at the usual place"
                return

    def _fetched(self, kind: str, url: str, how: str) -> Finding:
        try:
            document = document_of(self.client.get(url))
        except FetchError as error:
            return Finding(kind=kind, url=url, how=how, failure=error.reason)
        return self._read(kind, document, how)

    def _read(self, kind: str, document: Document, how: str, selectors: Mapping[str, str] | None = None) -> Finding:
        spec = Spec(url=document.url, title="", zone=self.zone, today=self.today, selectors=selectors or {})
        try:
            read = self.readers.read(kind, document, spec).candidates
            encoding = self.readers.ask("feed", "encoding_of", document) if kind in ("feed", "govuk") else ""
        except UnreadableError as error:
            return Finding(kind=kind, url=document.url, how=how, failure=error.message)
        return Finding(
            kind=kind, url=document.url, how=how, selectors=selectors or {}, candidates=read, encoding=encoding
        )


def _feed_kind(url: str) -> str:
    return "govuk" if (urlsplit(url).hostname or "") == "www.gov.uk" else "feed"


def _quoted(text: str) -> str:
    """A TOML string: JSON writes strings the same way."""
    return json.dumps(text, ensure_ascii=False)
