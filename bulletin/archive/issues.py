"""The pages of issues, and the files beside them: pictures, calendar files, the picture for links, the document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bulletin.archive import calendars, pages, pdf, share
from bulletin.archive.catalogue import Card
from bulletin.archive.pictures import published
from bulletin.archive.shelf import Part, Shelf, Tongue, part
from bulletin.editions import calendar_name, issue_url
from bulletin.errors import BulletinError
from bulletin.model import Edition

if TYPE_CHECKING:
    from markupsafe import Markup

LARGEST_DOCUMENT = 50_000_000
"""Bytes of a finished document that is published as it is."""


def parts(shelf: Shelf) -> Iterator[Part]:
    """Each issue's pages and files, under its name and, as mails that were sent show them, under earlier names."""
    for number, card in enumerate(shelf.own.cards):
        yield _files(shelf, card)
        for tongue in shelf.tongues:
            if in_tongue := _in(tongue, card, number):
                yield _page(shelf, tongue, in_tongue)
                yield from _moved(shelf, tongue, in_tongue)


def _in(tongue: Tongue, card: Card, number: int) -> Card | None:
    """The card in another language, if the issue has a page there. All languages have the same issues in one order."""
    other = tongue.cards[number]
    return other if other.issue == card.issue and other.has_page else None


# ---------------------------------------------------------------- the page


def _page(shelf: Shelf, tongue: Tongue, card: Card) -> Part:
    path = f"{card.issue}/index.html"
    if card.withdrawn:
        return part(
            shelf,
            f"page {tongue.prefix}{path}",
            card.key,
            lambda: shelf.page(tongue, path, "archive/withdrawn.html", card=card),
        )
    newer, older = _neighbours(tongue, card)
    others = [other for other in shelf.tongues if other is not tongue and _has(other, card.issue)]
    near = [[one.issue, one.title, one.has_page] if one else None for one in (newer, older)]
    values = [shelf.prints[card.issue], near, [other.language for other in others]]

    def make() -> Mapping[str, bytes]:
        edition = shelf.editions(card.issue, tongue.language)
        made = shelf.page(
            tongue,
            path,
            "archive/issue.html",
            card=card,
            pdf=shelf.has_pdf(card),
            edition=edition,
            newer=newer,
            older=older,
            others=others,
            former_ids=card.former_ids,
            calendar_name=calendar_name,
            topic_ids={line.id: line.topics for line in card.lines},
            data=linked_data(shelf, tongue, card, edition),
        )
        if shelf.has_pdf(card):
            made = {**made, f"{tongue.prefix}{card.issue}/{pdf.NAME}": _pdf(shelf, card, *next(iter(made.items())))}
        return made

    return part(shelf, f"page {tongue.prefix}{path}", values, make)


def _pdf(shelf: Shelf, card: Card, path: str, page: bytes) -> bytes:
    def read(name: str) -> bytes:
        if name == "style.css":
            return pages.stylesheet(shelf.template_dirs, shelf.config)
        if name == shelf.logo_name and shelf.logo:
            return shelf.logo
        issue, _, file = name.partition("/")
        if issue != card.issue:
            raise ValueError("only an issue's own pictures are in its PDF")
        return published(shelf.read(issue, file), f"issues/{name}")

    return pdf.of(page, path, read)


def _neighbours(tongue: Tongue, card: Card) -> tuple[Card | None, Card | None]:
    """The next issue and the one before, of those that are shown."""
    here = tongue.places[card.issue]
    newer = tongue.shown[here - 1] if here else None
    older = tongue.shown[here + 1] if here + 1 < len(tongue.shown) else None
    return newer, older


def _has(tongue: Tongue, issue: str) -> bool:
    place = tongue.places.get(issue)
    return place is not None and tongue.shown[place].has_page


def linked_data(shelf: Shelf, tongue: Tongue, card: Card, edition: Edition) -> Markup:
    """What search engines read: a schema.org `NewsArticle` of nothing that is not on the page (F-42)."""
    config = tongue.config
    url = f"{config.archive_url}{tongue.prefix}{card.issue}/"
    publisher: dict[str, Any] = {"@type": "Organization", "name": config.organisation.name}
    if config.organisation.website:
        publisher["url"] = config.organisation.website
    return as_script(
        {
            "@context": "https://schema.org",
            "@type": "NewsArticle",
            "headline": edition.title,
            "datePublished": card.date,
            "dateModified": card.changed,
            "inLanguage": tongue.language,
            "mainEntityOfPage": url,
            "image": f"{issue_url(shelf.config, card.issue)}{share.NAME}",
            "author": publisher,
            "publisher": publisher,
        }
    )


def as_script(value: object) -> Markup:
    """JSON that can stand inside a script element: no sign in it ends the element or starts another."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - what could be markup was just written in another way


# ---------------------------------------------------------------- what lies beside it


def _files(shelf: Shelf, card: Card) -> Part:
    def make() -> Mapping[str, bytes]:
        found = dict(_beside(shelf, card)) if not card.withdrawn else {}
        return {f"{name}/{file}": data for name in (card.issue, *card.formerly) for file, data in found.items()}

    return part(shelf, f"files {card.issue}", [shelf.prints[card.issue], card.key], make)


def _beside(shelf: Shelf, card: Card) -> Iterator[tuple[str, bytes]]:
    config = shelf.config
    edition = shelf.editions(card.issue, config.language)
    for item in edition.items:
        if item.picture:
            name = item.picture.file
            yield name, published(shelf.read(card.issue, name), f"issues/{card.issue}/{name}")
        if item.event and item.event.calendar_url:
            line = next(line for line in card.lines if line.id == item.id)
            yield calendar_name(item.id), calendars.calendar([line], config, {card.issue: card.name})
    if edition.logo and shelf.logo:
        yield edition.logo.file, shelf.logo
    yield share.NAME, share.picture(edition.title, config.organisation.name, config.brand)
    if card.document:
        yield card.document, _document(shelf.read(card.issue, card.document), f"issues/{card.issue}/{card.document}")


def _document(data: bytes, name: str) -> bytes:
    if len(data) > LARGEST_DOCUMENT:
        raise BulletinError(f"{name} is larger than 50 MB.", hint="Save a smaller copy.")
    if not data.startswith(b"%PDF-"):
        raise BulletinError(f"{name} is not a PDF file, whatever its name says.", hint="Save it again as PDF.")
    return data


def _moved(shelf: Shelf, tongue: Tongue, card: Card) -> Iterator[Part]:
    """A page under each earlier name that leads to the issue, for ever and on any host."""
    for name in card.formerly:
        path = f"{name}/index.html"
        to = f"../{card.issue}/index.html"

        def make(path: str = path, to: str = to) -> Mapping[str, bytes]:
            return shelf.page(tongue, path, "archive/moved.html", to=to, card=card)

        yield part(shelf, f"page {tongue.prefix}{path}", [card.key, to], make)
