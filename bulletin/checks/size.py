"""The weight of the finished mail."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin.checks._mail import mails
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
    """Mails of a size, filled in with the longest values a reader can have."""
    for mail in mails(material):
        size = len(mail.html.encode("utf-8"))
        if size > least and (most is None or size <= most):
            yield Found(
                ("sections",),
                f"the mail for {mail.edition.audience} has {size:,} bytes of HTML; Gmail cuts at about 102,000.",
                "Shorten summaries, or keep some items for the next issue.",
            )


_MOST_STYLE = 16_000
"""Bytes of all `<style>` together. Gmail drops them all from about 16 kB on."""


@check("SIZ03", Severity.LOOK)
def style_sheets(material: Material) -> Iterator[Found]:
    """The mail's style sheets are larger than 16,000 bytes, or stand outside of its head (G-02).

    *Why*: Gmail drops every style sheet when they are too large together, and one that stands in the body.

    *Instead of*: the whole sheet of the web site.

    *Write*: the few rules for small screens and for dark mode; all else inline.
    """
    for mail in mails(material):
        tree = mail.page.tree
        size = sum(len((block.text() or "").encode("utf-8")) for block in tree.css("style"))
        if size > _MOST_STYLE:
            yield Found((), f"the mail's style sheets have {size:,} bytes; Gmail drops them.", "Shorten them.")
            return
        if tree.css_first("body style"):
            yield Found((), "a style sheet stands in the body, where Gmail drops it.", "Move it to the head.")
            return
