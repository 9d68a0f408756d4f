"""The plain text beside the HTML: the same bulletin for those who read text only (H-24)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bulletin.checks._mail import loc_of, mails
from bulletin.checks._reading import clipped, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity
from bulletin.render import longest_personal

_TEMPLATE = "Correct the template of the plain text."
_MARKUP = re.compile(
    r"(?i)&(?:amp|lt|gt|quot|nbsp|#\d{1,6}|#x[0-9a-f]{1,5});|</?(?:p|div|span|br|td|tr|table|strong|em|h[1-6]|ul|li)\b[^<>]*>"
    r"|\]\(https?://|\*\*\w[^*\n]*\*\*"
)
_LONGEST_LINE = 998
"""Bytes, without the line's end (RFC 5322)."""


@check("TXT01", Severity.MUST_FIX)
def items_in_text(material: Material) -> Iterator[Found]:
    """The plain text lacks an item that the HTML shows, or all of it (H-24).

    *Why*: some readers get the text only, on a watch, in a secure system or by their own choice.

    *Instead of*: "Your program cannot show this mail."

    *Write*: every item in both, which the theme's own templates do.
    """
    for mail in mails(material):
        if not mail.text.strip():
            yield Found((), f"the mail for {mail.edition.audience} has no plain text.", _TEMPLATE)
            continue
        text = f" {plain_key(mail.text)} "
        for node in mail.page.tree.css("a[name]"):
            at = loc_of(material, node.attributes.get("name") or "")
            match at:
                case ("sections", int(s), "items", int(i)):
                    title = material.issue.sections[s].items[i].title
                    if f" {plain_key(title)} " not in text:
                        yield Found(at, f'the plain text lacks the item "{clipped(title)}".', _TEMPLATE)


@check("TXT02", Severity.LOOK)
def links_in_text(material: Material) -> Iterator[Found]:
    """The plain text lacks a link that the HTML has (H-24).

    *Why*: who reads the text only cannot follow it.

    *Instead of*: "See the guidance", with the link in the HTML alone.

    *Write*: every address in full in the text too, which the theme's own templates do.
    """
    told: set[str] = set()
    for mail in mails(material):
        if not mail.text.strip():
            continue
        for node in mail.page.tree.css("a[href]"):
            address = node.attributes.get("href") or ""
            bare = address.removeprefix("mailto:")
            if address.startswith(("http", "mailto:")) and bare not in mail.text and address not in told:
                told.add(address)
                at = loc_of(material, mail.page.owner(node))
                yield Found(at, f"the plain text lacks the link to {clipped(address)}.", _TEMPLATE)


@check("TXT03", Severity.MUST_FIX)
def legal_text(material: Material) -> Iterator[Found]:
    """The plain text lacks its unsubscribe link, the postal address, or the name of the bulletin (H-24).

    *Why*: the law asks for a way out and for the sender in every copy, and the text is a copy.

    *Instead of*: a footer in the HTML alone.

    *Write*: `unsubscribe_url` and the organisation's address in the template of the plain text too.
    """
    wanted = {
        "its unsubscribe link": longest_personal(material.config)["unsubscribe_url"],
        "the postal address": material.config.organisation.postal_address,
        "the name of the bulletin": material.config.name,
    }
    for mail in mails(material):
        text = " ".join(mail.text.split())
        missing = [name for name, value in wanted.items() if " ".join(value.split()) not in text]
        if text and missing:
            yield Found((), f"the plain text for {mail.edition.audience} lacks {' and '.join(missing)}.", _TEMPLATE)


@check("TXT04", Severity.LOOK)
def markup_in_text(material: Material) -> Iterator[Found]:
    """The plain text shows HTML or Markdown as it was typed (H-24).

    *Why*: readers see "&amp;amp;" or "[the page](https://…)" instead of words.

    *Instead of*: "Q&amp;amp;A".

    *Write*: the sign itself, or correct the template of the plain text.
    """
    told: set[str] = set()
    for mail in mails(material):
        for match in _MARKUP.finditer(re.sub(r"https?://[^\s()<>\]]+", "https://", mail.text)):
            if match[0] not in told:
                told.add(match[0])
                yield Found((), f'the plain text shows "{clipped(match[0])}" as it was typed.', _TEMPLATE)


@check("TXT05", Severity.LOOK)
def long_line(material: Material) -> Iterator[Found]:
    """A line of the plain text has more than 998 bytes (H-24).

    *Why*: mail servers may break it anywhere, in the middle of a word or of a link.

    *Instead of*: a whole section on one line.

    *Write*: text wrapped at about 72 signs, and shorter addresses.
    """
    for mail in mails(material):
        line = max(mail.text.splitlines(), key=lambda line: len(line.encode()), default="")
        if len(line.encode()) > _LONGEST_LINE:
            yield Found(
                (), f'the line "{clipped(line, 40)}" of the plain text has {len(line.encode()):,} bytes.', _TEMPLATE
            )
            return
