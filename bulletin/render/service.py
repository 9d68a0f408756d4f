"""Mails to one reader that no person approved, such as a confirmation: plain words and links, in the reader's language.

A theme's `templates/service` holds how they look, `templates/web/words` what they say. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bulletin.config import Config
from bulletin.render import palette, theme
from bulletin.render.message import Envelope, ServiceMessage
from bulletin.words import Words

WORDS: Final = "web/words"
"""Where the words of pages and of these mails lie, below templates."""

_LINKS: Final = {
    "confirm": (("mail_confirm_link", "confirm"),),
    "subscribed": (("choose_link", "preferences"),),
    "links": (("choose_link", "preferences"), ("mail_data_link", "data")),
    "address": (("mail_address_link", "address"),),
    "changed": (),
}
"""What each kind of mail links to: the words of the link, and its place among the addresses."""

_AFTER: Final = {
    "confirm": ("mail_confirm_after", "mail_not_you"),
    "subscribed": ("mail_not_you",),
    "links": ("mail_not_you",),
    "address": ("mail_address_after", "mail_not_you"),
    "changed": ("mail_changed_not_you",),
}


def service_message(
    template_dirs: tuple[Path, ...], config: Config, words: Words, kind: str, addresses: Mapping[str, str]
) -> ServiceMessage:
    """A mail of this kind. `config` is in the reader's language, and `addresses` holds every link it may need.

    Nothing in it was typed by whoever asked for it: they may be anybody.
    """
    contact = config.sender.reply_to or config.sender.address
    values = {
        "language": config.language,
        "brand": config.brand,
        "light": palette.light(config.brand),
        "dark": palette.dark(config.brand),
        "masthead": config.brand.masthead or config.name,
        "subject": words.say(f"mail_{kind}", name=config.name),
        "words": words.say(f"mail_{kind}_lead", name=config.name),
        "links": [
            {"label": words.say(label, name=config.name), "url": addresses[place]} for label, place in _LINKS[kind]
        ],
        "after": [words.say(phrase, contact=contact) for phrase in _AFTER[kind]],
        "why": words.say(
            "mail_why",
            name=config.name,
            organisation=config.organisation.name,
            address=config.organisation.postal_address,
        ),
        "privacy_url": config.organisation.privacy_url,
        "privacy_label": words.say("privacy"),
    }
    return ServiceMessage(
        Envelope.of(config),
        subject=str(values["subject"]),
        html=theme.run(template_dirs, "service/mail.html", values, escape=True),
        text=theme.run(template_dirs, "service/mail.txt", values, escape=False),
        language=config.language,
    )
