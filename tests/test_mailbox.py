"""The mailbox for bounces and opt-outs, over a real IMAP server: what counts, what is left alone, what is told."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from imapserver import PASSWORD, TOKEN, USER, ImapServer, imap_server
from mailing import ISSUE, SECRET, newsroom
from mailserver import mail_server
from test_smtp import desk as token_desk

from bulletin import flow
from bulletin.cli import run
from bulletin.config import Mailbox
from bulletin.delivery import sender as sending
from bulletin.errors import BulletinError
from bulletin.mailbox.imap import open_box
from bulletin.mailbox.reading import LARGEST_MAIL
from bulletin.model import SubscriberState
from bulletin.publication import Publication, open_publication
from bulletin.render.message import make_message_id
from bulletin.subscribers.tokens import Links, bounce_address

CORPUS = Path(__file__).parent / "data" / "mailbox"
READER = "marked.person@force.example.org"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImapServer]:
    with imap_server(tmp_path_factory.mktemp("imap")) as made:
        yield made


class Desk:
    """A publication that has sent an issue, in whose folder commands are run."""

    def __init__(self, home: Publication, server: ImapServer | None = None) -> None:
        self.home, self.server = home, server
        with newsroom(home.state_dir) as room:
            room.subscribe([READER, "other@example.org"])
            with room.sender() as sender:
                sending.run(sender, room.plan(), room.templates())
        self.settle_in()

    def settle_in(self) -> None:
        """Settings for the mailbox, and nothing in it from before."""
        file = self.home.root / "bulletin.toml"
        text = file.read_text("utf-8").replace("[sender]", '[sender]\nunsubscribe_mailbox = "leave@news.example.org"')
        if self.server:
            mailbox = f'host = "localhost"\nport = {self.server.port}\nuser = "{USER}"\ndone_folder = "Done"\n'
            text += f'\n[mailbox]\n{mailbox}ca_file = "{self.server.ca_file.as_posix()}"\n'
            with self.server.owner() as client:
                for folder in ("INBOX", *(["Done"] if client.folder_exists("Done") else [])):
                    client.select_folder(folder)
                    client.delete_messages(client.search())
                    client.expunge()
        file.write_text(text, "utf-8")

    def state(self, address: str = READER) -> SubscriberState | None:
        with newsroom(self.home.state_dir) as room:
            return dict(room.readers.states([address]))[address]

    def mail(self, name: str, address: str = READER) -> bytes:
        """A mail of the corpus about the copy of a reader."""
        with newsroom(self.home.state_dir) as room:
            person = room.readers.find(address)
        assert person
        key = f"{ISSUE}:{person.id}"
        link = Links("https://news.example.org/", SECRET).personal(person.id, address)["unsubscribe_url"]
        marks = {
            "BOUNCES": bounce_address(SECRET, "bounces@bounce.example.org", key),
            "MESSAGE-ID": make_message_id(key, self.home.config.sender.address),
            "LINK": link,
            "READER": address,
            "TOKEN": link.rpartition("/")[2],
        }
        text = (CORPUS / f"{name}.eml").read_text("utf-8")
        for mark, value in marks.items():
            text = text.replace(f"@@{mark}@@", value)
        return text.replace("\n", "\r\n").encode()


@pytest.fixture
def make_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Desk]:
    def make(server: ImapServer | None = None) -> Desk:
        monkeypatch.setenv("BULLETIN_SECRET", SECRET.decode())
        monkeypatch.setenv("BULLETIN_MAILBOX_PASSWORD", PASSWORD)
        folder = tmp_path / "mine"
        assert run(["init", str(folder)]) == 0
        monkeypatch.chdir(folder)
        desk = Desk(open_publication(folder, {"BULLETIN_SECRET": SECRET.decode()}), server)
        capsys.readouterr()
        return desk

    return make


def test_a_mailbox_is_read_once_and_no_mail_is_lost(
    make_desk: Callable[..., Desk], server: ImapServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """V-10, V-11, V-14, L-11: understood mails are moved, those for a person get a flag, all others stay untouched."""
    desk = make_desk(server)
    server.put(desk.mail("away"), desk.mail("postfix-unknown-user"), desk.mail("a-letter"))
    server.put(desk.mail("opt-out-in-words", "other@example.org"))
    assert run(["events", "mailbox", "--dry-run"]) == 0
    assert "2 with a report or an opt-out" in " ".join(capsys.readouterr().out.split())
    assert desk.state() is SubscriberState.SUBSCRIBED
    assert server.flags() == [set(), set(), set(), set()]

    assert run(["events", "mailbox"]) == 0
    said = capsys.readouterr()
    assert "1 reader suspended, because their address failed" in said.out
    assert "1 mail waits for you" in said.err
    assert (desk.state(), desk.state("other@example.org")) == (SubscriberState.BOUNCED, SubscriberState.SUBSCRIBED)
    assert (server.flags(), server.flags("Done")) == ([set(), set(), {"Flagged"}], [{"Seen"}])

    server.put(desk.mail("opt-out", "other@example.org"))
    assert run(["events", "mailbox"]) == 0
    assert "1 mail read" in capsys.readouterr().out
    assert desk.state("other@example.org") is SubscriberState.UNSUBSCRIBED
    assert (len(server.flags()), len(server.flags("Done"))) == (3, 2)
    assert run(["events", "mailbox"]) == 0
    assert "0 mails read" in capsys.readouterr().out


def test_a_mailbox_that_numbers_its_mails_anew_is_read_again_and_each_report_counts_once(
    make_desk: Callable[..., Desk], server: ImapServer, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(server)
    server.put(desk.mail("complaint"), desk.mail("complaint"))
    assert run(["events", "mailbox"]) == 0
    assert desk.state() is SubscriberState.COMPLAINED
    assert "1 known already" in " ".join(capsys.readouterr().out.split())


def test_v16_a_mail_that_is_too_large_is_set_aside_and_never_stops_the_queue(
    make_desk: Callable[..., Desk], server: ImapServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """V-16: nor is it fetched."""
    desk = make_desk(server)
    server.put(b"Subject: large\r\n\r\n" + b"x" * LARGEST_MAIL, b"\xff\x00" * 50, desk.mail("opt-out"))
    assert run(["events", "mailbox"]) == 0
    assert desk.state() is SubscriberState.UNSUBSCRIBED
    assert server.flags() == [{"Flagged"}, set()]
    capsys.readouterr()
    assert run(["events", "review"]) == 0
    assert "larger than 1 MB" in capsys.readouterr().out


def test_v15_the_reader_of_a_blackened_complaint_is_found_by_the_message_id(make_desk: Callable[..., Desk]) -> None:
    """V-15."""
    desk = make_desk()
    saved = desk.home.root / "saved.eml"
    saved.write_bytes(re.sub(rb"Original-Mail-From: .*?\r\n", b"", desk.mail("complaint", "other@example.org")))
    assert run(["events", "read", "saved.eml"]) == 0
    assert desk.state("other@example.org") is SubscriberState.COMPLAINED
    assert desk.state() is SubscriberState.SUBSCRIBED


def test_saved_mails_are_read_and_a_person_decides_on_what_is_not_proven(
    make_desk: Callable[..., Desk], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """V-03, Z-20: no address is in anything that is said on the way, but for masked ones in the review."""
    caplog.set_level(logging.DEBUG)
    desk = make_desk()
    path = desk.home.root / "saved.eml"
    path.write_bytes(desk.mail("opt-out-in-words"))
    assert run(["events", "read", "saved.eml", "saved.eml"]) == 0
    assert run(["events", "review"]) == 0
    said = capsys.readouterr()
    assert "m***@force.example.org" in said.out
    assert desk.state() is SubscriberState.SUBSCRIBED
    assert run(["events", "settle", "1", "--accept", "--by", "Ann"]) == 0
    assert desk.state() is SubscriberState.UNSUBSCRIBED
    assert run(["events", "settle", "1", "--accept", "--by", "Ann"]) == 2
    assert run(["events"]) == 0
    assert run(["events", "--json"]) == 0
    said_later = capsys.readouterr()
    assert "marked.person" not in said.out + said.err + said_later.out + said_later.err + caplog.text
    assert '"unsubscribed": 1' in said_later.out


def test_v10_a_suspension_is_shown_and_undone_on_the_command_line(
    make_desk: Callable[..., Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    """V-10."""
    desk = make_desk()
    (desk.home.root / "saved.eml").write_bytes(desk.mail("gmail-no-such-user"))
    assert run(["events", "read", "saved.eml"]) == 0
    assert run(["subscribers", "suspended"]) == 0
    assert "does not exist" in capsys.readouterr().out
    assert run(["subscribers", "reinstate", READER, "--why", "he moved desks", "--by", "Ann"]) == 0
    assert desk.state() is SubscriberState.SUBSCRIBED
    assert run(["subscribers", "reinstate", READER, "--why", "again", "--by", "Ann"]) == 2
    assert "not suspended" in capsys.readouterr().err
    assert run(["subscribers", "show", READER]) == 0
    assert "Ann: he moved desks" in capsys.readouterr().out


def test_v10_all_suspensions_that_one_broken_mail_server_caused_are_undone_at_once(
    make_desk: Callable[..., Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    """V-10: and no others."""
    desk = make_desk()
    for number, address in enumerate((READER, "other@example.org")):
        saved = desk.home.root / f"{number}.eml"
        saved.write_bytes(desk.mail("inside-a-gateways-wrapping", address).replace(b"<nested@", b"<%d@" % number))
    assert run(["events", "read", "0.eml", "1.eml"]) == 0
    assert [desk.state(), desk.state("other@example.org")] == [SubscriberState.BOUNCED] * 2
    wish = ["subscribers", "reinstate", "--domain", "Force.example.org", "--why", "it was being moved", "--by", "Ann"]
    assert run(wish) == 2
    assert run([*wish, "--since", "2999-01-01"]) == 0
    assert run([*wish, "--since", "2024-05-30"]) == 0
    said = capsys.readouterr().err
    assert "0 readers reinstated" in said
    assert "1 reader reinstated" in said
    assert [desk.state(), desk.state("other@example.org")] == [SubscriberState.SUBSCRIBED, SubscriberState.BOUNCED]


def test_a_copy_comes_back_from_a_real_mail_server_and_its_reader_is_known(
    make_desk: Callable[..., Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    """V-01, L-11: the envelope of each copy names its delivery, and the mail it asks for to leave names its reader."""
    desk = make_desk()
    file = desk.home.root / "bulletin.toml"
    with mail_server() as server:
        settings = f'[providers.smtp]\nhost = "127.0.0.1"\nport = {server.port}\ntls = "none"\n'
        text = file.read_text("utf-8").replace("[sender]", '[sender]\nbounces = "bounces@bounce.example.org"')
        file.write_text(f"{text}\n{settings}", "utf-8")
        home = open_publication(desk.home.root, {"BULLETIN_SECRET": SECRET.decode()})
        with newsroom(home.state_dir, home.config) as room, room.sender("smtp") as sender:
            later = replace(room.plan("smtp"), issue="2024-06")
            sending.run(sender, later, room.templates())
    envelopes = {recipients[0]: sent_from for sent_from, recipients in server.envelopes}
    assert len(set(envelopes.values())) == 2
    returned = re.sub(rb"(?m)^To: .*$", f"To: {envelopes[READER]}\r".encode(), desk.mail("yahoo-no-third-part"))
    leave = re.search(
        rb"<mailto:([^?]+)\?subject=([^>]+)>", re.sub(rb"\r\n\s+", b" ", server.messages["other@example.org"])
    )
    assert leave
    opt_out = f"From: x@example.net\r\nTo: {leave[1].decode()}\r\nSubject: {unquote(leave[2].decode())}\r\n\r\n"
    (home.root / "returned.eml").write_bytes(returned)
    (home.root / "leave.eml").write_bytes(opt_out.encode())
    assert run(["events", "read", "returned.eml", "leave.eml"]) == 0
    assert desk.state("other@example.org") is SubscriberState.UNSUBSCRIBED
    capsys.readouterr()
    assert run(["events", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["counts"] == {"": {"unsubscribed": 1}, "2024-06": {"soft bounced": 1}}
    assert said["in_doubt"] == []


def test_a_mailbox_in_starttls_and_by_token(tmp_path: Path) -> None:
    with imap_server(tmp_path, starttls=True) as server:
        server.put(b"Subject: x\r\n\r\n")
        setting = Mailbox(
            host="localhost", port=server.port, user=USER, security="starttls", ca_file=str(server.ca_file)
        )
        with open_box(setting, {"BULLETIN_MAILBOX_TOKEN": TOKEN}) as box:
            [number] = box.after(0)
            assert box.mail(number)[0] == b"Subject: x\r\n\r\n"
            box.done(number)
        assert server.flags() == [{"Seen"}]


def test_b09_a_mailbox_on_microsoft_365_lets_in_by_an_apps_token(server: ImapServer) -> None:
    """B-09: the app's secret buys a token for each reading; a wrong one is neither taken nor repeated."""
    with token_desk() as tokens:
        setting = Mailbox(
            host="localhost",
            port=server.port,
            user=USER,
            client="app-1",
            token_url=tokens.url,
            ca_file=str(server.ca_file),
        )
        with open_box(setting, {"BULLETIN_MAILBOX_CLIENT_SECRET": "app-secret"}) as box:
            assert box.validity
        for environment, says in (
            ({}, "no secret for the app"),
            ({"BULLETIN_MAILBOX_CLIENT_SECRET": "made-up-wrong"}, "gives the app no token"),
        ):
            with pytest.raises(BulletinError, match=says) as told, open_box(setting, environment):
                pass
            assert "made-up-wrong" not in f"{told.value}{told.value.hint}"


