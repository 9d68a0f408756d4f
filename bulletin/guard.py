"""The guard around every fetch: which addresses may be asked, and for how long (F-10, Z-30 to Z-36)."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from requests import Response
    from requests.adapters import HTTPAdapter

_SURELY_SMALL: Final = 1_000_000
_RATIO: Final = 200
"""Pages unpack to ten or twenty times their size; bombs to a thousand times."""
_METADATA_HOSTS: Final = ("metadata.google.internal", "metadata")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_PROTOCOLS: Final = ipaddress.ip_network("192.0.0.0/24")
"""Z-32 refuses it as a whole; what Python calls global in it differs between versions."""
_PORTS: Final = {"http": 80, "https": 443}

NO_HOST: Final = "cannot be found: there is no such host"
NOT_FOUND_NOW: Final = "cannot be looked up just now"
NOT_ACCEPTING: Final = "does not accept connections"
BROKEN_OFF: Final = "broke off the connection"
EXPIRED: Final = "has a certificate that has run out"
OTHER_NAME: Final = "has a certificate for another name"
NOT_TRUSTED: Final = "has a certificate that cannot be trusted"
_CERTIFICATES: Final = {10: EXPIRED, 62: OTHER_NAME}
"""OpenSSL's own numbers for the faults that every browser meets as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one fetch may cost us (F-10). Times in seconds; `size` in bytes, after decompression."""

    connect: float = 10.0
    total: float = 30.0
    size: int = 10_000_000
    redirects: int = 5


class FetchError(BulletinError):
    """An address could not be read. `reason` is the part of the message after the address, without a full stop."""

    def __init__(self, url: str, reason: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(f"{url} {reason}.")
        self.url, self.reason, self.status = url, reason, status
        self.retry_after = retry_after
        """Seconds the server asks us to wait, if it says so."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.reason), self.__dict__


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet (Z-32). An IPv4 address inside an IPv6 one counts itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    elif ip in _PROTOCOLS:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def check_address(url: str, local_hosts: Collection[str]) -> None:
    """Raise `FetchError` for an address that is not to be asked, as far as its words tell (Z-30)."""
    parts = _split(url)
    if parts.scheme not in _PORTS:
        raise FetchError(url, "is not a web address: it should start with https://")
    if "@" in parts.netloc:
        raise FetchError(url, "holds a user name; addresses with one are not opened")
    if not parts.hostname:
        raise FetchError(url, "names no host")
    if parts.hostname.rstrip(".") in _METADATA_HOSTS:
        raise FetchError(url, "leads to a private address")
    if _port(parts) not in _PORTS.values() and not _is_local(parts.hostname, _port(parts), local_hosts):
        raise FetchError(url, f"uses port {_port(parts)}; only the usual web ports are opened")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError:
        raise FetchError(url, "cannot be read as a web address") from None
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)


def _is_local(host: str, port: int, local_hosts: Collection[str]) -> bool:
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" in local_hosts


class Watch:
    """Ends a fetch when its time is up, whatever the server does.

    Timeouts of sockets count from the last byte, so a server that drips one byte a second never meets them. At the
    deadline a timer therefore shuts the connections themselves down. It holds duplicates of the sockets, because TLS
    detaches the original. Looking up a host's name has the system's own time limit.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._end = time.monotonic() + limits.total
        self._timer = threading.Timer(limits.total, self._expire)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._expired = False

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for held in self._sockets:
                held.close()
            self._sockets.clear()

    @property
    def connect_timeout(self) -> float:
        """Seconds left for making a connection."""
        return max(0.01, min(self._limits.connect, self._end - time.monotonic()))

    def hold(self, connection: socket.socket) -> None:
        """Put a connection under watch."""
        with self._lock:
            self._sockets.append(connection.dup())
            if self._expired:
                self._shut()

    def _expire(self) -> None:
        with self._lock:
            self._expired = True
            self._shut()

    def _shut(self) -> None:
        for held in self._sockets:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def refuse_late(self, url: str) -> None:
        """Raise `FetchError` if the time is up: what has arrived may be a part only."""
        if self._expired:
            raise self._too_slow(url)

    def read(self, response: Response, url: str) -> bytes:
        """The body, unpacked, up to the size limit; what lies beyond it is never held (Z-36)."""
        limit = self._limits.size
        parts: list[bytes] = []
        size = 0
        while True:
            chunk = response.raw.read1(65_536, decode_content=True)
            size += len(chunk)
            if size > _SURELY_SMALL and size > _RATIO * response.raw.tell():
                raise FetchError(url, f"unpacks to more than {_RATIO} times its size, as no honest page does")
            if size > limit:
                raise FetchError(url, f"is larger than {limit / 1_000_000:g} MB")
            if chunk:
                parts.append(chunk)
            else:
                self.refuse_late(url)
                return b"".join(parts)

    @contextmanager
    def explaining(self, url: str) -> Iterator[None]:
        """Turns the network's exceptions into a `FetchError`."""
        import http.client

        import requests
        import urllib3

        try:
            yield
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
            ValueError,
        ) as error:
            raise self._reason(error, url) from None

    def _too_slow(self, url: str) -> FetchError:
        return FetchError(url, f"took longer than {self._limits.total:g} s")

    def _reason(self, error: BaseException, url: str) -> FetchError:
        """What a failure of the network means, in words."""
        import requests
        import urllib3

        if self._expired or time.monotonic() >= self._end:
            return self._too_slow(url)
        meanings: Mapping[type[BaseException], str] = {
            _BlockedError: "leads to a private address",
            _LookUpError: NOT_FOUND_NOW,
            socket.gaierror: NO_HOST,
            ssl.SSLCertVerificationError: NOT_TRUSTED,
            ssl.SSLError: "cannot be reached over a secure connection",
            urllib3.exceptions.DecodeError: "sent something that cannot be unpacked",
            urllib3.exceptions.LocationValueError: "cannot be read as a web address",
            requests.exceptions.InvalidURL: "cannot be read as a web address",
            ConnectionRefusedError: NOT_ACCEPTING,
            TimeoutError: f"did not answer within {self._limits.connect:g} s",
        }
        for kind, meaning in meanings.items():
            found = _find(error, kind)
            if isinstance(found, ssl.SSLCertVerificationError):
                return FetchError(url, _CERTIFICATES.get(found.verify_code, meaning))
            if found:
                return FetchError(url, meaning)
        return FetchError(url, BROKEN_OFF)


