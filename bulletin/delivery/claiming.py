"""Taking a batch in hand and writing down what became of it: a few statements each, however many letters are in it.

Each function is a step of the caller's transaction. A batch's row says who has it; the rows of its deliveries change
only in transactions that hold it, so that one look at it fences off whoever lost it meanwhile.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
    update,
)

from bulletin.model import EVERYONE, DeliveryState, Outcome, OutcomeKind, SubscriberState, unlike
from bulletin.subscribers.consent import why_no_mail
from bulletin.tables import Moment, batches, deliveries, mailings, people, rates

TRIES = 3
"""How often one run offers a batch of which the provider puts some off."""

LONGEST_WAIT = dt.timedelta(seconds=300)
"""A time further off than this was written by a clock that has jumped since."""

_WAIT_AFTER = {1: dt.timedelta(seconds=15), 2: dt.timedelta(seconds=60)}
"""Growing waits before deliveries that were put off are offered again (B-08)."""

_WAIT_FOR_OTHERS_S = 0.05
_d, _b = deliveries.c, batches.c
_AFTER = {
    OutcomeKind.ACCEPTED: DeliveryState.ACCEPTED,
    OutcomeKind.REFUSED: DeliveryState.REFUSED,
    OutcomeKind.RETRY: DeliveryState.PLANNED,
    OutcomeKind.UNKNOWN: DeliveryState.UNKNOWN,
}

# Made once: to make them anew for each batch takes as long as the database needs for them.
_AT = bindparam("its_moment", type_=Moment())
_SPAN = (
    _d.mailing == bindparam("its_mailing"),
    _d.number.between(bindparam("its_first"), bindparam("its_last")),
)
_CLAIMED = _d.state == DeliveryState.CLAIMED.value
_CLAIM = (
    update(deliveries)
    .where(*_SPAN, _d.state == DeliveryState.PLANNED.value)
    .values(
        state=DeliveryState.CLAIMED.value,
        attempts=_d.attempts + 1,
        provider=bindparam("its_provider"),
        claimed_at=_AT,
        changed_at=_AT,
    )
)
_WRITE = (
    update(deliveries)
    .where(*_SPAN, _CLAIMED)
    .values(
        state=bindparam("its_state"),
        reason=bindparam("its_reason"),
        provider_id=bindparam("its_provider_id"),
        changed_at=_AT,
    )
)
_PLANNED_STILL = select(_d.number).where(*_SPAN, _d.state == DeliveryState.PLANNED.value).limit(1)
_STANDS = select(mailings.c.run, mailings.c.up_to, mailings.c.cancelled_by).where(
    mailings.c.number == bindparam("its_mailing")
)
_OWN = (_b.mailing == bindparam("its_mailing"), _b.first == bindparam("its_first"))
_END = batches.delete().where(*_OWN)
_HOLD = (
    update(batches)
    .where(*_OWN)
    .values(
        worker=bindparam("its_worker"), attempt=bindparam("its_attempt"), last=bindparam("its_last"), not_before=None
    )
)
_HELD = (
    select(_b.tries)
    .where(*_OWN, _b.worker == bindparam("its_worker"), _b.attempt == bindparam("its_attempt"))
    .with_for_update()
)


class Claimed(NamedTuple):
    """A delivery in hand, with the address as it is at this moment."""

    number: int
    subscriber: str
    address: str


_AS_CLAIMED: Callable[[tuple[int, str, str]], Claimed] = partial(tuple.__new__, Claimed)
"""What `Claimed._make` does, several times faster: a mailing makes millions of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A batch in hand: deliveries of one edition, to be offered to the provider now."""

    edition: str
    first: int
    last: int
    worker: str
    attempt: int
    """How often the batch was taken in hand; with `worker` it tells whose word about it counts."""
    tries: int
    """Which offer of this run it is, from 1."""
    deliveries: Sequence[Claimed]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be claimed now, but after so many seconds there may be something."""

    seconds: float
    for_others: bool = False
    """Whether all that is left is in the hands of others, who may give some of it back."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody else has taken the work over: nothing was written, and nothing more may be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of a claim: the first outcomes belong to its first deliveries; the others never left."""

    claim: Claim
    outcomes: Sequence[Outcome]
    leave_alone: dt.timedelta = dt.timedelta(0)
    """How long the provider wants to be left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One sender's work on one mailing. Made by `Ledger.begin`."""

    mailing: str
    number: int
    run: int
    holder: str
    provider: str
    audiences: Mapping[str, str]
    """The audience of each edition, by its name."""
    question: Callable[[dt.datetime], Select[Any]]
    """Who gets which edition: see `subscribers.audience.recipients`."""
    per_second: float | None = None


