"""How long asking for 200 links takes: local sites that answer after 300 ms, on loopback addresses of their own.

`python3 tests/benchmarks/links.py` prints two figures in seconds, one a line: the links spread over 50 sites, as an
issue's are, and all at one site, which is asked six questions at a time.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bulletin import linkcheck
from bulletin.http import Client
from bulletin.model import LinkState

LINKS = 200
SITES = 50
ANSWER_S = 0.3


class Site(ThreadingHTTPServer):
    """A site that thinks before each answer, `robots.txt` included."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(ANSWER_S)
        self.send_response(404 if self.path == "/robots.txt" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def seconds(sites: int) -> float:
    """Wall time of asking for `LINKS` pages spread over so many sites."""
    with ExitStack() as stack:
        hosts = []
        for number in range(sites):
            server = Site((f"127.0.0.{number + 1}", 0), Handler)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            hosts.append(f"127.0.0.{number + 1}:{server.server_port}")
        urls = [f"http://{hosts[number % sites]}/page/{number}" for number in range(LINKS)]
        client = Client(user_agent="bulletin/benchmark", local_hosts=hosts, limits=linkcheck.LIMITS)
        cache = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "links.json"
        began = time.perf_counter()
        result = linkcheck.ask(urls, client, cache, dt.datetime.now(dt.UTC))
        took = time.perf_counter() - began
    if {fact.state for fact in result.facts.values()} != {LinkState.WORKS} or len(result.facts) != LINKS:
        sys.exit("Not every link was found to work.")
    return took


if __name__ == "__main__":
    for count in (SITES, 1):
        print(f"{seconds(count):.3f}")
