"""SMTP: what really goes over the line, what every answer is taken to mean, and what is certain when it breaks."""

from __future__ import annotations

import gc
import json
import re
import ssl
import threading
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import dkim
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from mailing import HTML, ISSUE, NOON, SECRET, Newsroom, addresses, config, edition, newsroom, template
from mailserver import MailServer, mail_server
from scriptedmail import DROP, HANG, Fault, ScriptedServer, scripted_server
from sessions import ACCEPTED, REFUSED, RETRY, UNKNOWN, free_port, kinds, letters, opened

from bulletin.delivery import sender as sending
from bulletin.errors import BulletinError
from bulletin.model import Outcome, OutcomeKind
from bulletin.providers import ProviderError, _smtpsession, load
from bulletin.providers._dkim import Signer, read_key
from bulletin.providers._provider import connections_of, way_of
from bulletin.render.message import Envelope, ServiceMessage
from bulletin.subscribers.tokens import read_bounce

RoomWith = Callable[..., Newsroom]


@pytest.fixture
def room_with(tmp_path: Path) -> Iterator[RoomWith]:
    """Makes a newsroom with these settings of providers."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(newsroom(tmp_path, config(providers=settings)))


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


# ---------------------------------------------------------------- several commands at once


NAMES = ("ann", "bob", "cat", "dan")
PLAIN = ("SIZE 1000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
EACH_WAY = pytest.mark.parametrize("offers", [("PIPELINING", *PLAIN), PLAIN], ids=["at once", "one by one"])


def sent(
    server: ScriptedServer, folder: Path, names: Sequence[str] = NAMES, *, timeout: float = 10.0, **more: Any
) -> list[Outcome]:
    """What becomes of letters in one call; where the run stops, of those before."""
    own = {"host": "127.0.0.1", "port": server.port, "tls": "none", "timeout": timeout, **more}
    with opened("smtp", folder, **own) as session:
        try:
            return session.deliver(ISSUE, letters(*names), template())
        except ProviderError as error:
            return list(error.outcomes)


def test_a_message_and_the_next_envelope_travel_together_where_the_server_allows_it(tmp_path: Path) -> None:
    """RFC 2920: one round trip for a message, and never a word too early to a server that did not offer it."""
    names = [f"reader{number}" for number in range(20)]
    turns = []
    for offers in (("PIPELINING", *PLAIN), PLAIN):
        with scripted_server(offers=offers) as server:
            assert kinds(sent(server, tmp_path, names)) == [ACCEPTED] * 20
            assert server.messages == [(one.address, template().fill(one, date=NOON)) for one in letters(*names)]
            assert not server.rude
            turns.append(server.turns)
    assert turns[0] <= 20 + 3 < 3 * 20 <= turns[1]


def test_a_mailing_goes_over_as_many_connections_as_there_may_be(room_with: RoomWith) -> None:
    """The server greets nobody before three are connected; then each reader gets one copy."""
    with scripted_server() as server:
        server.together = threading.Barrier(3)
        room = room_with(smtp={"host": "127.0.0.1", "port": server.port, "tls": "none", "timeout": 30.0})
        room.subscribe(addresses(40))
        with room.sender("smtp") as sender:
            plan = room.plan("smtp")
            standing = sending.run(replace(sender, connections=3), plan, room.templates())
        assert (standing.accepted, server.lines) == (40, 3)
        assert sorted(reader for reader, _ in server.messages) == sorted(addresses(40))


def test_a_mail_of_service_goes_the_same_way(tmp_path: Path, rsa_key: Any, second_key: Any) -> None:
    """Q-01: a confirmation is signed, too, and its return address is its own."""
    hello = ServiceMessage(Envelope.of(config()), subject="Tŷ", html="<p>.</p>", text=".\n", language="cy")
    sender = replace(config().sender, bounces="bounces@bounce.example.org")
    with scripted_server() as server:
        own = {"host": "127.0.0.1", "port": server.port, "tls": "none", "dkim_selector": "s1"}
        publication = config(sender=sender, providers={"smtp": own})
        with opened("smtp", tmp_path, {"BULLETIN_DKIM_KEY": pem(rsa_key)}, publication=publication) as session:
            assert kinds(session.deliver("service-1", letters("ann"), hello)) == [ACCEPTED]
        ((reader, data),) = server.messages
    assert reader == "ann@example.org"
    assert data.endswith(hello.fill(letters("ann")[0], date=NOON))
    assert signed_by(data, dns_of(rsa_key, second_key), 1) == [True]
    assert [command for command in server.commands if command.startswith(b"MAIL FROM:<bounces+b")]


def test_v01_a_letter_without_room_for_its_return_address_is_refused_alone(tmp_path: Path) -> None:
    """V-01, promise 6: one reader's loss, not everybody's."""
    sender = replace(config().sender, bounces=f"{'b' * 25}@bounce.example.org")
    ann, bob = letters("ann", "bob")
    with scripted_server() as server:
        own = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
        with opened("smtp", tmp_path, publication=config(sender=sender, providers={"smtp": own})) as session:
            outcomes = session.deliver(ISSUE, [replace(ann, key=f"{ISSUE}:{'x' * 30}"), bob], template())
    assert kinds(outcomes) == [REFUSED, ACCEPTED]
    assert outcomes[0].reason.startswith("not sent: the envelope of a mail would be longer than 64")


@EACH_WAY
def test_a_connection_is_renewed_after_a_hundred_messages(tmp_path: Path, offers: Sequence[str]) -> None:
    """Many servers take no more over one; nobody is left out or mailed twice where one ends."""
    names = [f"reader{number}" for number in range(203)]
    with scripted_server(offers=offers) as server:
        assert kinds(sent(server, tmp_path, names)) == [ACCEPTED] * 203
        assert [reader for reader, _ in server.messages] == [f"{name}@example.org" for name in names]
        assert (server.lines, server.commands.count(b"quit")) == (3, 3)


# ---------------------------------------------------------------- servers that do not play by the book


BEFORE_THE_MESSAGE: dict[str, tuple[str, Fault]] = {
    "hangs up at EHLO": ("EHLO", DROP),
    "hangs up at MAIL": ("MAIL", DROP),
    "hangs up at RCPT": ("RCPT", DROP),
    "closes at DATA": ("DATA", b"421 4.4.2 Closing" + DROP),
    "answers MAIL with nonsense": ("MAIL", b"\x00\xff\x00"),
    "answers MAIL as if it were DATA": ("MAIL", b"354 Go ahead"),
    "answers MAIL three times": ("MAIL", b"250 Ok\r\n250 Ok\r\n250 Ok"),
    "answers RCPT without an end": ("RCPT", b"250-" + b"x" * 9000),
    "answers RCPT with lines without an end": ("RCPT", b"\r\n".join([b"250-x"] * 500)),
    "answers RCPT in two minds": ("RCPT", b"250-Yes\r\n550 No"),
    "answers RCPT with an empty line": ("RCPT", b"\r\n"),
    "answers DATA with yes": ("DATA", b"250 Ok"),
}


@EACH_WAY
@pytest.mark.parametrize("what", BEFORE_THE_MESSAGE)
def test_a_line_that_breaks_before_a_message_is_replaced_and_nobody_notices(
    tmp_path: Path, what: str, offers: Sequence[str]
) -> None:
    """Promise 4: nothing was handed over, so the same letter goes over a new line; it happens to the second of four."""
    phase, fault = BEFORE_THE_MESSAGE[what]
    with scripted_server({phase: [None, fault]}, offers=offers) as server:
        if phase == "EHLO":
            server.faults["MAIL"] = [None, DROP]
        outcomes = sent(server, tmp_path)
        expected = [ACCEPTED, RETRY if phase == "EHLO" else ACCEPTED, ACCEPTED, ACCEPTED]
        assert kinds(outcomes) == expected
        taken = [one for one, kind in zip(letters(*NAMES), expected, strict=True) if kind is ACCEPTED]
        assert [reader for reader, _ in server.messages] == [one.address for one in taken]
        assert not server.rude


ANSWERS: dict[str, tuple[str, Fault, OutcomeKind]] = {
    "refuses a reader": ("RCPT", b"550 5.1.1 No such user", REFUSED),
    "refuses a reader in many lines": ("RCPT", b"550-5.1.1 No such\r\n550-5.1.1 user\r\n550 5.1.1 here", REFUSED),
    "refuses a reader and hangs up": ("RCPT", b"550 5.1.1 No such user" + DROP, REFUSED),
    "has no room for a reader": ("RCPT", b"452 4.2.2 Full", RETRY),
    "puts DATA off": ("DATA", b"451 4.3.0 Later", RETRY),
    "finds the message too large": ("MAIL", b"552 5.3.4 Too large", REFUSED),
    "puts the sender off": ("MAIL", b"450 4.7.1 Slowly", RETRY),
    "refuses the message": ("message", b"554 5.6.0 Not this", REFUSED),
    "puts the message off": ("message", b"450 4.2.0 Come back", RETRY),
    "closes with the message": ("message", b"421 4.3.2 Closing" + DROP, RETRY),
    "hangs up with the message": ("message", DROP, UNKNOWN),
    "answers the message with nonsense": ("message", b"Thanks!", UNKNOWN),
    "asks for more after the message": ("message", b"354 More", UNKNOWN),
}


@EACH_WAY
@pytest.mark.parametrize("what", ANSWERS)
def test_what_a_server_answers_to_one_letter_says_nothing_of_the_others(
    tmp_path: Path, what: str, offers: Sequence[str]
) -> None:
    """Promise 4, V-07: unknown is only what was handed over whole; it happens to the second of four."""
    phase, fault, kind = ANSWERS[what]
    with scripted_server({phase: [None, fault]}, offers=offers) as server:
        outcomes = sent(server, tmp_path)
        assert kinds(outcomes) == [ACCEPTED, kind, ACCEPTED, ACCEPTED]
        assert [outcome.key for outcome in outcomes] == [one.key for one in letters(*NAMES)]
        readers = [reader for reader, _ in server.messages]
        assert readers == [f"{name}@example.org" for name in NAMES if phase == "message" or name != "bob"]
        assert not server.rude


@pytest.mark.parametrize(
    ("offers", "phase", "kind"),
    [(PLAIN, "MAIL", ACCEPTED), (("PIPELINING",), "DATA", ACCEPTED), (("PIPELINING",), "message", UNKNOWN)],
)
def test_a_server_that_falls_silent_is_given_up(
    tmp_path: Path, offers: Sequence[str], phase: str, kind: OutcomeKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 4: before the message the letter goes over a new line; after it, nobody can tell."""
    monkeypatch.setattr(_smtpsession, "PATIENCE", 1)
    with scripted_server({phase: [None, HANG]}, offers=offers) as server:
        assert kinds(sent(server, tmp_path, timeout=2.0)) == [ACCEPTED, kind, ACCEPTED, ACCEPTED]
        assert [reader for reader, _ in server.messages] == [f"{name}@example.org" for name in NAMES]


