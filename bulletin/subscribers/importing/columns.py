"""Which column of a list is what, by the headings of spreadsheets and of other mailing programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bulletin.subscribers.consent import Cause

HEADINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": (
        *("email", "e mail", "mail", "email address", "e mail address", "address", "emailaddress", "destination"),
        *(
            "subscriber email",
            "subscriber",
            "contact",
            "contacts",
            "work email",
            "email 1",
            "cyfeiriad e bost",
            "e bost",
        ),
    ),
    "name": ("name", "full name", "display name", "subscriber name", "enw"),
    "first": ("first name", "firstname", "forename", "given name", "fname"),
    "last": ("last name", "lastname", "surname", "family name", "lname"),
    "organisation": ("organisation", "organization", "company", "force", "employer", "agency", "sefydliad"),
    "role": ("role", "job title", "jobtitle", "position", "job"),
    "language": ("language", "lang", "preferred language", "iaith"),
    "topics": ("topics", "interests", "topic"),
    "lists": ("lists", "list"),
    "status": (
        *("status", "state", "subscription status", "subscriber status", "email status", "member status"),
        *("subscriber type", "delivery status", "type", "opt in status", "optinstatus"),
    ),
    "unsubscribed": ("unsub time", "unsubscribed at", "opt out date", "unsubscribe date", "deletion reason"),
    "bounced": ("clean time", "bounced at", "bounce date"),
}
"""Headings in small letters with single spaces in place of other signs; of two that mean the same, the first counts."""

_PROGRAMS: Final = (
    ("Mailchimp", {"leid", "euid"}),
    ("Mailchimp", {"member rating"}),
    ("listmonk", {"uuid", "email", "attributes"}),
    ("listmonk", {"uuid", "email", "attribs"}),
    ("Buttondown", {"referrer url", "tags"}),
    ("Buttondown", {"secondary id"}),
    ("govDelivery", {"destination"}),
    ("govDelivery", {"subscription created"}),
)

_MEANS: Final[Mapping[Cause | None, tuple[str, ...]]] = {
    Cause.IMPORT: (
        *("", "subscribed", "active", "enabled", "confirmed", "regular", "premium", "gifted", "trialed", "paid"),
        *("yes", "ok", "deliverable", "opted in", "free", "email"),
    ),
    Cause.UNSUBSCRIBE: (
        *("unsubscribed", "left", "removed", "opted out", "opt out", "unsub", "inactive", "disabled", "blocklisted"),
        *("blacklisted", "blocked", "deleted", "no", "churned", "archived", "paused", "erased"),
    ),
    Cause.BOUNCE: ("bounced", "cleaned", "undeliverable", "hard bounce", "hard bounced", "invalid", "failed"),
    Cause.COMPLAINT: ("complained", "spam", "spam complaint", "abuse", "complaint", "marked as spam"),
    None: (
        *("pending", "unconfirmed", "unactivated", "non subscribed", "nonsubscribed", "transactional", "spammy"),
        *("undeterminable", "unknown", "risky", "malicious"),
    ),
}
STATUS: Final = {word: cause for cause, words in _MEANS.items() for word in words}
"""What the word in a status column asks for; None for who agreed to nothing yet. Any other word refuses its row."""

TAKES_COLUMNS: Final = ("name", "organisation", "role", "language", "topics", "lists")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row each field stands."""

    places: Mapping[str, int]
    headings: tuple[str, ...]
    program: str = ""
    """Which program's export this is, if its headings tell."""
    has_heading: bool = True

    @property
    def shown(self) -> tuple[str, ...]:
        """`email ← Email Address` for each field that was recognised, in plain signs."""
        named = {field: _plain(self.headings[place]) for field, place in self.places.items()}
        if not self.has_heading:
            return tuple(f"{field} ← column {place + 1}, no heading" for field, place in self.places.items())
        both = [named.pop(part) for part in ("first", "last") if part in named]
        if both and "name" not in named:
            named["name"] = " + ".join(both)
        return tuple(f"{field} ← {heading}" for field, heading in named.items())

    @property
    def unknown(self) -> tuple[str, ...]:
        """Headings that mean nothing here; these columns are left alone."""
        used = set(self.places.values())
        return tuple(
            _plain(heading)
            for place, heading in enumerate(self.headings)
            if self.has_heading and place not in used and heading.strip()
        )


def recognise(first: Sequence[str]) -> Columns | None:
    """The columns of a table by its first row; None if no column is known to hold addresses.

    A first row that holds an address already is no heading: then only this column is known.
    """
    bare = [bare_word(heading) for heading in first]
    places: dict[str, int] = {}
    for field, headings in HEADINGS.items():
        found = [bare.index(heading) for heading in headings if heading in bare]
        free = [place for place in found if place not in places.values()]
        if free:
            places[field] = free[0]
    if "email" in places:
        program = next((name for name, marks in _PROGRAMS if marks <= set(bare)), "")
        return Columns(places, tuple(first), program)
    at = next((place for place, cell in enumerate(first) if re.search(r"[^@\s]@[^@\s]+\.[^@\s]", cell)), None)
    return None if at is None else Columns({"email": at}, tuple(first), has_heading=False)


def bare_word(text: str) -> str:
    """A heading or status in small letters, with single spaces in place of all other signs."""
    return " ".join(re.findall(r"\w+", text.lower().replace("_", " ")))


def _plain(heading: str) -> str:
    shown = "".join(sign if sign.isprintable() else " " for sign in heading).strip()
    return shown if len(shown) <= 60 else shown[:59] + "…"
