"""The server in front of the pages: it waits for nobody longer than ten seconds, and says nothing of itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from bulletin.errors import BulletinError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

HEADERS_WITHIN_S: Final = 10.0
"""Seconds for the first line and the headers of a request (Z-13)."""
WHOLE_WITHIN_S: Final = 12.0
"""Seconds for the rest of it: a little more than a form has, so that its page can still say that it was too slow."""
LARGEST_HEADERS: Final = 32_000
"""Bytes of all headers together."""
MOST_AT_ONCE: Final = 600
"""Connections; one more is told to come back later."""


def settings_for(app: ASGIApp) -> uvicorn.Config:
    """How the pages are served. No log of requests at any level: their paths hold tokens (Z-20)."""
    import uvicorn

    return uvicorn.Config(
        app,
        http=_impatient(),
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,  # who may speak for a client is the application's own setting (Z-16)
        server_header=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=5,
    )


def serve(app: ASGIApp, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is told the address before the first request. Port 0 takes a free one.

    Raises `BulletinError` if host and port cannot be used.
    """
    import uvicorn

    listening = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    ready(f"http://{shown}:{listening.getsockname()[1]}/")
    with contextlib.closing(listening), contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(settings_for(app)).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections. Raises `BulletinError` if host and port cannot be used."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError, UnicodeError):
        raise BulletinError(
            f"{host} port {port} cannot be used.", hint="Something may be using it. Try another: --port 0"
        ) from None
    # Inherited by every connection: an answer's headers and body leave at once, not 40 ms apart. The event loop sees to
    # it only for sockets it made itself.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _impatient() -> type[asyncio.Protocol]:
    """The server's own way of reading requests, with an end to its patience: it has none for headers and bodies."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Impatient(HttpToolsProtocol):
        """Closes a connection whose request does not arrive in time, or has headers without end."""

        _deadline: asyncio.TimerHandle | None = None
        _in_headers = True
        _header_bytes = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._hurry(HEADERS_WITHIN_S)

        def connection_lost(self, exc: Exception | None) -> None:
            self._hurry(None)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._in_headers:
                self._header_bytes += len(data)
                if self._header_bytes > LARGEST_HEADERS:
                    self.transport.close()

        def on_message_begin(self) -> None:
            self._in_headers, self._header_bytes = True, 0
            self._hurry(HEADERS_WITHIN_S)
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_headers = False
            self._hurry(WHOLE_WITHIN_S)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._hurry(None)
            super().on_message_complete()

        def _hurry(self, seconds: float | None) -> None:
            if self._deadline:
                self._deadline.cancel()
            self._deadline = self.loop.call_later(seconds, self.transport.close) if seconds else None

    return Impatient
