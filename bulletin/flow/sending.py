"""An issue leaves: planned, sent through the ledger, reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError
from bulletin.flow._common import now
from bulletin.flow.checking import Checked, check, render
from bulletin.markings import refuse_before_embargo
from bulletin.model import RenderedEdition
from bulletin.publication import Publication

if TYPE_CHECKING:
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
    rehearsed_by: frozenset[str] = frozenset()
    """Providers whose copies of this issue never left this machine; real mail goes out in spite of them."""
    rehearsed: int = 0
    """Readers, of those planned, who have such a copy only."""


def prepare_sending(home: Publication, issue: str) -> Prepared:
    """Check the issue, render it and plan who gets which edition. Writes nothing and sends nothing."""
    from bulletin.delivery.ledger import Ledger
    from bulletin.delivery.plan import make_plan
    from bulletin.providers import _provider as providers
    from bulletin.stores import database
    from bulletin.subscribers.store import Subscribers

    checked = check(home, issue)
    if checked.refused:
        raise checked.refused
    own = home.config.language
    rendered = {edition.audience: edition for edition in checked.rendered if edition.language == own}
    translated = tuple(edition for edition in checked.rendered if edition.language != own)
    name = home.config.sending.provider
    with database(home.database_url) as engine:
        readers = Subscribers(engine, home.secret())
        found, lists = readers.all(), readers.lists()
        plan = make_plan(issue, rendered, found, home.config, name, now=now(), translated=translated, lists=lists)
        really_sends = providers.load(name).CAPABILITIES.really_sends
        ledger = Ledger(engine)
        rehearsed_by = frozenset(filter(_keeps_mail_here, ledger.providers(issue))) if really_sends else frozenset()
        rehearsed = ledger.accepted_by(issue, rehearsed_by)
        left = ledger.left(issue) - rehearsed
    planned = {recipient.subscriber for recipient in plan.recipients}
    return Prepared(
        checked, plan, len(planned - left), really_sends, rehearsed_by=rehearsed_by, rehearsed=len(planned & rehearsed)
    )


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
    on_progress: Callable[[int, int], None] = lambda done, planned: None,
) -> Report:
    """Send what was prepared, or what is left of it; how the mailing stands then.

    Raises `StoppedPartWay` when running it again would go on, and `BulletinError` if the issue was changed after its
    first copies left, unless that is accepted.
    """
    from bulletin.delivery import sender as sending

    issue = prepared.checked.file.issue
    refuse_before_embargo(issue.items, now(), home.config.zone, what=f"issue {issue.id} cannot be sent")
    templates = {edition.name: _message(home, edition) for edition in prepared.checked.rendered}
    with _sender(home, on_progress) as sender:
        sending.run(
            sender,
            prepared.plan,
            templates,
            accept_changed=accept_changed,
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
    with _sender(home, lambda done, planned: None) as sender:
        return [
            (
                edition.name,
                sending.send_test(sender, issue, home.config.sending.provider, _message(home, edition), address),
            )
            for edition in render(home, issue)
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
def _sender(home: Publication, on_progress: Callable[[int, int], None]) -> Iterator[Sender]:
    import time

    from bulletin.delivery.sender import Sender
    from bulletin.providers import _provider as providers
    from bulletin.providers._provider import Surroundings
    from bulletin.subscribers.tokens import Links

    provider = providers.load(home.config.sending.provider)
    surroundings = Surroundings(
        config=home.config,
        environment=home.environment,
        secret=home.secret,
        outbox_dir=home.outbox_dir,
        now=now,
    )
    with _ledger_of(home) as ledger, provider.open(surroundings) as session:
        yield Sender(
            config=home.config,
            ledger=ledger,
            session=session,
            capabilities=provider.CAPABILITIES,
            links=Links(home.config.service_url, home.secret()),
            lock=home.state_dir / "sending.lock",
            now=now,
            sleep=time.sleep,
            on_progress=on_progress,
        )


def _message(home: Publication, edition: RenderedEdition) -> MessageTemplate:
    from bulletin.render.message import Envelope, MessageTemplate

    return MessageTemplate(edition, Envelope.of(home.config))


@contextmanager
def _ledger_of(home: Publication) -> Iterator[Ledger]:
    from bulletin.delivery.ledger import Ledger
    from bulletin.stores import database

    with database(home.database_url) as engine:
        yield Ledger(engine)
