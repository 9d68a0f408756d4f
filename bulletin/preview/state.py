"""What the preview shows: plain values, made by whoever knows how to read, render and check an issue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bulletin.errors import Problem
from bulletin.model import Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewMail:
    """A rendered edition as one sample reader gets it."""

    name: str
    """The edition's name: everyone.en-GB"""
    audience_title: str
    sender: str
    """The name readers see in their inbox."""
    subject: str
    preheader: str
    html: str
    text: str
    restricted: bool = False
    """Whether it is for some readers only."""
    withheld: frozenset[str] = frozenset()
    """Ids, headlines and addresses of the issue's items that are not in it."""
    secret_words: frozenset[str] = frozenset()
    """Words of those items, in small letters, that the mail itself holds nowhere."""

    @property
    def size(self) -> int:
        """Bytes of the HTML."""
        return len(self.html.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewState:
    """The issue at one moment. With `problems` it could not be read or rendered, and there are no mails."""

    title: str
    """The issue's title, or its id while it cannot be read."""
    path: str
    """The issue file as people know it."""
    mails: tuple[PreviewMail, ...] = ()
    findings: tuple[Finding, ...] = ()
    summaries: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What each check notices, in one line, by its code."""
    problems: tuple[Problem, ...] = ()
    picture_base: str = ""
    """How the addresses of the issue's pictures start in the mails."""
    pictures: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    """The picture files that may be looked at, by the rest of their addresses."""

    def numbered(self, mail: PreviewMail | None = None) -> tuple[tuple[int, Finding], ...]:
        """The findings with the numbers of their pins, counted from 1, the most severe first.

        With a mail, only those that its readers may see: none about an item that is not in it (S-26). They are counted
        by themselves, so that no gap tells of the others.
        """
        ordered = (one for _, found in self.grouped() for one in found)
        return tuple(enumerate((one for one in ordered if mail is None or not _speaks_of(one, mail)), 1))

    def grouped(self) -> tuple[tuple[Severity, tuple[Finding, ...]], ...]:
        """The findings by severity, the most severe first, without empty groups."""
        groups = ((severity, tuple(one for one in self.findings if one.severity is severity)) for severity in Severity)
        return tuple((severity, found) for severity, found in groups if found)


_TELLING = 12
"""Characters from which on a headline or an address is no chance word."""
_QUOTED = re.compile(r"\"([^\"]*)\"|\u201c([^\u201d]*)")


def words_of(text: str) -> frozenset[str]:
    """The words of a text that may tell something, in small letters."""
    return frozenset(word for word in re.findall(r"[\w-]+", text.casefold()) if len(word) > 3)


def _speaks_of(finding: Finding, mail: PreviewMail) -> bool:
    """Whether a finding is about something withheld, or repeats its headline, its address or a word of it."""
    if finding.item in mail.withheld or finding.anchor.removeprefix("item-") in mail.withheld:
        return True
    said = f"{finding.message} {finding.hint}"
    if any(one in said for one in mail.withheld if len(one) >= _TELLING):
        return True
    quoted = " ".join(one or other for one, other in _QUOTED.findall(said))
    return not mail.secret_words.isdisjoint(words_of(quoted))
