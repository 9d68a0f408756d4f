"""The ways in: first page, years, topics, sources, events and the index from A to Z. Made from cards alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Generic, TypeVar

from bulletin.archive.catalogue import Line, slug, sorting
from bulletin.archive.shelf import Part, Shelf, Tongue, part

T = TypeVar("T")

ON_A_PAGE: Final = 100
"""Entries of a long list on one page, so that none grows heavy."""
NEWEST: Final = 30
"""Entries on the first page of a topic or a source, before its years."""
RECENT: Final = 6
"""Earlier issues on the first page."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A topic or a source with its stories, the newest issue first."""

    id: str
    title: str
    lines: tuple[Line, ...]

    @property
    def years(self) -> tuple[str, ...]:
        """Its years, the newest first."""
        return tuple(year for year, _ in groupby(self.lines, key=lambda line: line.year))


def parts(shelf: Shelf, tongue: Tongue) -> Iterator[Part]:
    """All lists of one language."""
    topics, sources = tuple(topics_of(tongue)), tuple(sources_of(tongue))
    yield _home(shelf, tongue)
    yield from _years(shelf, tongue)
    for kind, headings in (("topics", topics), ("sources", sources)):
        counted = [(one.id, one.title, len(one.lines)) for one in headings]
        yield part(
            shelf,
            f"list {tongue.prefix}{kind}",
            counted,
            _page_maker(shelf, tongue, f"{kind}/index.html", "archive/headings.html", kind=kind, headings=counted),
        )
        for heading in headings:
            yield from _heading(shelf, tongue, kind, heading)
    yield from _events(shelf, tongue)
    yield from _a_to_z(shelf, tongue, topics, sources)


def topics_of(tongue: Tongue) -> Iterator[Heading]:
    """The topics that have stories, in the operator's order; those no longer in the settings come last."""
    by_topic: dict[str, list[Line]] = {topic.id: [] for topic in tongue.config.topics}
    for line in tongue.lines:
        for topic in line.topics:
            by_topic.setdefault(topic, []).append(line)
    for topic, lines in by_topic.items():
        if lines:
            yield Heading(topic, tongue.config.topic_title(topic), tuple(lines))


def sources_of(tongue: Tongue) -> Iterator[Heading]:
    """The sources of all stories, from A to Z. Names that differ in capitals or signs only are one source."""
    by_source: dict[str, list[Line]] = {}
    for line in tongue.lines:
        if line.source:
            by_source.setdefault(slug(line.source), []).append(line)
    for name, lines in sorted(by_source.items(), key=lambda one: sorting(one[1][0].source)):
        yield Heading(name, lines[0].source, tuple(lines))


def _page_maker(
    shelf: Shelf, tongue: Tongue, path: str, template: str, **values: Any
) -> Callable[[], Mapping[str, bytes]]:
    return lambda: shelf.page(tongue, path, template, **values)


# ---------------------------------------------------------------- first page and years


def _home(shelf: Shelf, tongue: Tongue) -> Part:
    newest, recent = (tongue.shown[:1] or (None,))[0], tongue.shown[1 : 1 + RECENT]
    values = [newest and shelf.prints[newest.issue], [card.key for card in recent], len(tongue.shown)]

    def make() -> Mapping[str, bytes]:
        edition = shelf.editions(newest.issue, tongue.language) if newest else None
        return shelf.page(tongue, "index.html", "archive/index.html", newest=newest, edition=edition, recent=recent)

    return part(shelf, f"page {tongue.prefix}index.html", [*values, newest and newest.key], make)


def _years(shelf: Shelf, tongue: Tongue) -> Iterator[Part]:
    by_year = {year: tuple(group) for year, group in groupby(tongue.shown, key=lambda card: card.year)}
    counted = [(year, len(cards)) for year, cards in by_year.items()]
    path = "years/index.html"
    make = _page_maker(shelf, tongue, path, "archive/years.html", years=counted)
    yield part(shelf, f"page {tongue.prefix}{path}", counted, make)
    years = tuple(by_year)
    for place, (year, cards) in enumerate(by_year.items()):
        near = (years[place - 1] if place else "", years[place + 1] if place + 1 < len(years) else "")
        for page in paged(f"years/{year}", cards):
            yield part(
                shelf,
                f"page {tongue.prefix}{page.path}",
                [near, page.of, [card.key for card in page.entries]],
                _page_maker(
                    shelf, tongue, page.path, "archive/year.html", year=year, page=page, newer=near[0], older=near[1]
                ),
            )


# ---------------------------------------------------------------- topics and sources


