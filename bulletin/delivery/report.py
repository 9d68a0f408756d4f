"""How a mailing stands, as plain values for people and machines. Nothing in it is an address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bulletin.model import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A mailing's deliveries, counted by state. Computed from the ledger, never kept beside it."""

    mailing: str
    counts: Mapping[DeliveryState, int]

    @property
    def planned(self) -> int:
        """Everybody the mailing is for."""
        return sum(self.counts.values())

    @property
    def accepted(self) -> int:
        """Taken by the provider."""
        return self.counts.get(DeliveryState.ACCEPTED, 0)

    @property
    def refused(self) -> int:
        """Turned down by the provider for good."""
        return self.counts.get(DeliveryState.REFUSED, 0)

    @property
    def withdrawn(self) -> int:
        """Not sent, because the reader left or moved out of the audience after planning."""
        return self.counts.get(DeliveryState.WITHDRAWN, 0)

    @property
    def unknown(self) -> int:
        """May or may not have left. Sent again only when a person asks."""
        return self.counts.get(DeliveryState.UNKNOWN, 0)

    @property
    def waiting(self) -> int:
        """Still to go, or in the hands of a sender now."""
        return self.counts.get(DeliveryState.PLANNED, 0) + self.counts.get(DeliveryState.CLAIMED, 0)

    @property
    def finished(self) -> bool:
        """Whether every delivery has an answer: planned = accepted + refused + withdrawn (promise 4)."""
        return self.planned == self.accepted + self.refused + self.withdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Refused deliveries of one mail domain that got the same answer."""

    domain: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a mailing."""

    mailing: str
    planned: int
    accepted: int
    refused: int
    withdrawn: int
    unknown: int
    waiting: int
    finished: bool
    refusals: tuple[Refusals, ...]
    """The most frequent first."""
    unknown_subscribers: tuple[str, ...]
    """Ids of the subscribers a person has to decide about."""
    digest: str = ""
    """Of the plan as it stands in the ledger."""
    due_at: dt.datetime | None = None
    """When it leaves, if nothing has left yet."""
    held: bool = False
    """Whether the rest waits for a person, who wanted only the first ones to leave."""
    cancelled_by: str = ""
    """Who called it off; empty if nobody did."""


def make_report(
    standing: Standing,
    refusals: Iterable[Refusals],
    unknown: Iterable[str],
    *,
    digest: str = "",
    due_at: dt.datetime | None = None,
    held: bool = False,
    cancelled_by: str = "",
) -> Report:
    """A standing with the reasons behind it."""
    return Report(
        mailing=standing.mailing,
        planned=standing.planned,
        accepted=standing.accepted,
        refused=standing.refused,
        withdrawn=standing.withdrawn,
        unknown=standing.unknown,
        waiting=standing.waiting,
        finished=standing.finished,
        refusals=tuple(sorted(refusals, key=lambda entry: (-entry.count, entry.domain, entry.reason))),
        unknown_subscribers=tuple(sorted(unknown)),
        digest=digest,
        due_at=due_at,
        held=held,
        cancelled_by=cancelled_by,
    )
