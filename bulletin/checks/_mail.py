"""The finished mails as the checks of their bytes see them: filled in for a reader, and taken apart once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, wraps

from bulletin.checks._rule import Found, Look, Material
from bulletin.clients import page
from bulletin.config import Config
from bulletin.door import Loc
from bulletin.model import Issue, RenderedEdition
from bulletin.render import fill, longest_personal
from bulletin.translations import speak
from bulletin.words import primary

NEVER_IN_MAIL = frozenset(
    {
        *("script", "form", "input", "button", "select", "textarea", "iframe", "frame", "object", "embed", "applet"),
        *("video", "audio", "base", "svg", "canvas"),
    }
)
"""Elements that mail programs take out, and for which filters stop a mail."""


@dataclass(frozen=True)
class Mail:
    """One finished mail, with the longest personal values a reader may have."""

    edition: RenderedEdition
    html: str
    text: str

    @cached_property
    def page(self) -> page.MailPage:
        """The HTML taken apart."""
        return page.read(self.html)


def mails(material: Material) -> tuple[Mail, ...]:
    """Every finished mail of the material, the same for all checks, so that each is taken apart once."""
    if "mails" not in material.kept:
        personal = longest_personal(material.config)
        material.kept["mails"] = tuple(Mail(edition, *fill(edition, personal)) for edition in material.rendered)
    found: tuple[Mail, ...] = material.kept["mails"]
    return found


def version_of(material: Material, mail: Mail) -> tuple[Issue, Config]:
    """The issue and the settings in the language of a mail, to hold the mail against."""
    language = mail.edition.language
    file = material.translations.get(language)
    words = next((words for words in material.phrases if words.language == primary(language)), None)
    if file is None or words is None:
        return material.issue, material.config
    if ("version", language) not in material.kept:
        spoken = speak(material.issue, material.config, file.translation, language, words)
        material.kept["version", language] = spoken.issue, spoken.config
    found: tuple[Issue, Config] = material.kept["version", language]
    return found


def told_once(look: Look) -> Look:
    """A check of the mails whose findings are told once, although one slip shows in the mails of all readers."""

    @wraps(look)
    def looking(material: Material) -> Iterator[Found]:
        yield from dict.fromkeys(look(material))

    return looking


def loc_of(material: Material, anchor: str) -> Loc:
    """The path in the issue file of the item or section whose anchor in the mail this is; else of the issue."""
    kind, _, name = anchor.partition("-")
    for s, section in enumerate(material.issue.sections):
        if kind == "section" and section.id == name:
            return ("sections", s)
        for i, item in enumerate(section.items):
            if kind == "item" and item.id == name:
                return ("sections", s, "items", i)
    return ()
