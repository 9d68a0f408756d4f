"""The ledger: one row for each recipient of each mailing, and the only truth about who was sent what.

A row goes from planned to claimed before the provider is called and to its outcome after. Every change says in its
WHERE clause which state it expects, so that a late or repeated step changes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from bulletin.delivery.plan import Plan
from bulletin.delivery.report import Refusals, Standing
from bulletin.errors import BulletinError
from bulletin.model import DeliveryState, Outcome, OutcomeKind, SubscriberState
from bulletin.subscribers.belonging import domain_of
from bulletin.subscribers.consent import why_no_mail
from bulletin.tables import deliveries as _deliveries
from bulletin.tables import editions as _editions
from bulletin.tables import mailings as _mailings
from bulletin.tables import people

TRIES = 3
"""How often one run offers a delivery that the provider puts off."""

_d = _deliveries.c
_NOT_SENT = (DeliveryState.PLANNED.value, DeliveryState.WITHDRAWN.value)
_AFTER = {
    OutcomeKind.ACCEPTED: DeliveryState.ACCEPTED,
    OutcomeKind.REFUSED: DeliveryState.REFUSED,
    OutcomeKind.RETRY: DeliveryState.PLANNED,
    OutcomeKind.UNKNOWN: DeliveryState.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in the hands of this process, with the address as it is at this moment."""

    subscriber: str
    number: int
    address: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries of one edition, to be offered to the provider now."""

    edition: str
    tries: int
    """Which offer of this run it is, from 1."""
    deliveries: tuple[Claimed, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the deliveries a dead run had in hand."""

    again: int
    unknown: int


