"""A made-up publication with readers, ledger and editions, as the sending tests need it."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Select

from bulletin import providers
from bulletin.config import AudienceSetting, Config, Organisation, Sending, Web
from bulletin.config import Sender as From
from bulletin.delivery.doubts import Here
from bulletin.delivery.ledger import Answer, Claim, Ledger, Run
from bulletin.delivery.plan import Plan, make_plan
from bulletin.delivery.sender import Sender
from bulletin.model import EVERYONE, Letter, Outcome, OutcomeKind, RenderedEdition
from bulletin.render.message import Envelope, MessageTemplate, make_message_id
from bulletin.stores import open_database
from bulletin.subscribers import importing
from bulletin.subscribers.audience import recipients
from bulletin.subscribers.store import Subscribers
from bulletin.subscribers.tokens import AddressHashes, Links

SECRET = b"a made-up secret that is long enough"
NOON = dt.datetime(2024, 5, 30, 12, tzinfo=dt.UTC)
ISSUE = "2024-05"
MARKERS = {"unsubscribe_url": "pxunsubscribe", "preferences_url": "pxpreferences", "address": "pxaddress"}
TEXT = (
    "Noson dda, ŵy â thŷ.\n\n100% = all. %recipient% stays.\n.\n"
    "Leave: pxunsubscribe\nChange: pxpreferences\nFor pxaddress\n"
)
HTML = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"></head><body><p>Tŷ %recipient.key% ŵ</p>\n'
    + "<p>A long line of words without any end in sight. </p>" * 9
    + '\n<a href="pxunsubscribe">Leave</a> <a href="pxpreferences">Change</a> pxaddress</body></html>\n'
)


def config(**changes: Any) -> Config:
    """The publication's settings."""
    made = Config(
        name="Test News",
        organisation=Organisation(name="Test Programme", postal_address="1 Example Street"),
        sender=From(name="Test News", address="news@news.example.org", reply_to="editors@example.org"),
        web=Web(archive_url="https://news.example.org/"),
        audiences=(AudienceSetting(id="forces", title="Forces", domains=("force.example.org",)),),
        sending=Sending(batch=7),
    )
    return replace(made, **changes)


def edition(
    audience: str = EVERYONE, *, text: str = TEXT, html: str = HTML, subject: str = "May news"
) -> RenderedEdition:
    """A rendered edition."""
    digest = hashlib.sha256(f"{audience}{subject}{text}{html}".encode()).hexdigest()
    return RenderedEdition(
        issue=ISSUE,
        audience=audience,
        language="en-GB",
        subject=subject,
        html=html,
        text=text,
        markers=MARKERS,
        digest=digest,
    )


def template(rendered: RenderedEdition | None = None, settings: Config | None = None) -> MessageTemplate:
    """An edition as a message."""
    return MessageTemplate(rendered or edition(), Envelope.of(settings or config()))


def letter(address: str = "reader@example.org", subscriber: str = "abc123", number: int = 1) -> Letter:
    """A reader's letter."""
    key = f"{ISSUE}:{subscriber}"
    return Letter(
        key=key,
        number=number,
        address=address,
        personal=Links("https://news.example.org/", SECRET).personal(subscriber, address),
        message_id=make_message_id(key, "news@news.example.org"),
    )


