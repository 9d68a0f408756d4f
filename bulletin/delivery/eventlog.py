"""The events on disk, each once, with what is still to be done about it. Nothing in it is an address (Z-20)."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, select, update

from bulletin.delivery.events import Copy
from bulletin.delivery.ledger import without_addresses
from bulletin.model import DeliveryEvent, EventKind
from bulletin.stores import reading
from bulletin.tables import cursors
from bulletin.tables import events as _events

_e = _events.c
_CHUNK = 500
"""Events in one question to the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An event with whom and what it is about, as far as that is known."""

    event: DeliveryEvent
    mailing: str = ""
    subscriber: str | None = None
    """Id of the reader; None if there is none, or none any more."""
    domain: str = ""
    """Their mail domain."""
    doubt: str = ""
    """Why a person has to look before anything comes of it."""
    done: bool = False
    """Whether nothing is left to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An event as it stands in the log."""

    number: int
    provider: str
    kind: EventKind
    at: dt.datetime
    received_at: dt.datetime
    mailing: str
    subscriber: str | None
    domain: str
    name: str
    reason: str
    doubt: str


@dataclass(frozen=True, slots=True)
class Added:
    """What became of events that were to be written down."""

    new: int
    doubtful: int
    """Those of the new ones that wait for a person."""
    waiting: list[Logged]
    """Those that are to be handled by the program."""


class EventLog:
    """The events in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._reading = engine, reading(engine)

    def add(self, placed: Sequence[Placed], *, now: dt.datetime) -> Added:
        """Write down events. One that was there is not written again, and handed out again only if it was not handled.

        Raises `IntegrityError` if a reader was erased meanwhile: look them up again.
        """
        new = doubtful = 0
        waiting: list[Logged] = []
        for start in range(0, len(placed), _CHUNK):
            rows = [_row(each, now) for each in placed[start : start + _CHUNK]]
            identities = [row["identity"] for row in rows]
            with self._engine.begin() as connection:
                doubts = _insert_new(connection, rows)
                new, doubtful = new + len(doubts), doubtful + sum(map(bool, doubts))
                mine = select(_events).where(_e.provider.in_({row["provider"] for row in rows}))
                left = mine.where(_e.identity.in_(identities), _e.handled_at.is_(None), _e.doubt == "")
                waiting += [_logged(row) for row in connection.execute(left.order_by(_e.number))]
        return Added(new, doubtful, waiting)

    def handled(self, number: int, *, now: dt.datetime, decision: str = "") -> bool:
        """Nothing more is to be done about an event; whether that is news."""
        change = update(_events).where(_e.number == number, _e.handled_at.is_(None))
        with self._engine.begin() as connection:
            return connection.execute(change.values(handled_at=now, decision=decision)).rowcount > 0

    # ---- asking

    def left_over(self) -> list[Logged]:
        """What the program was about to handle when it died; oldest first."""
        return self._found(_e.handled_at.is_(None), _e.doubt == "")

    def in_doubt(self) -> list[Logged]:
        """What waits for a person, oldest first."""
        return self._found(_e.handled_at.is_(None), _e.doubt != "")

    def get(self, number: int) -> Logged | None:
        """The event of this number, if a person still has to look at it."""
        found = self._found(_e.number == number, _e.handled_at.is_(None), _e.doubt != "")
        return found[0] if found else None

    def counts(self) -> dict[str, dict[EventKind, int]]:
        """How many events of each kind came in about each mailing; under the empty name those about none."""
        counted = select(_e.mailing, _e.kind, func.count(), func.max(_e.at)).group_by(_e.mailing, _e.kind)
        found: defaultdict[str, dict[EventKind, int]] = defaultdict(dict)
        with self._reading.connect() as connection:
            for mailing, kind, number, _ in connection.execute(counted.order_by(_e.mailing)):
                found[mailing][EventKind(kind)] = number
        return dict(found)

    def by_domain(self, mailing: str) -> dict[str, dict[EventKind, int]]:
        """How many readers at each mail domain each kind was reported of, for one mailing."""
        readers = func.count(_e.subscriber.distinct())
        counted = select(_e.domain, _e.kind, readers).where(_e.mailing == mailing, _e.subscriber.is_not(None))
        found: defaultdict[str, dict[EventKind, int]] = defaultdict(dict)
        with self._reading.connect() as connection:
            for domain, kind, number in connection.execute(counted.group_by(_e.domain, _e.kind).order_by(_e.domain)):
                found[domain][EventKind(kind)] = number
        return dict(found)

    def blocked(self, *, since: dt.datetime) -> list[tuple[str, str, int]]:
        """What was turned down for the sender's own sake: domain, reason and how often; the most frequent first."""
        often = func.count()
        counted = select(_e.domain, _e.reason, often).where(_e.kind == EventKind.BLOCKED.value, _e.at >= since)
        with self._reading.connect() as connection:
            rows = connection.execute(
                counted.group_by(_e.domain, _e.reason).order_by(often.desc(), _e.domain).limit(20)
            )
            return [(domain, reason, number) for domain, reason, number in rows]

    def bounced_softly(self) -> list[str]:
        """Ids of the readers of whom a passing failure was ever reported."""
        soft = (_e.kind == EventKind.SOFT_BOUNCED.value, _e.subscriber.is_not(None), _e.doubt == "")
        with self._reading.connect() as connection:
            return list(connection.scalars(select(_e.subscriber).where(*soft).distinct().order_by(_e.subscriber)))

    def copies(
        self, subscriber: str, mailings: Sequence[str], taken: Collection[str], *, since: dt.datetime | None
    ) -> list[Copy]:
        """What was last heard of a reader's copies, in the order of the mailings.

        `taken` are the mailings of which a copy for them was accepted; what is neither taken nor heard of is left out.
        """
        kinds = (EventKind.DELIVERED.value, EventKind.SOFT_BOUNCED.value)
        mine = [_e.subscriber == subscriber, _e.kind.in_(kinds), _e.doubt == ""]
        if since is not None:
            mine.append(_e.at >= since)
        with self._reading.connect() as connection:
            # Of two reports of the same moment the better one counts.
            rows = connection.execute(select(_e.mailing, _e.kind).where(*mine).order_by(_e.at, _e.kind.desc()))
            last: Mapping[str, EventKind] = {row.mailing: EventKind(row.kind) for row in rows}
        return [Copy(mailing, last.get(mailing)) for mailing in mailings if mailing in last or mailing in taken]

    def reported(self, mailing: str, among: Collection[str]) -> list[str]:
        """Those of some readers, a few hundred, of whose copy anything certain was reported: it had been sent."""
        certain = (_e.mailing == mailing, _e.kind != EventKind.OTHER.value, _e.doubt == "", _e.subscriber.in_(among))
        with self._reading.connect() as connection:
            return list(connection.scalars(select(_e.subscriber).where(*certain).distinct()))

    def forget(self, *, before: dt.datetime, dry_run: bool = False) -> int:
        """Delete events that came in before a moment, also those nobody looked at; how many (P-26)."""
        old = _e.received_at < before
        with self._engine.begin() as connection:
            if dry_run:
                return connection.scalar(select(func.count()).select_from(_events).where(old)) or 0
            return connection.execute(delete(_events).where(old)).rowcount

    # ---- how far a source was read

    def cursor(self, source: str) -> str:
        """Where to go on reading; empty at the beginning."""
        with self._reading.connect() as connection:
            return connection.scalar(select(cursors.c.cursor).where(cursors.c.source == source)) or ""

    def move_cursor(self, source: str, cursor: str, *, now: dt.datetime) -> None:
        """Go on from here next time. What was read before must be in the log already."""
        with self._engine.begin() as connection:
            connection.execute(delete(cursors).where(cursors.c.source == source))
            connection.execute(cursors.insert().values(source=source, cursor=cursor, at=now))

    def _found(self, *where: Any) -> list[Logged]:
        with self._reading.connect() as connection:
            return [_logged(row) for row in connection.execute(select(_events).where(*where).order_by(_e.number))]


