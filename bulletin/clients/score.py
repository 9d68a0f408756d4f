"""How well a finished mail fits each mail program: the features it uses, counted by what the program makes of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from bulletin.clients import features, support
from bulletin.clients.page import MailPage


@dataclass(frozen=True, slots=True)
class ClientScore:
    """The features of one mail as one mail program knows them, each by its name."""

    client: str
    """Its name in the settings: `outlook.windows`."""
    name: str
    """Its name to read."""
    supported: tuple[str, ...]
    partly: tuple[str, ...]
    lacking: tuple[str, ...]
    unknown: tuple[str, ...]
    oldest: dt.date | None
    """The day of the oldest test that counts here; None if the mail uses nothing that was tested."""
    newest: dt.date | None

    @property
    def used(self) -> int:
        """How many features the mail uses."""
        return len(self.supported) + len(self.partly) + len(self.lacking) + len(self.unknown)

    def as_data(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {
            **asdict(self),
            "oldest": self.oldest.isoformat() if self.oldest else None,
            "newest": self.newest.isoformat() if self.newest else None,
        }


def score(page: MailPage, clients: Iterable[str]) -> tuple[ClientScore, ...]:
    """What each of these mail programs makes of the features a mail uses. Unknown programs are left out."""
    slugs = sorted({use.slug for use in features.used(page)})
    return tuple(_of_client(client, slugs) for client in clients if client in support.clients())


def _of_client(client: str, slugs: list[str]) -> ClientScore:
    by_code: dict[str, list[str]] = {"y": [], "a": [], "n": [], "u": []}
    days = []
    for slug in slugs:
        fact = support.of(slug, client)
        by_code[fact.code if fact else "u"].append(slug)
        if fact and fact.code != "u":
            days.append(fact.tested)
    return ClientScore(
        client=client,
        name=support.clients()[client],
        supported=tuple(by_code["y"]),
        partly=tuple(by_code["a"]),
        lacking=tuple(by_code["n"]),
        unknown=tuple(by_code["u"]),
        oldest=min(days, default=None),
        newest=max(days, default=None),
    )