def _heading(shelf: Shelf, tongue: Tongue, kind: str, heading: Heading) -> Iterator[Part]:
    base, years = f"{kind}/{heading.id}", heading.years
    newest = heading.lines[:NEWEST]
    has_feed = kind == "topics"
    path = f"{base}/index.html"
    yield part(
        shelf,
        f"page {tongue.prefix}{path}",
        [heading.title, years, len(heading.lines), [line.key for line in newest]],
        _page_maker(
            shelf,
            tongue,
            path,
            "archive/heading.html",
            kind=kind,
            heading=heading,
            year="",
            years=years,
            page=Page(path, 1, 1, newest),
            has_feed=has_feed,
        ),
    )
    if len(newest) == len(heading.lines):
        return  # all of it is there already
    for year, group in groupby(heading.lines, key=lambda line: line.year):
        for page in paged(f"{base}/{year}", tuple(group)):
            yield part(
                shelf,
                f"page {tongue.prefix}{page.path}",
                [heading.title, years, page.of, [line.key for line in page.entries]],
                _page_maker(
                    shelf,
                    tongue,
                    page.path,
                    "archive/heading.html",
                    kind=kind,
                    heading=heading,
                    year=year,
                    years=years,
                    page=page,
                    has_feed=has_feed,
                ),
            )


def _events(shelf: Shelf, tongue: Tongue) -> Iterator[Part]:
    """Every event that was announced, the latest first. A build knows no day, so it cannot say which are over."""
    events = sorted(
        (line for line in tongue.lines if line.event), key=lambda line: (line.event or ("",))[0], reverse=True
    )
    for page in paged("events", events) if events else ():
        yield part(
            shelf,
            f"page {tongue.prefix}{page.path}",
            [page.of, [line.key for line in page.entries]],
            _page_maker(shelf, tongue, page.path, "archive/events.html", page=page),
        )


# ---------------------------------------------------------------- A to Z


@dataclass(frozen=True, slots=True)
class Entry:
    """Something the index leads to."""

    title: str
    path: str
    """Seen from the folder of its language, or from the archive's first page if it has no page there."""
    about: str
    """What it is: the day of a story; empty for a topic or a source."""
    language: str
    own: bool
    """Whether it has a page in this language."""
    place: str
    """What its title is sorted by."""

    @property
    def day(self) -> dt.date:
        """The day of a story's issue."""
        return dt.date.fromisoformat(self.about)


def _a_to_z(shelf: Shelf, tongue: Tongue, topics: Iterable[Heading], sources: Iterable[Heading]) -> Iterator[Part]:
    entries = [
        *(Entry(one.title, f"topics/{one.id}/index.html", "", "", True, sorting(one.title)) for one in topics),
        *(Entry(one.title, f"sources/{one.id}/index.html", "", "", True, sorting(one.title)) for one in sources),
        *(
            Entry(line.title, f"{line.issue}/index.html#{line.id}", line.date, line.language, line.has_page, line.place)
            for line in tongue.lines
        ),
    ]
    keyed = sorted((entry.place, entry.about, entry.path, entry) for entry in entries)
    letters = {
        letter: [one[-1] for one in group] for letter, group in groupby(keyed, key=lambda one: letter_of(one[0]))
    }
    counted = [(letter, len(group)) for letter, group in letters.items()]
    path = "a-to-z/index.html"
    headed = [
        [(one.id, one.title, len(one.lines)) for one in headings]
        for headings in (sorted(topics, key=lambda one: sorting(one.title)), sources)
    ]
    yield part(
        shelf,
        f"page {tongue.prefix}{path}",
        [counted, headed],
        _page_maker(shelf, tongue, path, "archive/a-to-z.html", letters=counted, topics=headed[0], sources=headed[1]),
    )
    for letter, group in letters.items():
        for page in paged(f"a-to-z/{letter}", group):
            yield part(
                shelf,
                f"page {tongue.prefix}{page.path}",
                [
                    page.of,
                    [name for name, _ in counted],
                    [[e.title, e.path, e.about, e.language, e.own] for e in page.entries],
                ],
                _page_maker(
                    shelf,
                    tongue,
                    page.path,
                    "archive/letter.html",
                    letter=letter,
                    letters=counted,
                    page=page,
                    same_everywhere=False,
                ),
            )


def letter_of(sorted_by: str) -> str:
    """The letter of the index it stands under: a to z, or 0-9 for everything else."""
    first = sorted_by[:1]
    return first if first and "a" <= first <= "z" else "0-9"


# ---------------------------------------------------------------- pages of long lists


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list."""

    path: str
    number: int
    of: int
    entries: Sequence[T]

    @property
    def up(self) -> str:
        """The way from this page to the list's first one."""
        return "" if self.number == 1 else "../"

    def to(self, number: int) -> str:
        """The way from this page to another one."""
        return self.up + ("index.html" if number == 1 else f"{number}/index.html")


def paged(base: str, entries: Sequence[T]) -> Iterator[Page[T]]:
    """A long list in pages: the first at `base`, the others in numbered folders beside it."""
    of = max(1, -(-len(entries) // ON_A_PAGE))
    for number in range(1, of + 1):
        path = f"{base}/index.html" if number == 1 else f"{base}/{number}/index.html"
        yield Page(path, number, of, entries[(number - 1) * ON_A_PAGE : number * ON_A_PAGE])
