"""What the archive's pages are made from, and what they are made into: parts with keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bulletin.archive import catalogue, pages
from bulletin.archive.catalogue import Card, Line
from bulletin.config import Config
from bulletin.editions import logo_name
from bulletin.model import Edition
from bulletin.words import Words, primary


@dataclass(frozen=True, slots=True)
class Part:
    """Files that are made together, and the digest of all they are made from."""

    name: str
    key: str
    make: Callable[[], Mapping[str, bytes]]


@dataclass(frozen=True, slots=True)
class Tongue:
    """The archive in one language."""

    language: str
    prefix: str
    """The folder it lies in, with a slash; empty for the publication's own."""
    config: Config
    """The settings in this language."""
    words: Words
    cards: tuple[Card, ...]
    """Every public issue, the newest first."""
    shown: tuple[Card, ...]
    """Those that have not been withdrawn."""
    lines: tuple[Line, ...]
    """Every story in them, the newest issue first."""
    places: Mapping[str, int]
    """Where each issue stands in `shown`."""
    names: Mapping[str, str]
    """For each issue the first name it ever had, which everything that must never change goes by."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that a site is made from."""

    config: Config
    tongues: tuple[Tongue, ...]
    """The publication's own language first."""
    template_dirs: tuple[Path, ...]
    prints: Mapping[str, str]
    """For each issue, a digest of everything it consists of."""
    standing: str
    """A digest of everything that is not an issue."""
    editions: Callable[[str, str], Edition]
    """The edition that everyone reads, by issue and language. Asked only for what is made anew."""
    read: Callable[[str, str], bytes]
    """The content of a file of an issue."""
    any_events: bool
    search: bool = False
    """Whether the archive has a search page."""
    settings: str = ""
    """The same, with the menu, which tells what kinds of page there are."""
    logo: bytes | None = None
    logo_size: tuple[int, int] = (0, 0)
    """Width and height in pixels at which it is shown."""

    @property
    def own(self) -> Tongue:
        """The publication's own language."""
        return self.tongues[0]

    @property
    def logo_name(self) -> str:
        """File name of the masthead's picture; empty if there is none."""
        return logo_name(self.config.brand.logo) if self.logo and self.config.brand.logo else ""

    def statement(self, tongue: Tongue) -> str:
        """The accessibility statement in a language, as Markdown; empty if the publication has none."""
        name = "accessibility.md" if tongue is self.own else f"accessibility.{primary(tongue.language)}.md"
        paths = (folder / "archive" / name for folder in self.template_dirs)
        return next((path.read_text(encoding="utf-8") for path in paths if path.is_file()), "")

    def has_pdf(self, card: Card) -> bool:
        """Whether an issue's pages are PDFs too: where the settings say so, and it is not a document already."""
        return self.config.archive.pdf and not card.document

    def ways(self, tongue: Tongue) -> tuple[tuple[str, str], ...]:
        """The menu: where each entry leads, seen from the folder of the language, and the phrase it says."""
        found = (
            ("years/index.html", "archive_all_issues", True),
            ("topics/index.html", "archive_topics", any(line.topics for line in tongue.lines)),
            ("sources/index.html", "archive_sources", any(line.source for line in tongue.lines)),
            ("events/index.html", "archive_events", self.any_events),
            ("a-to-z/index.html", "archive_a_to_z", True),
            ("search/index.html", "archive_search", self.search),
        )
        return tuple((path, phrase) for path, phrase, there in found if there)

    def page(self, tongue: Tongue, path: str, template: str, **values: Any) -> Mapping[str, bytes]:
        """A page at `path`, seen from the folder of its language, as a file.

        Templates get `root` and `home`, which lead from it to the archive's first page and to that of its language, so
        that pages also open from a disk.
        """
        up = "../" * path.count("/")
        there = {"here": path, "home": up, "root": up + ("../" if tongue.prefix else ""), **values}
        return {tongue.prefix + path: self.fill(tongue, template, **there)}

    def fill(self, tongue: Tongue, template: str, **values: Any) -> bytes:
        """A template filled with what all have: the language, its words, and how to get about."""
        whole = {
            "tongue": tongue,
            "tongues": self.tongues,
            "words": tongue.words,
            "address": self.config.archive_url + tongue.prefix,
            "logo": self.logo_name,
            "logo_size": self.logo_size,
            "any_events": self.any_events,
            "ways": self.ways(tongue),
            "sign_up": f"{self.config.service_url}sign-up" if self.config.web.service_url else "",
            "accessibility": bool(self.statement(tongue)),
            "same_everywhere": True,
            "quote": quote,
            "slug": catalogue.slug,
            **values,
        }
        return pages.page(self.template_dirs, template, tongue.config, **whole)


def part(shelf: Shelf, name: str, values: object, make: Callable[[], Mapping[str, bytes]]) -> Part:
    """A part made from these values and what all pages are made from."""
    return Part(name, catalogue.digest([shelf.settings, name, values]), make)
