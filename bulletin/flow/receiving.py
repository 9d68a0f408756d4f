"""What comes back after an issue has left: deliveries, bounces, complaints and opt-outs, and what follows from them."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError
from bulletin.flow._common import now, surroundings
from bulletin.flow.readers import normal_address
from bulletin.publication import Publication

if TYPE_CHECKING:
    from bulletin.children import Children
    from bulletin.delivery.eventlog import Logged
    from bulletin.delivery.receiving import Receiver, Taken
    from bulletin.mailbox.meaning import Office
    from bulletin.model import DeliveryEvent, EventKind, Subscriber
    from bulletin.providers._provider import Call

ALERTS_FOR = dt.timedelta(days=30)
"""How long it is told that mail was turned down for the sender's own sake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What came in, and what waits for a person. Holds no address."""

    counts: Mapping[str, Mapping[EventKind, int]]
    """Events of each kind by mailing; under the empty name those about none that is known."""
    in_doubt: list[Logged]
    readers: Mapping[str, str]
    """A masked address for each reader id that is named here."""
    blocked: list[tuple[str, str, int]]
    """Mail turned down for what the sender does or is: domain, reason, how often (V-07)."""
    soon: list[tuple[str, int]]
    """Readers whose address is suspended if it fails again, and on how many issues in a row it did (V-10)."""
    suspended: int


@contextmanager
def receiver_of(home: Publication) -> Iterator[Receiver]:
    """What takes in the publication's events, while the context lasts."""
    from bulletin.delivery.eventlog import EventLog
    from bulletin.delivery.ledger import Ledger
    from bulletin.delivery.receiving import Receiver
    from bulletin.stores import database
    from bulletin.subscribers.store import Subscribers

    with database(home.database_url) as engine:
        yield Receiver(EventLog(engine), Subscribers(engine, home.secret()), Ledger(engine), now)


def overview_of_events(home: Publication) -> Overview:
    """What was reported about all mailings, and what a person has to look at."""
    from bulletin.delivery.events import SOFT_BOUNCES
    from bulletin.model import SubscriberState
    from bulletin.subscribers.address import masked

    with receiver_of(home) as receiver:
        in_doubt = receiver.log.in_doubt()
        soon = []
        for subscriber in receiver.log.bounced_softly():
            number = receiver.row_of(subscriber)
            person = receiver.readers.get(subscriber)
            if person and person.state is SubscriberState.SUBSCRIBED and number == SOFT_BOUNCES - 1:
                soon.append((subscriber, number))
        named = {event.subscriber for event in in_doubt if event.subscriber} | {subscriber for subscriber, _ in soon}
        people = (receiver.readers.get(subscriber) for subscriber in sorted(named))
        return Overview(
            counts=receiver.log.counts(),
            in_doubt=in_doubt,
            readers={person.id: masked(person.email) for person in people if person},
            blocked=receiver.log.blocked(since=now() - ALERTS_FOR),
            soon=soon,
            suspended=receiver.readers.counts()[SubscriberState.BOUNCED],
        )


def settle_event(home: Publication, number: int, *, accept: bool, who: str, address: str = "") -> bool:
    """A person's word on an event in doubt: it counts, or nothing comes of it. Whether a reader's state changed.

    `address` names the reader where the event does not. Raises `BulletinError` if there is no such event, or nobody for
    it to count for.
    """
    with receiver_of(home) as receiver:
        event = receiver.log.get(number)
        if event is None:
            raise BulletinError(
                f"no event with the number {number} waits for you.", hint="See them with: bulletin events review"
            )
        if not accept:
            receiver.dismiss(event, who=who)
            return False
        subscriber = event.subscriber
        if address:
            person = receiver.readers.find(normal_address(address))
            if person is None:
                raise BulletinError("that address is not on the list.", hint="See: bulletin subscribers list")
            subscriber = person.id
        if subscriber is None:
            raise BulletinError(
                "nobody knows which reader this is about.",
                hint=f"Name them: bulletin events settle {number} --accept --reader ADDRESS",
            )
        return receiver.accept(event, who=who, subscriber=subscriber)


def suspended(home: Publication) -> list[tuple[Subscriber, dt.datetime, str]]:
    """Readers who get no mail because their address bounced, since when and why; the newest first."""
    with receiver_of(home) as receiver:
        return receiver.readers.suspended()