# ---------------------------------------------------------------- taking in hand


def claim(connection: Connection, run: Run, worker: str, limit: int, now: dt.datetime) -> Claim | Wait | Lost | None:
    """The next batch, at most `limit` deliveries; None if there is no more work.

    Consent, pause and audience are read again here, and whoever is out by now is withdrawn (L-11, S-26).
    """
    now_run, up_to, cancelled_by = connection.execute(_STANDS, {"its_mailing": run.number}).one()
    if now_run != run.run:
        return Lost()
    if cancelled_by:
        return None
    free_at = _free_at(connection, run)
    if now < free_at <= now + LONGEST_WAIT:
        return Wait((free_at - now).total_seconds())
    while True:
        batch = _next_batch(connection, run.number, up_to, now)
        if batch is None:
            return _what_is_left(connection, run.number, up_to, now)
        most = limit if up_to is None else min(limit, up_to - batch.first + 1)
        taken = take(connection, run, batch, worker=worker, limit=most, now=now)
        if taken is None:
            continue
        if run.per_second:
            pause = min(dt.timedelta(seconds=len(taken.deliveries) / run.per_second), LONGEST_WAIT)
            connection.execute(update(rates).where(rates.c.provider == run.provider).values(free_at=now + pause))
        return taken


def take(
    connection: Connection, run: Run, batch: Row[Any], *, worker: str, limit: int, now: dt.datetime
) -> Claim | None:
    """Take a batch in hand, or its first `limit` numbers; None if nobody in it is to get anything, and it is gone."""
    last = batch.last
    if last - batch.first >= limit:
        last = batch.first + limit - 1
        rest = {"mailing": run.number, "first": last + 1, "last": batch.last, "edition": batch.edition}
        connection.execute(insert(batches).values(**rest, tries=batch.tries, not_before=batch.not_before))
    span = {"its_mailing": run.number, "its_first": batch.first, "its_last": last}
    count = connection.execute(_CLAIM, {**span, "its_provider": run.provider, "its_moment": now}).rowcount
    # Asked of what is claimed by now: nobody else can add to that.
    rows = _read(connection.scalar(_who_gets_it(run.question(now), _alike(run, batch.edition)), span))
    if count != len(rows):
        _withdraw(connection, _range(run.number, batch.first, last), rows, now)
    if not rows:
        connection.execute(_END, {"its_mailing": run.number, "its_first": batch.first})
        return None
    attempt = batch.attempt + 1
    connection.execute(_HOLD, {**span, "its_worker": worker, "its_attempt": attempt})
    return Claim(
        edition=batch.edition,
        first=batch.first,
        last=last,
        worker=worker,
        attempt=attempt,
        tries=batch.tries + 1,
        deliveries=rows,
    )


def _next_batch(connection: Connection, number: int, up_to: int | None, now: dt.datetime) -> Row[Any] | None:
    due = or_(_b.not_before.is_(None), _b.not_before <= now, _b.not_before > now + LONGEST_WAIT)
    open_ = (*_not_held(number, up_to), _b.worker == "", _b.tries < TRIES, due)
    found = select(batches).where(*open_).order_by(_b.first)
    return connection.execute(found.limit(1).with_for_update(skip_locked=True)).one_or_none()


