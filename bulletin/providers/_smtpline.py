"""A line to a mail server: what is said to it, and what it answers (RFC 5321).

Greeting, protection and log-in are smtplib's. Reading replies is not: here a reply has a longest size and a last
moment, whatever the server does.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

LONGEST_LINE = 4096
MOST_LINES = 100

_REPLY = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\Z", re.DOTALL)


class Reply(NamedTuple):
    """What the server answered to one command."""

    code: int
    text: str
    """All its lines as one."""

    def __str__(self) -> str:
        return f"{self.code} {self.text}"

    @property
    def status(self) -> str:
        """The enhanced status (RFC 3463) such as 5.1.1; empty if there is none."""
        found = re.match(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|$)", self.text)
        return found[1] if found else ""


class Broken(Exception):  # noqa: N818 - nobody's mistake
    """This line is of no use any more. `wait`: seconds after which a new one may be worth trying."""

    def __init__(self, reason: str, *, wait: float = 5.0, handed_over: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait
        self.handed_over = handed_over
        """Octets of what was being said that the server may have."""


class Nonsense(Broken):
    """What came is no reply, so nobody knows which of the next ones belongs to what."""


if TYPE_CHECKING:
    _Base = smtplib.SMTP
else:
    _Base = object


class _Replies(_Base):
    """Reads replies in place of smtplib, which would take any number of lines for any length of time."""

    unread = b""
    _until: float | None = None

    def within(self, seconds: float) -> None:
        """What is read until the next such call has to come within this time; without one, each reply has its own."""
        self._until = time.monotonic() + seconds

    def getreply(self) -> tuple[int, bytes]:
        """Code, and lines with "\\n" between them. Raises `Broken`; then the connection is closed."""
        try:
            return self._reply(self._until or time.monotonic() + self.timeout)
        except Broken:
            self.close()
            raise

    def _reply(self, until: float) -> tuple[int, bytes]:
        code, lines = b"", list[bytes]()
        while True:
            found = _REPLY.match(self._line(until))
            if not found or (lines and found[1] != code) or len(lines) >= MOST_LINES:
                raise Nonsense("the server's reply makes no sense")
            code = found[1]
            lines.append((found[3] or b"").strip())
            if found[2] != b"-":
                return int(code), b"\n".join(lines)

    def _line(self, until: float) -> bytes:
        while True:
            line, end, rest = self.unread.partition(b"\n")
            if end:
                self.unread = rest
                return line.removesuffix(b"\r")
            if len(line) > LONGEST_LINE:
                raise Nonsense("the server's reply has no end")
            self.unread += self._received(until)

    def _received(self, until: float) -> bytes:
        if self.sock is None:
            raise Broken("the connection is closed")
        try:
            self.sock.settimeout(max(until - time.monotonic(), 0.001))
            data = self.sock.recv(LONGEST_LINE)
        except TimeoutError:
            raise Broken("the server did not answer in time") from None
        except OSError as error:
            raise Broken(f"the connection broke: {error.strerror or type(error).__name__}") from None
        if not data:
            raise Broken("the server closed the connection")
        return data

    def starttls(self, *, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:  # type: ignore[override]
        """As smtplib does, but with nothing believed that was said before the protection began."""
        answer = super().starttls(context=context)
        if self.unread:
            raise Nonsense("the server, or somebody between, spoke before the connection was protected")
        return answer


class _Clear(_Replies, smtplib.SMTP):
    pass


class _Implicit(_Replies, smtplib.SMTP_SSL):
    pass


class Line:
    """An open line. `letters` counts what went over it."""

    def __init__(self, connection: _Replies) -> None:
        self._connection = connection
        self.letters = 0
        self.pipelining = connection.has_extn("pipelining")
        self.smtputf8 = connection.has_extn("smtputf8")
        self.eight_bit = connection.has_extn("8bitmime")
        self.has_size = connection.has_extn("size")
        announced = connection.esmtp_features.get("size", "").strip()
        self.largest = int(announced) if re.fullmatch(r"[0-9]{1,18}", announced) else 0
        """Octets of the largest message the server takes; 0 if it does not say."""

    @property
    def tls(self) -> str:
        """The version of TLS, or nothing for clear text."""
        line = self._connection.sock
        return line.version() or "" if isinstance(line, ssl.SSLSocket) else ""

    @property
    def name(self) -> str:
        """What this machine calls itself."""
        return self._connection.local_hostname

    def say(self, data: bytes, seconds: float) -> None:
        """Hand all of it over within this time. Raises `Broken`, telling how much went."""
        line = self._connection.sock
        if line is None:
            raise Broken("the connection is closed")
        if self._connection.unread:
            raise Nonsense("the server answers what was not asked")
        until = time.monotonic() + seconds
        said = 0
        rest = memoryview(data)
        try:
            while rest:
                line.settimeout(max(until - time.monotonic(), 0.001))
                sent = line.send(rest)
                said, rest = said + sent, rest[sent:]
        except OSError as error:
            reason = "did not read on in time" if isinstance(error, TimeoutError) else "closed the connection"
            # What a protected connection had taken in before it broke may have left, as far as anybody can tell.
            may_have = len(data) if isinstance(line, ssl.SSLSocket) else said
            raise Broken(f"the server {reason}", handed_over=may_have) from None

    def reply(self, seconds: float) -> Reply:
        """The next reply, within this time. Raises `Broken`, and `Closing` when it says that the server hangs up."""
        self._connection.within(seconds)
        code, text = self._connection.getreply()
        reply = Reply(code, " ".join(text.decode("utf-8", "replace").split()))
        if code == 421:
            raise Closing(reply)
        return reply

    def goodbye(self) -> None:
        """Hang up as one should."""
        with suppress(Broken, smtplib.SMTPException, OSError):
            self._connection.within(5.0)
            self._connection.quit()
        self.drop()

    def drop(self) -> None:
        """Hang up."""
        self._connection.close()


class Closing(Broken):
    """The server said that it hangs up."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply), wait=30.0)


Login = Callable[[smtplib.SMTP], object]


def dial(
    host: str,
    port: int,
    *,
    seconds: float,
    tls: str,
    context: ssl.SSLContext | None,
    name: str | None,
    login: Sequence[Login] = (),
) -> Line:
    """A line that is protected and logged in. `name` is what we call this machine; None has it found out.

    Each step has to happen within these seconds. Raises `Broken`, what smtplib raises, and `OSError`.
    """
    connection: _Clear | _Implicit
    if tls == "implicit":
        connection = _Implicit(host, port, local_hostname=name, timeout=seconds, context=context)
    else:
        connection = _Clear(host, port, local_hostname=name, timeout=seconds)
    try:
        if connection.sock is not None:
            # What is said is whole, and is answered before more is said: waiting to fill a packet only costs time.
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls == "starttls":
            connection.starttls(context=context)
        connection.ehlo_or_helo_if_needed()
        for step in login:
            step(connection)
        return Line(connection)
    except BaseException:
        connection.close()
        raise
