"""Providers: what really goes over the wire, and what every answer is taken to mean."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import gc
import html
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from mailgunserver import DESCRIPTION, KEY, MailgunServer, mailgun_server
from mailing import (
    HTML,
    ISSUE,
    MARKERS,
    NOON,
    SECRET,
    TEXT,
    Newsroom,
    addresses,
    config,
    edition,
    letter,
    newsroom,
    template,
)
from mailserver import MailServer, mail_server

from bulletin import providers, registry
from bulletin.config import Config
from bulletin.delivery import sender as sending
from bulletin.errors import BulletinError, FileProblems, StoppedPartWay
from bulletin.model import Letter, Outcome, OutcomeKind
from bulletin.providers import ProviderError, Session
from bulletin.providers.mailgun import CAPABILITIES as MAILGUN
from bulletin.render.message import MessageTemplate
from bulletin.subscribers.tokens import read_bounce

ACCEPTED, REFUSED, RETRY, UNKNOWN = (
    OutcomeKind.ACCEPTED,
    OutcomeKind.REFUSED,
    OutcomeKind.RETRY,
    OutcomeKind.UNKNOWN,
)


@contextmanager
def opened(
    name: str,
    folder: Path,
    environment: dict[str, str] | None = None,
    *,
    publication: Config | None = None,
    **settings: Any,
) -> Iterator[Session]:
    surroundings = providers.Surroundings(
        config=publication or config(providers={name: settings} if settings else {}),
        environment=environment or {},
        secret=lambda: SECRET,
        outbox_dir=folder / "outbox",
        now=lambda: NOON,
    )
    with providers.load(name).open(surroundings) as session:
        yield session


RoomWith = Callable[..., Newsroom]


@pytest.fixture
def room_with(tmp_path: Path) -> Iterator[RoomWith]:
    """Makes a newsroom with these settings of providers."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(newsroom(tmp_path, config(providers=settings)))


def letters(*names: str) -> list[Letter]:
    return [
        letter(name if "@" in name else f"{name}@example.org", f"id{number}", number)
        for number, name in enumerate(names, 1)
    ]


def kinds(outcomes: Sequence[Outcome]) -> list[OutcomeKind]:
    return [outcome.kind for outcome in outcomes]


# ---------------------------------------------------------------- all of them


def test_every_provider_says_what_it_can_and_keeps_the_order(tmp_path: Path) -> None:
    """The file is the registration; each has capabilities and a way to open it."""
    assert {"outbox", "smtp", "mailgun"} <= set(registry.names("providers"))
    for name in registry.names("providers"):
        provider = providers.load(name)
        assert provider.CAPABILITIES.batch >= 1
        assert callable(provider.open)
    assert not providers.load("outbox").CAPABILITIES.really_sends
    assert providers.load("smtp").CAPABILITIES.key_window is None


def test_a_provider_that_does_not_exist_is_named_with_the_nearest() -> None:
    with pytest.raises(BulletinError, match='no provider called "mailgum"'):
        providers.load("mailgum")


def test_a_misspelt_provider_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblems, match="there is no key"), opened("smtp", tmp_path, host="localhost", prot=25):
        pass


# ---------------------------------------------------------------- outbox


def test_the_outbox_writes_each_letter_whole_under_its_number(tmp_path: Path) -> None:
    """A letter offered again replaces its own file; half-written files of a killed process are removed."""
    folder = tmp_path / "outbox" / ISSUE
    folder.mkdir(parents=True)
    (folder / ".000001.eml.abc").write_bytes(b"half")
    with opened("outbox", tmp_path) as session:
        for _ in range(2):
            assert kinds(session.deliver(ISSUE, letters("ann", "bob"), template())) == [ACCEPTED] * 2
    assert sorted(path.name for path in folder.iterdir()) == ["000001.eml", "000002.eml"]
    message = email.message_from_bytes((folder / "000002.eml").read_bytes(), policy=email.policy.default)
    assert message["To"] == "bob@example.org"


def test_an_outbox_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file in the way")
    with opened("outbox", tmp_path) as session, pytest.raises(ProviderError, match="the outbox cannot be written"):
        session.deliver(ISSUE, letters("ann"), template())


@pytest.mark.parametrize("name", ["outbox", "smtp"])
def test_m10_a_letter_that_cannot_be_a_message_is_refused_alone(tmp_path: Path, server: MailServer, name: str) -> None:
    """M-10, promise 6: the others get theirs."""
    settings = {"host": "127.0.0.1", "port": server.port, "tls": "none"} if name == "smtp" else {}
    with opened(name, tmp_path, **settings) as session:
        outcomes = session.deliver(ISSUE, letters("ann", "b\r\nob@example.org", "cat"), template())
    assert kinds(outcomes) == [ACCEPTED, REFUSED, ACCEPTED]
    assert outcomes[1].reason.startswith("not sent: the header To would hold a line break")


