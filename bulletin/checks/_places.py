"""Where in a text of several lines a finding is: the line and column of the words it quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from bulletin.errors import Place
from bulletin.model import Finding

_QUOTED: Final = re.compile(r"\"([^\"]+)\"|(https?://[^\s\"]*[\w/])")
_BLOCK: Final = re.compile(r"[|>][-+0-9]*\s*(?:#.*)?\Z")


def at_their_words(findings: Iterable[Finding], text: str) -> Iterator[Finding]:
    """The same findings; one at the start of a block of lines (`summary: |`) is moved to the words that it quotes.

    `text` is the issue file's. A finding that quotes nothing of the block, or stands elsewhere, stays where it is.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    for finding in findings:
        block = _block(lines, finding.place)
        near: Place | None = None
        for match in _QUOTED.finditer(finding.message) if block else ():
            near = near or _place_of((match[1] or match[2]).removesuffix("…").strip(), block, finding.place)
        yield replace(finding, place=near) if near else finding


def _block(lines: list[str], place: Place) -> str:
    """The lines of the block that begins at a place, as they stand in the file; nothing if none begins there."""
    if not 0 < place.line <= len(lines) or not _BLOCK.match(lines[place.line - 1][place.column - 1 :]):
        return ""
    before = lines[place.line - 1]
    outer = len(before) - len(before.lstrip(" -"))
    end = place.line
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > outer):
        end += 1
    return "\n".join(lines[place.line : end])


def _place_of(words: str, block: str, start: Place) -> Place | None:
    """The first place of some words in a block, also where a line breaks between them."""
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    if not pattern:
        return None
    edged = rf"(?<!\w){pattern}" if words[0].isalnum() else pattern
    edged += r"(?!\w)" if words[-1].isalnum() else ""
    match = re.search(edged, block)
    if match is None:
        return None
    before = block[: match.start()]
    return Place(start.path, start.line + 1 + before.count("\n"), match.start() - before.rfind("\n"))
