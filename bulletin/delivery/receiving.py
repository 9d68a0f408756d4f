"""Takes in what was reported about deliveries: finds whom it is about, writes it down once, and does what follows.

An event is on disk before anything comes of it, and marked as handled after; a program that dies in between does it
when it runs again. Every effect is a move of `subscribers.consent`, which may be made twice and counts once.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.exc import IntegrityError

from bulletin.delivery.eventlog import EventLog, Logged, Placed
from bulletin.delivery.events import CONSEQUENCES, Copy, bounced_in_a_row, cause_of
from bulletin.delivery.ledger import TEST_READER, Ledger
from bulletin.model import DeliveryEvent, EventKind
from bulletin.subscribers.address import AddressRefused, normalise
from bulletin.subscribers.consent import Cause
from bulletin.subscribers.store import Subscribers

MAILINGS_REMEMBERED = 24
"""How far back bounces in a row are looked for."""


@dataclass(slots=True)
class Taken:
    """What came of some events."""

    new: int = 0
    again: int = 0
    """Told before; nothing came of them."""
    doubtful: int = 0
    """New ones that wait for a person."""
    moved: Counter[Cause] = field(default_factory=Counter)
    """Readers whose state changed, by the cause."""
    settled: int = 0
    """Unknown deliveries that turned out to have left."""

    def __iadd__(self, other: Taken) -> Taken:
        self.new += other.new
        self.again += other.again
        self.doubtful += other.doubtful
        self.moved += other.moved
        self.settled += other.settled
        return self


@dataclass(frozen=True, slots=True)
class Receiver:
    """What taking in events needs, passed in."""

    log: EventLog
    readers: Subscribers
    ledger: Ledger
    now: Callable[[], dt.datetime]

    def take(self, events: Iterable[DeliveryEvent]) -> Taken:
        """Write down events, each once, and carry out what follows from them. They may come in any order, and again."""
        reported = [_in_time(event, self.now()) for event in events]
        try:
            return self._take(reported)
        except IntegrityError:  # a reader was erased since they were looked up
            return self._take(reported)

    def _take(self, events: Sequence[DeliveryEvent]) -> Taken:
        placed = self._place(events)
        added = self.log.add(placed, now=self.now())
        moved: Counter[Cause] = Counter()
        for event in added.waiting:
            moved += self._handle(event)
        copies: defaultdict[str, set[str]] = defaultdict(set)
        for each in placed:
            if each.mailing and each.subscriber and not each.doubt and each.event.kind is not EventKind.OTHER:
                copies[each.mailing].add(each.subscriber)
        settled = sum(
            self.ledger.settle_by_event(name, chunk, now=self.now())
            for name, ids in copies.items()
            for chunk in _chunks(ids)
        )
        again = len(events) - added.new
        return Taken(new=added.new, again=again, doubtful=added.doubtful, moved=moved, settled=settled)

    def catch_up(self) -> Taken:
        """Finish what a dead program left, and settle deliveries that became unknown after they were reported of."""
        done = Taken()
        for event in self.log.left_over():
            done.moved += self._handle(event)
        for mailing in self.ledger.doubtful():
            for chunk in _chunks(self.ledger.unknown(mailing)):
                reported = self.log.reported(mailing, chunk)
                done.settled += self.ledger.settle_by_event(mailing, reported, now=self.now())
        return done

    def accept(self, event: Logged, *, who: str, subscriber: str | None = None) -> bool:
        """A person says that an event in doubt is true; whether it changed anything for its reader."""
        cause = CONSEQUENCES[event.kind].cause
        reader = subscriber or event.subscriber
        how = f"{_how(event)}; {who} decided that it counts"
        changed = bool(cause and reader and self.readers.report_on(reader, cause, now=self.now(), how=how))
        self.log.handled(event.number, now=self.now(), decision=f"{who}: it counts")
        return changed

    def dismiss(self, event: Logged, *, who: str) -> None:
        """A person says that nothing is to come of an event in doubt."""
        self.log.handled(event.number, now=self.now(), decision=f"{who}: nothing comes of it")

    def row_of(self, subscriber: str) -> int:
        """How many issues in a row bounced for a passing reason for this reader."""
        return bounced_in_a_row(self._copies(subscriber, self.readers.agreed_at(subscriber)))

    # ---- steps

    def _handle(self, event: Logged) -> Counter[Cause]:
        moved: Counter[Cause] = Counter()
        if event.subscriber is not None:
            agreed = self.readers.agreed_at(event.subscriber)
            counts_in_a_row = CONSEQUENCES[event.kind].issues > 1
            copies = self._copies(event.subscriber, agreed) if counts_in_a_row else ()
            cause = cause_of(event.kind, event.at, agreed_at=agreed, copies=copies)
            if cause and self.readers.report_on(event.subscriber, cause, now=self.now(), how=_how(event)):
                moved[cause] += 1
        self.log.handled(event.number, now=self.now())
        return moved

    def _copies(self, subscriber: str, since: dt.datetime | None) -> list[Copy]:
        mailings = self.ledger.mailings(newest=MAILINGS_REMEMBERED)
        taken = self.ledger.taken_for(subscriber, mailings)
        return self.log.copies(subscriber, mailings, taken, since=since)

    def _place(self, events: Sequence[DeliveryEvent]) -> list[Placed]:
        """Each event with the reader it is about: by the delivery's key if it has one, else by the address."""
        keys = {_parts(event.key) for event in events}
        emails = {event.address: _normal(event.address) for event in events if event.address}
        readers = self._readers({subscriber for _, subscriber in keys}, set(emails.values()))
        wanted: defaultdict[str, set[str]] = defaultdict(set)
        for mailing, subscriber in keys:
            if mailing:
                wanted[mailing].add(subscriber)
        sent = {
            (mailing, subscriber)
            for mailing, some in wanted.items()
            for chunk in _chunks(some)
            for subscriber in self.ledger.known(mailing, chunk)
        }
        strangers = sorted({email for email in emails.values() if email} - readers.keys())
        gone = {email for email, state in self.readers.states(strangers) if state is not None}
        return [_placed(event, _Known(emails, readers, sent, gone)) for event in events]

    def _readers(self, ids: Collection[str], emails: Collection[str]) -> dict[str, tuple[str, str]]:
        found: dict[str, tuple[str, str]] = {}
        for chunk in _chunks(ids):
            found |= self.readers.places(ids=chunk)
        for chunk in _chunks(emails):
            found |= self.readers.places(emails=chunk)
        return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What the stores know of the readers and deliveries that some events name."""

    emails: Mapping[str, str]
    """The normalised form of each address; empty if it is none."""
    readers: Mapping[str, tuple[str, str]]
    """Id and mail domain by id and by normalised address."""
    sent: Collection[tuple[str, str]]
    """Mailing and subscriber of each delivery in the ledger."""
    gone: Collection[str]
    """Normalised addresses of which only a hash is left."""


def _placed(event: DeliveryEvent, known: _Known) -> Placed:
    mailing, subscriber = _parts(event.key)
    email = known.emails.get(event.address, "")
    found, domain = known.readers.get(subscriber) or known.readers.get(email) or (None, "")
    sent = (mailing, subscriber) in known.sent
    counts = CONSEQUENCES[event.kind].cause is not None
    gone = subscriber == TEST_READER or email in known.gone or (sent and found is None)
    doubt = event.doubt
    if counts and not doubt:
        doubt = _doubt(mailing, subscriber, email, sent=sent, found=found is not None)
    return Placed(
        event=event,
        mailing=mailing if sent else "",
        subscriber=found,
        domain=domain,
        doubt="" if gone else doubt,
        done=found is None or not counts,
    )


def _doubt(mailing: str, subscriber: str, email: str, *, sent: bool, found: bool) -> str:
    """Why it is not certain whom an event is about; empty if it is (V-03)."""
    if subscriber and mailing and not sent:
        return "no delivery is known by this name"
    if found:
        return ""
    if subscriber:
        return "no reader is known by this name"
    return "no reader is known by this address" if email else "it does not say whom it is about"


def _in_time(event: DeliveryEvent, now: dt.datetime) -> DeliveryEvent:
    """No clock of others is ahead of ours, and each has its zone."""
    at = event.at if event.at.tzinfo else event.at.replace(tzinfo=dt.UTC)
    return replace(event, at=min(at, now))


_KEY = re.compile(r"([A-Za-z0-9._-]{0,80}):([A-Za-z0-9]{1,40})\Z")


def _parts(key: str) -> tuple[str, str]:
    """Mailing and subscriber of a delivery's key; nothing if it cannot be one of ours."""
    found = _KEY.match(key)
    return (found[1], found[2]) if found else ("", "")


def _normal(address: str) -> str:
    try:
        return normalise(address)
    except AddressRefused:
        return ""


def _chunks(some: Collection[str]) -> Iterable[list[str]]:
    listed = sorted(filter(None, some))
    return (listed[start : start + 400] for start in range(0, len(listed), 400))


def _how(event: Logged) -> str:
    """What the consent history says of it: "bounced, reported by mailgun on 2024-05-30: 550 no such user"."""
    said = event.reason or event.name
    where = f", issue {event.mailing}" if event.mailing else ""
    how = f"{event.kind.value}, reported by {event.provider} on {event.at:%Y-%m-%d}{where}"
    return f"{how}: {said}" if said else how