class Ledger:
    """The ledger in a database. Each method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start_or_resume(self, plan: Plan, *, now: dt.datetime, accept_changed: bool = False) -> int:
        """Enter a plan; how many recipients are new. The mailing has the issue's id.

        Who has been sent a copy, or may have been, is never planned again. Readers since the last time are added,
        readers who came back are planned, and readers who left are withdrawn. Raises `BulletinError` if an edition was
        changed after its first copies left, unless that is accepted.
        """
        mailing = plan.issue
        with self._engine.begin() as connection:
            self._enter_mailing(connection, plan, now, accept_changed)
            rows = connection.execute(select(_d.subscriber, _d.state, _d.edition).where(_d.mailing == mailing))
            there = {row.subscriber: (row.state, row.edition) for row in rows}
            wanted = {recipient.subscriber: recipient.edition for recipient in plan.recipients}
            highest = connection.scalar(select(func.max(_d.number)).where(_d.mailing == mailing)) or 0
            fresh = [
                _new_row(mailing, subscriber, highest + number, edition, now)
                for number, (subscriber, edition) in enumerate(
                    ((key, edition) for key, edition in wanted.items() if key not in there), 1
                )
            ]
            if fresh:
                connection.execute(insert(_deliveries), fresh)
            planned = DeliveryState.PLANNED.value
            moved = [
                (key, planned, wanted[key])
                for key, (state, edition) in there.items()
                if key in wanted and state in _NOT_SENT and (state, edition) != (planned, wanted[key])
            ]
            gone = [
                (key, DeliveryState.WITHDRAWN.value, edition)
                for key, (state, edition) in there.items()
                if key not in wanted and state == planned
            ]
            self._move(connection, mailing, moved + gone, now)
        return len(fresh)

    def settle(self, mailing: str, *, provider: str, window: dt.timedelta | None, now: dt.datetime) -> Settled:
        """Decide about deliveries that a dead run had claimed; call it only while no other run is at work (promise 4).

        `window` is how long this provider knows a key again, None if it does not. Within it a delivery goes out again
        under its key; else nobody can tell whether it left, and it becomes unknown. Tries begin anew.
        """
        in_doubt = (_d.mailing == mailing, _d.state == DeliveryState.CLAIMED.value)
        reason = "sending stopped while the provider had it"
        with self._engine.begin() as connection:
            again = 0
            if window is not None:
                safe = update(_deliveries).where(*in_doubt, _d.provider == provider, _d.claimed_at >= now - window)
                again = connection.execute(safe.values(state=DeliveryState.PLANNED.value, changed_at=now)).rowcount
            rest = update(_deliveries).where(*in_doubt)
            values = {"state": DeliveryState.UNKNOWN.value, "reason": reason, "changed_at": now}
            unknown = connection.execute(rest.values(**values)).rowcount
            connection.execute(update(_deliveries).where(_d.mailing == mailing, _d.tries > 0).values(tries=0))
        return Settled(again, unknown)

    def claim(
        self, mailing: str, *, limit: int, provider: str, now: dt.datetime, admits: Callable[[str, str], bool]
    ) -> Claim | None:
        """The next deliveries, all of one edition; on the disk as claimed when this returns. None if none is left.

        Consent is read again here: who left since planning is withdrawn, and so is a reader whose address `admits`
        (edition, address) no longer lets read the edition (L-11, S-26).
        """
        while True:
            with self._engine.begin() as connection:
                rows = self._next_rows(connection, mailing, limit)
                if not rows:
                    return None
                reasons = {row.subscriber: _why_not(row, admits, now) for row in rows}
                self._withdraw(connection, mailing, [(key, reason) for key, reason in reasons.items() if reason], now)
                keep = {key for key, reason in reasons.items() if not reason}
                if keep:
                    self._mark_claimed(connection, mailing, keep, provider, now)
                    taken = tuple(
                        Claimed(row.subscriber, row.number, row.email) for row in rows if row.subscriber in keep
                    )
                    return Claim(rows[0].edition, rows[0].tries + 1, taken)

    def record(self, mailing: str, outcomes: Iterable[tuple[str, Outcome]], *, now: dt.datetime) -> None:
        """Write the provider's answers by subscriber. A delivery that was put off is planned again."""
        rows = [
            {
                "its_subscriber": subscriber,
                "state": _AFTER[outcome.kind].value,
                "reason": without_addresses(outcome.reason),
                "provider_id": outcome.provider_id,
                "changed_at": now,
            }
            for subscriber, outcome in outcomes
        ]
        if rows:
            statement = update(_deliveries).where(
                _d.mailing == mailing,
                _d.subscriber == bindparam("its_subscriber"),
                _d.state == DeliveryState.CLAIMED.value,
            )
            with self._engine.begin() as connection:
                connection.execute(statement, rows)

    def release(self, mailing: str, subscribers: Sequence[str], *, now: dt.datetime) -> None:
        """Give back claimed deliveries that certainly never left this machine, as if they had not been claimed."""
        if not subscribers:
            return
        values = {
            "state": DeliveryState.PLANNED.value,
            "changed_at": now,
            "tries": _d.tries - 1,
            "attempts": _d.attempts - 1,
        }
        with self._engine.begin() as connection:
            for start in range(0, len(subscribers), 500):
                change = update(_deliveries).where(
                    _d.mailing == mailing,
                    _d.subscriber.in_(subscribers[start : start + 500]),
                    _d.state == DeliveryState.CLAIMED.value,
                )
                connection.execute(change.values(**values))

    def resolve(
        self, mailing: str, *, accepted: bool, who: str, now: dt.datetime, subscriber: str | None = None
    ) -> int:
        """A person's word on unknown deliveries, one or all: they left, or they are to be sent again. How many."""
        state = DeliveryState.ACCEPTED if accepted else DeliveryState.PLANNED
        reason = f"{who} said it was sent" if accepted else f"{who} said to send it again"
        change = update(_deliveries).where(_d.mailing == mailing, _d.state == DeliveryState.UNKNOWN.value)
        if subscriber is not None:
            change = change.where(_d.subscriber == subscriber)
        with self._engine.begin() as connection:
            return connection.execute(change.values(state=state.value, reason=reason, changed_at=now)).rowcount

    def settle_by_event(self, mailing: str, subscribers: Collection[str], *, now: dt.datetime) -> int:
        """Count unknown deliveries as accepted, because something was reported of them since; how many.

        Whoever reports what became of a copy had it, whether it then arrived or not.
        """
        values = {
            "state": DeliveryState.ACCEPTED.value,
            "reason": "something was reported of it later",
            "changed_at": now,
        }
        change = update(_deliveries).where(_d.mailing == mailing, _d.state == DeliveryState.UNKNOWN.value)
        with self._engine.begin() as connection:
            return connection.execute(change.where(_d.subscriber.in_(subscribers)).values(**values)).rowcount

    def known(self, mailing: str, subscribers: Collection[str]) -> frozenset[str]:
        """Those of some subscribers, a few hundred, whom this mailing is for."""
        rows = select(_d.subscriber).where(_d.mailing == mailing, _d.subscriber.in_(subscribers))
        with self._engine.begin() as connection:
            return frozenset(connection.scalars(rows))

    def mailings(self, *, newest: int) -> list[str]:
        """The last so many mailings of issues, in the order they were started."""
        rows = select(_mailings.c.id).where(_mailings.c.kind == "issue").order_by(_mailings.c.started_at.desc())
        with self._engine.begin() as connection:
            return list(reversed(list(connection.scalars(rows.limit(newest)))))

    def taken_for(self, subscriber: str, mailings: Collection[str]) -> frozenset[str]:
        """Those of some mailings of which a copy for this subscriber was accepted."""
        mine = (_d.mailing.in_(mailings), _d.subscriber == subscriber, _d.state == DeliveryState.ACCEPTED.value)
        with self._engine.begin() as connection:
            return frozenset(connection.scalars(select(_d.mailing).where(*mine)))

    def doubtful(self) -> list[str]:
        """The mailings with copies of which nobody knows whether they left."""
        unknown = select(_d.number).where(_d.mailing == _mailings.c.id, _d.state == DeliveryState.UNKNOWN.value)
        rows = select(_mailings.c.id).where(unknown.exists())
        with self._engine.begin() as connection:
            return list(connection.scalars(rows))

    def standing(self, mailing: str) -> Standing | None:
        """How a mailing stands, counted now; None if it was never started."""
        with self._engine.begin() as connection:
            if connection.scalar(select(_mailings.c.id).where(_mailings.c.id == mailing)) is None:
                return None
            counted = select(_d.state, func.count()).where(_d.mailing == mailing).group_by(_d.state)
            counts = {DeliveryState(state): number for state, number in connection.execute(counted)}
        return Standing(mailing=mailing, counts=counts)

    def refusals(self, mailing: str) -> list[Refusals]:
        """Refused deliveries by mail domain and answer."""
        found: Counter[tuple[str, str]] = Counter()
        joined = select(people.c.email, _d.reason).select_from(
            _deliveries.outerjoin(people, people.c.id == _d.subscriber)
        )
        with self._engine.begin() as connection:
            where = (_d.mailing == mailing, _d.state == DeliveryState.REFUSED.value)
            for email, reason in connection.execute(joined.where(*where)):
                found[domain_of(email or ""), reason] += 1
        return [Refusals(domain=domain, reason=reason, count=count) for (domain, reason), count in found.items()]

    def unknown(self, mailing: str) -> list[str]:
        """Ids of the subscribers whose copy may or may not have left, in order."""
        where = (_d.mailing == mailing, _d.state == DeliveryState.UNKNOWN.value)
        with self._engine.begin() as connection:
            return list(connection.scalars(select(_d.subscriber).where(*where).order_by(_d.number)))

    def left(self, mailing: str) -> frozenset[str]:
        """The subscribers whose copy has an answer or is unknown; the next sending offers nothing to them.

        What a dead run had in hand is not among them: the next sending has to decide about it.
        """
        states = (DeliveryState.ACCEPTED, DeliveryState.REFUSED, DeliveryState.UNKNOWN)
        settled = select(_d.subscriber).where(_d.mailing == mailing, _d.state.in_([state.value for state in states]))
        with self._engine.begin() as connection:
            return frozenset(connection.scalars(settled))

    def providers(self, mailing: str) -> frozenset[str]:
        """The names of the providers that accepted copies of this mailing."""
        accepted = (_d.mailing == mailing, _d.state == DeliveryState.ACCEPTED.value)
        with self._engine.begin() as connection:
            return frozenset(connection.scalars(select(_d.provider).where(*accepted).distinct()))

    def accepted_by(self, mailing: str, providers: Collection[str]) -> frozenset[str]:
        """The subscribers whose copy one of these providers accepted."""
        with self._engine.begin() as connection:
            return frozenset(connection.scalars(select(_d.subscriber).where(*_accepted_by(mailing, providers))))

    def plan_rehearsed(self, mailing: str, providers: Collection[str], *, now: dt.datetime) -> None:
        """Plan again what was accepted by these providers, because their copies never left this machine."""
        values = {"state": DeliveryState.PLANNED.value, "reason": "", "changed_at": now}
        with self._engine.begin() as connection:
            connection.execute(update(_deliveries).where(*_accepted_by(mailing, providers)).values(**values))

    def forget_answers(self, *, before: dt.datetime, dry_run: bool = False) -> int:
        """Delete what providers said about deliveries that last changed before a moment; how many (P-26).

        That a copy went out stays for ever, under the reader's random id: else it could go out a second time.
        """
        ended = _d.state.not_in((DeliveryState.PLANNED.value, DeliveryState.CLAIMED.value))
        old = (_d.changed_at < before, ended, or_(_d.reason != "", _d.provider_id != ""))
        with self._engine.begin() as connection:
            if dry_run:
                return connection.scalar(select(func.count()).select_from(_deliveries).where(*old)) or 0
            return connection.execute(update(_deliveries).where(*old).values(reason="", provider_id="")).rowcount

    def open_test(self, issue: str, edition: str, *, provider: str, now: dt.datetime) -> str:
        """Enter a test copy, claimed, in a mailing of its own that counts for nothing else; that mailing's id."""
        tests = select(func.count()).where(_mailings.c.issue == issue, _mailings.c.kind == "test")
        with self._engine.begin() as connection:
            mailing = f"{issue}-test-{(connection.scalar(tests) or 0) + 1}"
            values = {"id": mailing, "issue": issue, "kind": "test", "plan_digest": "", "started_at": now}
            connection.execute(insert(_mailings).values(**values))
            row = _new_row(mailing, TEST_READER, 1, edition, now)
            row |= {"state": DeliveryState.CLAIMED.value, "provider": provider, "claimed_at": now, "attempts": 1}
            connection.execute(insert(_deliveries).values(**row))
        return mailing

    # ---- steps of a transaction

    def _enter_mailing(self, connection: Connection, plan: Plan, now: dt.datetime, accept_changed: bool) -> None:
        mailing = plan.issue
        if connection.scalar(select(_mailings.c.id).where(_mailings.c.id == mailing)) is None:
            values = {
                "id": mailing,
                "issue": plan.issue,
                "kind": "issue",
                "plan_digest": plan.digest,
                "started_at": now,
            }
            connection.execute(insert(_mailings).values(**values))
        else:
            if not accept_changed:
                _refuse_changed(connection, plan)
            changed = update(_mailings).where(_mailings.c.id == mailing)
            connection.execute(changed.values(plan_digest=plan.digest))
            connection.execute(_editions.delete().where(_editions.c.mailing == mailing))
        rows = [{"mailing": mailing, "edition": name, "digest": digest} for name, digest in plan.editions.items()]
        connection.execute(insert(_editions), rows)

    def _move(
        self, connection: Connection, mailing: str, moves: Sequence[tuple[str, str, str]], now: dt.datetime
    ) -> None:
        """Set state and edition of deliveries that nobody has been sent."""
        if not moves:
            return
        not_sent = or_(*(_d.state == state for state in _NOT_SENT))
        statement = update(_deliveries).where(
            _d.mailing == mailing, _d.subscriber == bindparam("its_subscriber"), not_sent
        )
        reason = {DeliveryState.WITHDRAWN.value: "left after planning"}
        values = [
            {
                "its_subscriber": key,
                "state": state,
                "edition": edition,
                "reason": reason.get(state, ""),
                "changed_at": now,
            }
            for key, state, edition in moves
        ]
        connection.execute(statement, values)

    def _next_rows(self, connection: Connection, mailing: str, limit: int) -> list[Row[Any]]:
        columns = (_d.subscriber, _d.number, _d.edition, _d.tries, people.c.email)
        reader = (people.c.state.label("consent"), people.c.paused_until)
        found = (
            select(*columns, *reader)
            .select_from(_deliveries.outerjoin(people, people.c.id == _d.subscriber))
            .where(_d.mailing == mailing, _d.state == DeliveryState.PLANNED.value, _d.tries < TRIES)
            .order_by(_d.tries, _d.number)
            .limit(limit)
            .with_for_update(skip_locked=True, of=_deliveries)
        )
        rows: list[Any] = list(connection.execute(found))
        return [row for row in rows if (row.tries, row.edition) == (rows[0].tries, rows[0].edition)]

    def _withdraw(
        self, connection: Connection, mailing: str, leaving: Sequence[tuple[str, str]], now: dt.datetime
    ) -> None:
        if leaving:
            statement = update(_deliveries).where(
                _d.mailing == mailing,
                _d.subscriber == bindparam("its_subscriber"),
                _d.state == DeliveryState.PLANNED.value,
            )
            values = {"state": DeliveryState.WITHDRAWN.value, "changed_at": now}
            connection.execute(statement, [{"its_subscriber": key, "reason": why, **values} for key, why in leaving])

    def _mark_claimed(
        self, connection: Connection, mailing: str, subscribers: Iterable[str], provider: str, now: dt.datetime
    ) -> None:
        statement = (
            update(_deliveries)
            .where(
                _d.mailing == mailing,
                _d.subscriber == bindparam("its_subscriber"),
                _d.state == DeliveryState.PLANNED.value,
            )
            .values(
                state=DeliveryState.CLAIMED.value,
                tries=_d.tries + 1,
                attempts=_d.attempts + 1,
                provider=provider,
                claimed_at=now,
                changed_at=now,
            )
        )
        connection.execute(statement, [{"its_subscriber": key} for key in subscribers])


