"""Capitals used to stress words, told apart from abbreviations and markings."""

from __future__ import annotations

import re

_MARKING = re.compile(
    r"OFFICIAL(?:[ -]SENSITIVE)?|\b(?:TOP )?SECRET\b|TLP[\s:_-]*(?:RED|AMBER|GREEN|CLEAR|WHITE)(?:\+STRICT)?\b"
    r"|RECIPIENTS ONLY|[A-Z]+ USE ONLY|FOR PUBLIC RELEASE|PERSONAL DATA|EMBARGOED"
)
_CAPITALS = re.compile(r"\b[A-Z][A-Z']{2,}\b")
# Words that people shout; any of them alone is enough.
_LOUD = frozenset(
    {
        "ACT", "ALERT", "ALL", "ATTENTION", "DEADLINE", "DONT", "FREE", "FINAL", "HURRY", "IMPORTANT", "LAST",
        "LATEST", "MUST", "NEVER", "NEW", "NEWS", "NOT", "NOTICE", "NOW", "ONLY", "PLEASE", "READ", "REMINDER",
        "STOP", "TODAY", "UPDATE", "URGENT", "WARNING", "YOU", "YOUR", "WIN",
    }
)  # fmt: skip


def shouted(text: str) -> str:
    """The first words in capitals that are meant as stress, or nothing. Abbreviations such as HMICFRS are no stress."""
    text = without_markings(text)
    row = re.search(r"\b[A-Z]{3,}(?:\s+[A-Z']{2,}){2,}\b", text)
    if row:
        return row.group()
    words = _CAPITALS.findall(text)
    return next((str(word) for word in words if word.replace("'", "") in _LOUD), "")


def without_markings(text: str) -> str:
    """A text without its protective markings and their handling instructions."""
    return _MARKING.sub(" ", text)
