"""The weight of the finished mail."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity

_NEAR, _LIMIT = 80_000, 100_000
"""Bytes of HTML (G-01). Gmail cuts at about 102,000."""


@check("SIZ01", Severity.LOOK)
def large(material: Material) -> Iterator[Found]:
    """A finished mail has more than 80,000 bytes of HTML (G-01).

    *Why*: Gmail cuts a mail off at about 102,000 bytes, with the unsubscribe link below the cut.

    *Instead of*: thirty long items.

    *Write*: fewer items or shorter summaries. Pictures do not count.
    """
    yield from _larger_than(material, _NEAR, _LIMIT)


@check("SIZ02", Severity.MUST_FIX)
def too_large(material: Material) -> Iterator[Found]:
    """A finished mail has more than 100,000 bytes of HTML (G-01).

    *Why*: Gmail cuts it off, and readers lose the end: the last items and the unsubscribe link, which the law asks for.

    *Instead of*: everything in one mail.

    *Write*: fewer items or shorter summaries, or keep some for the next issue.
    """
    yield from _larger_than(material, _LIMIT, None)


def _larger_than(material: Material, least: int, most: int | None) -> Iterator[Found]:
    for edition in material.rendered:
        size = len(edition.html.encode("utf-8"))
        if size > least and (most is None or size <= most):
            yield Found(
                ("sections",),
                f"the mail for {edition.audience} has {size:,} bytes of HTML; Gmail cuts at about 102,000.",
                "Shorten summaries, or keep some items for the next issue.",
            )
