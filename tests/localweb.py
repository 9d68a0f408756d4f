"""A small web server on this machine that answers as a test tells it to, well or badly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext

from bulletin.http import Client, Limits

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A running server: what it answers by path, and the requests it has had, as path and headers."""

    host: str
    scheme: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"{self.scheme}://{self.host}"

    def gives(
        self, path: str, body: bytes | str = b"", *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> str:
        """Lets the server answer a path with these bytes; gives the address."""
        data = body.encode() if isinstance(body, str) else body

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in (headers or {}).items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)

        return self.does(path, answer)

    def does(self, path: str, answer: Answer) -> str:
        """Lets the server do anything at a path; gives the address."""
        self.answers[path] = answer
        return self.base + path

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of every request for a path, names in small letters."""
        return [headers for asked, headers in self.requests if asked == path]


@contextmanager
def site(tls: SSLContext | None = None) -> Iterator[Site]:
    """A server on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            try:
                running.answers.get(self.path, _nothing)(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    running = Site(f"127.0.0.1:{server.server_port}", "https" if tls else "http")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client_for(*sites: Site, certificates: str | None = None, **limits: float) -> Client:
    """A client that may ask these servers, with tight limits where a test names them."""
    return Client(
        user_agent="bulletin/test (+https://example.org/)",
        local_hosts=tuple(site.host for site in sites),
        limits=Limits(**limits),  # type: ignore[arg-type]
        certificates=certificates,
    )


def _nothing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)
