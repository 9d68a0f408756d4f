"""What people decide about a mailing: to approve it, to hold it after its first copies, to let it go on, to cancel it.

Each function is one transaction, which a sender at work meets at its next claim.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, insert, select, update

from bulletin.delivery.approval import Approval
from bulletin.errors import BulletinError
from bulletin.model import DeliveryState
from bulletin.stores import reading
from bulletin.tables import approvals, batches, deliveries, mailings

_a, _b, _d, _m = approvals.c, batches.c, deliveries.c, mailings.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What cancelling a mailing came to."""

    withdrawn: int
    """Copies that will not leave."""
    in_hand: int
    """Copies that a sender at work has in hand: it writes down what becomes of them, and stops."""
    unknown: int
    """Copies that a sender which is no more had in hand."""


def approve(connection: Connection, number: int, *, who: str, now: dt.datetime) -> None:
    """Somebody's word on the plan of a mailing, as it stands in the same transaction."""
    plan = connection.execute(select(_m.id, _m.plan_digest, _m.parts).where(_m.number == number)).one()
    values = {"mailing": plan.id, "plan_digest": plan.plan_digest, "parts": plan.parts, "who": who, "at": now}
    connection.execute(insert(approvals).values(**values))


def refuse_other(connection: Connection, number: int, digest: str) -> None:
    """Raises `BulletinError` if a plan is another one than somebody was shown."""
    if connection.scalar(select(_m.plan_digest).where(_m.number == number)) != digest:
        raise BulletinError("the readers changed while you looked.", hint="Look at the plan again: bulletin approve")


def approval_of(engine: Engine, mailing: str) -> Approval | None:
    """The last word on a mailing's plan; None if there is none, or it was withdrawn."""
    latest = select(approvals).where(_a.mailing == mailing).order_by(_a.number.desc()).limit(1)
    with reading(engine).connect() as connection:
        row = connection.execute(latest).one_or_none()
    if row is None or row.withdrawn_at is not None:
        return None
    return Approval(mailing=mailing, digest=row.plan_digest, parts=json.loads(row.parts), who=row.who, at=row.at)


def withdraw_approval(engine: Engine, mailing: str, *, now: dt.datetime) -> bool:
    """Take the last word back; whether there was one. What has left has left."""
    with engine.begin() as connection:
        last = select(func.max(_a.number)).where(_a.mailing == mailing).scalar_subquery()
        standing = update(approvals).where(_a.number == last, _a.withdrawn_at.is_(None))
        return connection.execute(standing.values(withdrawn_at=now)).rowcount > 0


def hold_after(engine: Engine, mailing: str, count: int) -> bool:
    """Let only the next `count` planned copies leave; whether there are more than those."""
    with engine.begin() as connection:
        number = connection.scalar(select(_m.number).where(_m.id == mailing).with_for_update())
        planned = select(_d.number).where(_d.mailing == number, _d.state == DeliveryState.PLANNED.value)
        nth = planned.order_by(_d.number).offset(count - 1).limit(2)
        found = list(connection.scalars(nth))
        held = len(found) == 2
        connection.execute(update(mailings).where(_m.number == number).values(up_to=found[0] if held else None))
    return held


def let_go_on(engine: Engine, mailing: str) -> None:
    """Nothing is held any more, and a mailing that was cancelled is not."""
    with engine.begin() as connection:
        connection.execute(update(mailings).where(_m.id == mailing).values(up_to=None, cancelled_by=""))


def cancel(engine: Engine, mailing: str, *, who: str, now: dt.datetime) -> Cancelled:
    """Nothing more of a mailing leaves.

    A sender at work finishes what it has in hand. What one that died had in hand is unknown from now on.
    """
    with engine.begin() as connection:
        found = select(_m.number, _m.holder, _m.held_until).where(_m.id == mailing).with_for_update()
        number, holder, held_until = connection.execute(found).one()
        connection.execute(update(mailings).where(_m.number == number).values(cancelled_by=who))
        at_work = bool(holder and held_until and held_until > now)
        withdrawn = withdraw_planned(connection, number, now=now)
        claimed = (_d.mailing == number, _d.state == DeliveryState.CLAIMED.value)
        if at_work:
            in_hand = connection.scalar(select(func.count()).select_from(deliveries).where(*claimed)) or 0
            return Cancelled(withdrawn=withdrawn, in_hand=in_hand, unknown=0)
        reason = "sending stopped while the provider had it"
        values = {"state": DeliveryState.UNKNOWN.value, "reason": reason, "changed_at": now}
        unknown = connection.execute(update(deliveries).where(*claimed).values(**values)).rowcount
        connection.execute(batches.delete().where(_b.mailing == number))
        return Cancelled(withdrawn=withdrawn, in_hand=0, unknown=unknown)


def withdraw_planned(connection: Connection, number: int, *, now: dt.datetime) -> int:
    """Withdraw every copy of a mailing that is planned; how many."""
    connection.execute(batches.delete().where(_b.mailing == number, _b.worker == ""))
    planned = update(deliveries).where(_d.mailing == number, _d.state == DeliveryState.PLANNED.value)
    values = {"state": DeliveryState.WITHDRAWN.value, "reason": "cancelled", "changed_at": now}
    return connection.execute(planned.values(**values)).rowcount
