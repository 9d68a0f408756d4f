"""The preview on this machine's own address, until the editor stops it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def serve(app: ASGIApp, *, port: int = 0, ready: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until Ctrl-C; `ready` is told the address before the first request. Port 0 takes a free one.

    Raises `BulletinError` if the port is taken.
    """
    import uvicorn

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # headers and body of an answer leave at once
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen()  # a browser that is quicker than the server waits, and is not refused
    except (OSError, OverflowError):
        listening.close()
        raise BulletinError(
            f"port {port} cannot be used.", hint="Something may be using it. Try another: --port 0"
        ) from None
    # No log of requests at any level: their paths hold tokens (Z-20).
    settings = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    ready(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    with contextlib.closing(listening), contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(settings).run(sockets=[listening])