@pytest.mark.parametrize(
    "greeting", [DROP, HANG, b"421 4.3.2 Too many connections", b"554 5.7.1 Not you", b"HTTP/1.1 400 Bad Request"]
)
def test_a_server_that_is_not_there_at_first_stops_the_run_and_later_puts_it_off(
    tmp_path: Path, greeting: Fault
) -> None:
    """Whoever sends looks at the settings at first; in the middle of a sending the server may come back."""
    later = DROP if greeting == HANG else greeting
    with scripted_server({"greeting": [greeting, None, *[later] * 5]}) as server:
        own = {"host": "127.0.0.1", "port": server.port, "tls": "none", "timeout": 2.0 if greeting == HANG else 10.0}
        with opened("smtp", tmp_path, **own) as session:
            with pytest.raises(ProviderError, match="cannot be reached") as caught:
                session.deliver(ISSUE, letters("ann"), template())
            assert caught.value.outcomes == ()
            assert kinds(session.deliver(ISSUE, letters("ann"), template())) == [ACCEPTED]
            server.faults["MAIL"] = [DROP]
            assert kinds(session.deliver(ISSUE, letters(*NAMES), template())) == [RETRY] * 4
            assert session.wait == 30
        assert server.lines <= 2 + 3, "a server that is down is not asked again for each letter"


