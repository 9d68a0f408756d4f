"""What the mail programs of the readers make of the finished mail, by what was tested (H-23).

A part that a program lacks is a finding where readers would miss something of the mail: `bulletin.clients.grace` holds
the reasons why they often miss nothing. There is one finding a feature, however often it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bulletin.checks._mail import NEVER_IN_MAIL, loc_of, mails
from bulletin.checks._rule import Found, Material, check
from bulletin.clients import features, grace, support
from bulletin.clients.features import Use
from bulletin.clients.page import MailPage
from bulletin.door import Loc, closest
from bulletin.errors import Place
from bulletin.model import Severity

_THEME = Place("templates/mail")
_SETTINGS = Place("bulletin.toml")


@check("CLI01", Severity.LOOK)
def lacking(material: Material) -> Iterator[Found]:
    """The mail needs something that a mail program of your readers does not have (H-23).

    *Why*: these readers see less than was meant: no picture, a text beside its place, a colour that is gone. What only
    decorates, or has a stand-in, is not reported. The programs that count stand in the settings under `[checking]`, and
    the message says when this was tested: if that is long ago and you have seen it work, allow the finding.

    *Instead of*: `<div style="display: flex">` around two texts, or a picture in the format WebP.

    *Write*: a table for what stands side by side, and pictures as PNG or JPEG.
    """
    for trouble in _troubles(material, "n"):
        yield trouble.found(
            material,
            f"{trouble.who()} {trouble.verb('does', 'do')} not know {trouble.title()}, and the mail needs it",
            "Use something that all of them know, or give them a stand-in first.",
        )


@check("CLI02", Severity.LOOK)
def partly(material: Material) -> Iterator[Found]:
    """The mail uses something that a mail program of your readers has only in part (H-23).

    *Why*: the message quotes what those who tested it wrote. It is shown only if it is about a use in this mail.

    *Instead of*: `padding` on a paragraph with a coloured background, which classic Outlook leaves out.

    *Write*: `padding` on a table cell. Or look at the mail in that program, and allow the finding if it looks well.
    """
    for trouble in _troubles(material, "a"):
        note = f': "{trouble.note}"' if trouble.note else ""
        yield trouble.found(
            material,
            f"{trouble.who()} {trouble.verb('knows', 'know')} {trouble.title()} only in part{note}",
            "Look at the mail there, or write it in another way.",
        )


@check("CLI03", Severity.LOOK)
def unknown_client(material: Material) -> Iterator[Found]:
    """The settings name a mail program that nobody tested, or one that is misspelt.

    *Why*: nothing is checked for it, and nobody would notice.

    *Instead of*: `clients = ["outlook-windows"]`

    *Write*: `clients = ["outlook.windows"]`, as caniemail.com names it. `bulletin help checking` lists the common ones.
    """
    known = support.clients()
    for client in dict.fromkeys(material.config.checking.clients):
        if client not in known:
            hint = closest(client, tuple(known))
            if hint.startswith("Known here"):
                hint = "The names are listed under: bulletin help checking"
            yield Found(
                (), f'nothing is known of a mail program "{client}", named in the settings.', hint, place=_SETTINGS
            )


@check("CLI04", Severity.LOOK)
def style_dropped(material: Material) -> Iterator[Found]:
    """The mail has a colour for which Gmail drops the styles around it (G-02).

    *Why*: at a colour without commas Gmail throws away the whole style sheet, and with it what makes the mail fit a
    phone. In an element, it throws away all styles of that element.

    *Instead of*: `color: rgb(0 128 0)`

    *Write*: `color: #008000`
    """
    if not any(client.startswith("gmail.") for client in material.config.checking.clients):
        return
    seen: set[str] = set()
    for page in _pages(material):
        for use in features.used(page):
            if use.slug in {"css-rgb", "css-rgba"} and _WITHOUT_COMMAS.search(use.value) and use.what not in seen:
                seen.add(use.what)
                what = "the whole <style>" if use.node is None else f"the whole style of this <{use.node.tag}>"
                yield _in_theme(
                    f'for "{use.what}", Gmail drops {what}{_tested(support.of(use.slug, "gmail.desktop-webmail"))}',
                    "Write the colour as #rrggbb, or with commas.",
                    loc_of(material, page.owner(use.node)) if use.node is not None else (),
                )


_WITHOUT_COMMAS = re.compile(r"rgba?\([^,)]*\)", re.IGNORECASE)


# ---------------------------------------------------------------- from uses to findings


@dataclass(slots=True)
class _Trouble:
    """One feature, the programs that have the same trouble with it, and where the mail uses it."""

    slug: str
    fact: support.Support
    note: str = ""
    clients: dict[str, None] = field(default_factory=dict)
    whats: dict[str, None] = field(default_factory=dict)
    owners: set[str] = field(default_factory=set)
    nodes: set[tuple[int, int]] = field(default_factory=set)
    """The uses, by mail and number, so that one that two programs have trouble with counts once."""

    def title(self) -> str:
        return self.fact.title.strip()

    def who(self) -> str:
        names = [support.clients()[client] for client in self.clients]
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

    def verb(self, one: str, many: str) -> str:
        return one if len(self.clients) == 1 else many

    def found(self, material: Material, message: str, hint: str) -> Found:
        """The finding, at the item if one item alone has it, else about the theme."""
        first = next(iter(self.whats))
        per_mail = max(sum(mail == number for mail, _ in self.nodes) for number in {mail for mail, _ in self.nodes})
        used = f", as in {_quoted(first)}" + (f" and {per_mail - 1} more times" if per_mail > 1 else "")
        used = used.replace(" 1 more times", " once more")
        loc: Loc = loc_of(material, next(iter(self.owners))) if len(self.owners) == 1 else ()
        return _in_theme(f"{message}{used}{_tested(self.fact)}", f"{hint} {self.fact.url}", loc)


def _quoted(what: str) -> str:
    return what if what.startswith("<") or '"' in what else f'"{what}"'


def _tested(fact: support.Support | None) -> str:
    return f"; tested {fact.tested:%Y-%m-%d}." if fact else "."


def _in_theme(message: str, hint: str, loc: Loc = ()) -> Found:
    # Only what stands in one item alone comes from that item; all the rest, the templates make.
    in_item = len(loc) == 4
    return Found(loc if in_item else (), message, hint, place=None if in_item else _THEME)


def _pages(material: Material) -> Iterator[MailPage]:
    seen: set[str] = set()
    for mail in mails(material):
        if mail.html not in seen:
            seen.add(mail.html)
            yield mail.page


def _troubles(material: Material, code: str) -> Iterator[_Trouble]:
    """What the programs of the settings lack or have in part, as far as it matters; by feature and note."""
    wanted = [client for client in dict.fromkeys(material.config.checking.clients) if client in support.clients()]
    troubles: dict[tuple[str, str], _Trouble] = {}
    for number, page in enumerate(_pages(material)):
        by_slug: dict[str, list[tuple[int, Use]]] = {}
        for place, use in enumerate(features.used(page)):
            if use.node is None or use.node.tag not in NEVER_IN_MAIL:  # of those, HTM07 tells
                by_slug.setdefault(use.slug, []).append((place, use))
        for slug, uses in by_slug.items():
            for client in wanted:
                fact = support.of(slug, client)
                if fact is None or fact.code != code:
                    continue
                for note, matters in _questions(fact, client, page):
                    hits = [(place, use) for place, use in uses if matters(use)]
                    if not hits:
                        continue
                    trouble = troubles.setdefault((slug, note), _Trouble(slug, fact, note))
                    trouble.clients[client] = None
                    for place, use in hits:
                        trouble.nodes.add((number, place))
                        trouble.whats[use.what] = None
                        trouble.owners.add(page.owner(use.node) if use.node is not None else "")
    yield from troubles.values()


def _questions(fact: support.Support, client: str, page: MailPage) -> Iterator[tuple[str, Callable[[Use], bool]]]:
    """What to ask of each use: whether it is needed, or whether this note is about it."""
    if fact.code == "n":
        yield "", lambda use: grace.needed(use, client)
        return
    for note in fact.notes or ("",):
        yield note, lambda use, note=note: grace.concerns(note, use, client, page)  # type: ignore[misc]
