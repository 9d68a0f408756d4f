"""Cells that a spreadsheet would run as formulas are guarded on the way out, bare on the way in (Z-22). Pure."""

from __future__ import annotations

import re

_RISKY = re.compile(r"'*[=+\-@\t\r\x00]")
_GUARDED = re.compile(r"''*[=+\-@\t\r\x00]")


def guarded(cell: str) -> str:
    """A cell with a single quote before it if a spreadsheet might take it for a formula (Z-22)."""
    return f"'{cell}" if _RISKY.match(cell) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given."""
    return cell[1:] if cell[:1] == "'" and _GUARDED.match(cell) else cell
