"""The plain text beside the HTML: the same bulletin for those who read text only (H-24)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bulletin.checks._mail import Mail, loc_of, mails, version_of
from bulletin.checks._reading import clipped, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.door import Loc
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

    *Instead of*: "Your program cannot show this mail.", or a list of contents whose items stand nowhere below it.

    *Write*: every item in both, which the theme's own templates do.
    """
    told: set[Loc] = set()
    for mail in mails(material):
        if not mail.text.strip():
            yield Found((), f"the mail for {mail.edition.audience} has no plain text.", _TEMPLATE)
            continue
        parts = _parts(material, mail)
        below, anywhere = _below(mail.text, parts)
        listed, words = set(below), f" {plain_key(mail.text)} "
        for part in parts:
            if part.is_item and part.words not in listed and part.at not in told:
                told.add(part.at)
                where = " below its contents" if part.words in anywhere else ""
                # A title within a line of other words is there, if the text lists it nowhere else.
                if where or f" {part.key} " not in words:
                    yield Found(part.at, f'the plain text lacks the item "{clipped(part.words)}"{where}.', _TEMPLATE)


@check("TXT02", Severity.LOOK)
def links_in_text(material: Material) -> Iterator[Found]:
    """The plain text and the HTML do not hold the same links (H-24).

    *Why*: who reads the text only cannot follow a link it lacks. One that only the text has is an old one, or one that
    nobody looked at.

    *Instead of*: "See the guidance", with the link in the HTML alone.

    *Write*: every address in full in the text too, which the theme's own templates do.
    """
    told: set[str] = set()
    for mail in mails(material):
        if not mail.text.strip():
            continue
        written = [_variants(match[0]) for match in _ADDRESS.finditer(mail.text)]
        in_text = frozenset().union(*written)
        in_html = set()
        for node in mail.page.tree.css("a[href]"):
            address = (node.attributes.get("href") or "").strip()
            in_html.add(address)
            web = address.startswith(("http://", "https://"))
            lacks = address not in in_text if web else not _names(mail.text, address.removeprefix("mailto:"))
            if (web or address.startswith("mailto:")) and lacks and address not in told:
                told.add(address)
                at = loc_of(material, mail.page.owner(node))
                yield Found(at, f"the plain text lacks the link to {clipped(address)}.", _TEMPLATE)
        shown = mail.page.tree.body.text() if mail.page.tree.body else ""
        for variants in written:
            address = min(variants, key=len)
            # An address that the HTML shows as words, in code for example, is in both.
            if not variants & in_html and not any(variant in shown for variant in variants) and address not in told:
                told.add(address)
                yield Found((), f"the HTML lacks the link to {clipped(address)}, which the text has.", _TEMPLATE)


@check("TXT03", Severity.MUST_FIX)
def legal_text(material: Material) -> Iterator[Found]:
    """The plain text lacks its unsubscribe link, the postal address, or the name of the bulletin (H-24).

    *Why*: the law asks for a way out and for the sender in every copy, and the text is a copy.

    *Instead of*: a footer in the HTML alone.

    *Write*: `unsubscribe_url` and the organisation's address in the template of the plain text too.
    """
    for mail in mails(material):
        config = version_of(material, mail)[1]
        wanted = {
            "its unsubscribe link": longest_personal(material.config)["unsubscribe_url"],
            "the postal address": config.organisation.postal_address,
        }
        # A translated title need not hold a name that has no translation.
        if config.name != material.config.name or config.language == material.config.language:
            wanted["the name of the bulletin"] = config.name
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


@check("TXT06", Severity.LOOK)
def same_order(material: Material) -> Iterator[Found]:
    """The plain text has items in another order than the HTML, or lacks a section's heading (H-24).

    *Why*: two readers who speak about "the third item" should speak of the same one, and a text without headings is a
    wall.

    *Instead of*: events first in the text and last in the HTML.

    *Write*: one order, which the theme's own templates keep.
    """
    told: set[Loc] = set()
    for mail in mails(material):
        if not mail.text.strip():
            continue
        parts = _parts(material, mail)
        below, _ = _below(mail.text, parts)
        listed, rest = set(below), iter(below)
        for part in parts:
            if part.words not in listed:
                if not part.is_item and part.at not in told and not _names(plain_key(mail.text), part.key):
                    told.add(part.at)
                    yield Found(part.at, f'the plain text lacks the heading "{clipped(part.words)}".', _TEMPLATE)
            elif part.words not in rest:
                yield Found(part.at, f'the plain text has "{clipped(part.words)}" at another place.', _TEMPLATE)
                break


