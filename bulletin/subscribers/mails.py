"""Mails to one reader, such as a confirmation, on their way: each is on the disk before the provider is called.

What a process had claimed when it died is in doubt: it goes again under the same key where the provider knows keys,
and otherwise counts as unknown, so that nobody is written to twice. Who misses it asks again.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from bulletin.model import OutcomeKind
from bulletin.tables import service_mails

LEASE: Final = dt.timedelta(minutes=5)
"""How long a process may hold a mail before it counts as dead; longer than any provider is waited for."""

WAITS: Final = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720))
"""Time until each further try."""

KEPT: Final = dt.timedelta(days=1)
"""How long a mail is remembered after it was dealt with."""


class Kind(Enum):
    """What a mail is about."""

    CONFIRM = "confirm"
    SUBSCRIBED = "subscribed"
    """They are subscribed already."""
    LINKS = "links"
    ADDRESS = "address"
    """To a new address: confirm it."""
    CHANGED = "changed"
    """To the old one: it was changed (Z-17)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMail:
    """One such mail."""

    id: str
    kind: Kind
    subscriber: str
    address: str = field(repr=False)
    language: str


def enqueue(connection: Connection, mail: ServiceMail, now: dt.datetime) -> None:
    """Have a mail sent, if this transaction comes to its end."""
    values = {"subscriber": mail.subscriber, "address": mail.address, "language": mail.language, "state": "waiting"}
    times = {"at": now, "due_at": now, "changed_at": now}
    connection.execute(insert(service_mails).values(id=mail.id, kind=mail.kind.value, **values, **times))


class ServiceMails:
    """The mails that wait."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, now: dt.datetime) -> ServiceMail | None:
        """The next mail, ours alone; None if none is due. It is on the disk that we have it."""
        s = service_mails.c
        due = select(service_mails).where(s.state == "waiting", s.due_at <= now).order_by(s.due_at, s.id).limit(1)
        with self._engine.begin() as connection:
            row = connection.execute(due.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            values = {"state": "claimed", "changed_at": now, "tries": row.tries + 1}
            connection.execute(update(service_mails).where(s.id == row.id).values(**values))
        return ServiceMail(
            id=row.id, kind=Kind(row.kind), subscriber=row.subscriber, address=row.address, language=row.language
        )

    def record(self, mail: str, outcome: OutcomeKind, now: dt.datetime) -> None:
        """What the provider answered. One that is to be tried again waits longer each time, and not for ever."""
        s = service_mails.c
        with self._engine.begin() as connection:
            mine = select(s.tries).where(s.id == mail).with_for_update()
            tries = connection.scalar(mine)
            if tries is None:  # its reader was erased meanwhile
                return
            values: dict[str, object] = {"state": outcome.value, "changed_at": now}
            if outcome is OutcomeKind.RETRY:
                again = tries <= len(WAITS)
                values["state"] = "waiting" if again else OutcomeKind.REFUSED.value
                values["due_at"] = now + (WAITS[tries - 1] if again else KEPT)
            connection.execute(update(service_mails).where(s.id == mail).values(**values))

    def settle(self, now: dt.datetime, *, same_key: bool) -> int:
        """Decide about mails whose process died; how many. `same_key`: the provider takes a letter once, however often
        it is offered under its key."""
        s = service_mails.c
        state = "waiting" if same_key else OutcomeKind.UNKNOWN.value
        left = update(service_mails).where(s.state == "claimed", s.changed_at < now - LEASE)
        with self._engine.begin() as connection:
            return connection.execute(left.values(state=state, changed_at=now)).rowcount

    def tidy(self, now: dt.datetime) -> None:
        """Forget mails that were dealt with."""
        s = service_mails.c
        done = (s.state.not_in(["waiting", "claimed"]), s.changed_at < now - KEPT)
        with self._engine.begin() as connection:
            connection.execute(delete(service_mails).where(*done))

    def counts(self) -> Counter[str]:
        """How many mails are in each state."""
        s = service_mails.c
        with self._engine.connect() as connection:
            rows = connection.execute(select(s.state, func.count().label("number")).group_by(s.state)).all()
        return Counter({row.state: row.number for row in rows})
