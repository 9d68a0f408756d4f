"""An issue leaves: planned, sent through the ledger, reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bulletin.errors import BulletinError
from bulletin.flow._common import now
from bulletin.flow.checking import Checked, check, render
from bulletin.markings import refuse_before_embargo
from bulletin.model import RenderedEdition
from bulletin.publication import Publication

if TYPE_CHECKING:
    from sqlalchemy import Engine, Select

    from bulletin.delivery.doubts import Here
    from bulletin.delivery.ledger import Ledger
    from bulletin.delivery.plan import Plan
    from bulletin.delivery.report import Report
    from bulletin.delivery.sender import Sender
    from bulletin.model import Outcome
    from bulletin.render.message import MessageTemplate


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sending as it would be, before anything leaves."""

    checked: Checked
    plan: Plan
    to_go: int
    """Messages that would leave now; fewer than planned if a part has left already."""
    really_sends: bool
    """Whether mail would leave this machine."""
    goes_on: bool = False
    """Whether it is the rest of a sending that was interrupted: its readers are those who were planned then."""
    rehearsed_by: frozenset[str] = frozenset()
    """Providers whose copies of this issue never left this machine; real mail goes out in spite of them."""
    rehearsed: int = 0
    """Readers who have such a copy only."""


def prepare_sending(home: Publication, issue: str) -> Prepared:
    """Check the issue, render it and plan who gets which edition. Writes nothing and sends nothing."""
    from bulletin.delivery.ledger import Ledger
    from bulletin.delivery.plan import make_plan
    from bulletin.providers import _provider as providers
    from bulletin.subscribers.store import Subscribers

    checked = check(home, issue)
    if checked.refused:
        raise checked.refused
    name = home.config.sending.provider
    really_sends = providers.load(name).CAPABILITIES.really_sends
    question = _question(home, checked.rendered)
    with _database_of(home) as engine:
        Subscribers(engine, home.secret())  # sees to it that readers can be told from who must not be mailed
        ledger = Ledger(engine)
        counts = ledger.providers(issue)
        rehearsed_by = frozenset(filter(_keeps_mail_here, counts)) if really_sends else frozenset()
        withheld = ledger.withheld(now())
        plan = make_plan(issue, checked.rendered, (), home.config, name, withheld=withheld)
        known, waiting = ledger.mailing(issue), ledger.waiting(issue)
        goes_on = known is not None and bool(waiting) and known.head == plan.head and not rehearsed_by
        if known and goes_on:
            plan, to_go = replace(plan, counts=ledger.planned(issue), digest=known.digest), sum(waiting.values())
        else:
            asked = question(now())
            with ledger.recipients(asked) as recipients:
                plan = make_plan(issue, checked.rendered, recipients, home.config, name, withheld=withheld)
            to_go = ledger.new_recipients(issue, asked, rehearsed_by) if known else plan.recipients
    rehearsed = sum(counts[provider] for provider in rehearsed_by)
    return Prepared(checked, plan, to_go, really_sends, goes_on=goes_on, rehearsed_by=rehearsed_by, rehearsed=rehearsed)


def _question(home: Publication, rendered: Sequence[RenderedEdition]) -> Callable[[dt.datetime], Select[Any]]:
    """Who gets which of these editions at a moment."""
    from bulletin.subscribers.audience import recipients

    audiences = {edition.audience for edition in rendered}
    languages = {edition.language for edition in rendered}
    return lambda at: recipients(home.config, audiences, languages, at)


def _keeps_mail_here(provider: str) -> bool:
    from bulletin.providers import _provider as providers

    try:
        return not providers.load(provider).CAPABILITIES.really_sends
    except BulletinError:  # no longer installed: what it accepted may have left
        return False