@check("TXT07", Severity.MUST_FIX)
def marking_in_text(material: Material) -> Iterator[Found]:
    """The plain text lacks a marking that the HTML shows, or does not begin and end with it (S-09, S-12).

    *Why*: who reads or forwards the text alone would treat it as open.

    *Instead of*: OFFICIAL-SENSITIVE at the top of the HTML, and a text that begins with the title.

    *Write*: the marking as the first and the last line of the text, which the theme's own templates do.
    """
    for mail in mails(material):
        lines = [plain_key(line) for line in mail.text.splitlines() if plain_key(line)]
        told: set[str] = set()
        for node in mail.page.elements if lines else ():
            words = " ".join(node.text().split()) if node.tag in _HOLDERS else ""
            if words in told or not _MARKING.fullmatch(words):
                continue
            told.add(words)
            at, key = loc_of(material, mail.page.owner(node)), plain_key(words)
            if at and key not in lines:
                yield Found(at, f'the plain text lacks the marking "{clipped(words)}" of the item.', _TEMPLATE)
            elif not at and (lines[0] != key or lines[-1] != key):
                which = " and ".join(name for name, line in (("begin", lines[0]), ("end", lines[-1])) if line != key)
                yield Found(
                    (), f'the text for {mail.edition.audience} does not {which} with "{clipped(words)}".', _TEMPLATE
                )


# ---------------------------------------------------------------- looking

_HOLDERS = frozenset({"p", "div", "td", "h1", "h2", "h3"})
_MARKING = re.compile(r"(?:(?:TOP )?SECRET|OFFICIAL|TLP:)[A-Z0-9 :,;|/+&()‐‑–—-]{0,120}")
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_CLOSING = ".,;:!?'’”)]}"


@dataclass(frozen=True, slots=True)
class _Part:
    """An item or a section as the HTML shows it: its path in the issue file, its title, and the title's plain words."""

    at: Loc
    words: str
    key: str

    @property
    def is_item(self) -> bool:
        return len(self.at) == 4


def _parts(material: Material, mail: Mail) -> list[_Part]:
    """The items and the sections with a heading, in the order of the HTML."""
    found: list[_Part] = []
    section: Loc = ()
    for node in mail.page.elements:
        if node.tag == "a" and (name := node.attributes.get("name")):
            at = loc_of(material, name)
            section = at if len(at) == 2 else ()
            match at:
                case ("sections", int(s), "items", int(i)):
                    found.append(_part(at, version_of(material, mail)[0].sections[s].items[i].title))
        elif section and node.tag in {"h1", "h2", "h3"}:
            found.append(_part(section, node.text()))
            section = ()
    return [part for part in found if part.key]


def _part(at: Loc, words: str) -> _Part:
    return _Part(at, " ".join(words.split()), plain_key(words))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a title fills one line of the text or several, told in lines."""

    start: int
    stop: int
    part: _Part


def _places(lines: list[str], parts: list[_Part]) -> Iterator[_Place]:
    """Where titles stand on lines of their own, from the top."""
    by_key = {part.key: part for part in parts}
    first_words = {part.key.partition(" ")[0] for part in parts}
    longest = max(map(len, by_key), default=0)
    for start, line in enumerate(lines):
        if line.partition(" ")[0] not in first_words:
            continue
        words = ""
        for stop in range(start, len(lines)):
            words = f"{words} {lines[stop]}".strip()
            if words in by_key:
                yield _Place(start, stop + 1, by_key[words])
            if len(words) >= longest:
                break


def _below(text: str, parts: list[_Part]) -> tuple[list[str], set[str]]:
    """The titles in the order in which the text has them, its list of contents left out; and those anywhere in it.

    The contents end where a title comes for the second time, if most items have been named by then.
    """
    lines = [key for line in text.splitlines() if (key := plain_key(line))]
    places = list(_places(lines, parts))
    everywhere = {place.part.words for place in places}
    items = {part.words for part in parts if part.is_item}
    seen: set[str] = set()
    end = 0
    for n, place in enumerate(places):
        if place.part.words in seen:
            listed = len(seen & items) * 2 > len(items) and len({part.key for part in parts}) == len(parts)
            return [place.part.words for place in places[n if listed else 0 :]], everywhere
        # A list names one after the other; with a summary between them it is no list.
        if sum(len(line.split()) for line in lines[end : place.start]) > _BETWEEN:
            seen.clear()
        seen.add(place.part.words)
        end = place.stop
    return [place.part.words for place in places], everywhere


_BETWEEN = 8
"""Most words between two titles of a list: the heading of a section whose items follow."""


def _variants(address: str) -> frozenset[str]:
    """An address as it was typed, and without the signs that may belong to the sentence around it."""
    found = {address}
    while len(address) > 9 and address[-1] in _CLOSING:
        address = address[:-1]
        found.add(address)
    return frozenset(found)


def _names(text: str, words: str) -> bool:
    """Whether a text holds these words, not as a part of longer ones."""
    return bool(re.search(rf"(?<![\w@.+-]){re.escape(words)}(?![\w@-])", text))
