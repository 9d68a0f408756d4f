"""What people decide about a mailing: when it leaves and how far, that they approve it, that it is called off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bulletin.flow._common import now, surroundings
from bulletin.flow.sending import Prepared, database_of, question_of
from bulletin.publication import Publication

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from bulletin.delivery.steering import Cancelled
    from bulletin.providers._provider import Quota


def write_down(home: Publication, prepared: Prepared) -> None:
    """Enter a plan without sending it: it leaves at its time, or when somebody has approved it."""
    with database_of(home) as engine:
        _enter(home, engine, prepared)


def approve(home: Publication, prepared: Prepared, who: str, *, accept_changed: bool = False) -> None:
    """Somebody's word on a plan as it was prepared `anew`; the plan is entered with it.

    Raises `BulletinError` if they may not approve it, or if its readers are others by now.
    """
    from bulletin import history
    from bulletin.delivery import steering
    from bulletin.delivery.approval import refuse_own

    issue = prepared.plan.issue
    if home.config.sending.approval == "another":
        refuse_own(who, history.last_editor(home.issue_dir(issue)))

    def note(connection: Connection, number: int) -> None:
        if not (prepared.known and prepared.known.run):
            steering.refuse_other(connection, number, prepared.plan.digest)
        steering.approve(connection, number, who=who, now=now())

    with database_of(home) as engine:
        _enter(home, engine, prepared, accept_changed=accept_changed, then=note)


def _enter(
    home: Publication,
    engine: Engine,
    prepared: Prepared,
    *,
    accept_changed: bool = False,
    then: Callable[[Connection, int], None] = lambda connection, number: None,
) -> None:
    from bulletin.delivery.ledger import Ledger
    from bulletin.providers import _provider as providers

    ledger, moment = Ledger(engine), now()
    if prepared.rehearsed_by:
        ledger.plan_rehearsed(prepared.plan.issue, prepared.rehearsed_by, now=moment)
    size = min(home.config.sending.batch, providers.load(prepared.plan.provider).CAPABILITIES.batch)
    question = question_of(home, prepared.checked.rendered)(moment)
    ledger.enter(prepared.plan, question, now=moment, batch=size, accept_changed=accept_changed, then=then)


def withdraw_approval(home: Publication, issue: str) -> bool:
    """Take an approval back; whether there was one."""
    from bulletin.delivery import steering

    with database_of(home) as engine:
        return steering.withdraw_approval(engine, issue, now=now())


def hold_after(home: Publication, issue: str, count: int) -> None:
    """Let only the next copies of an issue leave, so many of them."""
    from bulletin.delivery import steering

    with database_of(home) as engine:
        steering.hold_after(engine, issue, count)


def let_go_on(home: Publication, issue: str) -> None:
    """Nothing of a mailing is held or cancelled any more."""
    from bulletin.delivery import steering

    with database_of(home) as engine:
        steering.let_go_on(engine, issue)


def cancel(home: Publication, issue: str, who: str) -> Cancelled:
    """Nothing more of an issue leaves."""
    from bulletin.delivery import steering

    with database_of(home) as engine:
        return steering.cancel(engine, issue, who=who, now=now())


def quota(home: Publication) -> Quota | None:
    """How much the provider still lets leave; None if it does not say. Raises `BulletinError` if it cannot be asked."""
    from bulletin.providers import _provider as providers

    with providers.load(home.config.sending.provider).open(surroundings(home)) as session:
        return session.quota() if isinstance(session, providers.HasQuota) else None
