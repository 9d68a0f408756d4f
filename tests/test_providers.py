"""Providers: what really goes over the wire, and what every answer is taken to mean."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import html
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mailgunserver import DESCRIPTION, KEY, MailgunServer, mailgun_server
from mailing import (
    HTML,
    ISSUE,
    MARKERS,
    TEXT,
    Newsroom,
    addresses,
    config,
    edition,
    newsroom,
    template,
)
from mailserver import MailServer, mail_server
from sessions import ACCEPTED, REFUSED, RETRY, UNKNOWN, free_port, kinds, letters, opened

from bulletin import providers, registry
from bulletin.delivery import sender as sending
from bulletin.errors import BulletinError, FileProblems, StoppedPartWay
from bulletin.model import OutcomeKind
from bulletin.providers import ProviderError, Session
from bulletin.providers.mailgun import CAPABILITIES as MAILGUN
from bulletin.render.message import MessageTemplate

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
