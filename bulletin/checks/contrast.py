"""Whether the finished mail can be read: its texts against the surfaces behind them (WCAG 2.2, 1.4.3 and 1.4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bulletin.checks._mail import Mail, loc_of, mails
from bulletin.checks._reading import clipped
from bulletin.checks._rule import Found, Material, check
from bulletin.clients.cascade import Look, looks
from bulletin.colours import TEXT_CONTRAST, contrast, inverted
from bulletin.model import Severity

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_LARGE_CONTRAST = 3.0
"""Least contrast of large text."""


@check("CON01", Severity.MUST_FIX)
def too_pale(material: Material) -> Iterator[Found]:
    """A text of the mail stands out too little from what is behind it (X-13).

    *Why*: many readers see less contrast than you do, and all of them do in the sun. WCAG asks for a ratio of 4.5 to 1,
    and of 3 to 1 for large text.

    *Instead of*: light grey words on white.

    *Write*: a darker colour, in the brand settings or in the template that sets it.
    """
    yield from _pale(material, "", _light)


@check("CON02", Severity.MUST_FIX)
def too_pale_in_dark_mode(material: Material) -> Iterator[Found]:
    """A text stands out too little in the mail's own colours for dark mode (H-15, X-13).

    *Why*: a reader whose phone is set to dark gets other colours. A surface that turns dark under words that stay
    dark is a page nobody can read.

    *Instead of*: a rule that darkens a panel and forgets the words on it.

    *Write*: the colour of the words in the same rules as the colour of their surface.
    """
    yield from _pale(material, " in dark mode", lambda mail: looks(mail.page, dark=True), known=_light)


@check("CON03", Severity.LOOK)
def too_pale_when_inverted(material: Material) -> Iterator[Found]:
    """A text stands out too little once a mail program has turned light and dark round (H-15).

    *Why*: Gmail on phones and classic Outlook make a dark mail of a light one by themselves, whatever the mail asks
    for. Middling colours become unreadable.

    *Instead of*: words in a strong yellow on mid-blue.

    *Write*: a pair of colours further apart, in the brand settings or in the template. Traffic light labels are left
    alone: their colours are laid down (S-13), and their words say the same.
    """
    turned = " when a mail program turns light and dark round"
    yield from _pale(material, turned, _turned, known=_light, laid_down="TLP:")


@check("CON04", Severity.LOOK)
def link_not_underlined(material: Material) -> Iterator[Found]:
    """A link inside a sentence is not underlined (X-12).

    *Why*: one man in twelve sees colours differently, and a link that differs by colour alone is lost on him.

    *Instead of*: `text-decoration: none` on links within running text.

    *Write*: underlined links. A button, or a link that stands by itself, may do without.
    """
    hits: dict[str, _Hit] = {}
    for mail in mails(material):
        shown = looks(mail.page)
        for node in mail.page.elements:
            look = shown[node.mem_id]
            if node.tag == "a" and "href" in node.attributes and not look.hidden and _plain(node, shown, look):
                hits.setdefault("", _Hit()).add(mail, node, node.text())
    for hit in hits.values():
        yield Found(
            hit.loc(material),
            f"links within text are not underlined: {hit.words}.",
            "Take text-decoration: none out of the template that sets it.",
        )


@check("CON05", Severity.LOOK)
def no_surface(material: Material) -> Iterator[Found]:
    """A text has a colour, but nothing behind it has one (H-15).

    *Why*: the mail program then chooses the surface. In dark mode it is black, under words that may be black too.

    *Instead of*: `color` alone.

    *Write*: `color` together with `background-color`, on the text or on a part around it.
    """
    hits: dict[str, _Hit] = {}
    for mail in mails(material):
        for node, look, words in _texts(mail, looks(mail.page)):
            if look.ink != Look().ink and not look.painted:
                hits.setdefault(look.ink, _Hit()).add(mail, node, words)
    for ink, hit in hits.items():
        yield Found(
            hit.loc(material),
            f"{hit.words} has the colour {ink}, but no background colour behind it.",
            "Set background-color too, in the template that sets the colour.",
        )


# ---------------------------------------------------------------- looking


@dataclass
class _Hit:
    """Where one slip shows."""

    owners: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)

    def add(self, mail: Mail, node: LexborNode, words: str) -> None:
        """One more place."""
        self.owners.append(mail.page.owner(node))
        sample = clipped(words, 40)
        if sample not in self.samples:
            self.samples.append(sample)

    def loc(self, material: Material) -> tuple[str | int, ...]:
        """The item or section if it shows in one only, else the issue."""
        return loc_of(material, self.owners[0]) if len({*self.owners}) == 1 else ()

    @property
    def words(self) -> str:
        """The first texts it hits, and how many more."""
        quoted = ", ".join(f'"{sample}"' for sample in self.samples[:3])
        more = len(self.samples) - 3
        return quoted + (f" and {more} more" if more > 0 else "")


Shown = Mapping[int, Look]
"""How each element shows, by its `mem_id`."""


def _texts(mail: Mail, shown: Shown) -> Iterator[tuple[LexborNode, Look, str]]:
    """Every text that shows, with the element it stands in; the words for a picture too, which show without it."""
    if not mail.page.tree.body:
        return
    for node in mail.page.tree.body.traverse(include_text=True):
        if node.tag == "-text":
            words, holder = node.text_content or "", node.parent
        elif node.tag == "img":
            words, holder = node.attributes.get("alt") or "", node
        else:
            continue
        look = shown.get(holder.mem_id) if holder else None
        if look and holder and not look.hidden and look.size > 0 and any(sign.isalnum() for sign in words):
            yield holder, look, words


def _light(mail: Mail) -> Shown:
    """How each element shows to most readers."""
    return looks(mail.page)


def _pale(
    material: Material,
    how: str,
    shown: Callable[[Mail], Shown],
    *,
    known: Callable[[Mail], Shown] | None = None,
    laid_down: str | None = None,
) -> Iterator[Found]:
    """Texts that stand out too little where they are `shown` so, but for those that do where they are `known`.

    Texts that begin with `laid_down` have colours that nobody may choose.
    """
    hits: dict[tuple[str, str, float], _Hit] = {}
    for mail in mails(material):
        told = known(mail) if known else {}
        for node, look, words in _texts(mail, shown(mail)):
            before = told.get(node.mem_id)
            if laid_down and words.strip().startswith(laid_down):
                continue
            if _stands_out(look) or (before and not before.hidden and not _stands_out(before)):
                continue
            hits.setdefault((look.seen_ink, look.surface, _needed(look)), _Hit()).add(mail, node, words)
    for (ink, surface, needed), hit in hits.items():
        # Cut, not rounded: 4.49 must not read as enough.
        ratio = int(contrast(ink, surface) * 100) / 100
        yield Found(
            hit.loc(material),
            f"{ink} on {surface}{how} has a contrast of {ratio:g} to 1, less than {needed:g} to 1: {hit.words}.",
            "Choose colours further apart, in the brand settings or in the template that sets them.",
        )


def _needed(look: Look) -> float:
    return _LARGE_CONTRAST if look.large else TEXT_CONTRAST


def _stands_out(look: Look) -> bool:
    return contrast(look.seen_ink, look.surface) >= _needed(look)


def _turned(mail: Mail) -> Shown:
    """How each element shows with light and dark turned round."""
    return {
        key: replace(look, ink=inverted(look.ink), surface=inverted(look.surface))
        for key, look in looks(mail.page).items()
    }


def _plain(node: LexborNode, shown: Shown, look: Look) -> bool:
    """Whether a link stands within other words of its paragraph and differs from them by colour alone."""
    around = node.parent
    if look.underlined or not around or look.display in {"block", "inline-block"}:
        return False
    above = shown.get(around.mem_id)
    if above is None or look.weight != above.weight or look.surface != above.surface:
        return False
    words = "".join(child.text_content or "" for child in around.iter(include_text=True) if child.tag == "-text")
    return any(sign.isalnum() for sign in words) and any(sign.isalnum() for sign in node.text())
