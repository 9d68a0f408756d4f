"""What the preview shows: plain values, made by whoever knows how to read, render and check an issue."""

from __future__ import annotations

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

    def grouped(self) -> tuple[tuple[Severity, tuple[Finding, ...]], ...]:
        """The findings by severity, the most severe first, without empty groups."""
        groups = ((severity, tuple(one for one in self.findings if one.severity is severity)) for severity in Severity)
        return tuple((severity, found) for severity, found in groups if found)
