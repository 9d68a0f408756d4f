"""The ledger: one row for each recipient of each mailing, and the only truth about who was sent what.

A row goes from planned to claimed before the provider is called and to its outcome after. Every change says in its
WHERE clause which state it expects, so that a late or repeated step changes nothing. Work is handed out in batches,
which are ranges of rows: see `entering` for how they are planned, and `claiming` for how they are taken in hand.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from bulletin.delivery import claiming, entering, steering
from bulletin.delivery.claiming import TRIES, Answer, Claim, Claimed, Lost, Run, Wait, without_addresses
from bulletin.delivery.plan import Plan, digest_of
from bulletin.delivery.report import Refusals, Standing
from bulletin.model import DeliveryState, Outcome, OutcomeKind
from bulletin.stores import reading
from bulletin.subscribers.audience import withheld
from bulletin.tables import batches as _batches
from bulletin.tables import deliveries as _deliveries
from bulletin.tables import editions as _editions
from bulletin.tables import mailings as _mailings
from bulletin.tables import people, rates

__all__ = ["TEST_READER", "TRIES", "Answer", "Claim", "Claimed", "Ledger", "Lost", "Run", "Wait", "without_addresses"]

TEST_READER = "test"
"""Stands for the subscriber in a test copy; no subscriber has this id, so its links end nobody's subscription."""

LEASE = dt.timedelta(seconds=60)
"""How long a sender that says nothing still counts as being at work."""

BATCH = 1000
"""Deliveries in a batch where nobody says how many; a claim takes less of it where a provider takes less."""

