"""Checks: what people miss, noticed before it is sent. One file a theme, one function a check."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin import registry
from bulletin.checks._rule import REGISTERED, Check, Found, Material
from bulletin.model import Finding, Severity

__all__ = ["Check", "Found", "Material", "all_checks", "run"]


def all_checks() -> tuple[Check, ...]:
    """Every check, by code."""
    for name in registry.names("checks"):
        registry.load("checks", name)
    return tuple(REGISTERED[code] for code in sorted(REGISTERED))


def run(material: Material) -> tuple[Finding, ...]:
    """All findings of all checks in file order, the allowed ones left out.

    An allowance names a code and, for findings about an item, that item. Findings that must be fixed can be allowed
    too: the reason and the name stand in the issue file for everyone to see.
    """
    found = [finding for check in all_checks() for finding in check.findings(material)]
    kept = [finding for finding in found if not _is_allowed(finding, material)]
    return tuple(sorted([*kept, *_idle_allowances(found, material)], key=lambda finding: (finding.place, finding.code)))


def _is_allowed(finding: Finding, material: Material) -> bool:
    return any(
        allowance.code == finding.code and allowance.item in {None, finding.item} for allowance in material.issue.allow
    )


def _idle_allowances(found: list[Finding], material: Material) -> Iterator[Finding]:
    for number, allowance in enumerate(material.issue.allow):
        known = REGISTERED.get(allowance.code)
        if known is None and allowance.code not in _OWN_CODES:
            yield _about(material, number, "ALW02", *_unknown(allowance.code))
            continue
        if not allowance.why.strip() or not allowance.by.strip():
            missing = "reason" if not allowance.why.strip() else "name"
            message = f"this allowance for {allowance.code} gives no {missing}."
            yield _about(
                material, number, "ALW03", message, 'Fill in "why" and "by", for whoever edits the next issue.'
            )
        if known and known.online and not material.online:
            continue  # nobody looked
        if not any(finding.code == allowance.code and allowance.item in {None, finding.item} for finding in found):
            message = f"this allowance for {allowance.code} matches nothing any more."
            yield _about(material, number, "ALW01", message, "Delete it.")


_OWN_CODES = frozenset({"ALW01", "ALW02", "ALW03"})


def _unknown(code: str) -> tuple[str, str]:
    from difflib import get_close_matches

    near = get_close_matches(code.strip().upper(), REGISTERED, 1, 0.6)
    meant = f'Did you mean "{near[0]}"?' if near else "Write the code as the finding shows it."
    return f'there is no finding with the code "{code}", so this allows nothing.', meant


def _about(material: Material, number: int, code: str, message: str, hint: str) -> Finding:
    """A finding about an allowance."""
    return Finding(
        code=code,
        severity=Severity.LOOK,
        place=material.file.place_of("allow", number),
        message=message,
        hint=hint,
        item=material.issue.allow[number].item,
    )
