"""What a kind of source is: pure functions before the fetch and after it.

Fetching, remembering and politeness are shared and happen outside, in `collecting`. `read` runs in a child process that
is ended when it takes too long, because the bytes are other people's; so a document and what comes out of it are plain
values, and this module imports nothing heavy.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bulletin.errors import BulletinError
from bulletin.model import Candidate

if TYPE_CHECKING:
    from bulletin.config import SourceSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a kind needs to know about one source."""

    url: str
    title: str
    zone: dt.tzinfo
    """The publication's time zone, in which days are told."""
    today: dt.date
    events_from: dt.date | None = None
    """The day from which events are looked for; without it, today."""
    limit: int = 30
    """Newest stories looked at."""
    selectors: Mapping[str, str] = field(default_factory=dict)
    """CSS selectors, for kinds that read web pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask for."""

    url: str
    accept: str
    robots: bool = False
    """Whether the site's robots.txt is asked first: yes for web pages, no for feeds, made for programs (F-09)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Files to look for instead: those of these endings in a folder of the publication."""

    name: str
    endings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What came back."""

    url: str
    """The address that answered, after redirects; of a file, its name."""
    body: bytes = field(repr=False)
    content_type: str = ""


class UnreadableError(BulletinError):
    """A document is not what its source should give. The message reads after the source's name, without a full stop."""


class SourceKind(Protocol):
    """A module in `bulletin/sources/`, or one that another package registers under `bulletin.sources`.

    A kind may offer more: `baseline = True` if what has no date and stands there at the first reading is old news;
    `daily = True` if the same document says something else on another day;
    `more(document, spec) -> Request | None`, the next page of the same; `rests(document) -> Rests`, how often it
    wants to be asked; `remarks(document, spec) -> tuple[str, ...]`, what a person should know beside the stories, to be
    said after the source's name; `detail(candidate, spec) -> Request | None` with
    `with_detail(candidate, document, spec) -> Candidate`, for what another document knows better.
    """

    def request(self, spec: Spec) -> Request | Folder:
        """What to ask for first."""

    def read(self, document: Document, spec: Spec) -> tuple[Candidate, ...]:
        """The stories in a document, at most `spec.limit`. Raises only `UnreadableError`, whatever the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rests:
    """When a source does not want to be asked (F-08)."""

    seconds: float = 0.0
    """How long after an answer."""
    hours: frozenset[int] = frozenset()
    """Hours of the day, in UTC."""
    weekdays: frozenset[int] = frozenset()
    """Days of the week, Monday being 0, in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a child read in a document."""

    candidates: tuple[Candidate, ...]
    more: Request | None = None
    remarks: tuple[str, ...] = ()
    rests: Rests = field(default_factory=Rests)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What came of asking one source: candidates, and the reason if it could not be read."""

    source: SourceSetting
    candidates: tuple[Candidate, ...] = ()
    """What it offers now or offered before, and is remembered."""
    failure: str | None = None
    """Why it could not be read, to be said after the source's name and before a full stop."""
    not_modified: bool = False
    """The source said that nothing changed; the candidates are those of the last time (F-03)."""
    rested: str = ""
    """Why it was not asked this time, in words; empty if it was asked."""
    notes: tuple[str, ...] = ()
    """What a person should know beside that: it moved, it is suspiciously empty, a file in it cannot be read."""
    held_back: tuple[Candidate, ...] = ()
    """Undated stories that stood there already when a page was first read."""