_d, _b, _m = _deliveries.c, _batches.c, _mailings.c
_LEFT = (DeliveryState.ACCEPTED.value, DeliveryState.REFUSED.value, DeliveryState.UNKNOWN.value)
_LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """What the ledger knows of a mailing beside its deliveries."""

    id: str
    digest: str
    head: str
    started_at: dt.datetime
    run: int
    """How often a sender began; 0 for a plan that nobody has begun to send."""
    holder: str
    """Who is at work, or was when it died; empty if the last one ended in good order."""
    held_until: dt.datetime | None
    home: str
    """Where the last sender worked."""
    parts: Mapping[str, str]
    """What was planned beside the recipients, for people; see `Plan.parts`."""
    due_at: dt.datetime | None
    """Nothing leaves before; None for at once."""
    spread: dt.timedelta | None
    """How long all of it takes; None for as fast as may be."""
    up_to: int | None
    """Nothing above this number leaves until a person lets it go on."""
    cancelled_by: str
    """Who called it off; empty if nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """A batch that a sender which is no more had in hand."""

    claim: Claim
    provider: str
    claimed_at: dt.datetime


class Ledger:
    """The ledger in a database. Each method is one transaction. It may be used by several threads at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._reading = engine, reading(engine)
        self._one_writer = engine.dialect.name == "sqlite"
        self._turn = threading.Lock()
        self._waiting: deque[_Turn] = deque()

    # ---- planning

    @contextmanager
    def recipients(self, question: Select[Any], *, spread: bool = False) -> Iterator[Iterator[str]]:
        """Whom a question finds, in the order they would be sent to, as texts of many lines (see `plan.line`)."""
        ordered = entering.lines(question, self._engine.dialect.name, spread=spread)
        with self._reading.connect() as connection:
            yield entering.joined(connection, ordered)

    def enter(
        self,
        plan: Plan,
        question: Select[Any],
        *,
        now: dt.datetime,
        batch: int = BATCH,
        accept_changed: bool = False,
        then: Callable[[Connection, int], None] = lambda connection, number: None,
    ) -> int:
        """Enter a plan for those a question finds; how many are new. The mailing has the issue's id.

        Who has been sent a copy, or may have been, is never planned again. Readers since the last time are added,
        readers who came back are planned, and readers who left are withdrawn. `then` may add to the transaction, with
        the mailing's number. Raises `BulletinError` if an edition was changed after its first copies left, unless that
        is accepted.
        """
        with self._engine.begin() as connection:
            number, fresh = entering.enter_mailing(connection, plan, now, accept_changed=accept_changed)
            if fresh:
                added = entering.insert_all(connection, number, question, now, spread=plan.spread is not None)
                entering.cut_all(connection, number, batch)
            else:
                added = entering.extend(connection, number, question, now)
                entering.cut(connection, number, batch)
            digest = digest_of(plan.head, entering.everybody(connection, number))
            connection.execute(update(_mailings).where(_m.number == number).values(plan_digest=digest))
            then(connection, number)
        return added

    def mailing(self, mailing: str) -> Mailing | None:
        """What is known of a mailing; None if it was never planned."""
        with self._reading.connect() as connection:
            row = connection.execute(select(_mailings).where(_m.id == mailing)).one_or_none()
        if row is None:
            return None
        return Mailing(
            id=row.id,
            digest=row.plan_digest,
            head=row.head,
            started_at=row.started_at,
            run=row.run,
            holder=row.holder,
            held_until=row.held_until,
            home=row.home,
            parts=json.loads(row.parts) if row.parts else {},
            due_at=row.due_at,
            spread=None if row.spread_s is None else dt.timedelta(seconds=row.spread_s),
            up_to=row.up_to,
            cancelled_by=row.cancelled_by,
        )

    def waiting(self, mailing: str) -> dict[str, int]:
        """Deliveries still to go, or in the hands of a sender, by edition."""
        open_states = (DeliveryState.PLANNED.value, DeliveryState.CLAIMED.value)
        found = select(_d.edition, func.count()).where(_of(mailing), _d.state.in_(open_states)).group_by(_d.edition)
        with self._reading.connect() as connection:
            return _by_name(connection, found)

    def planned(self, mailing: str) -> dict[str, int]:
        """Everybody a mailing is for, but who was withdrawn, counted by edition; also the editions nobody gets."""
        there = select(_editions.c.edition, func.count(_d.number)).outerjoin_from(
            _editions,
            _deliveries,
            and_(_of(mailing), _d.edition == _editions.c.edition, _d.state != DeliveryState.WITHDRAWN.value),
        )
        with self._reading.connect() as connection:
            found = there.where(_editions.c.mailing == mailing).group_by(_editions.c.edition)
            return _by_name(connection, found)

    def edition_of(self, question: Select[Any], address: str) -> str:
        """The edition of the reader with this address; empty if a question does not find them."""
        found = question.add_columns(people.c.email).subquery("found")
        with self._reading.connect() as connection:
            return connection.scalar(select(found.c.edition).where(found.c.email == address)) or ""

    def withheld(self, now: dt.datetime) -> dict[str, int]:
        """Readers who get nothing at this moment, counted by the reason."""
        with self._reading.connect() as connection:
            return _by_name(connection, withheld(now))

    def new_recipients(self, mailing: str, question: Select[Any], rehearsed_by: Collection[str] = ()) -> int:
        """How many of those a question finds would be sent a copy now, because none has left or may have left.

        What the providers `rehearsed_by` accepted never left this machine.
        """
        found = question.subquery("found")
        gone = and_(_d.state.in_(_LEFT), not_(_accepted_by(rehearsed_by)))
        left = exists().where(_d.subscriber == found.c.subscriber, _of(mailing), gone)
        with self._reading.connect() as connection:
            return connection.scalar(select(func.count()).select_from(found).where(~left)) or 0

    # ---- a run

    def begin(self, run: Run, *, home: str, now: dt.datetime) -> Run:
        """A sender starts work on a mailing: whoever had it before is fenced off from now on.

        What was put off in an earlier run is offered again. Call it only while no other sender is at work.
        """
        with self._engine.begin() as connection:
            return begin_in(connection, run, home=home, now=now)

    def join(self, run: Run) -> Run | None:
        """Take part in a run that began elsewhere; None if it is over, or another one began since."""
        with self._engine.begin() as connection:
            row = connection.execute(select(_m.number, _m.run).where(_m.id == run.mailing)).one_or_none()
            if row is None or row.run != run.run:
                return None
            make_rate(connection, run.provider)
            return replace(run, number=row.number)

    def stop(self, run: Run) -> None:
        """Nobody claims anything more in this run, on no machine. What is in hand is recorded."""
        mine = (_m.number == run.number, _m.run == run.run)
        with self._writing() as connection:
            connection.execute(update(_mailings).where(*mine).values(run=run.run + 1, holder="", held_until=None))

    def then(self, do: Callable[[Connection], object]) -> None:
        """Do something in a transaction of its own."""
        with self._engine.begin() as connection:
            do(connection)

    def still_at_work(self, run: Run, *, now: dt.datetime) -> bool:
        """Say that this run goes on; False if another one has taken over."""
        mine = (_m.number == run.number, _m.run == run.run)
        with self._writing() as connection:
            return connection.execute(update(_mailings).where(*mine).values(held_until=now + LEASE)).rowcount == 1

    def end(self, run: Run, *, now: dt.datetime) -> None:
        """The run ends in good order. What was put off of a mailing that was cancelled meanwhile is withdrawn."""
        mine = (_m.number == run.number, _m.run == run.run)
        with self._writing() as connection:
            connection.execute(update(_mailings).where(*mine).values(holder="", held_until=None))
            if connection.scalar(select(_m.cancelled_by).where(*mine)):
                steering.withdraw_planned(connection, run.number, now=now)

    def turn(
        self, run: Run, worker: str, answer: Answer | None, *, limit: int, now: dt.datetime, again: bool = False
    ) -> Claim | Wait | Lost | None:
        """Write down an answer, if there is one, and claim the next batch of at most `limit`; none for a limit of 0.

        Both are on the disk when this returns. None: there is no more work. Threads that come at the same moment share
        one transaction, and so one wait for the disk. `again`: this turn was tried before and the database failed, so
        that nobody knows whether it was kept.
        """
        mine = _Turn(run=run, worker=worker, answer=answer, limit=limit, now=now, again=again)
        if not self._one_writer:
            with self._engine.begin() as connection:
                return mine.take(connection)
        self._waiting.append(mine)
        with self._turn:
            if not mine.done:
                _take_together(self._engine, list(_emptied(self._waiting)))
        if mine.error:
            raise mine.error
        return mine.result

    def has(self, run: Run, claim: Claim) -> bool:
        """Whether a claim is still in this hand, and its run the latest."""
        own = (_b.mailing == run.number, _b.first == claim.first)
        held = select(_b.first).where(*own, _b.worker == claim.worker, _b.attempt == claim.attempt)
        latest = select(_m.run).where(_m.number == run.number).scalar_subquery()
        with self._reading.connect() as connection:
            return connection.scalar(held.where(latest == run.run)) is not None

    # ---- what is in doubt

    def in_doubt(self, mailing: str, worker: str = "") -> list[InDoubt]:
        """The batches that are in the hands of a worker that is no more, with what is claimed in them.

        Without a worker those in anybody's hands; call it so before anybody works. One in which nothing is claimed is
        given back at once.
        """
        with self._engine.begin() as connection:
            number = connection.scalar(select(_m.number).where(_m.id == mailing))
            held = _b.worker == worker if worker else _b.worker != ""
            taken = select(_batches).where(_b.mailing == number, held).order_by(_b.first)
            found = [_doubtful(connection, batch) for batch in connection.execute(taken).all()]
        return [batch for batch in found if batch]

    def settle(self, run: Run, batch: InDoubt, outcomes: Sequence[Outcome], *, now: dt.datetime) -> None:
        """What became of a batch in doubt: one outcome for each of its deliveries. RETRY: it certainly never left."""
        known = [outcome for outcome in outcomes if outcome.kind is not OutcomeKind.RETRY]
        rows = zip(batch.claim.deliveries, outcomes, strict=True)
        certain = [row for row, outcome in rows if outcome.kind is not OutcomeKind.RETRY]
        with self._writing() as connection:
            decide(connection, run.number, certain, known, expected=DeliveryState.CLAIMED, now=now)
            claiming.record(connection, run.number, run.provider, Answer(claim=batch.claim, outcomes=()), now)

    def unknown_letters(self, mailing: str, provider: str) -> list[Claimed]:
        """The deliveries of which nobody knows whether this provider took them, with the addresses of now."""
        return self._letters(mailing, _d.state == DeliveryState.UNKNOWN.value, _d.provider == provider)

    def decide_unknown(
        self, run: Run, rows: Sequence[Claimed], outcomes: Sequence[Outcome], *, now: dt.datetime
    ) -> None:
        """What was found out about unknown deliveries: one outcome for each."""
        with self._writing() as connection:
            decide(connection, run.number, rows, outcomes, expected=DeliveryState.UNKNOWN, now=now)
            entering.cut(connection, run.number, BATCH)

    def resolve(
        self, mailing: str, *, accepted: bool, who: str, now: dt.datetime, subscriber: str | None = None
    ) -> int:
        """A person's word on unknown deliveries, one or all: they left, or they are to be sent again. How many."""
        state = DeliveryState.ACCEPTED if accepted else DeliveryState.PLANNED
        reason = f"{who} said it was sent" if accepted else f"{who} said to send it again"
        change = update(_deliveries).where(_of(mailing), _d.state == DeliveryState.UNKNOWN.value)
        if subscriber is not None:
            change = change.where(_d.subscriber == subscriber)
        with self._engine.begin() as connection:
            count = connection.execute(change.values(state=state.value, reason=reason, changed_at=now)).rowcount
            if count and not accepted:
                entering.cut(connection, _number(connection, mailing), BATCH)
        return count

    # ---- what was reported later

    def settle_by_event(self, mailing: str, subscribers: Collection[str], *, now: dt.datetime) -> int:
        """Count unknown deliveries as accepted, because something was reported of them since; how many.

        Whoever reports what became of a copy had it, whether it then arrived or not. `subscribers` are a few hundred.
        Nobody is kept from writing where nothing is unknown.
        """
        theirs = select(_d.number).where(*_of_readers(mailing, subscribers))
        unknown = (_of(mailing), _d.number.in_(theirs), _d.state == DeliveryState.UNKNOWN.value)
        with self._reading.connect() as connection:
            numbers = list(connection.scalars(select(_d.number).where(*unknown)))
        if not numbers:
            return 0
        values = {
            "state": DeliveryState.ACCEPTED.value,
            "reason": "something was reported of it later",
            "changed_at": now,
        }
        change = update(_deliveries).where(
            _of(mailing), _d.number.in_(numbers), _d.state == DeliveryState.UNKNOWN.value
        )
        with self._engine.begin() as connection:
            return connection.execute(change.values(**values)).rowcount

    def known(self, mailing: str, subscribers: Collection[str]) -> frozenset[str]:
        """Those of some subscribers, a few hundred, whom this mailing is for."""
        rows = select(_d.subscriber).where(*_of_readers(mailing, subscribers))
        with self._reading.connect() as connection:
            return frozenset(connection.scalars(rows))

    def mailings(self, *, newest: int) -> list[str]:
        """The last so many mailings of issues, in the order they were started."""
        rows = select(_m.id).where(_m.kind == "issue").order_by(_m.started_at.desc(), _m.number.desc())
        with self._reading.connect() as connection:
            return list(reversed(list(connection.scalars(rows.limit(newest)))))

    def taken_for(self, subscriber: str, mailings: Collection[str]) -> frozenset[str]:
        """Those of some mailings of which a copy for this subscriber was accepted."""
        mine = (_m.id.in_(mailings), _d.subscriber == subscriber, _d.state == DeliveryState.ACCEPTED.value)
        rows = select(_m.id).join(_deliveries, _d.mailing == _m.number).where(*mine)
        with self._reading.connect() as connection:
            return frozenset(connection.scalars(rows))

    def doubtful(self) -> list[str]:
        """The mailings with copies of which nobody knows whether they left."""
        unknown = exists().where(_d.mailing == _m.number, _d.state == DeliveryState.UNKNOWN.value)
        with self._reading.connect() as connection:
            return list(connection.scalars(select(_m.id).where(unknown)))

    # ---- asking

    def standing(self, mailing: str) -> Standing | None:
        """How a mailing stands, counted now; None if it was never started."""
        with self._reading.connect() as connection:
            if connection.scalar(select(_m.id).where(_m.id == mailing)) is None:
                return None
            counted = select(_d.state, func.count()).where(_of(mailing)).group_by(_d.state)
            counts = {DeliveryState(state): number for state, number in connection.execute(counted)}
        return Standing(mailing=mailing, counts=counts)

    def refusals(self, mailing: str) -> list[Refusals]:
        """Refused deliveries by mail domain and answer."""
        domain = func.coalesce(people.c.domain, "")
        joined = select(domain, _d.reason, func.count()).select_from(
            _deliveries.outerjoin(people, people.c.id == _d.subscriber)
        )
        found = joined.where(_of(mailing), _d.state == DeliveryState.REFUSED.value).group_by(domain, _d.reason)
        with self._reading.connect() as connection:
            rows = connection.execute(found).all()
        return [Refusals(domain=name, reason=reason, count=count) for name, reason, count in rows]

    def unknown(self, mailing: str) -> list[str]:
        """Ids of the subscribers whose copy may or may not have left, in order."""
        where = (_of(mailing), _d.state == DeliveryState.UNKNOWN.value)
        with self._reading.connect() as connection:
            return list(connection.scalars(select(_d.subscriber).where(*where).order_by(_d.number)))

    def providers(self, mailing: str) -> dict[str, int]:
        """How many copies of this mailing each provider accepted, by its name."""
        found = select(_d.provider, func.count()).where(_of(mailing), _d.state == DeliveryState.ACCEPTED.value)
        with self._reading.connect() as connection:
            return _by_name(connection, found.group_by(_d.provider))

    def plan_rehearsed(self, mailing: str, providers: Collection[str], *, now: dt.datetime) -> None:
        """Plan again what was accepted by these providers, because their copies never left this machine."""
        values = {"state": DeliveryState.PLANNED.value, "reason": "", "changed_at": now}
        with self._engine.begin() as connection:
            change = update(_deliveries).where(_of(mailing), _accepted_by(providers)).values(**values)
            if connection.execute(change).rowcount:
                entering.cut(connection, _number(connection, mailing), BATCH)

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

    # ---- test copies

    def open_test(self, issue: str, edition: str, *, provider: str, now: dt.datetime) -> str:
        """Enter a test copy, claimed, in a mailing of its own that counts for nothing else; that mailing's id."""
        tests = select(func.count()).where(_m.issue == issue, _m.kind == "test")
        with self._engine.begin() as connection:
            mailing = f"{issue}-test-{(connection.scalar(tests) or 0) + 1}"
            number = entering.new_mailing(connection, mailing, issue, "test", now)
            row = {
                "mailing": number,
                "number": 1,
                "subscriber": TEST_READER,
                "edition": edition,
                "state": DeliveryState.CLAIMED.value,
                "attempts": 1,
                "provider": provider,
                "provider_id": "",
                "reason": "",
                "claimed_at": now,
                "changed_at": now,
            }
            connection.execute(insert(_deliveries).values(**row))
        return mailing

    def close_test(self, mailing: str, outcome: Outcome | None, *, now: dt.datetime) -> None:
        """What became of a test copy; None if it never left this machine."""
        found = outcome or Outcome(key="", kind=OutcomeKind.RETRY)
        rows = [Claimed(1, TEST_READER, "")]
        with self._engine.begin() as connection:
            number = _number(connection, mailing)
            decide(connection, number, rows, [found], expected=DeliveryState.CLAIMED, now=now)

    # ---- steps

    def _letters(self, mailing: str, *which: ColumnElement[bool]) -> list[Claimed]:
        with self._reading.connect() as connection:
            return _addressed(connection, _of(mailing), *which)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that waits for the turns of other threads without asking the database for it."""
        if not self._one_writer:
            with self._engine.begin() as connection:
                yield connection
            return
        with self._turn, self._engine.begin() as connection:
            yield connection


@dataclass(kw_only=True)
class _Turn:
    """What one thread wants of the ledger, and what it got."""

    run: Run
    worker: str
    answer: Answer | None
    limit: int
    now: dt.datetime
    again: bool
    done: bool = False
    error: Exception | None = None
    result: Claim | Wait | Lost | None = None

    def take(self, connection: Connection) -> Claim | Wait | Lost | None:
        run = self.run
        kept = self.answer is None or claiming.record(connection, run.number, run.provider, self.answer, self.now)
        if not kept and not self.again:
            return Lost()
        if self.again:
            # What this thread holds besides was claimed by the turn before, and nobody has seen it.
            claiming.give_back_unseen(connection, run.number, self.worker, self.now)
        return claiming.claim(connection, run, self.worker, self.limit, self.now) if self.limit else None


def _emptied(waiting: deque[_Turn]) -> Iterator[_Turn]:
    """Everything that waits; what comes meanwhile is left or taken, and never lost."""
    while waiting:
        yield waiting.popleft()


def _take_together(engine: Engine, turns: Sequence[_Turn]) -> None:
    """Several turns in one transaction: all of them are kept, or none."""
    try:
        with engine.begin() as connection:
            results = [turn.take(connection) for turn in turns]
    except Exception as error:
        for turn in turns:
            turn.error = error
    else:
        for turn, result in zip(turns, results, strict=True):
            turn.result = result
    for turn in turns:
        turn.done = True


def begin_in(connection: Connection, run: Run, *, home: str, now: dt.datetime) -> Run:
    """See `Ledger.begin`; a step of the caller's transaction."""
    row = connection.execute(select(_m.number, _m.run).where(_m.id == run.mailing).with_for_update()).one()
    values = {"run": row.run + 1, "holder": run.holder, "held_until": now + LEASE, "home": home}
    connection.execute(update(_mailings).where(_m.number == row.number).values(**values))
    idle = (_b.mailing == row.number, _b.worker == "", _b.tries > 0)
    connection.execute(update(_batches).where(*idle).values(tries=0, not_before=None))
    make_rate(connection, run.provider)
    return replace(run, number=row.number, run=row.run + 1)


