"""A real DNS server on this machine, with zones of our own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

from dnslib import CLASS, QTYPE, RCODE, RR, TXT, DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer


@dataclass
class NameServer(BaseResolver):  # type: ignore[misc] # dnslib has no types
    """Answers from `records`; a name with nothing at or below it does not exist."""

    records: dict[tuple[str, str], list[str]]
    port: int = 0
    refuse: set[str] = field(default_factory=set)
    """Names for which the server says that it failed."""
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """What `--resolver` takes."""
        return f"127.0.0.1:{self.port}"

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        """One answer."""
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        self.asked.append((name, kind))
        reply = request.reply()
        if name in self.refuse:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        for _ in range(8):
            alias = self.records.get((name, "CNAME"))
            if not alias or kind == "CNAME":
                break
            reply.add_answer(*RR.fromZone(f"{name}. 60 CNAME {alias[0]}."))
            name = alias[0]
        for value in self.records.get((name, kind), []):
            reply.add_answer(_record(name, kind, value))
        if not any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


def _record(name: str, kind: str, value: str) -> RR:
    if kind == "TXT":
        data = value.encode()
        pieces = [data[start : start + 255] for start in range(0, len(data), 255)] or [b""]
        return RR(f"{name}.", QTYPE.TXT, CLASS.IN, 60, TXT(pieces))
    return RR.fromZone(f"{name}. 60 {kind} {value}")[0]


@contextmanager
def dns_server(records: dict[tuple[str, str], list[str]], *, refuse: set[str] | None = None) -> Iterator[NameServer]:
    """The server on a free port, over UDP and TCP. `records` may be changed while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    resolver = NameServer(records, port, refuse or set())
    quiet = DNSLogger(log="-request,-reply,-truncated,-error,-recv,-send,-data", prefix=False)
    servers = [DNSServer(resolver, address="127.0.0.1", port=port, tcp=tcp, logger=quiet) for tcp in (False, True)]
    # The library's own thread looks for the end twice a second only, which many short tests feel.
    threads = [Thread(target=server.server.serve_forever, args=(0.01,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield resolver
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.server.shutdown()
            server.server.server_close()
            thread.join()
