"""A made-up publication with readers, ledger and editions, as the sending tests need it."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bulletin import providers
from bulletin.config import AudienceSetting, Config, Organisation, Sending, Web
from bulletin.config import Sender as From
from bulletin.delivery.ledger import Ledger
from bulletin.delivery.plan import Plan, make_plan
from bulletin.delivery.sender import Sender
from bulletin.model import EVERYONE, Letter, RenderedEdition
from bulletin.render.message import Envelope, MessageTemplate, make_message_id
from bulletin.stores import open_database
from bulletin.subscribers import importing
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

    def plan(self, provider: str = "outbox", editions: Iterable[RenderedEdition] | None = None) -> Plan:
        """The plan as it would be now."""
        rendered = {made.audience: made for made in editions or both_editions()}
        return make_plan(ISSUE, rendered, self.readers.all(), self.config, provider)

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
        with chosen.open(surroundings) as session:
            yield Sender(
                config=self.config,
                ledger=self.ledger,
                session=session,
                capabilities=chosen.CAPABILITIES,
                links=Links(self.config.service_url, SECRET),
                lock=self.folder / "sending.lock",
                now=lambda: dt.datetime.now(dt.UTC),
                sleep=self.waited.append,
                on_progress=lambda done, planned: self.progress.append((done, planned)),
            )

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
