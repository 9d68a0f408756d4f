"""A mail server that plays by the book until its script says otherwise: it hangs, hangs up, or answers nonsense."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

HANG = b"(hang)"
DROP = b"(drop)"

PHASES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "message")
_USUAL = {
    "greeting": b"220 scripted",
    "MAIL": b"250 2.1.0 Ok",
    "RCPT": b"250 2.1.5 Ok",
    "DATA": b"354 Go ahead",
    "message": b"250 2.0.0 Queued",
    "RSET": b"250 2.0.0 Ok",
    "QUIT": b"221 2.0.0 Bye",
    "STARTTLS": b"220 2.0.0 Ready",
}

Fault = bytes
"""An answer in place of the usual one, with `DROP` at its end to hang up after it; or `HANG`."""


@dataclass
class ScriptedServer:
    """What it got, whole messages only, and what it is going to do: the faults of a phase, the next one first."""

    port: int = 0
    offers: Sequence[str] = ("PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
    faults: dict[str, list[Fault | None]] = field(default_factory=lambda: defaultdict(list))
    """None stands for the usual answer."""
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    """Recipient and message, of each whole message, whatever the server answered."""
    commands: list[bytes] = field(default_factory=list)
    lines: int = 0
    """Connections."""
    turns: int = 0
    """How often the server had answered all it knew of and had to wait for more."""
    rude: list[bytes] = field(default_factory=list)
    """What was said before an answer, although the server does not offer that."""
    tls: ssl.SSLContext | None = None
    together: threading.Barrier | None = None
    """Whoever connects waits here for the others."""
    deaf: bool = False
    """Whether it reads nothing of a message."""

    def to(self, address: str) -> list[bytes]:
        """The messages for an address."""
        return [data for reader, data in self.messages if reader == address]


class _HangUp(Exception):  # noqa: N818
    pass


class _Talk(socketserver.BaseRequestHandler):
    """One connection."""

    request: socket.socket
    server: _Server

    def setup(self) -> None:
        self.script = self.server.script
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        self.reader = ""
        self.begun = False

    def handle(self) -> None:
        self.script.lines += 1
        if self.script.together:
            self.script.together.wait(timeout=20)
        with suppress(_HangUp, OSError):
            self.answer("greeting")
            while True:
                self.serve(self.line())

    def finish(self) -> None:
        self.request.close()

    def serve(self, command: bytes) -> None:
        self.script.commands.append(command)
        if self.unread and "PIPELINING" not in self.script.offers:
            self.script.rude.append(self.unread)
        verb = command[:4].upper().decode("latin-1")
        if verb == "EHLO":
            offers = ["scripted", *self.script.offers]
            marks = ["-"] * (len(offers) - 1) + [" "]
            usual = "\r\n".join(f"250{mark}{offer}" for mark, offer in zip(marks, offers, strict=True)).encode()
            self.answer("EHLO", usual)
        elif verb == "STAR":
            self.answer("STARTTLS")
            assert self.script.tls
            self.request, self.unread = self.script.tls.wrap_socket(self.request, server_side=True), b""
        elif verb == "MAIL":
            self.reader = ""
            self.begun = self.answer("MAIL").startswith(b"250")
        elif verb == "RCPT" and not self.begun:
            self.say(b"503 5.5.1 From whom")
        elif verb == "RCPT":
            if self.answer("RCPT").startswith(b"25"):
                self.reader = command.partition(b"<")[2].partition(b">")[0].decode()
        elif verb == "DATA":
            self.take()
        else:
            self.answer(verb)
            if verb == "QUIT":
                raise _HangUp

    def take(self) -> None:
        if not self.reader:
            self.say(b"503 5.5.1 Nobody to send it to")
        elif self.answer("DATA").startswith(b"354"):
            if self.script.deaf:
                self.server.over.wait(30)
                raise _HangUp
            self.script.messages.append((self.reader, self.message()))
            self.answer("message")

    def message(self) -> bytes:
        whole = b"\r\n" + self.unread
        while b"\r\n.\r\n" not in whole:
            whole += self.more()
        data, _, self.unread = whole.partition(b"\r\n.\r\n")
        return (data + b"\r\n").removeprefix(b"\r\n").replace(b"\r\n..", b"\r\n.")

    def line(self) -> bytes:
        while b"\r\n" not in self.unread:
            self.script.turns += 1
            self.unread += self.more()
        line, _, self.unread = self.unread.partition(b"\r\n")
        return line

    def more(self) -> bytes:
        data = self.request.recv(65536)
        if not data:
            raise _HangUp
        return data

    def answer(self, phase: str, usual: bytes = b"") -> bytes:
        fault = self.script.faults[phase].pop(0) if self.script.faults[phase] else None
        if fault == HANG:
            self.server.over.wait(30)
            raise _HangUp
        said = (usual or _USUAL.get(phase, b"500 5.5.2 What")) if fault is None else fault
        words = said.removesuffix(DROP)
        if words:
            self.say(words)
        if said.endswith(DROP):
            raise _HangUp
        return said

    def say(self, words: bytes) -> None:
        self.request.sendall(words + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, script: ScriptedServer) -> None:
        self.script, self.over = script, threading.Event()
        super().__init__(("127.0.0.1", script.port), _Talk)


@contextmanager
def scripted_server(
    faults: Mapping[str, Sequence[Fault | None]] | None = None,
    *,
    offers: Sequence[str] | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> Iterator[ScriptedServer]:
    """The server on a free port of this machine, or on one where another has been."""
    script = ScriptedServer(port=port, tls=tls)
    if offers is not None:
        script.offers = offers
    script.faults.update({phase: list(planned) for phase, planned in (faults or {}).items()})
    with _Server(script) as server:
        script.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield script
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
