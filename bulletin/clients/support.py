"""What each mail program makes of each feature of HTML and CSS, as volunteers of caniemail.com tested it (H-23).

The facts are data, `caniemail.json`, with licence and source beside it. `python tests/clientfacts.py FULL.json` makes
them again from the full data of caniemail.com. Many tests are some years old, so every fact carries its date.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Support:
    """What one mail program makes of one feature."""

    code: str
    """y for yes, n for no, a for partly, u for unknown."""
    notes: tuple[str, ...]
    """What the testers wrote on it, plain sentences."""
    tested: dt.date
    """The day the feature was last tested."""
    title: str
    """The feature's name: `display:flex`."""
    url: str
    """The page about it."""


def clients() -> Mapping[str, str]:
    """Every mail program that was tested: its name in the settings, `outlook.windows`, and one to read."""
    return _names()


def of(slug: str, client: str) -> Support | None:
    """What a mail program makes of a feature; None if the feature or the program is not known."""
    return _support(slug, client)


def features() -> tuple[str, ...]:
    """The names of all features that were tested, such as `css-display-flex`."""
    return tuple(_facts()["features"])


def data_date() -> dt.date:
    """The day the facts were taken over as they stand."""
    return dt.date.fromisoformat(_facts()["date"])


@cache
def _facts() -> dict[str, Any]:
    return dict(json.loads(Path(__file__).with_name("caniemail.json").read_text("utf-8")))


_OWN_NAMES = {
    "outlook.windows": "classic Outlook for Windows",
    "outlook.outlook-com": "Outlook on the web and new Outlook",
    "outlook.windows-mail": "Windows Mail",
    "outlook.macos": "Outlook for Mac",
    "outlook.ios": "Outlook for iPhone",
    "outlook.android": "Outlook for Android",
    "gmail.desktop-webmail": "Gmail on the web",
    "gmail.mobile-webmail": "Gmail in a phone's browser",
    "gmail.ios": "Gmail for iPhone",
    "gmail.android": "Gmail for Android",
    "apple-mail.ios": "Apple Mail on iPhone",
    "apple-mail.macos": "Apple Mail on a Mac",
}
"""Names that comms officers know, for the programs most of their readers have."""

_ON = {"desktop-webmail": "on the web", "webmail": "on the web", "ios": "for iPhone", "macos": "on a Mac"}


@cache
def _names() -> Mapping[str, str]:
    facts = _facts()
    names = {}
    for client in facts["clients"]:
        family, _, platform = client.partition(".")
        on = _ON.get(platform) or f"for {facts['platforms'].get(platform, platform)}"
        names[client] = _OWN_NAMES.get(client) or f"{facts['families'].get(family, family)} {on}"
    return MappingProxyType(names)


@lru_cache(maxsize=4096)
def _support(slug: str, client: str) -> Support | None:
    facts = _facts()
    if slug not in facts["features"] or client not in facts["clients"]:
        return None
    title, _category, tested, values, notes = facts["features"][slug]
    code, *numbers = values.split(" ")[facts["clients"].index(client)].split("#")
    return Support(
        code=code,
        notes=tuple(notes[number] for number in numbers if number in notes),
        tested=dt.date.fromisoformat(tested),
        title=title,
        url=f"https://www.caniemail.com/features/{slug}/",
    )
