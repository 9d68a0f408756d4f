"""What follows from an event for the reader it is about: one table, and the only one. Pure.

The table of moves in `subscribers.consent` has the last word: a bounce of somebody who left, say, changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bulletin.model import EventKind
from bulletin.subscribers.consent import Cause


@dataclass(frozen=True, slots=True)
class Consequence:
    """One row of the table."""

    cause: Cause | None = None
    """What it is to the reader; None if it is nothing to them."""
    issues: int = 1
    """On how many issues in a row it has to happen before it counts."""
    alerts: bool = False
    """Whether whoever sends has to be told, because it is about them."""


SOFT_BOUNCES: Final = 3
"""Issues in a row that bounce for a passing reason, a full mailbox say, before the address is suspended (V-10)."""

CONSEQUENCES: Final[Mapping[EventKind, Consequence]] = {
    EventKind.DELIVERED: Consequence(),  # and soft bounces are counted anew; see `bounced_in_a_row`
    EventKind.DEFERRED: Consequence(),
    EventKind.BOUNCED: Consequence(Cause.BOUNCE),
    EventKind.SOFT_BOUNCED: Consequence(Cause.BOUNCE, issues=SOFT_BOUNCES),
    EventKind.BLOCKED: Consequence(alerts=True),  # a fault of the sender's, never of the reader's (V-07)
    EventKind.COMPLAINED: Consequence(Cause.COMPLAINT),  # on every list (V-14)
    EventKind.UNSUBSCRIBED: Consequence(Cause.UNSUBSCRIBE),
    EventKind.OTHER: Consequence(),
}


@dataclass(frozen=True, slots=True)
class Copy:
    """An issue that a reader was sent, and what was last heard of their copy: DELIVERED, SOFT_BOUNCED, or nothing."""

    mailing: str
    last: EventKind | None = None


def bounced_in_a_row(copies: Sequence[Copy]) -> int:
    """How many issues in a row bounced for a passing reason, up to the newest that anything is known of.

    `copies` come in the order they were sent. One of which nothing was heard arrived, as far as anybody knows: mail
    servers report what they could not deliver. Only of the newest ones a report may still be on its way.
    """
    number = 0
    for copy in reversed(copies):
        if copy.last is EventKind.SOFT_BOUNCED:
            number += 1
        elif number or copy.last is EventKind.DELIVERED:
            break
    return number


def cause_of(
    kind: EventKind, at: dt.datetime, *, agreed_at: dt.datetime | None, copies: Sequence[Copy]
) -> Cause | None:
    """What an event means for its reader, if anything.

    `agreed_at` is when they last agreed to get mail: what happened before is not held against them, so that a report
    that comes late does not undo a fresh consent. `copies` are those sent since then.
    """
    if agreed_at is not None and at < agreed_at:
        return None
    consequence = CONSEQUENCES[kind]
    enough = consequence.issues == 1 or bounced_in_a_row(copies) >= consequence.issues
    return consequence.cause if enough else None