def _not_held(number: int, up_to: int | None) -> tuple[ColumnElement[bool], ...]:
    return (_b.mailing == number,) if up_to is None else (_b.mailing == number, _b.first <= up_to)


def _what_is_left(connection: Connection, number: int, up_to: int | None, now: dt.datetime) -> Wait | None:
    mine = _not_held(number, up_to)
    offered = _b.tries < TRIES
    if due := connection.scalar(select(func.min(_b.not_before)).where(*mine, offered, _b.worker == "")):
        return Wait(max((due - now).total_seconds(), _WAIT_FOR_OTHERS_S))
    others = connection.scalar(select(func.count()).where(*mine, or_(_b.worker != "", offered)))
    return Wait(_WAIT_FOR_OTHERS_S, for_others=True) if others else None


def _free_at(connection: Connection, run: Run) -> dt.datetime:
    found = select(rates.c.free_at).where(rates.c.provider == run.provider)
    free_at: dt.datetime = connection.execute(found.with_for_update() if run.per_second else found).scalar_one()
    return free_at


def _alike(run: Run, edition: str) -> tuple[str, ...] | None:
    """The editions for the audience that this one is for; None if it is for everyone, so that whoever gets any may."""
    audience = run.audiences.get(edition)
    return None if audience == EVERYONE else tuple(name for name, its in run.audiences.items() if its == audience)


@lru_cache(maxsize=32)
def _who_gets_it(question: Select[Any], editions: tuple[str, ...] | None) -> Select[Any]:
    """Number, subscriber and address of those in a range whom a question still finds, for one of these editions.

    As one text, a line for each: fetching row by row would let other threads in before each of them.
    """
    found = question.add_columns(people.c.email).subquery("found")
    fits = [] if editions is None else [found.c.edition.in_(editions)]
    line = cast(_d.number, String) + " " + _d.subscriber + " " + found.c.email
    rows = select(func.aggregate_strings(line, "\n")).select_from(deliveries)
    return rows.join(found, found.c.subscriber == _d.subscriber).where(*_SPAN, _CLAIMED, *fits)


def _read(text: str | None) -> list[Claimed]:
    if not text:
        return []
    words = text.replace("\n", " ").split(" ")
    if len(words) != 3 * (text.count("\n") + 1):  # some address holds a space
        words = [word for line in text.split("\n") for word in line.split(" ", 2)]
    columns = map(int, words[::3]), words[1::3], words[2::3]
    return sorted(map(_AS_CLAIMED, zip(*columns, strict=True)))


def _withdraw(
    connection: Connection, here: tuple[ColumnElement[bool], ...], keep: Sequence[Claimed], now: dt.datetime
) -> None:
    """Everybody just claimed in a range, but those to keep, with the reason."""
    kept = {row.number for row in keep}
    found = select(_d.number, people.c.state, people.c.paused_until)
    found = found.select_from(deliveries.outerjoin(people, people.c.id == _d.subscriber))
    rows = connection.execute(found.where(*here, _d.state == DeliveryState.CLAIMED.value)).all()
    leaving = [
        {"its_number": place, "reason": _why_not(state, paused_until, now)}
        for place, state, paused_until in rows
        if place not in kept
    ]
    if leaving:
        change = update(deliveries).where(here[0], _d.number == bindparam("its_number"))
        values = {"state": DeliveryState.WITHDRAWN.value, "attempts": _d.attempts - 1, "changed_at": now}
        connection.execute(change.values(**values), leaving)


def _why_not(state: str | None, paused_until: dt.datetime | None, now: dt.datetime) -> str:
    consent = SubscriberState(state) if state else SubscriberState.ERASED
    if why_no_mail(consent, paused_until, now):
        return "paused after planning" if consent is SubscriberState.SUBSCRIBED else "left after planning"
    return "moved out of the audience after planning"


# ---------------------------------------------------------------- writing down