def test_a_server_that_was_restarted_is_found_again(tmp_path: Path) -> None:
    """The line of the last call is dead: the next letter goes over a new one."""
    with (
        scripted_server() as server,
        opened("smtp", tmp_path, host="127.0.0.1", port=server.port, tls="none", timeout=5.0) as session,
    ):
        assert kinds(session.deliver(ISSUE, letters("ann"), template())) == [ACCEPTED]
        server.faults["MAIL"] = [b"421 4.4.2 Idle for too long" + DROP]
        assert kinds(session.deliver(ISSUE, letters("bob"), template())) == [ACCEPTED]
        assert (session.wait, server.lines) == (0, 2)


def test_three_messages_in_a_row_that_nobody_confirms_stop_the_run(tmp_path: Path) -> None:
    """Promise 4: a server that takes mail and never says so must not make a whole list unknown."""
    names = [f"reader{number}" for number in range(10)]
    with scripted_server({"message": [None, *[DROP] * 9]}) as server:
        assert kinds(sent(server, tmp_path, names)) == [ACCEPTED, UNKNOWN, UNKNOWN, UNKNOWN]
        assert len(server.messages) == 4


def test_a_message_that_the_server_stops_reading_is_not_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 4: its end was never handed over, so the server cannot have it, and it is offered again."""
    huge = template(edition(html=HTML + f"<p>{'More of the same. ' * 4000}</p>\n" * 150))
    with scripted_server(offers=("PIPELINING",)) as server:
        server.deaf = True
        monkeypatch.setattr(_smtpsession, "PATIENCE", 1)
        own = {"host": "127.0.0.1", "port": server.port, "tls": "none", "timeout": 1.0}
        with opened("smtp", tmp_path, **own) as session:
            (outcome,) = session.deliver(ISSUE, letters("ann"), huge)
        assert (outcome.kind, server.messages) == (RETRY, [])
        assert "before it had the whole message" in outcome.reason


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    offers=st.sampled_from([("PIPELINING", *PLAIN), PLAIN]),
    faults=st.lists(
        st.tuples(
            st.sampled_from(["greeting", "EHLO", "MAIL", "RCPT", "DATA", "message", "RSET"]),
            st.integers(0, 6),
            st.sampled_from(
                [
                    *(DROP, b"250 Ok", b"250 2.0.0 Ok" + DROP, b"354 Go", b"354 Go" + DROP, b"421 4.3.2 Bye" + DROP),
                    *(b"421 Bye", b"450 4.2.0 Later", b"550 5.1.1 Gone", b"550 5.7.1 Policy", b"?", b"\r\n"),
                    *(b"250 Ok\r\n250 Ok", b"250 Ok\r\n354 Go", b"503 5.5.1 Order"),
                ]
            ),
        ),
        max_size=6,
    ),
)
def test_whatever_a_server_does_nobody_is_counted_wrongly(
    tmp_path: Path, offers: Sequence[str], faults: list[tuple[str, int, bytes]]
) -> None:
    """Promise 4, for any misbehaviour: nobody is mailed twice, who counts as accepted was handed over, who was not
    handed over is not in doubt, and the outcomes are those of the first letters, in order."""
    script: dict[str, list[Fault | None]] = defaultdict(lambda: [None] * 8)
    for phase, when, fault in faults:
        script[phase][when] = fault
    names = [f"reader{number}" for number in range(6)]
    with scripted_server(script, offers=offers) as server:
        outcomes = sent(server, tmp_path, names, timeout=2.0)
        copies = [len(server.to(one.address)) for one in letters(*names)]
    assert [outcome.key for outcome in outcomes] == [one.key for one in letters(*names)][: len(outcomes)]
    assert max(copies) <= 1
    assert not any(copies[len(outcomes) :]), "nothing was said of somebody who has a copy"
    for outcome, copy in zip(outcomes, copies, strict=False):
        assert outcome.kind is not ACCEPTED or copy == 1
        assert "handed over" not in outcome.reason or copy == 0


# ---------------------------------------------------------------- what a server says beforehand


def test_a_message_larger_than_the_server_takes_stops_the_run_before_it_is_sent(tmp_path: Path) -> None:
    """RFC 1870: it would be too large for every reader."""
    with scripted_server(offers=("PIPELINING", "SIZE 1000")) as server:
        own = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
        with (
            opened("smtp", tmp_path, **own) as session,
            pytest.raises(
                ProviderError, match=r"the message has \d{4} bytes, and the mail server .* takes 1000 at most"
            ),
        ):
            session.deliver(ISSUE, letters(*NAMES), template())
        assert not [command for command in server.commands if command.startswith(b"MAIL")]


@EACH_WAY
def test_m08_an_address_beyond_ascii_goes_only_to_a_server_that_carries_it(
    tmp_path: Path, offers: Sequence[str]
) -> None:
    """M-08, RFC 6531: announced as such where the server can; else refused by name, and the others get theirs."""
    names = ("ann", "ŵyn@example.org", "cat")
    with scripted_server(offers=offers) as server:
        assert kinds(sent(server, tmp_path, names)) == [ACCEPTED] * 3
        (data,) = server.to("ŵyn@example.org")
        assert "\r\nTo: <ŵyn@example.org>\r\n".encode() in data
        options = [command.rpartition(b"SIZE=")[2].split()[1:] for command in server.commands if command[:4] == b"MAIL"]
        assert options == [[], [b"BODY=8BITMIME", b"SMTPUTF8"], []]
    with scripted_server(offers=[offer for offer in offers if offer != "SMTPUTF8"]) as server:
        outcomes = sent(server, tmp_path, names)
        assert kinds(outcomes) == [ACCEPTED, REFUSED, ACCEPTED]
        assert outcomes[1].reason.startswith("not sent: the mail server carries no address with letters outside a to z")
        assert [reader for reader, _ in server.messages] == ["ann@example.org", "cat@example.org"]


def test_k07_what_was_said_before_the_protection_is_not_believed(tmp_path: Path, authority: trustme.CA) -> None:
    """K-07: somebody between could add replies in clear text that seem to come from within."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    faults = {"STARTTLS": [b"220 Ready\r\n250-scripted\r\n250 AUTH PLAIN"]}
    with scripted_server(faults, offers=("STARTTLS",), tls=tls_context(authority)) as server:
        own = {"host": "127.0.0.1", "port": server.port, "ca_file": str(tmp_path / "ca.pem"), "timeout": 10.0}
        with (
            opened("smtp", tmp_path, **own) as session,
            pytest.raises(ProviderError, match="cannot be reached"),
        ):
            session.deliver(ISSUE, letters("ann"), template())
        assert server.messages == []


