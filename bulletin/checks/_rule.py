"""The frame of the checks: one decorated function for each, found because it stands in a file of this folder.

A check is a pure function from `Material` to what it `Found`. Its docstring is its manual entry, shown by
`bulletin help CODE`: the first line says what it notices, then *Why*, *Instead of* and *Write*.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bulletin.config import Config
from bulletin.door import Loc
from bulletin.errors import Place, Problem
from bulletin.issuefile import IssueFile, TranslationFile
from bulletin.model import Finding, Issue, Item, LinkFact, Mend, Picture, RenderedEdition, Severity
from bulletin.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All a check may look at. Facts from files and, later, the network are gathered before and handed in."""

    file: IssueFile
    config: Config
    today: dt.date
    earlier: tuple[Issue, ...] = ()
    """The issues before this one, oldest first."""
    pictures: Mapping[str, Picture | None] = field(default_factory=lambda: MappingProxyType({}))
    """Facts of the picture files the issue names; None for a missing one."""
    rendered: tuple[RenderedEdition, ...] = ()
    """The finished mails; empty if they could not be rendered."""
    refused: bool = False
    """Whether the mails were not let out of rendering, so that nobody has looked at them."""
    links: Mapping[str, LinkFact] = field(default_factory=lambda: MappingProxyType({}))
    """What is known of the addresses in the mails, pictures included; nothing of those that were not asked."""
    online: bool = False
    """Whether the network was asked just now, so that a silent check has found nothing."""
    leaving: bool = False
    """Whether the mail is about to leave this machine."""
    words: frozenset[str] = frozenset()
    """The publication's own words, spelt as meant."""
    theme: tuple[Problem, ...] = ()
    """What is wrong with the words of the publication's own templates, each at its place in one of them."""
    theme_breaks: tuple[Problem, ...] = ()
    """What goes wrong when these templates are tried out with made-up issues at their worst."""
    translations: Mapping[str, TranslationFile | None] = field(default_factory=lambda: MappingProxyType({}))
    """The issue's words in each further language of the settings; None where nobody has written any."""
    phrases: tuple[Words, ...] = ()
    """The theme's own words in these languages."""
    kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What one check has worked out of all this and others need too; see `_mail`."""

    @property
    def issue(self) -> Issue:
        """The issue itself."""
        return self.file.issue

    def items(self) -> Iterator[tuple[Loc, Item]]:
        """Every item with its path in the file."""
        for s, section in enumerate(self.issue.sections):
            for i, item in enumerate(section.items):
                yield ("sections", s, "items", i), item


@dataclass(frozen=True, slots=True)
class Found:
    """One thing a check noticed: the path in the issue file it is about, what it is, and what to do."""

    loc: Loc
    message: str
    hint: str = ""
    mends: tuple[Mend, ...] = ()
    """What a program may change to settle it."""
    place: Place | None = None
    """The place, if it is not in the issue file."""


Look = Callable[[Material], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Check:
    """A registered check."""

    code: str
    severity: Severity
    look: Look
    online: bool = False
    """Whether it goes by what links answered, so that without asking it may find nothing."""
    leaving: bool = False
    """Whether it looks only at a mail that is about to leave."""

    def has_looked(self, material: Material) -> bool:
        """Whether silence means that all is well."""
        asked = material.online or not self.online
        return asked and not material.refused and (material.leaving or not self.leaving)

    @property
    def summary(self) -> str:
        """What it notices, in one line."""
        return (self.look.__doc__ or "").strip().splitlines()[0]

    def findings(self, material: Material) -> Iterator[Finding]:
        """What it notices in the material, each at its place."""
        if self.leaving and not material.leaving:
            return
        for found in self.look(material):
            yield Finding(
                code=self.code,
                severity=self.severity,
                place=found.place or material.file.place_of(*found.loc),
                message=found.message,
                hint=found.hint,
                item=_item_at(material.issue, found.loc),
                anchor=_anchor(material.issue, found.loc),
                mends=found.mends,
            )


def check(code: str, severity: Severity, *, online: bool = False, leaving: bool = False) -> Callable[[Look], Look]:
    """Make a function a check. The code is three letters for the theme and two digits; the rest is as in `Check`."""

    def register(look: Look) -> Look:
        REGISTERED[code] = Check(code, severity, look, online, leaving)
        return look

    return register


REGISTERED: dict[str, Check] = {}


def _item_at(issue: Issue, loc: Loc) -> str | None:
    match loc:
        case ("sections", int(s), "items", int(i), *_):
            return issue.sections[s].items[i].id
    return None


def _anchor(issue: Issue, loc: Loc) -> str:
    match loc:
        case ("sections", int(s), "items", int(i), *_):
            return f"item-{issue.sections[s].items[i].id}"
        case ("sections", int(s), *_):
            return f"section-{issue.sections[s].id}"
        case ("subject" | "preheader" | "welcome" | "notice" | "title" as part, *_):
            return part
    return ""