def send(
    home: Publication,
    prepared: Prepared,
    *,
    accept_changed: bool = False,
    take_over: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, planned: None,
) -> Report:
    """Send what was prepared, or what is left of it; how the mailing stands then.

    Raises `StoppedPartWay` when running it again would go on, and `BulletinError` if the issue was changed after its
    first copies left, unless that is accepted, and if this seems to be the wrong place to go on with it, unless it is
    to take over.
    """
    from bulletin.delivery import sender as sending

    issue = prepared.checked.file.issue
    refuse_before_embargo(issue.items, now(), home.config.zone, what=f"issue {issue.id} cannot be sent")
    templates = {edition.name: _message(home, edition) for edition in prepared.checked.rendered}
    with _sender(home, prepared.checked.rendered, on_progress) as sender:
        sending.run(
            sender,
            prepared.plan,
            templates,
            accept_changed=accept_changed,
            accept_doubts=take_over,
            rehearsed_by=prepared.rehearsed_by,
        )
    report = report_of(home, prepared.plan.issue)
    assert report is not None  # noqa: S101 - it was started a moment ago
    return report


def send_test(home: Publication, issue: str, address: str) -> list[tuple[str, Outcome | None]]:
    """Send one copy of each edition to an address; the provider's answers by edition. They count for no mailing.

    None stands for an edition that is kept from this address (S-26): it was not sent. Before the end of an embargo no
    copy leaves this machine (S-06).
    """
    from bulletin.delivery import sender as sending
    from bulletin.providers import _provider as providers

    if providers.load(home.config.sending.provider).CAPABILITIES.really_sends:
        items = home.read_issue(issue).issue.items
        refuse_before_embargo(items, now(), home.config.zone, what=f"issue {issue} cannot be sent")
    rendered = render(home, issue)
    with _sender(home, rendered, lambda done, planned: None) as sender:
        return [
            (edition.name, sending.send_test(sender, issue, _message(home, edition), address)) for edition in rendered
        ]


def report_of(home: Publication, issue: str) -> Report | None:
    """How the sending of an issue stands; None if it was never started."""
    from bulletin.delivery.report import make_report

    with _ledger_of(home) as ledger:
        standing = ledger.standing(issue)
        return make_report(standing, ledger.refusals(issue), ledger.unknown(issue)) if standing else None


def resolve(home: Publication, issue: str, *, accepted: bool, who: str, subscriber: str | None = None) -> int:
    """A person's word on deliveries whose fate nobody knows: they left, or they are to go out again; how many."""
    with _ledger_of(home) as ledger:
        return ledger.resolve(issue, accepted=accepted, who=who, now=now(), subscriber=subscriber)


@contextmanager
def _sender(
    home: Publication, rendered: Sequence[RenderedEdition], on_progress: Callable[[int, int], None]
) -> Iterator[Sender]:
    import time

    from bulletin.delivery.sender import Sender
    from bulletin.providers import _provider as providers
    from bulletin.providers._provider import Surroundings
    from bulletin.subscribers.tokens import Links

    name = home.config.sending.provider
    provider = providers.load(name)
    surroundings = Surroundings(
        config=home.config,
        environment=home.environment,
        secret=home.secret,
        outbox_dir=home.outbox_dir,
        now=now,
    )
    with _ledger_of(home) as ledger:
        yield Sender(
            config=home.config,
            ledger=ledger,
            provider=name,
            open_session=lambda: provider.open(surroundings),
            capabilities=provider.CAPABILITIES,
            links=Links(home.config.service_url, home.secret()),
            question=_question(home, rendered),
            here=_here(home),
            lock=home.state_dir / "sending.lock",
            now=now,
            sleep=time.sleep,
            connections=providers.connections_of(provider, home.config),
            on_progress=on_progress,
        )


def _here(home: Publication) -> Here:
    import os
    import secrets
    import socket

    from bulletin.delivery.doubts import Here

    machine = socket.gethostname()
    return Here(
        name=f"{machine} ({home.state_dir})"[:120],
        process=f"{machine[:40]}:{os.getpid()}:{secrets.token_hex(8)}",
        memory=home.state_dir / "sending.json",
    )


def _message(home: Publication, edition: RenderedEdition) -> MessageTemplate:
    from bulletin.render.message import Envelope, MessageTemplate

    return MessageTemplate(edition, Envelope.of(home.config))


@contextmanager
def _ledger_of(home: Publication) -> Iterator[Ledger]:
    from bulletin.delivery.ledger import Ledger

    with _database_of(home) as engine:
        yield Ledger(engine)


def _database_of(home: Publication) -> AbstractContextManager[Engine]:
    """The publication's database, closed at the end of the context."""
    from bulletin.stores import database

    return database(home.database_url)