# ---------------------------------------------------------------- SMTP


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as started:
        yield started


def test_smtp_one_reader_per_message_over_one_connection(tmp_path: Path, server: MailServer) -> None:
    """M-03, M-16: the bytes arrive as they were made, also a line that is a single dot."""
    dotted = template(edition(text=".\n..\npxunsubscribe\n."))
    names = [f"reader{number}" for number in range(5)]
    with opened("smtp", tmp_path, host="127.0.0.1", port=server.port, tls="none") as session:
        assert kinds(session.deliver(ISSUE, letters(*names), dotted)) == [ACCEPTED] * 5
    assert server.envelopes == [("news@news.example.org", (f"{name}@example.org",)) for name in names]
    assert len(server.peers) == 1
    for one in letters(*names):
        assert server.messages[one.address] == dotted.fill(one, date=NOON)


def test_v01_each_copy_has_an_envelope_of_its_own_where_bounces_have_a_mailbox(
    tmp_path: Path, server: MailServer
) -> None:
    """V-01: signed, told apart by reader and mailing, without the reader's address."""
    own = replace(config().sender, bounces="bounces@bounce.example.org")
    provider = {"smtp": {"host": "127.0.0.1", "port": server.port, "tls": "none"}}
    with opened("smtp", tmp_path, publication=config(sender=own, providers=provider)) as session:
        assert kinds(session.deliver(ISSUE, letters("ann", "bob"), template())) == [ACCEPTED] * 2
    senders = [sender for sender, _ in server.envelopes]
    assert len(set(senders)) == 2
    for sender, one in zip(senders, letters("ann", "bob"), strict=True):
        local, _, domain = sender.rpartition("@")
        assert (domain, local.startswith("bounces+b"), len(local) <= 64) == ("bounce.example.org", True, True)
        assert ":".join(read_bounce(SECRET, local.upper().lower()) or ()) == one.key
        assert read_bounce(b"another secret", local) is None


def test_smtp_answers_become_outcomes_in_order(tmp_path: Path, server: MailServer) -> None:
    """RFC 5321 4.2: 2xx accepted, 4xx later, 5xx refused; also when they come after the message."""
    names = ("ann", "busy", "gone", "late-busy", "late-gone", "full", "bob", "late-closing", "closing", "cat")
    with opened("smtp", tmp_path, host="127.0.0.1", port=server.port, tls="none") as session:
        outcomes = session.deliver(ISSUE, letters(*names), template())
    expected = [ACCEPTED, RETRY, REFUSED, RETRY, REFUSED, RETRY, ACCEPTED, RETRY, RETRY, ACCEPTED]
    assert kinds(outcomes) == expected
    assert [outcome.key for outcome in outcomes] == [one.key for one in letters(*names)]
    assert outcomes[2].reason.startswith("550 5.1.1")
    assert server.delivered == ["ann@example.org", "bob@example.org", "cat@example.org"]


def test_smtp_a_connection_that_breaks_after_the_message_leaves_it_unknown(tmp_path: Path, server: MailServer) -> None:
    """Promise 4: the server had it, the answer did not come; the next letter gets a new connection."""
    with opened("smtp", tmp_path, host="127.0.0.1", port=server.port, tls="none") as session:
        outcomes = session.deliver(ISSUE, letters("ann", "drop", "bob"), template())
    assert kinds(outcomes) == [ACCEPTED, UNKNOWN, ACCEPTED]
    assert server.delivered == ["ann@example.org", "drop@example.org", "bob@example.org"]


def test_b08_five_sender_faults_in_a_row_stop_the_run_and_blame_no_reader(tmp_path: Path, server: MailServer) -> None:
    """B-08, V-07: 5.7.x is our fault; those readers stay planned."""
    names = ("policy1", "policy2", "ann", *(f"policy{number}" for number in range(3, 9)))
    with (
        opened("smtp", tmp_path, host="127.0.0.1", port=server.port, tls="none") as session,
        pytest.raises(ProviderError, match=r"does not take mail from this sender: 550 5\.7\.1") as caught,
    ):
        session.deliver(ISSUE, letters(*names), template())
    assert kinds(caught.value.outcomes) == [RETRY, RETRY, ACCEPTED, *[RETRY] * 5]