def record(connection: Connection, number: int, provider: str, answer: Answer, now: dt.datetime) -> bool:
    """Write an answer down and give the batch back, or end it; False if it is somebody else's by now.

    Where many outcomes are the same, the others are written one by one and those in one statement.
    """
    claim = answer.claim
    own = (_b.mailing == number, _b.first == claim.first)
    mine = {"its_mailing": number, "its_first": claim.first}
    tries = connection.scalar(_HELD, {**mine, "its_worker": claim.worker, "its_attempt": claim.attempt})
    if tries is None:
        return False
    known = claim.deliveries[: len(answer.outcomes)]
    write_outcomes(connection, number, known, answer.outcomes, now)
    if len(known) < len(claim.deliveries):
        _unclaim(connection, number, claim.first, claim.last, now)
    if answer.leave_alone:
        until = now + min(answer.leave_alone, LONGEST_WAIT)
        connection.execute(
            update(rates).where(rates.c.provider == provider, rates.c.free_at < until).values(free_at=until)
        )
    if connection.scalar(_PLANNED_STILL, {**mine, "its_last": claim.last}) is None:
        connection.execute(_END, mine)
        return True
    values: dict[str, Any] = {"worker": "", "not_before": None}
    if any(outcome.kind is OutcomeKind.RETRY for outcome in unlike(answer.outcomes)):
        values = {"worker": "", "tries": tries + 1, "not_before": now + _WAIT_AFTER.get(tries + 1, dt.timedelta(0))}
    connection.execute(update(batches).where(*own).values(**values))
    return True


def write_outcomes(
    connection: Connection,
    number: int,
    rows: Sequence[Claimed],
    outcomes: Sequence[Outcome],
    now: dt.datetime,
) -> None:
    """Write one outcome for each of some rows of a range. Only what is claimed is changed."""
    if not outcomes:
        return
    said = Counter((outcome.kind, outcome.reason, outcome.provider_id) for outcome in unlike(outcomes))
    most, _ = said.most_common(1)[0]
    others = [
        {"its_number": row.number, **written(*found), "changed_at": now}
        for row, outcome in (zip(rows, outcomes, strict=True) if len(said) > 1 else ())
        if (found := (outcome.kind, outcome.reason, outcome.provider_id)) != most
    ]
    before = _d.state == DeliveryState.CLAIMED.value
    if others:
        each = update(deliveries).where(_d.mailing == number, _d.number == bindparam("its_number"), before)
        connection.execute(each, others)
    span = {"its_mailing": number, "its_first": rows[0].number, "its_last": rows[-1].number}
    said_by_most = {f"its_{name}": value for name, value in written(*most).items()}
    connection.execute(_WRITE, {**span, **said_by_most, "its_moment": now})


def give_back_unseen(connection: Connection, number: int, worker: str, now: dt.datetime) -> None:
    """Give back every batch a worker has in hand, none of which was offered to anybody."""
    held = (_b.mailing == number, _b.worker == worker)
    for first, last in connection.execute(select(_b.first, _b.last).where(*held).with_for_update()).all():
        _unclaim(connection, number, first, last, now)
    connection.execute(update(batches).where(*held).values(worker=""))


def _unclaim(connection: Connection, number: int, first: int, last: int, now: dt.datetime) -> None:
    """What is still claimed of a batch never left this machine."""
    values = {"state": DeliveryState.PLANNED.value, "changed_at": now, "attempts": _d.attempts - 1}
    here = (*_range(number, first, last), _d.state == DeliveryState.CLAIMED.value)
    connection.execute(update(deliveries).where(*here).values(**values))


def written(kind: OutcomeKind, reason: str, provider_id: str) -> dict[str, str]:
    """An outcome as the columns of a delivery."""
    return {"state": _AFTER[kind].value, "reason": without_addresses(reason), "provider_id": provider_id}


def _range(number: int, first: int, last: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _d.mailing == number, _d.number.between(first, last)


def without_addresses(reason: str) -> str:
    """A provider's words on one line, without any mail address or control character in them (Z-20, Z-21)."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", reason)
    return re.sub(r"[^\s<>()\"',;:]+@[^\s<>()\"',;:]+", "(address)", " ".join(line.split()))[:300]