class _BlockedError(OSError):
    """The name leads to an address that may not be asked."""


class _LookUpError(OSError):
    """The name could not be looked up; whether there is such a host is not known."""


def _find(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """An exception of a kind among an exception's causes and arguments, where libraries wrap it."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, kind):
            return one
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return None


def _connect(host: str, port: int, watch: Watch, local_hosts: Collection[str]) -> socket.socket:
    """A connection to `host`, whose name is looked up once and whose every address is checked first (Z-31)."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_AGAIN, socket.EAI_FAIL}:
            raise _LookUpError(host) from error
        raise
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    local = _is_local(host, port, local_hosts)
    if not local and not all(is_public(address) for address in addresses):
        raise _BlockedError(host)
    trouble: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for address in addresses:
        try:
            connection = socket.create_connection((address, port), timeout=watch.connect_timeout)
        except OSError as error:
            trouble = error
            continue
        if not local and not is_public(connection.getpeername()[0]):
            connection.close()
            raise _BlockedError(host)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watch.hold(connection)
        return connection
    raise trouble


class Authorities:
    """Whose certificates count: those of a file, else the usual ones. Safe to share between threads.

    They are read once. Libraries read them for every connection, which costs more time than all else about it.
    """

    def __init__(self, file: str | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """What connections are secured with."""
        from requests.utils import DEFAULT_CA_BUNDLE_PATH
        from urllib3.util.ssl_ import ALPN_PROTOCOLS, create_urllib3_context

        with self._lock:
            if self._context is None:
                context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
                context.load_verify_locations(self._file or DEFAULT_CA_BUNDLE_PATH)
                context.set_alpn_protocols(ALPN_PROTOCOLS)
                # urllib3 sets the same again at each connection, and another thread may be reading it just then.
                context.set_alpn_protocols = lambda alpn_protocols: None  # type: ignore[method-assign]
                self._context = context
            return self._context


def guarded_adapter(watch: Watch, local_hosts: Collection[str], authorities: Authorities) -> HTTPAdapter:
    """A requests adapter whose connections are made under watch, to checked addresses, trusting these authorities.

    It is used without a session, so there are no cookies, no proxies and no settings from the environment.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import NewConnectionError

    class Guarded(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            try:
                return _connect(self._dns_host, self.port, watch, local_hosts)
            except OSError as error:
                raise NewConnectionError(self, str(error)) from error

    class GuardedSecure(Guarded, HTTPSConnection):
        def connect(self) -> None:
            self.ssl_context = authorities.context()
            super().connect()

    class Pool(HTTPConnectionPool):
        ConnectionCls = Guarded

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = GuardedSecure

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}

        def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
            """Leave the authorities to the connection: what is named here would be read again for each."""
            conn.cert_reqs = "CERT_REQUIRED"

    return Adapter(max_retries=0)
