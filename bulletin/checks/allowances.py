"""Allowances: findings accepted on purpose, which must say what, why and by whom."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin.checks._rule import REGISTERED, Found, Material, check
from bulletin.model import Severity

_OWN = "ALW"


@check("ALW01", Severity.LOOK)
def idle(material: Material) -> Iterator[Found]:
    """An allowance matches nothing any more.

    *Why*: what it was for has been mended. Left behind, it would hide the next slip of its kind.

    *Instead of*: an allowance for a link that has had its right address since.

    *Write*: nothing; delete the allowance.
    """
    for number, allowance in enumerate(material.issue.allow):
        known = REGISTERED.get(allowance.code)
        if known is None or allowance.code.startswith(_OWN) or not known.has_looked(material):
            continue
        if not any(allowance.item in {None, finding.item} for finding in known.findings(material)):
            message = f"this allowance for {allowance.code} matches nothing any more."
            yield Found(("allow", number), message, "Delete it.")


@check("ALW02", Severity.LOOK)
def unknown(material: Material) -> Iterator[Found]:
    """An allowance names a code that no finding has.

    *Why*: it allows nothing, although somebody meant to.

    *Instead of*: `code: LNK2`.

    *Write*: `code: LNK02`, as the finding shows it.
    """
    from difflib import get_close_matches

    for number, allowance in enumerate(material.issue.allow):
        if allowance.code not in REGISTERED:
            near = get_close_matches(allowance.code.strip().upper(), REGISTERED, 1, 0.6)
            yield Found(
                ("allow", number, "code"),
                f'there is no finding with the code "{allowance.code}", so this allows nothing.',
                f'Did you mean "{near[0]}"?' if near else "Write the code as the finding shows it.",
            )


@check("ALW03", Severity.LOOK)
def unexplained(material: Material) -> Iterator[Found]:
    """An allowance gives no reason, or nobody's name.

    *Why*: whoever edits the next issue cannot tell whether it still holds, and has nobody to ask.

    *Instead of*: `why: ""`.

    *Write*: `why: The page gives no day.` and `by: K. Example`.
    """
    for number, allowance in enumerate(material.issue.allow):
        for key, what in (("why", "reason"), ("by", "name")):
            if not getattr(allowance, key).strip():
                message = f"this allowance for {allowance.code} gives no {what}."
                yield Found(("allow", number, key), message, 'Fill in "why" and "by".')