@pytest.mark.parametrize(
    ("change", "environment", "says"),
    [
        ({}, {}, "no password"),
        ({}, {"BULLETIN_MAILBOX_PASSWORD": "wrong"}, "does not let"),
        ({}, {"BULLETIN_MAILBOX_TOKEN": "wrong"}, "does not let"),
        ({"ca_file": None}, {"BULLETIN_MAILBOX_PASSWORD": PASSWORD}, "certificate that is not right"),
        ({"host": "127.0.0.1"}, {"BULLETIN_MAILBOX_PASSWORD": PASSWORD}, "certificate that is not right"),
        ({"folder": "Nowhere"}, {"BULLETIN_MAILBOX_PASSWORD": PASSWORD}, "refused"),
        ({"port": 1}, {"BULLETIN_MAILBOX_PASSWORD": PASSWORD}, "cannot be reached"),
        ({"ca_file": __file__}, {}, "holds no certificate"),
    ],
)
def test_a_mailbox_that_cannot_be_opened_says_why(
    server: ImapServer, change: dict[str, str | None], environment: dict[str, str], says: str
) -> None:
    given = {"host": "localhost", "port": server.port, "user": USER, "ca_file": str(server.ca_file)} | change
    with pytest.raises(BulletinError, match=says) as told, open_box(Mailbox(**given), environment):  # type: ignore[arg-type]
        pass
    assert told.value.hint
    assert "wrong" not in f"{told.value}{told.value.hint}"


def test_without_a_mailbox_in_the_settings_it_says_where_to_put_it(make_desk: Callable[..., Desk]) -> None:
    with pytest.raises(BulletinError, match="no mailbox") as told:
        flow.read_mailbox(make_desk().home)
    assert "[mailbox]" in told.value.hint
