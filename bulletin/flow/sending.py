"""An issue leaves: planned, sent through the ledger, reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bulletin.errors import BulletinError
from bulletin.flow._common import now, surroundings
from bulletin.flow.checking import Checked, check, render
from bulletin.markings import refuse_before_embargo
from bulletin.model import RenderedEdition
from bulletin.publication import Publication, write_atomically

if TYPE_CHECKING:
    from sqlalchemy import Engine, Select

    from bulletin.delivery.approval import Approval
    from bulletin.delivery.doubts import Here
    from bulletin.delivery.ledger import Ledger, Mailing
    from bulletin.delivery.plan import Plan
    from bulletin.delivery.report import Report
    from bulletin.delivery.sender import Sender, Workers
    from bulletin.model import Outcome
    from bulletin.render.message import MessageTemplate


@dataclass(frozen=True, slots=True)
class Timing:
    """When a mailing leaves and how long it takes; see `Plan`."""

    due_at: dt.datetime | None = None
    spread: dt.timedelta | None = None


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
    """Whether it goes on with a plan that is written down: its readers are those who were planned then."""
    rehearsed_by: frozenset[str] = frozenset()
    """Providers whose copies of this issue never left this machine; real mail goes out in spite of them."""
    rehearsed: int = 0
    """Readers who have such a copy only."""
    known: Mailing | None = None
    """What the ledger knows of it, if it was planned before."""
    approval: Approval | None = None
    """The last word of whoever approved it; it may be void by now."""
    may_leave: bool = True
    """Whether it is approved, or needs not to be."""
    text_only: bool = False
    """Whether readers would get the plain text alone."""

    @property
    def changed(self) -> tuple[str, ...]:
        """What is no longer as it was approved, or else as it was written down, in words for people."""
        from bulletin.delivery.approval import changes

        seen = self.approval.parts if self.approval else self.known.parts if self.known else {}
        return changes(seen, self.plan.parts) if seen else ()


def prepare_sending(home: Publication, issue: str, timing: Timing | None = None, *, anew: bool = False) -> Prepared:
    """Check the issue, render it and plan who gets which edition. Writes nothing and sends nothing.

    Without `timing` it leaves as it was planned to before, or at once. A plan that is written down and not finished is
    gone on with, unless all readers are to be asked for `anew`.
    """
    from bulletin.delivery import steering
    from bulletin.delivery.ledger import Ledger
    from bulletin.delivery.plan import make_plan
    from bulletin.providers import _provider as providers
    from bulletin.subscribers.store import Subscribers

    checked = check(home, issue)
    if checked.refused:
        raise checked.refused
    _refuse_provider(home, checked.rendered)
    name = home.config.sending.provider
    can = providers.load(name).CAPABILITIES
    really_sends = can.really_sends
    question = question_of(home, checked.rendered)
    with database_of(home) as engine:
        Subscribers(engine, home.secret())  # sees to it that readers can be told from who must not be mailed
        ledger = Ledger(engine)
        counts = ledger.providers(issue)
        rehearsed_by = frozenset(filter(_keeps_mail_here, counts)) if really_sends else frozenset()
        known, waiting = ledger.mailing(issue), ledger.waiting(issue)
        timing = timing or (Timing(known.due_at, known.spread) if known else Timing())

        def planned(recipients: Iterable[str]) -> Plan:
            return make_plan(
                issue,
                checked.rendered,
                recipients,
                home.config,
                name,
                withheld=ledger.withheld(now()),
                due_at=timing.due_at,
                spread=timing.spread,
            )

        plan = planned(())
        goes_on = known is not None and bool(waiting) and known.head == plan.head and not rehearsed_by and not anew
        if known and goes_on:
            plan, to_go = replace(plan, counts=ledger.planned(issue), digest=known.digest), sum(waiting.values())
        else:
            asked = question(now())
            with ledger.recipients(asked, spread=timing.spread is not None) as recipients:
                plan = planned(recipients)
            to_go = ledger.new_recipients(issue, asked, rehearsed_by) if known else plan.recipients
        approval = steering.approval_of(engine, issue)
    approved = bool(approval and known and goes_on and approval.digest == known.digest)
    return Prepared(
        checked,
        plan,
        to_go,
        really_sends,
        goes_on=goes_on,
        rehearsed_by=rehearsed_by,
        rehearsed=sum(counts[provider] for provider in rehearsed_by),
        known=known,
        approval=approval,
        may_leave=approved or home.config.sending.approval == "nobody",
        text_only=can.text_only,
    )


def _refuse_provider(home: Publication, rendered: Sequence[RenderedEdition]) -> None:
    """Raises `BulletinError` if an edition is for an audience whose mail this provider may not carry (S-29)."""
    from bulletin.providers import _provider as providers

    name = home.config.sending.provider
    if not providers.load(name).CAPABILITIES.really_sends:
        return
    allowed = {setting.id: setting.providers for setting in home.config.audiences if setting.providers}
    for edition in rendered:
        if name not in allowed.get(edition.audience, (name,)):
            raise BulletinError(
                f"the edition {edition.name} may leave by {' or '.join(allowed[edition.audience])} only,"
                f" not by {name}.",
                hint="Choose another provider under [sending]. If this one may carry it, add it to the audience.",
            )


def timing_of(home: Publication, issue: str) -> Timing:
    """When an issue leaves by the plan that is written down; at once if there is none."""
    with ledger_of(home) as ledger:
        known = ledger.mailing(issue)
    return Timing(known.due_at, known.spread) if known else Timing()


def question_of(home: Publication, rendered: Sequence[RenderedEdition]) -> Callable[[dt.datetime], Select[Any]]:
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

    _refuse_trial(home)
    issue = prepared.checked.file.issue
    refuse_before_embargo(issue.items, now(), home.config.zone, what=f"issue {issue.id} cannot be sent")
    _refuse_unapproved(home, prepared)
    templates = {edition.name: message_of(home, edition) for edition in prepared.checked.rendered}
    try:
        with sender_of(home, prepared.checked.rendered, on_progress) as sender:
            sending.run(
                sender,
                prepared.plan,
                templates,
                accept_changed=accept_changed,
                accept_doubts=take_over,
                rehearsed_by=prepared.rehearsed_by,
            )
    finally:
        report = _keep_evidence(home, prepared)
    assert report is not None  # noqa: S101 - it was started a moment ago
    return report


def _refuse_trial(home: Publication) -> None:
    """Readers would count as having an issue that they never got."""
    from bulletin.providers import _provider as providers

    name = home.config.sending.provider
    if providers.only_tries(providers.load(name), name, surroundings(home)):
        raise BulletinError(
            f"{name} is told to take mail and to deliver none, so nobody would get the issue.",
            hint="Try it with: bulletin send --test ADDRESS. To send, take test_mode, or the key for tests, away.",
        )


def _refuse_unapproved(home: Publication, prepared: Prepared) -> None:
    from bulletin import history
    from bulletin.delivery.approval import same_person

    if not prepared.may_leave:
        raise BulletinError("nobody approved this.", hint=f"First: bulletin approve {prepared.plan.issue}")
    if home.config.sending.approval == "another" and prepared.approval:
        folder = home.issue_dir(prepared.plan.issue)
        me = history.myself(folder)
        if not history.last_editor(folder) and same_person(me, prepared.approval.who):
            raise BulletinError(
                f"{me} approved this, so somebody else has to send it.",
                hint="Nobody can tell here who changed the issue last. With git that is known, and counts instead.",
            )


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
    _refuse_provider(home, rendered)
    with sender_of(home, rendered, lambda done, planned: None) as sender:
        return [
            (edition.name, sending.send_test(sender, issue, message_of(home, edition), address)) for edition in rendered
        ]


def report_of(home: Publication, issue: str) -> Report | None:
    """How the sending of an issue stands; None if it was never started."""
    from bulletin.delivery.report import make_report

    with ledger_of(home) as ledger:
        standing, known = ledger.standing(issue), ledger.mailing(issue)
        if standing is None or known is None:
            return None
        return make_report(
            standing,
            ledger.refusals(issue),
            ledger.unknown(issue),
            digest=known.digest,
            due_at=None if known.run else known.due_at,
            held=known.up_to is not None and standing.waiting > 0,
            cancelled_by=known.cancelled_by,
        )


def resolve(home: Publication, issue: str, *, accepted: bool, who: str, subscriber: str | None = None) -> int:
    """A person's word on deliveries whose fate nobody knows: they left, or they are to go out again; how many."""
    with ledger_of(home) as ledger:
        return ledger.resolve(issue, accepted=accepted, who=who, now=now(), subscriber=subscriber)