def make_rate(connection: Connection, provider: str) -> None:
    """See to it that a provider has its row among the rates."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(rates).values(provider=provider, free_at=_LONG_AGO)
    connection.execute(row.on_conflict_do_nothing())


def decide(
    connection: Connection,
    number: int,
    rows: Sequence[Claimed],
    outcomes: Sequence[Outcome],
    *,
    expected: DeliveryState,
    now: dt.datetime,
) -> None:
    """Write outcomes one by one, for rows that need not lie together. Only what is as expected is changed."""
    values = [
        {
            "its_number": row.number,
            **claiming.written(outcome.kind, outcome.reason, outcome.provider_id),
            "changed_at": now,
        }
        for row, outcome in zip(rows, outcomes, strict=True)
    ]
    if values:
        one = (_d.mailing == number, _d.number == bindparam("its_number"), _d.state == expected.value)
        connection.execute(update(_deliveries).where(*one), values)


def _doubtful(connection: Connection, batch: Any) -> InDoubt | None:
    here = (_d.mailing == batch.mailing, _d.number.between(batch.first, batch.last))
    claimed = (*here, _d.state == DeliveryState.CLAIMED.value)
    rows = _addressed(connection, *claimed)
    if not rows:
        own = (_b.mailing == batch.mailing, _b.first == batch.first, _b.attempt == batch.attempt)
        connection.execute(update(_batches).where(*own).values(worker=""))
        return None
    latest = connection.execute(
        select(_d.provider, _d.claimed_at).where(*claimed).order_by(_d.claimed_at).limit(1)
    ).one()
    claim = Claim(
        edition=batch.edition,
        first=batch.first,
        last=batch.last,
        worker=batch.worker,
        attempt=batch.attempt,
        tries=batch.tries + 1,
        deliveries=rows,
    )
    return InDoubt(claim=claim, provider=latest.provider, claimed_at=latest.claimed_at)


def _addressed(connection: Connection, *which: ColumnElement[bool]) -> list[Claimed]:
    """Deliveries with the addresses of now; without one where the reader is gone."""
    joined = _deliveries.outerjoin(people, people.c.id == _d.subscriber)
    found = select(_d.number, _d.subscriber, func.coalesce(people.c.email, "")).select_from(joined)
    return [Claimed(*row) for row in connection.execute(found.where(*which).order_by(_d.number))]


def _by_name(connection: Connection, counted: Select[Any]) -> dict[str, int]:
    """The rows of a question, each a name and a number."""
    rows: list[Any] = list(connection.execute(counted))
    return {name: number for name, number in rows}  # noqa: C416 - rows are no pairs to a type checker


def _id_of(mailing: str) -> ScalarSelect[int]:
    return select(_m.number).where(_m.id == mailing).scalar_subquery()


def _of_readers(mailing: str, subscribers: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """Deliveries of some readers. Adding nothing to the mailing's number keeps the database from reading all of the
    mailing: it finds the readers by their index."""
    return _d.mailing + 0 == _id_of(mailing), _d.subscriber.in_(subscribers)


def _of(mailing: str) -> ColumnElement[bool]:
    return _d.mailing == _id_of(mailing)


def _number(connection: Connection, mailing: str) -> int:
    number: int = connection.execute(select(_m.number).where(_m.id == mailing)).scalar_one()
    return number


def _accepted_by(providers: Collection[str]) -> ColumnElement[bool]:
    return and_(_d.state == DeliveryState.ACCEPTED.value, _d.provider.in_(sorted(providers)))
