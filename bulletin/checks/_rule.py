"""The frame of the checks: one decorated function for each, found because it stands in a file of this folder.

A check is a pure function from `Material` to what it `Found`. Its docstring is its manual entry, shown by
`bulletin help CODE`: the first line says what it notices, then *Why*, *Instead of* and *Write*.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bulletin.config import Config
from bulletin.door import Loc
from bulletin.issuefile import IssueFile
from bulletin.model import Finding, Issue, Item, Picture, RenderedEdition, Severity


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


Look = Callable[[Material], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Check:
    """A registered check."""

    code: str
    severity: Severity
    look: Look

    @property
    def summary(self) -> str:
        """What it notices, in one line."""
        return (self.look.__doc__ or "").strip().splitlines()[0]

    def findings(self, material: Material) -> Iterator[Finding]:
        """What it notices in the material, each at its place."""
        for found in self.look(material):
            yield Finding(
                code=self.code,
                severity=self.severity,
                place=material.file.place_of(*found.loc),
                message=found.message,
                hint=found.hint,
                item=_item_at(material.issue, found.loc),
            )


def check(code: str, severity: Severity) -> Callable[[Look], Look]:
    """Make a function a check. The code is three letters for the theme and two digits."""

    def register(look: Look) -> Look:
        REGISTERED[code] = Check(code, severity, look)
        return look

    return register


REGISTERED: dict[str, Check] = {}


def _item_at(issue: Issue, loc: Loc) -> str | None:
    match loc:
        case ("sections", int(s), "items", int(i), *_):
            return issue.sections[s].items[i].id
    return None
