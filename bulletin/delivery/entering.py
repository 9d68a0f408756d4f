"""Entering a plan into the ledger: sets of rows, never one by one. Each function is a step of a transaction."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    String,
    Subquery,
    Table,
    and_,
    collate,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from bulletin.delivery.plan import Plan
from bulletin.errors import BulletinError
from bulletin.model import DeliveryState
from bulletin.tables import Moment, batches, deliveries, editions, mailings

_d, _b, _m = deliveries.c, batches.c, mailings.c
_PLANNED, _WITHDRAWN = DeliveryState.PLANNED.value, DeliveryState.WITHDRAWN.value
_NOT_SENT = (_PLANNED, _WITHDRAWN)
_BIT_BY_BIT = {"yield_per": 10_000}

_wanted = Table(
    "wanted",
    MetaData(),
    Column("subscriber", String(40), primary_key=True),
    Column("edition", String(60), nullable=False),
    prefixes=["TEMPORARY"],
)


def in_order(question: Select[Any], dialect: str, *, spread: bool = False) -> Select[Any]:
    """The recipients that a question finds, subscriber and edition, in the order they are sent to: by edition first.

    With `spread`, the readers of each mail domain lie evenly all over their edition, so that no gateway gets many at
    once.
    """
    found, order = _found(question, dialect, spread=spread)
    return select(found.c.subscriber, found.c.edition).order_by(*order)


def lines(question: Select[Any], dialect: str, *, spread: bool = False) -> Select[Any]:
    """The same, each as a line of a plan."""
    found, order = _found(question, dialect, spread=spread)
    return select(_line(found.c)).order_by(*order)


def _line(columns: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[str]:
    """See `plan.line`."""
    text: ColumnElement[str] = literal("\n") + columns.edition + " " + columns.subscriber
    return text


def _found(question: Select[Any], dialect: str, *, spread: bool) -> tuple[Subquery, list[ColumnElement[Any]]]:
    found = question.subquery("found")
    if spread:
        alike = [found.c.edition, found.c.domain]
        place = func.row_number().over(partition_by=alike, order_by=found.c.subscriber)
        share = (place * 2 - 1) * 1.0 / func.count().over(partition_by=alike)
        found = select(found.c.subscriber, found.c.edition, share.label("share")).subquery("placed")
    order: list[ColumnElement[Any]] = [found.c.edition, *([found.c.share] if spread else []), found.c.subscriber]
    if dialect == "postgresql":  # by bytes, as in SQLite, and several times faster
        order = [collate(column, "C") if isinstance(column.type, String) else column for column in order]
    return found, order


def enter_mailing(connection: Connection, plan: Plan, now: dt.datetime, *, accept_changed: bool) -> tuple[int, bool]:
    """The mailing's number, and whether it has no deliveries: of a plan that nobody began to send none is kept.

    Its editions, and all else that is planned, are the plan's from now on.
    """
    found = connection.execute(select(_m.number, _m.run).where(_m.id == plan.issue).with_for_update()).one_or_none()
    if found is None:
        number = new_mailing(connection, plan.issue, plan.issue, "issue", now)
    else:
        number = found.number
        if not accept_changed:
            _refuse_changed(connection, plan, number)
        connection.execute(editions.delete().where(editions.c.mailing == plan.issue))
    kept: dict[str, Any] = {"head": plan.head, "parts": json.dumps(dict(plan.parts)), "due_at": plan.due_at}
    kept |= {"spread_s": round(plan.spread.total_seconds()) if plan.spread else None, "cancelled_by": ""}
    connection.execute(update(mailings).where(_m.number == number).values(**kept))
    rows = [{"mailing": plan.issue, "edition": name, "digest": digest} for name, digest in plan.editions.items()]
    connection.execute(insert(editions), rows)
    return number, found is None or (not found.run and _forget_untouched(connection, number))


def _forget_untouched(connection: Connection, number: int) -> bool:
    """Delete the deliveries of a mailing if none of them was ever in anybody's hands; whether it did."""
    touched = or_(_d.state.not_in(_NOT_SENT), _d.attempts > 0)
    if connection.scalar(select(_d.number).where(_d.mailing == number, touched).limit(1)) is not None:
        return False
    for table in (batches, deliveries):
        connection.execute(table.delete().where(table.c.mailing == number))
    return True


def new_mailing(connection: Connection, identity: str, issue: str, kind: str, now: dt.datetime) -> int:
    """Enter a mailing without deliveries; its number."""
    if connection.dialect.name == "postgresql":  # two that come at once get two numbers
        connection.exec_driver_sql("LOCK TABLE mailing IN SHARE ROW EXCLUSIVE MODE")
    number = (connection.scalar(select(func.max(_m.number))) or 0) + 1
    values = {"id": identity, "number": number, "issue": issue, "kind": kind, "plan_digest": "", "started_at": now}
    connection.execute(insert(mailings).values(**values))
    return number


def insert_all(
    connection: Connection, number: int, question: Select[Any], now: dt.datetime, *, spread: bool = False
) -> int:
    """Plan everybody a question finds, in a mailing without deliveries; how many. See `in_order` for `spread`."""
    return _insert(connection, number, question, 0, now, spread=spread)


