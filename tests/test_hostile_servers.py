"""Mail servers and services that answer nonsense: what is unclear is unknown, and nobody is mailed twice for it."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from mailgunserver import KEY, mailgun_server
from mailing import ISSUE, addresses, config, newsroom

from bulletin.delivery import sender as sending
from bulletin.delivery.report import Standing
from bulletin.errors import BulletinError, StoppedPartWay
from bulletin.providers import ProviderError, _http


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server's port; each connection is handed to `serve` in a thread of its own."""

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(door.accept()[0],), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=accept, daemon=True).start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)


@contextmanager
def smtp_server(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A mail server that answers every message with `reply`: its port, and the messages it has."""
    taken: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        connection.sendall(b"220 hello\r\n")
        for line in lines:
            if line.upper().startswith(b"DATA"):
                connection.sendall(b"354 go on\r\n")
                taken.append(b"".join(iter(lines.readline, b".\r\n")))
                connection.sendall(reply)
            elif line.upper().startswith(b"QUIT"):
                connection.sendall(b"221 bye\r\n")
                return
            else:
                connection.sendall(b"250 fine\r\n")

    with listening(serve) as port:
        yield port, taken


def send(folder: Path, provider: str, settings: dict[str, Any], readers: int, **secrets: str) -> Standing:
    """Send to made-up readers; how the mailing stands, also when the sending stopped."""
    with newsroom(folder, config(providers={provider: settings})) as room:
        room.subscribe(addresses(readers))
        with suppress(StoppedPartWay), room.sender(provider, secrets) as sender:
            sending.run(sender, room.plan(provider), room.templates())
        standing = room.ledger.standing(ISSUE)
        assert standing
        assert standing.planned == readers == sum(standing.counts.values())
        return standing


NONSENSE = [
    b"garbage\r\n",
    b"\xff\xfe\r\n",
    b"\r\n",
    b"354 go on\r\n",
    b"100 hm\r\n",
    b"999 what\r\n",
    b"2" * 9000 + b"\r\n",
]


@pytest.mark.parametrize("reply", NONSENSE, ids=[reply[:8].decode("latin-1").strip() or "empty" for reply in NONSENSE])
def test_smtp_a_reply_that_is_no_reply_leaves_the_message_unknown_and_sent_once(tmp_path: Path, reply: bytes) -> None:
    """RFC 5321 4.2.1: the server may have the message, so it is not offered again by itself (ledger, promise 4)."""
    with smtp_server(reply) as (port, taken):
        settings = {"host": "127.0.0.1", "port": port, "tls": "none", "timeout": 5.0}
        standing = send(tmp_path, "smtp", settings, 2)
    assert standing.unknown == 2
    assert len(taken) == len({re.search(rb"To: <(.*?)>", message)[1] for message in taken}) == 2  # type: ignore[index]


@contextmanager
def breaking_tls(authority: trustme.CA, *, early: bool) -> Iterator[tuple[int, list[int]]]:
    """A server whose secure connection turns to rubbish, before the request or when it has all of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    taken: list[int] = []

    def serve(connection: socket.socket) -> None:
        if not early:
            secure = context.wrap_socket(connection, server_side=True)
            size = 0
            while size < 100_000:
                size += len(secure.recv(65_536))
            taken.append(size)
            connection = socket.socket(fileno=secure.detach())
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" * 9)
        connection.close()

    with listening(serve) as port:
        yield port, taken


def test_a_secure_connection_that_breaks_is_unknown_only_if_something_was_handed_over(tmp_path: Path) -> None:
    """The same kind of error before the request and after it: safe to repeat the first time, not the second."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with requests.Session() as client:
        client.trust_env = False
        client.verify = str(tmp_path / "authority.pem")
        for early, meaning in ((True, _http.NotSent), (False, _http.NoAnswer)):
            with breaking_tls(authority, early=early) as (port, taken):
                request = _http.HttpRequest(url=f"https://localhost:{port}/v3", body=b"x" * 100_000, secrets=(KEY,))
                assert isinstance(_http._send(client, request, 5), meaning)
                assert bool(taken) is not early


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_mailgun_that_asks_to_come_back_is_asked_again(tmp_path: Path, status: int) -> None:
    """These answers put a call off; the next try goes through and everybody is counted once."""
    with mailgun_server() as mailgun:
        mailgun.script = [(status, {}, '{"message": "later"}')]
        standing = send(
            tmp_path,
            "mailgun",
            {"domain": "news.example.org", "endpoint": mailgun.endpoint},
            3,
            BULLETIN_MAILGUN_KEY=KEY,
        )
        assert len(mailgun.delivered) == standing.accepted == 3


def test_z23_a_service_that_repeats_the_key_does_not_get_it_printed(tmp_path: Path) -> None:
    """Z-23: neither as it is nor as it travels in the header, in what people see."""
    repeated = f"wrong key {KEY}, sent as Basic YXBpOmtleS1tYWRlLXVw"
    with mailgun_server() as mailgun:
        mailgun.script = [(401, {}, repeated)]
        with pytest.raises(ProviderError) as caught:
            send(
                tmp_path,
                "mailgun",
                {"domain": "news.example.org", "endpoint": mailgun.endpoint},
                1,
                BULLETIN_MAILGUN_KEY=KEY,
            )
    assert caught.value.message == "Mailgun answered 401: wrong key [key], sent as [key]"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"host": "mail..example.org"}, "is not the address of a mail server"),
        ({"host": f"{'l' * 70}.example.org"}, "is not the address of a mail server"),
        ({"host": "127.0.0.1", "timeout": 0.0}, "within no time"),
        ({"host": "127.0.0.1", "user": "gŵyn"}, "outside a to z"),
    ],
)
def test_smtp_settings_that_cannot_work_are_one_clear_line(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    """Z-23: the password is in none of them."""
    with pytest.raises(BulletinError, match=says) as caught:
        send(tmp_path, "smtp", settings, 1, BULLETIN_SMTP_PASSWORD="s3cret-made-up")
    assert "s3cret" not in str(caught.value) + caught.value.hint
