"""What the build before knew, so that the next one makes only what differs. Losing it costs time and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bulletin.archive.catalogue import Card, from_plain, to_plain

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Known:
    """An issue as it was when the archive was last built."""

    print: str
    """Digest of everything it consists of."""
    mark: str
    """Digest of everything in it that is not public; empty if there is nothing."""
    cards: Mapping[str, Card]
    """Its card in each language; none if it is not public."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A build: what it was made from, and the files of each part."""

    settings: str = ""
    issues: Mapping[str, Known] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """For each part its key and its files."""
    watch: Any = None
    """What the leak gate looked for, as plain lists."""


def load(path: Path) -> Memory:
    """The memory in a file; an empty one if there is none that this version can read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads(path.read_bytes())
        if data["format"] == FORMAT:
            return Memory(
                data["settings"],
                {
                    name: Known(print_, mark, {language: from_plain(card) for language, card in cards.items()})
                    for name, (print_, mark, cards) in data["issues"].items()
                },
                {name: (key, tuple(files)) for name, (key, files) in data["parts"].items()},
                data["watch"],
            )
    return Memory()


def dump(memory: Memory) -> bytes:
    """The memory as the content of a file."""
    issues = {
        name: [known.print, known.mark, {language: to_plain(card) for language, card in known.cards.items()}]
        for name, known in memory.issues.items()
    }
    value = {
        "format": FORMAT,
        "settings": memory.settings,
        "issues": issues,
        "parts": memory.parts,
        "watch": memory.watch,
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