def extend(connection: Connection, number: int, question: Select[Any], now: dt.datetime) -> int:
    """Plan whom a question finds and who is not there yet; how many.

    Readers who came back are planned, those who left are withdrawn, and those whose edition is another one by now get
    that one. Whose copy has left, or may have left, is not touched.
    """
    connection.exec_driver_sql("DROP TABLE IF EXISTS wanted")
    _wanted.create(connection)
    columns = ["subscriber", "edition"]
    connection.execute(insert(_wanted).from_select(columns, in_order(question, connection.dialect.name)))
    edition = select(_wanted.c.edition).where(_wanted.c.subscriber == _d.subscriber).scalar_subquery()
    still = exists().where(_wanted.c.subscriber == _d.subscriber)
    mine = _d.mailing == number
    leaving = update(deliveries).where(mine, _d.state == _PLANNED, ~still)
    connection.execute(leaving.values(state=_WITHDRAWN, reason="left after planning", changed_at=now))
    other = exists().where(
        _wanted.c.subscriber == _d.subscriber, or_(_wanted.c.edition != _d.edition, _d.state == _WITHDRAWN)
    )
    moving = update(deliveries).where(mine, _d.state.in_(_NOT_SENT), other)
    connection.execute(moving.values(state=_PLANNED, edition=edition, reason="", changed_at=now))
    highest = connection.scalar(select(func.max(_d.number)).where(mine)) or 0
    there = exists().where(_d.subscriber == _wanted.c.subscriber, mine)
    fresh = select(_wanted.c.subscriber, _wanted.c.edition).where(~there)
    added = _insert(connection, number, fresh, highest, now)
    _wanted.drop(connection)
    return added


def _insert(
    connection: Connection, number: int, question: Select[Any], highest: int, now: dt.datetime, *, spread: bool = False
) -> int:
    found, order = _found(question, connection.dialect.name, spread=spread)
    empty = literal("")
    rows = select(
        literal(number),
        highest + func.row_number().over(order_by=order),
        found.c.subscriber,
        found.c.edition,
        literal(_PLANNED),
        literal(0),
        *(empty, empty, empty),
        null(),
        literal(now, Moment()),
    )
    columns = ["mailing", "number", "subscriber", "edition", "state", "attempts"]
    columns += ["provider", "provider_id", "reason", "claimed_at", "changed_at"]
    connection.execute(insert(deliveries).from_select(columns, rows))
    after = connection.scalar(select(func.max(_d.number)).where(_d.mailing == number)) or 0
    return after - highest


def cut_all(connection: Connection, number: int, size: int) -> None:
    """Make batches of at most `size` of a mailing that was entered a moment ago: all of it is planned, without a gap,
    and the readers of an edition lie together."""
    made: list[dict[str, Any]] = []
    last = 0
    everything = select(_d.number, _d.edition).where(_d.mailing == number).order_by(_d.number)
    end = connection.scalar(select(func.max(_d.number)).where(_d.mailing == number)) or 0
    while last < end:
        first, edition = connection.execute(everything.where(_d.number > last).limit(1)).one()
        others = everything.where(_d.number > first, _d.edition != edition).limit(1)
        last = (connection.scalar(others) or end + 1) - 1
        made += (
            {"mailing": number, "first": start, "last": min(start + size - 1, last), "edition": edition}
            for start in range(first, last + 1, size)
        )
    if made:
        connection.execute(insert(batches), made)


def cut(connection: Connection, number: int, size: int) -> None:
    """Make batches of at most `size` of what is planned and in nobody's hands."""
    connection.execute(batches.delete().where(_b.mailing == number, _b.worker == ""))
    held = connection.execute(select(_b.first, _b.last).where(_b.mailing == number).order_by(_b.first)).all()
    planned = select(_d.number, _d.edition).where(_d.mailing == number, _d.state == _PLANNED)
    ends = iter([(first, last) for first, last in held])
    hand = next(ends, None)
    made: list[dict[str, Any]] = []
    current: dict[str, Any] | None = None
    with connection.execute(planned.order_by(_d.number), execution_options=_BIT_BY_BIT) as rows:
        for place, edition in rows:
            while hand and hand[1] < place:
                hand = next(ends, None)
                current = None
            if hand and hand[0] <= place:
                current = None  # whoever has that batch in hand leaves it open for this one
            elif current and current["edition"] == edition and place < current["first"] + size:
                current["last"] = place
            else:
                current = {"mailing": number, "first": place, "last": place, "edition": edition}
                made.append(current)
    if made:
        connection.execute(insert(batches), made)


def everybody(connection: Connection, number: int) -> Iterator[str]:
    """Every delivery that was not withdrawn, in order, as lines of a plan."""
    rows = select(_line(_d)).where(_d.mailing == number, _d.state != _WITHDRAWN).order_by(_d.number)
    return joined(connection, rows)


def joined(connection: Connection, rows: Select[Any]) -> Iterator[str]:
    """The texts that a question finds, many at a time in one: read from the driver, for they may be a million."""
    if connection.dialect.name != "sqlite":
        with connection.execute(rows, execution_options=_BIT_BY_BIT) as found:
            yield from map("".join, found.scalars().partitions())
        return
    with connection.execute(rows) as found:  # SQLite finds row by row whatever one says
        while found.cursor and (chunk := found.cursor.fetchmany(_BIT_BY_BIT["yield_per"])):
            yield "".join(chain.from_iterable(chunk))


def _refuse_changed(connection: Connection, plan: Plan, number: int) -> None:
    stored = select(editions.c.edition, editions.c.digest).where(editions.c.mailing == plan.issue)
    changed = [name for name, digest in connection.execute(stored) if plan.editions.get(name, digest) != digest]
    sent = select(func.count()).where(and_(_d.mailing == number, _d.edition.in_(changed), _d.state.not_in(_NOT_SENT)))
    copies = connection.scalar(sent) if changed else 0
    if copies:
        raise BulletinError(
            f"the issue was changed after {copies} {'copy' if copies == 1 else 'copies'} of it had left.",
            hint="Undo the change to send the rest as it was, or send the new text to them:"
            f" bulletin send {plan.issue} --changed",
        )