def _insert_new(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Add the rows that are not there; the doubt of each. Both databases can say it, each through its own module."""
    statement: Any
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        statement = postgresql_insert(_events).values(rows).on_conflict_do_nothing()
    else:
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        statement = sqlite_insert(_events).values(rows).on_conflict_do_nothing()
    return list(connection.scalars(statement.returning(_e.doubt)))


def _line(text: str) -> str:
    """One line that any database takes, without addresses. What is very long is cut first, as looking takes time."""
    return without_addresses(text[:2000].encode("utf-8", "replace").decode())


def _row(placed: Placed, now: dt.datetime) -> dict[str, Any]:
    event = placed.event
    return {
        "provider": event.provider,
        "identity": hashlib.sha256(event.id.encode("utf-8", "surrogatepass")).hexdigest(),
        "kind": event.kind.value,
        "at": event.at,
        "received_at": now,
        "mailing": placed.mailing,
        "subscriber": placed.subscriber,
        "domain": placed.domain,
        "name": _line(event.name),
        "reason": _line(event.reason),
        "doubt": _line(placed.doubt),
        "handled_at": now if placed.done and not placed.doubt else None,
        "decision": "",
    }


def _logged(row: Row[Any]) -> Logged:
    return Logged(
        number=row.number,
        provider=row.provider,
        kind=EventKind(row.kind),
        at=row.at,
        received_at=row.received_at,
        mailing=row.mailing,
        subscriber=row.subscriber,
        domain=row.domain,
        name=row.name,
        reason=row.reason,
        doubt=row.doubt,
    )
