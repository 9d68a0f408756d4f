"""A real SMTP server that takes mail, refuses it or breaks off, by the name before the @."""

from __future__ import annotations

import base64
import hmac
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

ANSWERS = {
    "busy": "451 4.3.0 Try again later",
    "full": "452 4.2.2 Mailbox of {address} is full",
    "closing": "421 4.3.2 Closing down",
    "gone": "550 5.1.1 <{address}>: no such user",
    "policy": "550 5.7.1 Sender not allowed",
    "login": "530 5.7.0 Authentication required",
}
"""Replies to RCPT; the same names with "late-" before them answer so after the message."""


@dataclass
class MailServer:
    """What the server took, and how often somebody connected."""

    port: int = 0
    delivered: list[str] = field(default_factory=list)
    messages: dict[str, bytes] = field(default_factory=dict)
    envelopes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    answers_by_try: dict[str, list[str]] = field(default_factory=dict)
    token: str = "token-made-up"

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:
        """As Microsoft 365 does it: what is wrong is told as a challenge, which the client answers with nothing."""
        said = base64.b64decode(args[1]).decode()
        if said == f"user=bulletin@example.org\x01auth=Bearer {self.token}\x01\x01":
            return AuthResult(success=True)
        await server.challenge_auth(b'{"status":"401"}')
        return AuthResult(success=False, handled=False)

    async def auth_CRAM__MD5(self, server: Any, args: list[str]) -> AuthResult:
        """RFC 2195."""
        challenge = b"<1@mail.example.org>"
        said = await server.challenge_auth(challenge)
        digest = hmac.new(b"let me in", challenge, "md5").hexdigest()
        return AuthResult(success=said == f"bulletin {digest}".encode(), handled=False)

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Refuse by name, or take."""
        queue = self.answers_by_try.get(address)
        if queue:
            return queue.pop(0)
        answer = ANSWERS.get(address.partition("@")[0].rstrip("0123456789"))
        if answer:
            return answer.format(address=address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """Keep the message, unless the name says otherwise."""
        address = envelope.rcpt_tos[0]
        name = address.partition("@")[0]
        late = ANSWERS.get(name.removeprefix("late-"))
        if name.startswith("late-") and late:
            return late.format(address=address)
        self.peers.add(session.peer)
        self.envelopes.append((envelope.mail_from or "", tuple(envelope.rcpt_tos)))
        self.delivered.append(address)
        assert isinstance(envelope.content, bytes)
        self.messages[address] = envelope.content
        if name == "drop":
            server.transport.abort()
        return "250 2.0.0 Queued"


MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2")


@contextmanager
def mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    login: bool = False,
    mechanism: str = "",
    smtputf8: bool = True,
) -> Iterator[MailServer]:
    """The server on a free port of this machine, in clear text, with STARTTLS or within TLS.

    It lets in by one mechanism only, if one is named.
    """

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (b"bulletin", b"let me in"), handled=False)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = MailServer(port=port)
    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=port,
        ssl_context=tls if implicit else None,
        tls_context=None if implicit else tls,
        require_starttls=bool(tls) and not implicit,
        auth_required=login and not implicit,
        auth_require_tls=not implicit,
        authenticator=authenticate if login else None,
        auth_exclude_mechanism=[name for name in MECHANISMS if mechanism not in ("", name)],
        enable_SMTPUTF8=smtputf8,
        decode_data=False,
    )
    with warnings.catch_warnings():
        # aiosmtpd warns about an attribute of its own; as an error that would hang the server.
        warnings.filterwarnings("ignore", message="Session.login_data")
        controller.start()
        try:
            yield server
        finally:
            controller.stop()