def test_smtp_that_asks_for_a_login_stops_the_run(tmp_path: Path, server: MailServer) -> None:
    with (
        opened("smtp", tmp_path, host="127.0.0.1", port=server.port, tls="none") as session,
        pytest.raises(ProviderError, match="530") as caught,
    ):
        session.deliver(ISSUE, letters("ann", "login", "bob"), template())
    assert kinds(caught.value.outcomes) == [ACCEPTED]
    assert server.delivered == ["ann@example.org"]


def test_a_whole_mailing_by_smtp_ends_with_every_reader_counted(room_with: RoomWith, server: MailServer) -> None:
    """Greylisted readers get their copy at the second offer; refused ones are counted by domain."""
    room = room_with(smtp={"host": "127.0.0.1", "port": server.port, "tls": "none"})
    room.subscribe([*addresses(30), "gone@example.com", "slow@example.org"])
    server.answers_by_try["slow@example.org"] = ["450 4.2.0 Greylisted, come back later"]
    with room.sender("smtp") as sender:
        standing = sending.run(sender, room.plan("smtp"), room.templates())
    assert (standing.accepted, standing.refused, standing.finished) == (31, 1, True)
    assert sorted(server.delivered) == sorted([*addresses(30), "slow@example.org"])
    assert [(entry.domain, entry.count) for entry in room.ledger.refusals(ISSUE)] == [("example.com", 1)]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_context(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


@pytest.mark.parametrize("implicit", [False, True])
def test_k07_smtp_sends_over_tls_and_logs_in(tmp_path: Path, authority: trustme.CA, implicit: bool) -> None:
    """K-07: STARTTLS and TLS from the start, the certificate checked, the password from the environment."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    settings = {
        "host": "127.0.0.1",
        "tls": "implicit" if implicit else "starttls",
        "user": "bulletin",
        "timeout": 10.0,
        "ca_file": str(tmp_path / "ca.pem"),
    }
    with mail_server(tls=tls_context(authority), implicit=implicit, login=True) as server:
        with opened("smtp", tmp_path, {"BULLETIN_SMTP_PASSWORD": "let me in"}, port=server.port, **settings) as session:
            assert kinds(session.deliver(ISSUE, letters("ann"), template())) == [ACCEPTED]
        with (
            opened("smtp", tmp_path, {"BULLETIN_SMTP_PASSWORD": "wrong"}, port=server.port, **settings) as session,
            pytest.raises(ProviderError, match=r"does not accept the user name and password \(535\)"),
        ):
            session.deliver(ISSUE, letters("bob"), template())
    assert server.delivered == ["ann@example.org"]


# aiosmtpd leaves its end of a connection open when a handshake fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("implicit", [False, True])
def test_k07_a_certificate_that_cannot_be_trusted_stops_before_anything_is_said(
    tmp_path: Path, authority: trustme.CA, implicit: bool
) -> None:
    """K-07: an unknown authority and another host's certificate are both refused."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = "implicit" if implicit else "starttls"
    for host, settings in (("127.0.0.1", {}), ("other.example.org", {"ca_file": str(tmp_path / "ca.pem")})):
        with (
            mail_server(tls=tls_context(authority, host), implicit=implicit) as server,
            opened("smtp", tmp_path, host="127.0.0.1", port=server.port, tls=tls, **settings) as session,
            pytest.raises(ProviderError, match="cannot be trusted"),
        ):
            session.deliver(ISSUE, letters("ann"), template())
        assert server.delivered == []
    gc.collect()


def test_k07_clear_text_is_never_a_way_out(tmp_path: Path, server: MailServer) -> None:
    """K-07: no fallback where STARTTLS is missing, no password without TLS, no clear text to another machine."""
    with (
        opened("smtp", tmp_path, host="127.0.0.1", port=server.port) as session,
        pytest.raises(ProviderError, match="does not offer what the settings ask for"),
    ):
        session.deliver(ISSUE, letters("ann"), template())
    password = {"BULLETIN_SMTP_PASSWORD": "let me in"}
    for settings in ({"host": "127.0.0.1", "user": "bulletin"}, {"host": "smtp.example.org"}):
        with (
            pytest.raises(BulletinError, match="clear text"),
            opened("smtp", tmp_path, password, tls="none", **settings),
        ):
            pass
    assert server.delivered == []


def test_z23_a_missing_password_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    """Z-23: it comes from the environment only; its name is said, nothing else."""
    with (
        pytest.raises(BulletinError, match="no password") as caught,
        opened("smtp", tmp_path, host="smtp.example.org", user="bulletin"),
    ):
        pass
    assert "BULLETIN_SMTP_PASSWORD" in caught.value.hint


def test_a_mail_server_that_cannot_be_reached_leaves_everybody_planned(room_with: RoomWith) -> None:
    room = room_with(smtp={"host": "127.0.0.1", "port": free_port(), "tls": "none"})
    room.subscribe(addresses(3))
    with room.sender("smtp") as sender, pytest.raises(BulletinError, match="cannot be reached"):
        sending.run(sender, room.plan("smtp"), room.templates())
    standing = room.ledger.standing(ISSUE)
    assert standing
    assert (standing.waiting, standing.planned) == (3, 3)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


# ---------------------------------------------------------------- Mailgun


@pytest.fixture
def mailgun() -> Iterator[MailgunServer]:
    with mailgun_server() as started:
        yield started
        assert not started.faults, "a request does not fit Mailgun's own description"


@contextmanager
def mailgun_session(mailgun: MailgunServer, folder: Path, key: str = KEY, **more: Any) -> Iterator[Session]:
    settings = {"domain": "news.example.org", "endpoint": mailgun.endpoint, "timeout": 20.0, **more}
    with opened("mailgun", folder, {"BULLETIN_MAILGUN_KEY": key}, **settings) as session:
        yield session


def deliver(
    mailgun: MailgunServer, folder: Path, names: Sequence[str], made: MessageTemplate | None = None, **more: Any
) -> Any:
    with mailgun_session(mailgun, folder, **more) as session:
        return session.deliver(ISSUE, letters(*names), made or template()), session.wait


def test_mailgun_one_call_gives_each_reader_their_own_copy(tmp_path: Path, mailgun: MailgunServer) -> None:
    """L-01, L-02, M-16, P-32: own values and own unsubscribe header, no tracking, the id kept without brackets."""
    outcomes, wait = deliver(mailgun, tmp_path, ["ann", "o'neil"])
    assert kinds(outcomes) == [ACCEPTED] * 2
    assert outcomes[0].provider_id == "20240530.1@news.example.org"
    assert wait == 0
    (call,) = mailgun.calls
    assert call["to"] == ["ann@example.org", "o'neil@example.org"]
    assert {call[name] for name in call if name.startswith("o:tracking")} == {"no"}
    for one in letters("ann", "o'neil"):
        copy = mailgun.delivered[one.address]
        text, page = TEXT, HTML
        for name, marker in MARKERS.items():
            text = text.replace(marker, one.personal[name])
            page = page.replace(marker, html.escape(one.personal[name]))
        assert copy["text"] == text
        assert html.unescape(copy["html"]) == html.unescape(page)
        assert copy["h:List-Unsubscribe"] == f"<{one.personal['unsubscribe_url']}>"
        assert copy["h:List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert copy["h:Reply-To"] == "editors@example.org"
        assert copy["v:bulletin_key"] == one.key


def test_mailgun_words_that_look_like_its_variables_stay_words(tmp_path: Path, mailgun: MailgunServer) -> None:
    """Content cannot smuggle in another reader's values: what an editor or feed wrote is what readers see."""
    written = "%recipient.unsubscribe_url% %recipient% %unsubscribe_url% 100% %e2%80"
    made = edition(text=f"{written} pxunsubscribe", html=f"<p>{written}</p>pxunsubscribe", subject=written)
    deliver(mailgun, tmp_path, ["ann"], template(made))
    copy = mailgun.delivered["ann@example.org"]
    assert copy["text"].startswith(written)
    assert copy["subject"] == written
    assert html.unescape(copy["html"]).startswith(f"<p>{written}</p>")
    assert "%unsubscribe_url%" not in mailgun.calls[0]["text"]
    assert "%unsubscribe_url%" not in mailgun.calls[0]["html"]


@pytest.mark.parametrize(
    ("answer", "kind", "waited"),
    [
        ((429, {}, json.dumps(DESCRIPTION["responses"]["429"]["example"])), RETRY, 120),
        ((429, {"Retry-After": "7"}, "{}"), RETRY, 7),
        ((500, {}, json.dumps(DESCRIPTION["responses"]["500"]["example"])), RETRY, 30),
        ((503, {}, "<html>busy</html>"), RETRY, 30),
        ((502, {}, "<html>bad gateway</html>"), UNKNOWN, 30),
        ((504, {}, ""), UNKNOWN, 30),
        ((200, {}, json.dumps({"id": "", "message": "Queued. Thank you."})), UNKNOWN, 0),
        ((200, {}, json.dumps({"id": "<1@x>", "message": "Stored."})), UNKNOWN, 0),
        ((200, {}, "<html>welcome</html>"), UNKNOWN, 0),
        ("hang", UNKNOWN, 0),
        ("drop", UNKNOWN, 0),
    ],
)
def test_mailgun_answers_mean_what_is_certain_about_them(
    tmp_path: Path, mailgun: MailgunServer, answer: Any, kind: OutcomeKind, waited: float
) -> None:
    """Later where nothing was taken; unknown where nobody can tell; never a guess."""
    mailgun.script = [answer]
    patience = 0.3 if answer == "hang" else 20.0
    outcomes, wait = deliver(mailgun, tmp_path, ["ann", "bob"], timeout=patience)
    assert kinds(outcomes) == [kind] * 2
    assert wait == waited


@pytest.mark.parametrize(
    ("answer", "said", "hint"),
    [
        ((401, {}, '"Forbidden"'), "401", "BULLETIN_MAILGUN_KEY"),
        ((403, {}, "{}"), "403", "account"),
        ((404, {}, '{"message": "Domain not found"}'), "404: Domain not found", "region"),
        ((400, {}, '{"message": "from parameter is missing"}'), "400: from parameter is missing", "providers.mailgun"),
        ((302, {"Location": "https://elsewhere.example/"}, ""), "302", "providers.mailgun"),
        ((200, {}, "Mailgun Magnificent API"), "200: Mailgun Magnificent API", "endpoint"),
    ],
)
def test_mailgun_answers_that_would_hit_everybody_stop_the_run(
    tmp_path: Path, mailgun: MailgunServer, answer: Any, said: str, hint: str
) -> None:
    mailgun.script = [answer]
    with pytest.raises(ProviderError) as caught:
        deliver(mailgun, tmp_path, ["ann", "bob"])
    assert said in (caught.value.message)
    assert hint in caught.value.hint
    assert caught.value.outcomes == ()


def test_mailgun_one_bad_address_does_not_cost_the_others_their_copy(tmp_path: Path, mailgun: MailgunServer) -> None:
    """Mailgun refuses the whole call for one address: it is found by halves, and refused alone."""
    names = ["ann", "bob", "bad", "cat", "dan", "eve", "fay"]
    outcomes, _ = deliver(mailgun, tmp_path, names)
    assert kinds(outcomes) == [REFUSED if name == "bad" else ACCEPTED for name in names]
    assert len(mailgun.delivered) == 6
    assert [outcome.key for outcome in outcomes] == [one.key for one in letters(*names)]


def test_a_whole_mailing_by_mailgun_goes_on_after_a_wrong_key_and_a_limit(
    room_with: RoomWith, mailgun: MailgunServer
) -> None:
    room = room_with(mailgun={"domain": "news.example.org", "endpoint": mailgun.endpoint})
    room.subscribe([*addresses(17), *addresses(3, "force.example.org")])
    plan, templates = room.plan("mailgun"), room.templates()
    with (
        room.sender("mailgun", {"BULLETIN_MAILGUN_KEY": "wrong"}) as sender,
        pytest.raises(BulletinError, match="401") as caught,
    ):
        sending.run(sender, plan, templates)
    assert not isinstance(caught.value, StoppedPartWay)
    mailgun.script = [(429, {"Retry-After": "3"}, "{}")]
    with room.sender("mailgun", {"BULLETIN_MAILGUN_KEY": KEY}) as sender:
        standing = sending.run(sender, plan, templates)
    assert (standing.accepted, standing.finished) == (20, True)
    assert sorted(mailgun.delivered) == sorted([*addresses(17), *addresses(3, "force.example.org")])
    for address, copy in mailgun.delivered.items():
        assert ("For forces only." in copy["text"]) == address.endswith("@force.example.org")
    assert MAILGUN.batch == 1000


def test_mailgun_that_cannot_be_reached_is_certainly_not_sent(tmp_path: Path) -> None:
    nowhere = MailgunServer(endpoint=f"http://127.0.0.1:{free_port()}")
    outcomes, wait = deliver(nowhere, tmp_path, ["ann"])
    assert kinds(outcomes) == [RETRY]
    assert wait > 0


def test_z23_the_mailgun_key_comes_from_the_environment_and_travels_protected(tmp_path: Path) -> None:
    """Z-23: named when missing, never sent in clear text to another machine, never shown."""
    with pytest.raises(BulletinError, match="no key for Mailgun"), opened("mailgun", tmp_path, domain="example.org"):
        pass
    with (
        pytest.raises(BulletinError, match="clear text"),
        mailgun_session(MailgunServer(endpoint="http://mailgun.example.org"), tmp_path),
    ):
        pass
    with mailgun_session(MailgunServer(endpoint="https://mailgun.example.org"), tmp_path) as session:
        assert KEY not in repr(vars(session))
    assert dt.timedelta(0) < providers.load("outbox").CAPABILITIES.key_window  # type: ignore[operator]
