"""The links of a sent message, followed by robots and by a mail program, and what the logs keep of all that."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import mailrules
import pytest
import requests
import uvicorn
from mailgunserver import KEY, mailgun_server
from mailing import ISSUE, NOON, SECRET, Newsroom, addresses, config, newsroom
from mailserver import mail_server

from bulletin.delivery import sender as sending
from bulletin.model import SubscriberState
from bulletin.publication import starter_templates
from bulletin.subscribers.desk import Desk
from bulletin.web.app import make_app


@contextmanager
def served(room: Newsroom) -> Iterator[str]:
    """The readers' pages on a port of this machine; their address."""
    app = make_app(
        room.config,
        room.readers,
        Desk(room.engine, SECRET, room.readers),
        secret=SECRET,
        template_dirs=(starter_templates(),),
        now=lambda: NOON,
        hosts=("127.0.0.1",),
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def sent(room: Newsroom) -> dict[str, bytes]:
    with room.sender() as sender:
        sending.run(sender, room.plan(), room.templates())
    return room.outbox()


def links(message: bytes) -> list[str]:
    """Every address in the header and in both parts."""
    words = b" ".join([mailrules.header(message, "List-Unsubscribe"), *(part for _, part in mailrules.parts(message))])
    return sorted(set(re.findall(r"https://[^\s<>\"]+", words.decode())))


def test_g04_g05_robots_may_follow_every_link_and_change_nothing(tmp_path: Path) -> None:
    """G-04, G-05, G-06, L-08: each link twice by HEAD and GET; none needs a # or ends in a sign a program may drop."""
    with newsroom(tmp_path) as room:
        room.subscribe(addresses(3))
        copies = sent(room)
        with served(room) as address:
            for message in copies.values():
                found = links(message)
                assert len(found) == 2
                for link in found:
                    assert re.fullmatch(r"[A-Za-z0-9_-]+", link.rpartition("/")[2])
                    for method in ("HEAD", "GET") * 2:
                        answer = requests.request(
                            method, address + urlsplit(link).path, timeout=5, allow_redirects=False
                        )
                        assert answer.status_code == 200
        assert room.readers.counts()[SubscriberState.SUBSCRIBED] == 3


def test_l03_l05_the_header_alone_takes_its_own_reader_off_and_nobody_else(tmp_path: Path) -> None:
    """L-03, L-05, L-07, L-10, L-11: one POST as mail programs make it; the reader is in no later plan."""
    with newsroom(tmp_path) as room:
        room.subscribe(addresses(3))
        link = mailrules.header(sent(room)["reader1@example.org"], "List-Unsubscribe").strip(b"<>").decode()
        with served(room) as address:
            one_click = {"List-Unsubscribe": "One-Click"}
            answer = requests.post(address + urlsplit(link).path, data=one_click, timeout=5, allow_redirects=False)
        assert answer.status_code == 200
        assert {person.email: person.state is SubscriberState.SUBSCRIBED for person in room.readers.all()} == {
            "reader0@example.org": True,
            "reader1@example.org": False,
            "reader2@example.org": True,
        }
        assert room.plan().recipients == 2


@pytest.mark.parametrize("provider", ["smtp", "mailgun"])
def test_z20_no_log_and_no_report_holds_an_address_a_token_or_a_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, provider: str
) -> None:
    """Z-20, Z-23: refusals that repeat the address, a visit to the pages and a fault inside, at the finest level."""
    caplog.set_level(logging.DEBUG)
    marked = [f"{name}@marked.example.org" for name in ("gone", "full", "policy", "bad")]
    with mail_server() as smtp, mailgun_server() as mailgun:
        settings = {
            "smtp": {"host": "127.0.0.1", "port": smtp.port, "tls": "none"},
            "mailgun": {"domain": "news.example.org", "endpoint": mailgun.endpoint},
        }
        with newsroom(tmp_path, config(providers=settings)) as room:
            room.subscribe([*marked, *addresses(3)])
            said = []
            with room.sender(provider, {"BULLETIN_MAILGUN_KEY": KEY}) as sender:
                try:
                    sending.run(sender, room.plan(provider), room.templates())
                except sending.StoppedPartWay as stopped:
                    said.append(f"{stopped} {stopped.hint}")
                tokens = [
                    urlsplit(url).path
                    for person in room.readers.all()
                    for url in sender.links.personal(person.id, person.email).values()
                    if url.startswith("https:")
                ]
            said += map(str, (room.ledger.standing(ISSUE), room.ledger.refusals(ISSUE), room.ledger.unknown(ISSUE)))
            with served(room) as address:
                requests.get(address + tokens[0], timeout=5)
                with room.engine.begin() as connection:
                    connection.exec_driver_sql("ALTER TABLE subscriber RENAME COLUMN state TO condition")
                assert requests.post(address + tokens[0], timeout=5).status_code == 500
    ours = [record for record in caplog.records if record.name.partition(".")[0] not in ("mail", "urllib3", "asyncio")]
    said += [logging.Formatter().format(record) for record in ours]
    assert "request failed, reference" in " ".join(said)
    for words in said:
        assert "@marked.example.org" not in words
        assert KEY not in words
        assert not any(token.rpartition("/")[2] in words for token in tokens)
