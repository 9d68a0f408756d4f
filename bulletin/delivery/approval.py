"""What somebody approved, and what is no longer as they saw it. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bulletin.errors import BulletinError

EDITION = "edition "
"""Begins the name of each part that is a rendered edition; its value is the edition's digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody's word on one plan (promise 3)."""

    mailing: str
    digest: str
    """Of the plan: rendered bytes, recipients, sender, provider and time."""
    parts: Mapping[str, str]
    """What the digest covers beside the recipients, each under a name for people, so that a change can be named."""
    who: str
    at: dt.datetime


def changes(approved: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What differs from what was approved, in words for people; nothing if all is as it was."""
    return tuple(_changes(approved, now))


def _changes(approved: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(approved.keys() | now.keys(), key=lambda name: (not name.startswith(EDITION), name)):
        before, after = approved.get(name), now.get(name)
        if before == after:
            continue
        if name.startswith(EDITION):
            fate = "is new" if before is None else "is gone" if after is None else "was changed"
            yield f"the {name} {fate}"
        else:
            yield f"the {name} was {before or 'not set'} and is {after or 'not set'}"


def refuse_own(approver: str, editor: str) -> None:
    """Raises `BulletinError` if the one who approves is the last who changed the issue (promise 3)."""
    if same_person(approver, editor):
        raise BulletinError(
            f"{approver} changed this issue last, so somebody else has to approve it.",
            hint="Ask a colleague to read it and to run: bulletin approve",
        )


def same_person(one: str, other: str) -> bool:
    """Whether two names, each with or without `<address>`, are the same person's as far as anybody can tell."""
    return bool(_names(one) & _names(other))


def _names(who: str) -> set[str]:
    name, _, address = who.casefold().rstrip(">").partition("<")
    return {" ".join(part.split()) for part in (name, address) if part.strip()}