def _keep_evidence(home: Publication, prepared: Prepared) -> Report | None:
    """Write what is known of a mailing into the issue's folder, to be committed with it; how the mailing stands.

    A rehearsal leaves none. The mails are as readers get them, with samples for personal values.
    """
    from bulletin import __version__
    from bulletin.delivery import evidence
    from bulletin.render import fill, sample_personal

    plan, checked = prepared.plan, prepared.checked
    report = report_of(home, plan.issue)
    if report is None or not prepared.really_sends:
        return report
    folder = home.issue_dir(plan.issue) / evidence.FOLDER
    for edition in checked.rendered:
        for ending, mail in zip(("html", "txt"), fill(edition, sample_personal(home.config)), strict=True):
            write_atomically(folder / f"{edition.name}.{ending}", mail.encode())
    content = evidence.record(
        plan,
        report,
        subject=checked.file.issue.subject,
        sources=home.issue_sources(plan.issue),
        findings=checked.findings,
        allowances=checked.file.issue.allow,
        approval=prepared.approval if prepared.may_leave else None,
        program=f"bulletin {__version__}",
        at=now(),
    )
    write_atomically(folder / "mailing.json", content)
    return report


@contextmanager
def sender_of(
    home: Publication, rendered: Sequence[RenderedEdition], on_progress: Callable[[int, int], None]
) -> Iterator[Sender]:
    """Everything sending needs, from settings, database and provider, while the context lasts."""
    import time

    from bulletin.delivery.sender import Sender
    from bulletin.providers import _provider as providers
    from bulletin.subscribers.tokens import Links

    name = home.config.sending.provider
    provider = providers.load(name)
    with ledger_of(home) as ledger:
        yield Sender(
            config=home.config,
            ledger=ledger,
            provider=name,
            open_session=lambda: provider.open(surroundings(home)),
            capabilities=provider.CAPABILITIES,
            links=Links(home.config.service_url, home.secret(), home.config.leave_by_mail),
            question=question_of(home, rendered),
            here=_here(home),
            lock=home.state_dir / "sending.lock",
            now=now,
            sleep=time.sleep,
            connections=providers.connections_of(provider, home.config),
            on_progress=on_progress,
            workers=_workers(home) if home.config.sending.workers else None,
            may_enter=home.config.sending.approval == "nobody",
        )


