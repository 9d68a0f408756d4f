"""A machine takes part in sending what was planned on another one."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError
from bulletin.flow.checking import render
from bulletin.flow.sending import database_of, ledger_of, message_of, sender_of
from bulletin.publication import Publication

if TYPE_CHECKING:
    from bulletin.delivery.sender import Helper


def work(
    home: Publication, *, dead_after: dt.timedelta, until_empty: bool, say: Callable[[BulletinError], None]
) -> None:
    """Take part in sending whatever `send` hands out, until told to stop; what goes wrong is told to `say`."""
    from bulletin.delivery import engine_cluster
    from bulletin.providers import _provider as providers

    helpers: dict[tuple[str, int], Helper | None] = {}
    one_at_a_time = threading.Lock()
    hands = providers.connections_of(providers.load(home.config.sending.provider), home.config)

    def handle(mailing: str, run: int, ticket: str) -> None:
        try:
            with one_at_a_time:
                if (mailing, run) not in helpers:
                    helpers[mailing, run] = _helper(home, open_senders, mailing, run, dead_after)
            helper = helpers[mailing, run]
            if helper and not helper.work(ticket):
                say(BulletinError("this worker was stopped for so long that others took its work.", hint="Start anew."))
                os._exit(3)  # whatever it did to its tickets now, it would do to those of somebody else
        except BulletinError as error:
            say(error)

    with ExitStack() as open_senders, database_of(home) as engine:
        engine_cluster.work(engine, handle, hands=hands, dead_after=dead_after, until_empty=until_empty)


def _helper(
    home: Publication, open_senders: ExitStack, mailing: str, number: int, dead_after: dt.timedelta
) -> Helper | None:
    """What this process needs to take part in a run; None if that is over.

    Raises `BulletinError` if the issue here is not the one that was planned.
    """
    from bulletin.delivery.plan import make_plan
    from bulletin.delivery.sender import Helper, run_of

    rendered = render(home, mailing)
    with ledger_of(home) as ledger:
        known = ledger.mailing(mailing)
    if known is None or known.run != number:
        return None
    provider = home.config.sending.provider
    plan = make_plan(mailing, rendered, (), home.config, provider, due_at=known.due_at, spread=known.spread)
    if plan.head != known.head:
        raise BulletinError(
            f"issue {mailing} is not here as it was planned, so this worker does not send it.",
            hint="Bring issues and settings of this machine up to date, then start the worker anew.",
        )
    templates = {edition.name: message_of(home, edition) for edition in rendered}
    sender = open_senders.enter_context(sender_of(home, rendered, lambda done, planned: None))
    run = sender.ledger.join(replace(run_of(sender, plan, templates), run=number))
    return Helper(sender, run, templates, dead_after=dead_after) if run else None