def reinstate(home: Publication, address: str, *, who: str, why: str) -> None:
    """Undo the suspension of a reader, named by address or id, because the address is right after all (V-10).

    Raises `BulletinError` if they are not suspended, or withdrew or never gave their consent.
    """
    from bulletin.model import SubscriberState

    with receiver_of(home) as receiver:
        readers = receiver.readers
        person = readers.find(normal_address(address)) if "@" in address else readers.get(address)
        if person is None:
            raise BulletinError("that reader is not on the list.", hint="See: bulletin subscribers suspended")
        if person.state is not SubscriberState.BOUNCED:
            raise BulletinError(
                f"that reader is not suspended, but {person.state.value}.", hint="See: bulletin help after-sending"
            )
        if not readers.reinstate(person.id, now=now(), how=f"{who}: {why}"):
            raise BulletinError(
                "before the address bounced, its owner had not agreed to get the bulletin, or had left.",
                hint="Only they can change that: by signing up and confirming it.",
            )


# ---------------------------------------------------------------- what mail services report


def hear(home: Publication, receiver: Receiver, provider: str, call: Call) -> bool:
    """Take in a call to our webhook; False if no provider of this name makes any.

    Raises `CallRefused` if it does not prove where it comes from, cannot be read, or nothing is set up to prove it by.
    """
    from bulletin.providers import _provider as providers

    try:
        receive = providers.receiver_of(providers.load(provider))
    except BulletinError:
        return False
    if receive is None:
        return False
    try:
        events = receive(call, surroundings(home))
    except providers.CallRefused:
        raise
    except BulletinError as error:
        raise providers.CallRefused(error.message, hint=error.hint) from None
    except Exception as error:  # its words may be anything, from anybody who knows the secret
        raise providers.CallRefused(f"a report from {provider} cannot be read ({type(error).__name__}).") from None
    receiver.take(events)
    return True


def webhook_address(home: Publication, provider: str = "") -> tuple[str, bool]:
    """Where a provider has to report to, and whether it signs what it says.

    Raises `BulletinError` if it makes no reports. A secret stands in the address as a word to be replaced (Z-23).
    """
    from bulletin.providers import _provider as providers

    name = provider or home.config.sending.provider
    kind = providers.load(name).CAPABILITIES.webhooks
    if kind == "none":
        raise BulletinError(
            f"{name} does not report by itself.", hint="Ask it with: bulletin events pull. Or read a mailbox."
        )
    address = f"{home.config.service_url}events/{name}"
    return (address, True) if kind == "signed" else (f"{address}/SECRET", False)


def pull_events(home: Publication, provider: str = "") -> Taken:
    """Ask a provider what became of copies since the last time. Stopped in the middle, it goes on where it was.

    Raises `BulletinError` if the provider cannot be asked.
    """
    from bulletin.delivery.receiving import Taken
    from bulletin.providers import _provider as providers

    name = provider or home.config.sending.provider
    taken = Taken()
    with receiver_of(home) as receiver, providers.load(name).open(surroundings(home)) as session:
        if not isinstance(session, providers.HasEvents):
            raise BulletinError(
                f"{name} cannot be asked what became of copies.",
                hint="Read how bounces come back in: bulletin help after-sending",
            )
        taken += receiver.catch_up()
        more = True
        while more:
            before = receiver.log.cursor(name)
            page = session.events(before)
            taken += receiver.take(page.events)
            receiver.log.move_cursor(name, page.cursor, now=now())
            more = page.more and page.cursor != before
    return taken