def _workers(home: Publication) -> Workers:
    """The processes on any machine that take work from this publication's database."""
    from sqlalchemy import Connection

    from bulletin.delivery import engine_cluster
    from bulletin.delivery.ledger import Run

    class Cluster:
        def hand_out(self, connection: Connection, run: Run) -> None:
            engine_cluster.hand_out(connection, run)

        def at_work(self, mailing: str, run: int) -> bool:
            with database_of(home) as engine:
                return engine_cluster.tickets(engine, mailing, run) > 0

    return Cluster()


def _here(home: Publication) -> Here:
    import os
    import secrets
    import socket

    from bulletin.delivery.doubts import Here

    machine = socket.gethostname()
    return Here(
        name=f"{machine} ({home.root})"[:120],
        process=f"{machine[:40]}:{os.getpid()}:{secrets.token_hex(8)}",
        memory=home.state_dir / "sending.json",
    )


def message_of(home: Publication, edition: RenderedEdition) -> MessageTemplate:
    """An edition as the message that its readers get."""
    from bulletin.render.message import Envelope, MessageTemplate

    return MessageTemplate(edition, Envelope.of(home.config))


@contextmanager
def ledger_of(home: Publication) -> Iterator[Ledger]:
    """The publication's ledger, while the context lasts."""
    from bulletin.delivery.ledger import Ledger

    with database_of(home) as engine:
        yield Ledger(engine)


def database_of(home: Publication) -> AbstractContextManager[Engine]:
    """The publication's database, closed at the end of the context."""
    from bulletin.stores import database

    return database(home.database_url)