TEST_READER = "test"
"""Stands for the subscriber in a test copy; no subscriber has this id, so its links end nobody's subscription."""


def without_addresses(reason: str) -> str:
    """A provider's words on one line, without any mail address or control character in them (Z-20, Z-21)."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", reason)
    return re.sub(r"[^\s<>()\"',;:]+@[^\s<>()\"',;:]+", "(address)", " ".join(line.split()))[:300]


def _new_row(mailing: str, subscriber: str, number: int, edition: str, now: dt.datetime) -> dict[str, Any]:
    return {
        "mailing": mailing,
        "subscriber": subscriber,
        "number": number,
        "edition": edition,
        "state": DeliveryState.PLANNED.value,
        "tries": 0,
        "attempts": 0,
        "provider": "",
        "provider_id": "",
        "reason": "",
        "claimed_at": None,
        "changed_at": now,
    }


def _accepted_by(mailing: str, providers: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return _d.mailing == mailing, _d.state == DeliveryState.ACCEPTED.value, _d.provider.in_(sorted(providers))


def _why_not(row: Row[Any], admits: Callable[[str, str], bool], now: dt.datetime) -> str:
    state = SubscriberState(row.consent) if row.consent else SubscriberState.ERASED
    if why_no_mail(state, row.paused_until, now):
        return "paused after planning" if state is SubscriberState.SUBSCRIBED else "left after planning"
    return "" if admits(row.edition, row.email) else "moved out of the audience after planning"


def _refuse_changed(connection: Connection, plan: Plan) -> None:
    stored = select(_editions.c.edition, _editions.c.digest).where(_editions.c.mailing == plan.issue)
    changed = [name for name, digest in connection.execute(stored) if plan.editions.get(name, digest) != digest]
    sent = select(func.count()).where(_d.mailing == plan.issue, _d.edition.in_(changed), _d.state.not_in(_NOT_SENT))
    copies = connection.scalar(sent) if changed else 0
    if copies:
        raise BulletinError(
            f"the issue was changed after {copies} {'copy' if copies == 1 else 'copies'} of it had left.",
            hint="Undo the change to send the rest as it was, or send the new text to them:"
            f" bulletin send {plan.issue} --changed",
        )
