"""The subscribers on disk, each with the history of what they agreed to."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from bulletin.model import Subscriber, SubscriberState
from bulletin.stores import Moment

_metadata = MetaData()

people = Table(
    "subscriber",
    _metadata,
    Column("id", String(40), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("language", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
)
"""Also read by the ledger, which asks again at the last moment who still wants mail (L-11)."""

_consents = Table(
    "consent",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("subscriber", ForeignKey(people.c.id), nullable=False, index=True),
    Column("what", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("how", Text, nullable=False),
)


class Subscribers:
    """The store of subscribers. Consent records are only ever added (P-10)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        _metadata.create_all(engine)

    def add(self, newcomers: Iterable[tuple[str, str, str]], *, now: dt.datetime, how: str) -> int:
        """Subscribe normalised addresses, each with name and language; how many were added.

        An address that is known already, also one that left, is passed over: only its owner brings it back.
        """
        with self._engine.begin() as connection:
            known = set(connection.scalars(select(people.c.email)))
            fresh = {email: (name, language) for email, name, language in newcomers if email not in known}
            rows: list[dict[str, Any]] = [
                {
                    "id": secrets.token_hex(10),
                    "email": email,
                    "name": name,
                    "language": language,
                    "state": SubscriberState.SUBSCRIBED.value,
                    "created_at": now,
                    "changed_at": now,
                }
                for email, (name, language) in fresh.items()
            ]
            if rows:
                connection.execute(insert(people), rows)
                connection.execute(insert(_consents), [_consent(row["id"], "subscribed", now, how) for row in rows])
        return len(rows)

    def all(self) -> Iterator[Subscriber]:
        """Every subscriber, also those who left, in the order of their ids."""
        with self._engine.connect() as connection:
            # Pages instead of one long read: nobody is kept from writing meanwhile.
            last = ""
            while rows := connection.execute(
                select(people).where(people.c.id > last).order_by(people.c.id).limit(5000)
            ).all():
                connection.rollback()
                yield from map(_subscriber, rows)
                last = rows[-1].id

    def find(self, email: str) -> Subscriber | None:
        """The subscriber with this normalised address."""
        with self._engine.connect() as connection:
            row = connection.execute(select(people).where(people.c.email == email)).one_or_none()
        return _subscriber(row) if row else None

    def get(self, subscriber: str) -> Subscriber | None:
        """The subscriber with this id."""
        with self._engine.connect() as connection:
            row = connection.execute(select(people).where(people.c.id == subscriber)).one_or_none()
        return _subscriber(row) if row else None

    def unsubscribe(self, subscriber: str, *, now: dt.datetime, how: str) -> bool:
        """End a subscription at once; whether it changed anything."""
        return self._set(subscriber, SubscriberState.UNSUBSCRIBED, now, how)

    def resubscribe(self, subscriber: str, *, now: dt.datetime, how: str) -> bool:
        """Bring back somebody who asked for it themselves; whether it changed anything."""
        return self._set(subscriber, SubscriberState.SUBSCRIBED, now, how)

    def counts(self) -> dict[SubscriberState, int]:
        """How many subscribers are in each state."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(people.c.state, func.count()).group_by(people.c.state)).all()
        found = {SubscriberState(state): number for state, number in rows}
        return {state: found.get(state, 0) for state in SubscriberState}

    def history(self, subscriber: str) -> list[tuple[str, dt.datetime, str]]:
        """What a subscriber agreed to and ended: what, when, how; oldest first."""
        columns = (_consents.c.what, _consents.c.at, _consents.c.how)
        with self._engine.connect() as connection:
            found = select(*columns).where(_consents.c.subscriber == subscriber).order_by(_consents.c.number)
            return [(what, at, how) for what, at, how in connection.execute(found)]

    def _set(self, subscriber: str, state: SubscriberState, now: dt.datetime, how: str) -> bool:
        change = update(people).where(people.c.id == subscriber, people.c.state != state.value)
        with self._engine.begin() as connection:
            changed = connection.execute(change.values(state=state.value, changed_at=now)).rowcount > 0
            if changed:
                connection.execute(insert(_consents), [_consent(subscriber, state.value, now, how)])
        return changed


def _consent(subscriber: str, what: str, now: dt.datetime, how: str) -> dict[str, Any]:
    return {"subscriber": subscriber, "what": what, "at": now, "how": how}


def _subscriber(row: Row[Any]) -> Subscriber:
    return Subscriber(
        id=row.id, email=row.email, name=row.name, language=row.language, state=SubscriberState(row.state)
    )