def reinstate_all(home: Publication, domain: str, *, since: dt.date, who: str, why: str) -> int:
    """Undo the suspension of everybody at a mail domain since a day, because it was the domain's fault; how many.

    Whoever withdrew or never gave their consent stays away.
    """
    from bulletin.subscribers.belonging import domain_of

    first = dt.datetime.combine(since, dt.time(), home.config.zone)
    with receiver_of(home) as receiver:
        theirs = [
            person.id
            for person, at, _ in receiver.readers.suspended()
            if domain_of(person.email) == domain.lower() and at >= first
        ]
        return sum(receiver.readers.reinstate(reader, now=now(), how=f"{who}: {why}") for reader in theirs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What two lists of addresses that must not be written to had that the other had not."""

    theirs: int
    """Addresses on the provider's list."""
    learned: int
    """Of those, how many were news here."""
    told: int
    """Addresses of ours that were news to the provider."""
    refusal: str = ""
    """Why the provider takes none of ours, if it takes none."""


def exchange_suppressions(home: Publication, provider: str = "", *, dry_run: bool = False) -> Exchanged:
    """Hold the provider's list of who must not be written to against ours, and fill up both (P-21).

    Who agreed anew since the provider entered them is left alone, and so is whoever gets no mail anyway: what we
    told a provider may come back under another name. Those of ours who were erased cannot be told: of them
    only a hash is left. With `dry_run` nothing changes on either side.
    """
    from bulletin.delivery.events import CONSEQUENCES
    from bulletin.providers import _provider as providers
    from bulletin.subscribers.address import AddressRefused, normalise
    from bulletin.subscribers.consent import COMES_BACK_BY_OWN_CONSENT

    name = provider or home.config.sending.provider
    learned, theirs = 0, set()
    with receiver_of(home) as receiver, providers.load(name).open(surroundings(home)) as session:
        if not isinstance(session, providers.HasSuppressions):
            raise BulletinError(f"{name} keeps no list of its own.", hint="There is nothing to exchange.")
        readers = receiver.readers
        for entry in session.suppressed():
            cause = CONSEQUENCES[entry.kind].cause
            try:
                email = normalise(entry.address)
            except AddressRefused:
                continue
            theirs.add(email)
            person = readers.find(email)
            agreed = readers.agreed_at(person.id) if person else None
            gone = dict(readers.states([email]))[email] in COMES_BACK_BY_OWN_CONSENT
            if cause is None or gone or (agreed and entry.at and entry.at < agreed):
                continue
            learned += 1
            how = f"{entry.kind.value}: on the list of {name}" + (f" since {entry.at:%Y-%m-%d}" if entry.at else "")
            if not dry_run:
                readers.report(email, cause, now=now(), how=how)
        ours = [
            person.email
            for person in readers.all()
            if person.state in COMES_BACK_BY_OWN_CONSENT and person.email not in theirs
        ]
        refusal = ""
        if ours and not dry_run:
            try:
                session.suppress(ours)
            except providers.UnsupportedFeature as unsupported:
                refusal = unsupported.message
    return Exchanged(theirs=len(theirs), learned=learned, told=0 if refusal else len(ours), refusal=refusal)


def reported_of(home: Publication, issue: str) -> dict[str, dict[EventKind, int]]:
    """How many readers at each mail domain each kind of event was reported of, for one issue. Holds no address."""
    with receiver_of(home) as receiver:
        return receiver.log.by_domain(issue)


# ---------------------------------------------------------------- mails that came back


@dataclass(slots=True, kw_only=True)
class MailsRead:
    """What came of reading mails."""

    mails: int = 0
    ours: int = 0
    """Those that reported something; the others were left as they are."""
    for_a_person: int = 0
    """Those of ours that somebody has to look at."""
    taken: Taken


def read_files(home: Publication, files: Sequence[Path]) -> MailsRead:
    """Take in bounces, complaints and opt-outs from saved mails (.eml)."""
    from bulletin.delivery.receiving import Taken
    from bulletin.mailbox.reading import LARGEST_MAIL

    found = MailsRead(taken=Taken())
    with _mail_reader(home) as reader:
        for path in files:
            with path.open("rb") as file:
                reader.take(file.read(LARGEST_MAIL + 1), found, at=None)
    return found


def read_mailbox(home: Publication, *, dry_run: bool = False) -> MailsRead:
    """Take in what came to the mailbox of the settings since the last time.

    What was understood is marked as read or moved; what a person has to look at gets a flag; all else is left as it is.
    Stopped in the middle, it goes on where it was. Raises `BulletinError` if the mailbox is not set up or not reached.
    """
    import hashlib

    from bulletin.delivery.receiving import Taken
    from bulletin.mailbox.imap import open_box
    from bulletin.mailbox.reading import LARGEST_MAIL

    setting = home.config.mailbox
    if setting is None:
        raise BulletinError(
            "there is no mailbox to read.", hint="Describe it under [mailbox]. See: bulletin help after-sending"
        )
    named = f"{setting.host} {setting.user} {setting.folder}"
    source = f"mailbox {hashlib.sha256(named.encode()).hexdigest()[:32]}"
    found = MailsRead(taken=Taken())
    with _mail_reader(home, dry_run=dry_run) as reader, open_box(setting, home.environment, read_only=dry_run) as box:
        validity, _, last = reader.receiver.log.cursor(source).partition(":")
        for number in box.after(int(last) if validity == str(box.validity) else 0):
            if box.size(number) > LARGEST_MAIL:
                proven = reader.set_aside(f"{source} {box.validity}:{number}", found)
            else:
                data, at = box.mail(number)
                proven = reader.take(data, found, at=at or now())
            if dry_run:
                continue
            if proven is not None:
                (box.done if proven else box.for_a_person)(number)
            reader.receiver.log.move_cursor(source, f"{box.validity}:{number}", now=now())
    return found


MOST_SEARCHES = 20
"""How often one run goes through all readers to find the one a complaint is about; further ones are for a person."""


@dataclass(frozen=True, slots=True)
class _MailReader:
    """Reads mails one by one, each in a child process that can be ended (V-16)."""

    receiver: Receiver
    office: Office
    children: Children
    dry_run: bool

    def take(self, data: bytes, found: MailsRead, *, at: dt.datetime | None) -> bool | None:
        """Take in one mail: whether what it says was proven, None if it is no affair of ours. Without `at`, the time
        that it bears itself counts."""
        from bulletin.children import ChildFailed
        from bulletin.mailbox.meaning import events_of
        from bulletin.mailbox.reading import read, unreadable

        try:
            mail = self.children.run(read, data)
        except ChildFailed as failure:
            mail = unreadable(data, str(failure))
        return self._take(events_of(mail, self.office, at=at or mail.at or now()), found)

    def set_aside(self, name: str, found: MailsRead) -> bool | None:
        """Note a mail that is too large to be fetched."""
        from bulletin.mailbox.meaning import events_of
        from bulletin.mailbox.reading import too_large

        return self._take(events_of(too_large(name), self.office, at=now()), found)

    def _take(self, events: Sequence[DeliveryEvent], found: MailsRead) -> bool | None:
        found.mails += 1
        if not events:
            return None
        proven = not any(event.doubt for event in events)
        found.ours += 1
        found.for_a_person += not proven
        if not self.dry_run:
            found.taken += self.receiver.take(events)
        return proven


@contextmanager
def _mail_reader(home: Publication, *, dry_run: bool = False) -> Iterator[_MailReader]:
    from bulletin.children import Children
    from bulletin.delivery.receiving import MAILINGS_REMEMBERED
    from bulletin.mailbox.meaning import Office
    from bulletin.render.message import make_message_id
    from bulletin.subscribers.address import AddressRefused, normalise

    sender = home.config.sender
    with receiver_of(home) as receiver, Children(["bulletin.mailbox.reading"], workers=1) as children:

        def reader_of(address: str) -> str | None:
            try:
                person = receiver.readers.find(normalise(address))
            except AddressRefused:
                return None
            return person.id if person else None

        mailings = tuple(reversed(receiver.ledger.mailings(newest=MAILINGS_REMEMBERED)))
        searches = itertools.count(1)

        def key_of(message_ids: Sequence[str]) -> str:
            """Nobody can tell a reader by a Message-ID, but whoever has the list of readers can look who fits."""
            ours = {name for name in message_ids if name.endswith(f"@{sender.address.rpartition('@')[2]}")}
            if not ours or next(searches) > MOST_SEARCHES:
                return ""
            keys = (f"{mailing}:{person.id}" for person in receiver.readers.all() for mailing in mailings[:6])
            return next((key for key in keys if make_message_id(key, sender.address) in ours), "")

        office = Office(
            secret=home.secret(),
            unsubscribe_mailbox=sender.unsubscribe_mailbox or "",
            mailings=mailings,
            message_id=lambda key: make_message_id(key, sender.address),
            reader_of=reader_of,
            key_of=key_of,
        )
        if not dry_run:
            receiver.catch_up()
        yield _MailReader(receiver, office, children, dry_run)