# ---------------------------------------------------------------- logging in


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_password_is_told_in_the_way_that_the_server_offers(
    tmp_path: Path, authority: trustme.CA, mechanism: str
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with mail_server(tls=tls_context(authority), login=True, mechanism=mechanism) as server:
        own = {"host": "127.0.0.1", "port": server.port, "user": "bulletin", "ca_file": str(tmp_path / "ca.pem")}
        with opened("smtp", tmp_path, {"BULLETIN_SMTP_PASSWORD": "let me in"}, **own) as session:
            assert kinds(session.deliver(ISSUE, letters("ann"), template())) == [ACCEPTED]


def test_a_server_that_offers_no_way_to_log_in_is_told_apart(tmp_path: Path, authority: trustme.CA) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with scripted_server(offers=("STARTTLS",), tls=tls_context(authority)) as server:
        own = {"host": "127.0.0.1", "port": server.port, "user": "bulletin", "ca_file": str(tmp_path / "ca.pem")}
        with (
            opened("smtp", tmp_path, {"BULLETIN_SMTP_PASSWORD": "let me in"}, **own) as session,
            pytest.raises(ProviderError, match="does not offer what the settings ask for"),
        ):
            session.deliver(ISSUE, letters("ann"), template())


class Desk(ThreadingHTTPServer):
    """A desk that gives tokens to an app with the right secret (RFC 6749 4.4)."""

    def __init__(self, status: int = 200, expires_in: object = 3600) -> None:
        super().__init__(("127.0.0.1", 0), DeskTalk)
        self.status, self.expires_in = status, expires_in
        self.forms: list[dict[str, list[str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/made-up/oauth2/v2.0/token"


class DeskTalk(BaseHTTPRequestHandler):
    server: Desk

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.forms.append(form)
        status, body = self.server.status, {"access_token": "token-made-up", "expires_in": self.server.expires_in}
        if form["client_secret"] != ["app-secret"]:
            status = 401
        if status != 200:
            said = f"AADSTS7000215: Invalid client secret {form['client_secret'][0]} provided.\r\nTrace ID: 1"
            body = {"error": "invalid_client", "error_description": said}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def desk(**more: Any) -> Iterator[Desk]:
    with Desk(**more) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def microsoft(tmp_path: Path, authority: trustme.CA) -> Iterator[tuple[MailServer, dict[str, Any]]]:
    """A mail server that lets in by token only, and the settings for it."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with mail_server(tls=tls_context(authority), login=True, mechanism="XOAUTH2") as server:
        own = {"host": "127.0.0.1", "port": server.port, "user": "bulletin@example.org", "client": "app-1"}
        yield server, {**own, "ca_file": str(tmp_path / "ca.pem"), "timeout": 10.0}


SECRET_OF_APP = {"BULLETIN_SMTP_CLIENT_SECRET": "app-secret"}


def test_b09_microsoft_365_lets_in_with_a_token(tmp_path: Path, microsoft: tuple[MailServer, dict[str, Any]]) -> None:
    """B-09: the app's secret buys a token, which serves for many connections until shortly before it ends."""
    server, own = microsoft
    names = [f"reader{number}" for number in range(102)]
    for expires_in, asked in ((3600, 1), (300, 2), ("soon", 2)):
        with desk(expires_in=expires_in) as tokens:
            with opened("smtp", tmp_path, SECRET_OF_APP, token_url=tokens.url, **own) as session:
                assert kinds(session.deliver(ISSUE, letters(*names), template())) == [ACCEPTED] * 102
            assert len(tokens.forms) == asked
            assert tokens.forms[0] == {
                "grant_type": ["client_credentials"],
                "client_id": ["app-1"],
                "client_secret": ["app-secret"],
                "scope": ["https://outlook.office365.com/.default"],
            }
    assert len(server.delivered) == 3 * 102


def test_b09_a_secret_or_a_token_that_is_not_taken_stops_the_run(
    tmp_path: Path, microsoft: tuple[MailServer, dict[str, Any]]
) -> None:
    """B-09, Z-23: who says no is named, and what to look at; never the secret, also where the other side repeats it."""
    server, own = microsoft
    with desk() as tokens:
        with (
            opened(
                "smtp", tmp_path, {"BULLETIN_SMTP_CLIENT_SECRET": "wrong one"}, token_url=tokens.url, **own
            ) as session,
            pytest.raises(
                ProviderError, match=r"gives no token .*401.*AADSTS7000215: Invalid client secret \[secret\]"
            ) as no,
        ):
            session.deliver(ISSUE, letters("ann"), template())
        assert "BULLETIN_SMTP_CLIENT_SECRET" in no.value.hint
        assert "wrong one" not in no.value.message
        server.token = "another"
        with (
            opened("smtp", tmp_path, SECRET_OF_APP, token_url=tokens.url, **own) as session,
            pytest.raises(ProviderError, match=r"does not accept the user name and password \(535\)|log-in"),
        ):
            session.deliver(ISSUE, letters("ann"), template())
    with (
        desk(status=503) as tokens,
        opened("smtp", tmp_path, SECRET_OF_APP, token_url=tokens.url, **own) as session,
        pytest.raises(ProviderError, match=r"cannot be reached: .* answered 503"),
    ):
        session.deliver(ISSUE, letters("ann"), template())
    with (
        opened("smtp", tmp_path, SECRET_OF_APP, token_url=f"http://127.0.0.1:{free_port()}/", **own) as session,
        pytest.raises(ProviderError, match="no answer from"),
    ):
        session.deliver(ISSUE, letters("ann"), template())
    assert server.delivered == []


@pytest.mark.parametrize(
    ("settings", "environment", "said", "hint"),
    [
        ({"client": "app-1", "user": "a@example.org"}, SECRET_OF_APP, "user, client and tenant", "mail-server|sending"),
        ({"client": "app-1", "user": "a@example.org", "tenant": "t"}, {}, "no secret", "BULLETIN_SMTP_CLIENT_SECRET"),
        (
            {"client": "app-1", "user": "a@example.org", "token_url": "http://tokens.example.org/"},
            SECRET_OF_APP,
            "clear text",
            "https",
        ),
        ({"connections": 0}, {}, "over 0 connections", "from 1 to 50"),
        ({"timeout": 0.0}, {}, "no time", "above 0"),
        ({"dkim_selector": "s1"}, {}, 'no DKIM key "s1"', "BULLETIN_DKIM_KEY"),
        ({"dkim_key_file": "dkim.pem"}, {}, "no name", "dkim_selector"),
        ({"dkim_selector": "s1"}, {"BULLETIN_DKIM_KEY": "garbage"}, "BULLETIN_DKIM_KEY holds no private key", "PEM"),
        ({"dkim_selector": "s1", "dkim_key_file": "absent.pem"}, {}, "absent.pem cannot be read: No such", "providers"),
    ],
)
def test_settings_that_cannot_work_are_named_before_anything_is_sent(
    tmp_path: Path, settings: dict[str, Any], environment: dict[str, str], said: str, hint: str
) -> None:
    """Z-23: with what to do about them, and without their secret."""
    with (
        pytest.raises(BulletinError, match=said) as caught,
        opened("smtp", tmp_path, environment, host="smtp.example.org", **settings),
    ):
        pass
    assert re.search(hint, caught.value.hint)
    assert not [secret for secret in environment.values() if secret in f"{caught.value.message} {caught.value.hint}"]


def test_the_doctor_is_told_under_which_names_mail_goes_out() -> None:
    """K-05: the domains of envelope and signature, and the keys that sign here, for the DNS to be asked about."""
    own = {
        "host": "smtp.example.org",
        "dkim_selector": "s1",
        "dkim_second_selector": "s2",
        "dkim_domain": "example.org",
    }
    sender = replace(config().sender, bounces="bounces@bounce.example.org")
    way = way_of(load("smtp"), config(sender=sender, providers={"smtp": own}))
    assert (way.host, way.bounces, way.signing) == ("smtp.example.org", "bounce.example.org", "example.org")
    assert way.selectors == ("s1", "s2")
    plain = way_of(load("smtp"), config(providers={"smtp": {"host": "smtp.example.org"}}))
    assert (plain.bounces, plain.signing, plain.selectors) == ("", "", ())


def test_as_many_sessions_may_be_open_as_the_settings_say() -> None:
    provider = load("smtp")
    for wanted, own in ((4, {}), (9, {"connections": 9})):
        assert connections_of(provider, config(providers={"smtp": {"host": "smtp.example.org", **own}})) == wanted
    assert connections_of(load("outbox"), config()) == 1


# ---------------------------------------------------------------- signatures


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text.decode()


@pytest.fixture(scope="module")
def rsa_key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def second_key() -> Any:
    return ed25519.Ed25519PrivateKey.generate()


def dns_of(rsa_key: Any, second_key: Any) -> Callable[..., bytes | None]:
    """What the DNS says of both keys."""
    der = rsa_key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    raw = second_key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    records = {
        b"s1._domainkey.news.example.org.": b"v=DKIM1; k=rsa; p=" + b64encode(der),
        b"s2._domainkey.news.example.org.": b"v=DKIM1; k=ed25519; p=" + b64encode(raw),
    }
    return lambda name, timeout=5: records.get(name)


def signed_by(data: bytes, dns: Callable[..., bytes | None], count: int) -> list[bool]:
    """Whether each signature of a message holds, as dkimpy sees it."""

    def holds(number: int) -> bool:
        try:
            return bool(dkim.DKIM(data).verify(idx=number, dnsfunc=dns))
        except dkim.DKIMException:
            return False

    return [holds(number) for number in range(count)]


def test_k01_k03_each_copy_is_signed_with_both_keys(
    tmp_path: Path, server: MailServer, rsa_key: Any, second_key: Any
) -> None:
    """K-01, K-02, K-03, L-04: valid, over all that matters; a changed or added header breaks the signature."""
    file = tmp_path / "dkim.pem"
    file.write_text(pem(rsa_key), "ascii")
    file.chmod(0o600)
    own = {"dkim_selector": "s1", "dkim_key_file": str(file), "dkim_second_selector": "s2"}
    secret = {"BULLETIN_DKIM_SECOND_KEY": pem(second_key).replace("\n", "\\n")}
    with opened("smtp", tmp_path, secret, host="127.0.0.1", port=server.port, tls="none", **own) as session:
        assert kinds(session.deliver(ISSUE, letters("ann", "bob"), template())) == [ACCEPTED] * 2
    dns = dns_of(rsa_key, second_key)
    for one in letters("ann", "bob"):
        data = server.messages[one.address]
        assert data.endswith(template().fill(one, date=NOON)), "the message itself stays as it was"
        assert signed_by(data, dns, 2) == [True, True]
        first, second = re.findall(rb"DKIM-Signature: (?:[^\r\n]|\r\n )*", data)
        assert b"a=rsa-sha256;" in first
        assert b"a=ed25519-sha256;" in second
        assert b" l=" not in first
        names = re.sub(rb"\s", b"", re.search(rb" h=([^;]+);", first)[1]).decode().split(":")  # type: ignore[index]
        must = {"from", "date", "subject", "to", "reply-to", "message-id", "mime-version", "content-type"}
        assert {*must, "list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id"} <= set(names)
        assert (names.count("from"), names.count("subject")) == (2, 2)
        assert max(map(len, first.split(b"\r\n"))) <= 78
        for old, new in (
            (b"One-Click", b"No-Click"),
            (b"\r\nSubject: ", b"\r\nSubject: Other\r\nSubject: "),
            (b"\r\nTo: ", b"\r\nFrom: other@example.org\r\nTo: "),
            (b"Noson dda", b"Noson Dda"),
        ):
            assert old in data
            assert not any(signed_by(data.replace(old, new, 1), dns, 2))


@examples(max_examples=25)
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=300),
    st.text(max_size=60),
    st.text(max_size=60),
)
def test_k01_any_content_is_signed_as_verifiers_read_it(
    rsa_key: Any, second_key: Any, content: str, subject: str, value: str
) -> None:
    """K-01, RFC 6376 3.4: white space in its relaxed form, wherever pieces of the message meet."""
    subject = "".join(sign for sign in subject if sign.isprintable())
    body = f"{content}\npxunsubscribe {content}\tpxpreferences  \n\n"
    made = template(edition(text=body, html=body, subject=subject))
    personal = {**letters("ann")[0].personal, "preferences_url": value.replace("\r", "")}
    one = replace(letters("ann")[0], personal=personal)
    signer = Signer("news.example.org", [read_key("s1", pem(rsa_key), where="a test")])
    head, pieces = made.pieces(one, date=NOON)
    data = signer.signatures(head, pieces, date=NOON) + made.fill(one, date=NOON)
    assert signed_by(data, dns_of(rsa_key, second_key), 1) == [True]


def test_k02_k03_weak_keys_and_keys_that_others_may_read_are_refused(tmp_path: Path, second_key: Any) -> None:
    """K-02, K-03: 2,048 bits at least, Ed25519 never alone, and a file for its owner's eyes only."""
    weak = pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505 - that is the point
    own = {"host": "smtp.example.org", "dkim_selector": "s1"}
    for key, said in ((weak, "1024 bits, which is too weak"), (pem(second_key), "another kind")):
        with pytest.raises(BulletinError, match=said), opened("smtp", tmp_path, {"BULLETIN_DKIM_KEY": key}, **own):
            pass
    file = tmp_path / "dkim.pem"
    file.write_text(weak, "ascii")
    file.chmod(0o640)
    with (
        pytest.raises(BulletinError, match="others on this machine may read") as caught,
        opened("smtp", tmp_path, dkim_key_file=str(file), **own),
    ):
        pass
    assert "chmod 600" in caught.value.hint
