"""Checks: what people miss, noticed before it is sent. One file a theme, one function a check."""

from __future__ import annotations

from bulletin import registry
from bulletin.checks._places import at_their_words
from bulletin.checks._rule import REGISTERED, Check, Found, Material
from bulletin.model import Finding

__all__ = ["Check", "Found", "Material", "all_checks", "run"]


def all_checks() -> tuple[Check, ...]:
    """Every check, by code."""
    for name in registry.names("checks"):
        registry.load("checks", name)
    return tuple(REGISTERED[code] for code in sorted(REGISTERED))


def run(material: Material) -> tuple[Finding, ...]:
    """All findings of all checks in file order, each at the words it quotes, the allowed ones left out.

    An allowance names a code and, for findings about an item, that item. Findings that must be fixed can be allowed
    too: the reason and the name stand in the issue file for everyone to see.
    """
    found = [finding for check in all_checks() for finding in check.findings(material)]
    kept = at_their_words((one for one in found if not _is_allowed(one, material)), material.file.text)
    return tuple(sorted(kept, key=lambda finding: (finding.place, finding.code)))


def _is_allowed(finding: Finding, material: Material) -> bool:
    return any(
        allowance.code == finding.code and allowance.item in {None, finding.item} for allowance in material.issue.allow
    )
