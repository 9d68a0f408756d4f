"""The doctor's way to the world outside: the DNS with short time-outs, and web addresses through the guarded client."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from dns.resolver import Resolver

QUERY_S: Final = 2.0
"""Longest wait for one answer, in seconds."""
TOTAL_S: Final = 8.0
"""Longest wait for all answers together, in seconds."""


class NoAnswerError(Exception):
    """No server gave an answer. The text is the reason, without a full stop."""


class Dns:
    """Asks one resolver, each question once. `servers` are IP addresses, with a port if it is not 53: `127.0.0.1:5353`.

    Without servers it asks those of this machine. Raises `BulletinError` if a server's address is none.
    """

    def __init__(
        self, servers: Sequence[str] = (), *, total: float = TOTAL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._servers = [_server(text) for text in servers]
        self._total, self._clock = total, clock
        self._used = 0.0
        self._known: dict[tuple[str, str], tuple[tuple[str, ...], bool] | NoAnswerError] = {}
        self._resolver: Resolver | None = None

    def ask(self, name: str, kind: str) -> tuple[tuple[str, ...], bool]:
        """The records, and whether the name exists. Raises `NoAnswerError` if no server answered.

        A name that cannot stand in the DNS does not exist. Text records come joined, hosts without their last dot.
        """
        key = (name.rstrip(".").lower(), kind)
        if key not in self._known:
            started = self._clock()
            try:
                self._known[key] = self._asked(*key)
            except NoAnswerError as error:
                self._known[key] = error
            self._used += self._clock() - started
        found = self._known[key]
        if isinstance(found, NoAnswerError):
            raise found
        return found

    def _asked(self, name: str, kind: str) -> tuple[tuple[str, ...], bool]:
        import dns.exception
        import dns.resolver

        left = self._total - self._used
        if left <= 0:
            raise NoAnswerError(f"no more answers within {self._total:.0f} seconds")
        try:
            answer = self._ready().resolve(f"{name}.", kind, lifetime=min(QUERY_S, left), search=False)
        except dns.resolver.NXDOMAIN:
            return (), False
        except dns.resolver.NoAnswer:
            return (), True
        except dns.resolver.NoResolverConfiguration:
            raise NoAnswerError("this machine names no server for it") from None
        except dns.resolver.LifetimeTimeout:
            raise NoAnswerError("no server answered in time") from None
        except dns.resolver.NoNameservers:
            raise NoAnswerError("the server could not answer") from None
        except (dns.exception.DNSException, UnicodeError):
            return (), False
        except OSError as error:
            raise NoAnswerError(f"no server can be reached: {error.strerror or error}") from None
        return tuple(_text(record) for record in answer), True

    def _ready(self) -> Resolver:
        import dns.nameserver
        import dns.resolver

        if self._resolver is None:
            resolver = dns.resolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers]
            resolver.timeout = QUERY_S / 2  # one lost packet is asked for again
            self._resolver = resolver
        return self._resolver


def _text(record: Any) -> str:
    """A record in the form that `domains` reads."""
    if hasattr(record, "strings"):
        return b"".join(record.strings).decode("utf-8", "replace")
    if hasattr(record, "exchange"):
        return f"{record.preference} {record.exchange.to_text().rstrip('.')}"
    if hasattr(record, "target"):
        return str(record.target.to_text()).rstrip(".")
    return str(record.to_text())


def _server(text: str) -> tuple[str, int]:
    import ipaddress

    host, sign, port = text.rpartition(":")
    if text.count(":") > 1 and not text.startswith("["):
        host, sign, port = text, "", ""
    elif not sign:
        host, port = text, ""
    host = host.strip("[]")
    try:
        ipaddress.ip_address(host)
        number = int(port) if sign else 53
        if not 0 < number < 65536:
            raise ValueError(port)
    except ValueError:
        raise BulletinError(
            f'"{text}" is not the address of a DNS server.', hint="Write its IP address: --resolver 192.0.2.53"
        ) from None
    return host, number
