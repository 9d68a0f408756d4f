"""What the world outside says of a publication: the DNS of its domains, its pages, its mail server, the time.

Only names and addresses that stand in the settings are asked, and what the DNS points to from there. Nothing is changed
anywhere, and no secret is repeated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

from bulletin.asking import Dns, NoAnswerError
from bulletin.domains import hosts, message, whole
from bulletin.domains._line import Answer, Line, NotAskedError, State
from bulletin.errors import BulletinError
from bulletin.guard import NO_HOST, FetchError
from bulletin.http import Fetched, Probed
from bulletin.providers._provider import Surroundings, Way, check_of, way_of
from bulletin.providers._provider import load as load_provider
from bulletin.publication import Publication
from bulletin.render.message import Envelope

CLOCK_MAY_BE_OFF_S: Final = 300
"""Seconds that this machine's clock may differ from others: dates in mail and the age of links go by it."""
_LARGEST_POLICY: Final = 64_000


class Web(Protocol):
    """The guarded client (`bulletin.http.Client`)."""

    def get(self, url: str) -> Fetched:
        """The document at an address. Raises `FetchError`."""

    def probe(self, url: str) -> Probed:
        """How an address answers. Raises `FetchError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The ways to ask."""

    dns: Dns
    web: Web
    now: Callable[[], dt.datetime]
    """The present moment, with a zone."""

    def look(self, name: str, kind: str) -> Answer:
        """The DNS's answer as `domains` reads it. Raises `NotAskedError`."""
        try:
            records, exists = self.dns.ask(name, kind)
        except NoAnswerError as error:
            raise NotAskedError(str(error)) from None
        return Answer(records, exists)

    def fetch(self, url: str) -> str:
        """The text at an address that must not be led on from (RFC 8461 3.3). Raises `NotAskedError`."""
        try:
            fetched = self.web.get(url)
        except FetchError as error:
            raise NotAskedError(error.reason) from None
        if fetched.url != url:
            raise NotAskedError("sends us on elsewhere, which other servers do not follow")
        return fetched.body[:_LARGEST_POLICY].decode("utf-8", "replace")


def examine(home: Publication, outside: Outside, *, is_example: Callable[[str], bool]) -> Iterator[Line]:
    """Everything that has to be asked. When no server can be asked at all, one line says so, and nothing else does."""
    setup, way = setup_of(home)
    if is_example(setup.author):
        hint = 'Put your own address into [sender], "address", to have the DNS asked about its domain.'
        yield Line(State.LOOK, f"Domain: {setup.author} is an example, so nobody was asked about it.", hint)
        return
    if is_example(setup.reply_to):
        setup = replace(setup, reply_to="")
    try:
        known = outside.look(setup.author.rpartition(".")[2], "SOA").exists
    except NotAskedError as error:
        hint = "Are you online? To leave such questions out, use --offline; to ask another server, --resolver."
        yield Line(State.LOOK, f"Domain: the DNS could not be asked about {setup.author}: {error}.", hint)
        return
    if not known:
        # Closed networks have servers that know nothing of the world: all names would seem to be missing.
        hint = "Ask another server with --resolver, or leave such questions out with --offline."
        yield Line(State.LOOK, "Domain: the DNS could not be asked: the server knows only its own network.", hint)
        return
    yield from whole.lines(setup, outside.look, outside.fetch)
    yield from _mail_server(home, way)
    yield from _coming_back(home)
    yield from _pages(home, outside, is_example)


def setup_of(home: Publication) -> tuple[whole.Setup, Way]:
    """The names the mail goes out under, from the settings. A provider that cannot be read counts as none."""
    sender, web = home.config.sender, home.config.web
    author = _domain(sender.address)
    try:
        way = way_of(load_provider(home.config.sending.provider), home.config)
    except BulletinError:
        way = Way()
    pages = (web.archive_url, web.service_url or "", home.config.organisation.website or "")
    names = (urlsplit(url).hostname or "" for url in pages)
    setup = whole.Setup(
        author=way.author.lower() or author,
        bounces="" if way.theirs else way.bounces.lower() or author,
        signing=(sender.dkim_domain or way.signing or author).lower(),
        selectors=tuple(dict.fromkeys((*sender.dkim_selectors, *way.selectors))),
        reply_to=_domain(sender.reply_to or ""),
        list_id=Envelope.of(home.config).list_id,
        own_names=tuple(name.removeprefix("www.") for name in names if name),
        spf_include=way.spf_include,
        sending_host=way.host,
        service=way.service,
    )
    return setup, way


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def received(raw: bytes, outside: Outside) -> Iterator[Line]:
    """A message that arrived somewhere: its form, its one-click header and its signature (B-02, L-04)."""
    for line in (message.form(raw), message.one_click(raw), *message.signatures(raw, outside.look)):
        yield replace(line, what=f"The message that arrived. {line.what}", rule="")


# ---------------------------------------------------------------- the mail server