class Newsroom:
    """The stores of a publication in a folder."""

    def __init__(self, folder: Path, settings: Config | None = None, url: str = "") -> None:
        self.folder = folder
        self.config = settings or config()
        self.engine = open_database(url or f"sqlite:///{folder / 'bulletin.db'}")
        self.readers = Subscribers(self.engine, SECRET)
        self.ledger = Ledger(self.engine)
        self.here = Here(name="test machine", process=f"test:{secrets.token_hex(8)}", memory=folder / "sending.json")
        self.waited: list[float] = []
        self.progress: list[tuple[int, int]] = []

    def subscribe(self, addresses: Iterable[str]) -> None:
        """Add readers."""
        self.readers.add(((address, "", "") for address in addresses), now=NOON, how="test")

    def import_list(self, text: str | bytes, name: str = "list.csv", **wishes: Any) -> importing.Difference:
        """Import a list, as a file in the folder."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        request = importing.Request(path=path, **{"now": NOON, **wishes})
        return importing.run(self.engine, self.readers, AddressHashes(SECRET), request)

    def leave(self, address: str) -> None:
        """A reader unsubscribes."""
        person = self.readers.find(address)
        assert person
        self.readers.unsubscribe(person.id, now=NOON, how="test")

    def question(self, editions: Iterable[RenderedEdition] | None = None) -> Callable[[dt.datetime], Select[Any]]:
        """Who gets which edition at a moment."""
        made = list(editions or both_editions())
        audiences, languages = {each.audience for each in made}, {each.language for each in made}
        return lambda at: recipients(self.config, audiences, languages, at)

    def plan(
        self, provider: str = "outbox", editions: Iterable[RenderedEdition] | None = None, issue: str = ISSUE
    ) -> Plan:
        """The plan as it would be now."""
        made = list(editions or both_editions())
        with self.ledger.recipients(self.question(made)(NOON)) as found:
            return make_plan(issue, made, found, self.config, provider, withheld=self.ledger.withheld(NOON))

    def enter(
        self,
        provider: str = "outbox",
        editions: Iterable[RenderedEdition] | None = None,
        issue: str = ISSUE,
        **wishes: Any,
    ) -> int:
        """Enter the plan as it is now; how many recipients are new."""
        made = list(editions or both_editions())
        plan, question = self.plan(provider, made, issue), self.question(made)(NOON)
        return self.ledger.enter(plan, question, **{"now": NOON, "batch": 7, **wishes})

    def begin(
        self, provider: str = "outbox", issue: str = ISSUE, editions: Iterable[RenderedEdition] | None = None
    ) -> Run:
        """Start work on a mailing."""
        made = list(editions or both_editions())
        self.run = self.ledger.begin(
            Run(
                mailing=issue,
                number=0,
                run=0,
                holder="test",
                provider=provider,
                audiences={each.name: each.audience for each in made},
                question=self.question(made),
                per_second=self.config.sending.per_second,
            ),
            home="here",
            now=NOON,
        )
        return self.run

    def claim(
        self, limit: int = 100, *, worker: str = "test/0", now: dt.datetime = NOON, after: Answer | None = None
    ) -> Claim | None:
        """The next batch, after an answer to the last one if there is one."""
        got = self.ledger.turn(self.run, worker, after, limit=limit, now=now)
        assert got is None or isinstance(got, Claim), got
        return got

    def answer(self, claim: Claim, *kinds: OutcomeKind, reason: str = "", now: dt.datetime = NOON) -> None:
        """Record outcomes of a claim: one for each delivery, or the same for all."""
        all_kinds = kinds * len(claim.deliveries) if len(kinds) == 1 else kinds
        outcomes = [Outcome(key="", kind=kind, reason=reason) for kind in all_kinds]
        answer = Answer(claim=claim, outcomes=outcomes)
        assert self.ledger.turn(self.run, claim.worker, answer, limit=0, now=now) is None

    def templates(self, editions: Iterable[RenderedEdition] | None = None) -> dict[str, MessageTemplate]:
        """The messages of the editions."""
        return {made.name: template(made, self.config) for made in editions or both_editions()}

    @contextmanager
    def sender(self, provider: str = "outbox", environment: Mapping[str, str] | None = None) -> Iterator[Sender]:
        """A sender that never really waits."""
        chosen = providers.load(provider)
        surroundings = providers.Surroundings(
            config=self.config,
            environment=environment or {},
            secret=lambda: SECRET,
            outbox_dir=self.folder / "outbox",
            now=lambda: dt.datetime.now(dt.UTC),
        )
        yield Sender(
            config=self.config,
            ledger=self.ledger,
            provider=provider,
            open_session=lambda: chosen.open(surroundings),
            capabilities=chosen.CAPABILITIES,
            links=Links(self.config.service_url, SECRET),
            question=self.question(),
            here=self.here,
            lock=self.folder / "sending.lock",
            now=self.clock,
            sleep=self.sleep,
            on_progress=lambda done, planned: self.progress.append((done, planned)),
        )

    def clock(self) -> dt.datetime:
        """The time, with all that was slept by request."""
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=sum(self.waited))

    def sleep(self, seconds: float) -> None:
        """Let time pass, without waiting for it."""
        self.waited.append(seconds)

    def outbox(self, mailing: str = ISSUE) -> dict[str, bytes]:
        """The messages in the outbox, by their address."""
        found: dict[str, bytes] = {}
        for path in sorted((self.folder / "outbox" / mailing).glob("*.eml")):
            data = path.read_bytes()
            address = data.partition(b"\r\nTo: <")[2].partition(b">")[0].decode()
            assert address not in found, f"{address} has two copies"
            found[address] = data
        return found


@contextmanager
def newsroom(folder: Path, settings: Config | None = None, url: str = "") -> Iterator[Newsroom]:
    """A newsroom whose database is closed at the end; SQLite in the folder unless an address is given."""
    room = Newsroom(folder, settings, url)
    try:
        yield room
    finally:
        room.engine.dispose()


def both_editions() -> tuple[RenderedEdition, RenderedEdition]:
    """One edition for forces, one for everyone."""
    forces = edition("forces", text=TEXT + "For forces only.\n", html=HTML.replace("Leave", "Leave this"))
    return forces, edition()


def addresses(count: int, domain: str = "example.org") -> list[str]:
    """Made-up readers."""
    return [f"reader{number}@{domain}" for number in range(count)]
