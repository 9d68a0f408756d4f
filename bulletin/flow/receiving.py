"""What comes back after an issue has left: deliveries, bounces, complaints and opt-outs, and what follows from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError
from bulletin.flow._common import now
from bulletin.flow.readers import normal_address
from bulletin.publication import Publication

if TYPE_CHECKING:
    from bulletin.delivery.eventlog import Logged
    from bulletin.delivery.receiving import Receiver
    from bulletin.model import EventKind, Subscriber

ALERTS_FOR = dt.timedelta(days=30)
"""How long it is told that mail was turned down for the sender's own sake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What came in, and what waits for a person. Holds no address."""

    counts: Mapping[str, Mapping[EventKind, int]]
    """Events of each kind by mailing; under the empty name those about none that is known."""
    in_doubt: list[Logged]
    readers: Mapping[str, str]
    """A masked address for each reader id that is named here."""
    blocked: list[tuple[str, str, int]]
    """Mail turned down for what the sender does or is: domain, reason, how often (V-07)."""
    soon: list[tuple[str, int]]
    """Readers whose address is suspended if it fails again, and on how many issues in a row it did (V-10)."""
    suspended: int


@contextmanager
def receiver_of(home: Publication) -> Iterator[Receiver]:
    """What takes in the publication's events, while the context lasts."""
    from bulletin.delivery.eventlog import EventLog
    from bulletin.delivery.ledger import Ledger
    from bulletin.delivery.receiving import Receiver
    from bulletin.stores import database
    from bulletin.subscribers.store import Subscribers

    with database(home.database_url) as engine:
        yield Receiver(EventLog(engine), Subscribers(engine, home.secret()), Ledger(engine), now)


def overview_of_events(home: Publication) -> Overview:
    """What was reported about all mailings, and what a person has to look at."""
    from bulletin.delivery.events import SOFT_BOUNCES
    from bulletin.model import SubscriberState
    from bulletin.subscribers.address import masked

    with receiver_of(home) as receiver:
        in_doubt = receiver.log.in_doubt()
        soon = []
        for subscriber in receiver.log.bounced_softly():
            number = receiver.row_of(subscriber)
            person = receiver.readers.get(subscriber)
            if person and person.state is SubscriberState.SUBSCRIBED and number == SOFT_BOUNCES - 1:
                soon.append((subscriber, number))
        named = {event.subscriber for event in in_doubt if event.subscriber} | {subscriber for subscriber, _ in soon}
        people = (receiver.readers.get(subscriber) for subscriber in sorted(named))
        return Overview(
            counts=receiver.log.counts(),
            in_doubt=in_doubt,
            readers={person.id: masked(person.email) for person in people if person},
            blocked=receiver.log.blocked(since=now() - ALERTS_FOR),
            soon=soon,
            suspended=receiver.readers.counts()[SubscriberState.BOUNCED],
        )


def settle_event(home: Publication, number: int, *, accept: bool, who: str, address: str = "") -> bool:
    """A person's word on an event in doubt: it counts, or nothing comes of it. Whether a reader's state changed.

    `address` names the reader where the event does not. Raises `BulletinError` if there is no such event, or nobody for
    it to count for.
    """
    with receiver_of(home) as receiver:
        event = receiver.log.get(number)
        if event is None:
            raise BulletinError(
                f"no event with the number {number} waits for you.", hint="See them with: bulletin events review"
            )
        if not accept:
            receiver.dismiss(event, who=who)
            return False
        subscriber = event.subscriber
        if address:
            person = receiver.readers.find(normal_address(address))
            if person is None:
                raise BulletinError("that address is not on the list.", hint="See: bulletin subscribers list")
            subscriber = person.id
        if subscriber is None:
            raise BulletinError(
                "nobody knows which reader this is about.",
                hint=f"Name them: bulletin events settle {number} --accept --reader ADDRESS",
            )
        return receiver.accept(event, who=who, subscriber=subscriber)


def suspended(home: Publication) -> list[tuple[Subscriber, dt.datetime, str]]:
    """Readers who get no mail because their address bounced, since when and why; the newest first."""
    with receiver_of(home) as receiver:
        return receiver.readers.suspended()


def reinstate(home: Publication, address: str, *, who: str, why: str) -> None:
    """Undo the suspension of a reader, named by address or id, because the address is right after all (V-10).

    Raises `BulletinError` if they are not suspended, or withdrew or never gave their consent.
    """
    from bulletin.model import SubscriberState

    with receiver_of(home) as receiver:
        readers = receiver.readers
        person = readers.find(normal_address(address)) if "@" in address else readers.get(address)
        if person is None:
            raise BulletinError("that reader is not on the list.", hint="See: bulletin subscribers suspended")
        if person.state is not SubscriberState.BOUNCED:
            raise BulletinError(
                f"that reader is not suspended, but {person.state.value}.", hint="See: bulletin help after-sending"
            )
        if not readers.reinstate(person.id, now=now(), how=f"{who}: {why}"):
            raise BulletinError(
                "before the address bounced, its owner had not agreed to get the bulletin, or had left.",
                hint="Only they can change that: by signing up and confirming it.",
            )