def _mail_server(home: Publication, way: Way) -> Iterator[Line]:
    """TLS as the way out offers it, and whether it takes our name and password (K-07, S-43)."""
    rule = "B-02 TLS"
    if way.service:
        yield Line(
            State.PASS, f"TLS: {way.service} is reached by https, and hands mail on by TLS if it can.", rule=rule
        )
        if not way.requires_tls:
            hint = "Government guidance favours the other way: "
            hint += (
                f"{way.service} cannot be told so here; ask whether the account can be."
                if way.requires_tls is None
                else f"require_tls = true in the settings of {way.service}."
            )
            what = f"TLS onwards: a server that takes mail in clear text only gets it so from {way.service}."
            yield Line(State.LOOK, what, hint)
        yield from _account(home, way)
        return
    if not way.host:
        hint = 'Name the provider that will send in [sending], "provider".'
        yield Line(State.LOOK, "TLS: nothing is sent yet, so no mail server was asked.", hint, rule)
        return
    surroundings = _surroundings(home)
    try:
        check = check_of(load_provider(home.config.sending.provider))
        if check is None:
            hint = "Send yourself a test, and look at how it arrived."
            yield Line(State.LOOK, f"TLS: {way.host} cannot be tried out from here.", hint, rule)
            return
        version = check(surroundings)
    except BulletinError as error:
        yield Line(State.FAIL, f"TLS: {error.message}", error.hint, rule)
        return
    if version:
        yield Line(State.PASS, f"TLS: {way.host} takes mail over {version}, and takes it from us.", rule=rule)
    else:
        hint = "Ask who runs the mail server on this machine whether it hands mail on by TLS."
        yield Line(State.LOOK, f"TLS: {way.host} takes mail in clear text, on this machine.", hint, rule)


def _account(home: Publication, way: Way) -> Iterator[Line]:
    """Whether a mail service takes our key, and how much may still leave."""
    check = check_of(load_provider(home.config.sending.provider))
    if check is None:
        return
    try:
        yield Line(State.PASS, f"Mail service: {check(_surroundings(home))}")
    except BulletinError as error:
        yield Line(State.FAIL, f"Mail service: {error.message.rstrip('.')}.", error.hint)


def _coming_back(home: Publication) -> Iterator[Line]:
    """Whether the mailbox for bounces and opt-outs can be read (L-11)."""
    from bulletin.mailbox.imap import open_box

    mailbox, sender = home.config.mailbox, home.config.sender
    if mailbox is None:
        if sender.bounces or sender.unsubscribe_mailbox:
            what = "Mailbox: nothing reads what comes to bounces and unsubscribe_mailbox of [sender]."
            yield Line(State.LOOK, what, "Describe the mailbox under [mailbox]. See: bulletin help after-sending")
        return
    try:
        with open_box(mailbox, home.environment, read_only=True):
            yield Line(State.PASS, f"Mailbox: {mailbox.host} lets us read {mailbox.folder}.")
    except BulletinError as error:
        yield Line(State.FAIL, f"Mailbox: {error.message}", error.hint)


def _surroundings(home: Publication) -> Surroundings:
    return Surroundings(
        config=home.config,
        environment=home.environment,
        secret=home.secret,
        outbox_dir=home.root,
        now=lambda: dt.datetime.now(dt.UTC),
    )


# ---------------------------------------------------------------- pages and time


def _pages(home: Publication, outside: Outside, is_example: Callable[[str], bool]) -> Iterator[Line]:
    """Whether readers reach the pages that mail leads to, and what time the servers say it is."""
    web, organisation = home.config.web, home.config.organisation
    pages = {
        "Archive": web.archive_url,
        "Unsubscribe page": web.service_url or "",
        "Privacy notice": organisation.privacy_url or "",
    }
    dates = []
    for name, url in pages.items():
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or is_example(parts.hostname):
            continue  # said already, and nothing to ask
        try:
            probed = _probed(url, parts.hostname, outside)
        except NotAskedError as error:
            yield Line(State.FAIL, f"{name}, reached: {url} {error}.", "Readers are led there. Have it mended.")
            continue
        dates.append(probed.headers.get("date", ""))
        # Our own endpoints have no page at their root: any answer but a fault shows that they are there.
        least = 500 if name == "Unsubscribe page" else 400
        if probed.status >= least:
            hint = "Readers are led there. Have it mended."
            yield Line(State.FAIL, f"{name}, reached: {url} answers {probed.status}.", hint)
        else:
            yield Line(State.PASS, f"{name}, reached: it answers.")
    yield from _clock(dates, outside.now())


def _probed(url: str, host: str, outside: Outside) -> Probed:
    if not hosts.addresses(host, outside.look):
        raise NotAskedError(NO_HOST)
    try:
        return outside.web.probe(url)
    except FetchError as error:
        raise NotAskedError(error.reason) from None


def _clock(dates: list[str], now: dt.datetime) -> Iterator[Line]:
    for text in dates:
        try:
            told = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if told.tzinfo is None:
            told = told.replace(tzinfo=dt.UTC)
        off = (now - told).total_seconds()
        if abs(off) > CLOCK_MAY_BE_OFF_S:
            way = "ahead" if off > 0 else "behind"
            hint = "Have this machine take the time from a time server."
            yield Line(State.LOOK, f"Clock: this machine is {_span(abs(off))} {way} of your web server.", hint)
        else:
            yield Line(State.PASS, "Clock: it agrees with your web server.")
        return


def _span(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 2 * 86400 else f"{seconds / 86400:.0f} days"
