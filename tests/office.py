"""The pages for readers on a port of this machine, with everything behind them: stores, desk and outgoing mail."""

from __future__ import annotations

import datetime as dt
import email.policy
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import requests
import uvicorn

from bulletin import flow
from bulletin.config import Config, ListSetting, Organisation, Sender, TopicSetting, Web
from bulletin.flow import Reception
from bulletin.model import Subscriber, SubscriberState
from bulletin.publication import Publication
from bulletin.stores import open_database
from bulletin.subscribers.desk import Desk
from bulletin.subscribers.mails import ServiceMails
from bulletin.subscribers.store import Subscribers
from bulletin.subscribers.tokens import Links
from bulletin.web import make_app
from bulletin.web.serving import listen, settings_for

SECRET = b"thirty-two bytes known to no one"
NOW = dt.datetime(2024, 6, 1, 9, 30, tzinfo=dt.UTC)
HOST = "news.example.org"
READER = "reader.one@example.com"
OURS: Mapping[str, str] = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of a form sent from our own page."""
CONFIG = Config(
    name="Harbour Bulletin",
    description="News from the harbour.",
    organisation=Organisation(
        name="Harbour Partnership", postal_address="1 Quay, Exampleton", privacy_url="https://example.org/privacy"
    ),
    sender=Sender(name="Harbour Bulletin", address="bulletin@example.org", reply_to="editors@example.org"),
    web=Web(archive_url=f"https://{HOST}/harbour/", frequency="once a month"),
    languages=("en-GB", "cy"),
    topics=(TopicSetting(id="tides", title="Tides"), TopicSetting(id="boats", title="Boats")),
    lists=(
        ListSetting(id="events", title="Events at the quay", description="A few times a year.", public=True),
        ListSetting(id="crew", title="Crew"),
    ),
)


class Office:
    """The endpoints with one subscriber."""

    def __init__(self, folder: Path, address: str, config: Config = CONFIG, url: str = "") -> None:
        self.folder, self.address, self.config = folder, address, config
        self.now = NOW
        self.engine = open_database(url or f"sqlite:///{folder / 'bulletin.db'}")
        self.subscribers = Subscribers(self.engine, SECRET)
        self.subscribers.add([(READER, "Reader One", "")], now=NOW, how="test")
        self.desk = Desk(self.engine, SECRET, self.subscribers)
        self.mails = ServiceMails(self.engine)
        self.home = Publication(folder, config, {"BULLETIN_SECRET": SECRET.decode()})
        self.reader = self.person(READER)
        personal = Links(config.service_url, SECRET).personal(self.reader.id, self.reader.email)
        self.unsubscribe = self.local(personal["unsubscribe_url"])
        self.preferences = self.local(personal["preferences_url"])

    def local(self, url: str) -> str:
        """The link as a proxy passes it on."""
        return self.address + urlsplit(url).path

    def at(self, path: str) -> str:
        """A page by its path below the service."""
        return f"{self.address}/harbour/{path}"

    def person(self, address: str) -> Subscriber:
        """A reader who must be there."""
        found = self.subscribers.find(address)
        assert found is not None
        return found

    def state(self, address: str) -> SubscriberState | None:
        """Where an address stands."""
        return dict(self.subscribers.states([address]))[address]

    @property
    def gets_mail(self) -> bool:
        return self.person(READER).state is SubscriberState.SUBSCRIBED

    def history(self) -> list[tuple[str, str]]:
        return [(what, how) for what, _, how in self.subscribers.history(self.reader.id)]

    def answer(self) -> None:
        """Do what the thread behind the pages does, now."""
        flow.answer_readers(self.home, self._reception(), lambda: self.now)

    def forget(self) -> None:
        """What it does once in a while."""
        flow.forget_wishes(self.home, self._reception(), lambda: self.now)

    def _reception(self) -> Reception:
        return Reception(self.subscribers, self.desk, self.mails, lambda: None)

    def letters(self, address: str = "") -> list[EmailMessage]:
        """The mails that left, the oldest first; those to one address."""
        found = []
        paths = sorted((self.folder / ".bulletin" / "outbox" / "service").glob("*.eml"), key=_age)
        for path in paths:
            letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            assert isinstance(letter, EmailMessage)
            if not address or letter["To"].addresses[0].addr_spec == address:
                found.append(letter)
        return found

    def links_in(self, letter: EmailMessage) -> list[str]:
        """The links of a mail, as a proxy passes them on; the same in both parts."""
        plain, html = letter.get_body(("plain",)), letter.get_body(("html",))
        assert plain is not None
        assert html is not None
        words = plain.get_content().replace("\r\n", "\n").partition("\n-- \n")[0]
        links = re.findall(r"https://\S+", words)
        assert all(f'href="{link}"' in html.get_content() for link in links)
        assert all(link.startswith(self.config.service_url) for link in links)
        return [self.local(link) for link in links]

    def sign_up(self, address: str, client: str = "", **fields: object) -> requests.Response:
        """Fill in the form and send it, as a browser does."""
        page = ask("GET", self.at("sign-up"))
        given = {name: field(page.text, name) for name in ("form", "wording")}
        given |= {"email": address, "consent": "yes"} | fields  # type: ignore[dict-item]
        return ask("POST", self.at("sign-up"), data=given, headers={**OURS, **forwarded(client)})


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


def forwarded(client: str) -> dict[str, str]:
    """What a proxy adds for a client."""
    return {"X-Forwarded-For": client} if client else {}


def field(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found
    return found[1]


@contextmanager
def running(folder: Path, config: Config = CONFIG, url: str = "") -> Iterator[Office]:
    """The office, open for visitors."""
    listening = listen("127.0.0.1", 0)
    office = Office(folder, f"http://127.0.0.1:{listening.getsockname()[1]}", config, url)
    app = make_app(
        config,
        office.subscribers,
        office.desk,
        secret=SECRET,
        template_dirs=office.home.template_dirs,
        now=lambda: office.now,
        hosts=("127.0.0.1",),
    )
    server = uvicorn.Server(settings_for(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield office
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listening.close()
        office.engine.dispose()


def behind_a_proxy(config: Config = CONFIG) -> Config:
    """Settings that trust this machine to say who is asking."""
    return replace(config, web=replace(config.web, trusted_proxies=("127.0.0.1",)))


def ask(method: str, url: str, **more: object) -> requests.Response:
    """One request, as a mail program sends it: no cookie, no Origin, no Referer, no redirects (L-07)."""
    return requests.request(method, url, timeout=20, allow_redirects=False, **more)  # type: ignore[arg-type]
