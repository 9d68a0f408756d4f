"""Runs the requests of providers that are reached by HTTP, and says what is certain about each.

What a provider asks is an `HttpRequest`, made by a pure function; what comes of it is an `HttpResponse`, `NotSent` or
`NoAnswer`. Secrets go into headers and nowhere else, and are taken out of every answer as it comes in (Z-23).
"""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from bulletin.errors import BulletinError

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT_S = 10.0
_LARGEST_ANSWER = 20_000_000
"""Bytes of an answer that are read: a page of events may be long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request, ready to go."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not be repeated to anybody: the key, and the forms it travels in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What the provider answered."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in small letters."""

    def value(self) -> Any:
        """The body as JSON; None if it is none."""
        import json

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        value = self.value()
        return value if isinstance(value, dict) else {}

    def items(self, name: str = "") -> list[dict[str, Any]]:
        """The JSON objects in the list of this name, or in the list that the whole body is; empty if there is none."""
        value = self.json().get(name) if name else self.value()
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    @property
    def retry_after(self) -> float | None:
        """Seconds the provider asks to wait, from its header or from its words.

        A date is measured against the answer's own, so that a wrong clock on this machine does no harm.
        """
        header = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", header):
            return float(header)
        now, until = _moment(self.headers.get("date", "")), _moment(header)
        reset = self.headers.get("x-ratelimit-reset", "")
        if until is None and re.fullmatch(r"[0-9]{10}", reset):  # seconds since 1970, where there is no other word
            until = float(reset)
        if until is not None and now is not None:
            return max(0.0, until - now)
        words = re.search(r"try again (?:after|in) ([0-9]{1,6}) second", self.body)
        return float(words[1]) if words else None


def _moment(header: str) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request never reached the provider: offering it again is safe."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request was handed over and no answer came: nobody can tell whether it was carried out."""

    reason: str


Post = Callable[[HttpRequest], HttpResponse | NotSent | NoAnswer]
"""Sends a request and reads its answer."""


# ---------------------------------------------------------------- making requests


def basic(user: str, password: str) -> str:
    """The value of an Authorization header with a user's name and password."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def with_query(url: str, parameters: Iterable[tuple[str, object]]) -> str:
    """The address with these parameters; those without a value are left out."""
    told = [(name, str(value)) for name, value in parameters if value not in (None, "")]
    query = urlencode(told, quote_via=quote, safe="")
    return f"{url}?{query}" if query else url


def form(fields: Sequence[tuple[str, str | bytes]], repeated: tuple[str, Sequence[str]]) -> tuple[str, bytes]:
    """Content type and body of a form (RFC 7578), with one field that stands many times.

    A library makes an object of each field, which for a thousand recipients takes longer than everything else.
    """
    boundary = f"bulletin-{secrets.token_hex(20)}"
    start = f"--{boundary}\r\nContent-Disposition: form-data; name="
    name, values = repeated
    parts: list[bytes] = []  # each encoded by itself: one letter beyond ASCII makes a whole text slow to handle
    for label, value in fields:
        head = f'{start}"{label}"\r\n\r\n'
        parts += (head.encode(), value if isinstance(value, bytes) else value.encode(), b"\r\n")
    if values:
        head = f'{start}"{name}"\r\n\r\n'
        parts += (head.encode(), f"\r\n{head}".join(values).encode(), b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


def refuse_clear_text(url: str) -> None:
    """Raises `BulletinError` unless the address is https, or on this machine: a key must not travel in clear text."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise BulletinError(f"{url} would carry a secret key in clear text.", hint="Use an address with https://.")


# ---------------------------------------------------------------- sending them


@contextmanager
def client(timeout: float) -> Iterator[Post]:
    """What sends requests over connections that are kept, waiting `timeout` seconds for each answer at most.

    For one thread. Redirects are not followed: they would carry the key elsewhere. Proxy settings and .netrc of the
    machine must not change where the key goes either.
    """
    import requests
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            # A large body goes in few pieces.
            super().init_poolmanager(*args, **options, blocksize=1 << 20)

    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Adapter())
        session.mount("http://", Adapter())
        yield lambda request: _send(session, request, timeout)


def _send(session: requests.Session, request: HttpRequest, timeout: float) -> HttpResponse | NotSent | NoAnswer:
    from io import BytesIO

    import requests

    # Read from piece by piece, the body tells afterwards whether any of it was handed over. The kind of error does
    # not: a fault in the secure connection, say, may come before the first byte or after the last.
    body = BytesIO(request.body)
    prepared = session.prepare_request(
        requests.Request(request.method, request.url, headers=dict(request.headers), data=body if request.body else b"")
    )
    try:
        with session.send(prepared, timeout=(CONNECT_TIMEOUT_S, timeout), allow_redirects=False, stream=True) as answer:
            text = answer.raw.read(_LARGEST_ANSWER, decode_content=True).decode("utf-8", "replace")
            headers = {name.lower(): value for name, value in answer.headers.items()}
    except (requests.exceptions.RequestException, OSError) as error:
        return _without_answer(error, handed_over=body.tell() > 0)
    except Exception as error:
        if type(error).__module__.startswith("urllib3"):
            return NoAnswer(f"the provider's answer broke off: {type(error).__name__}")
        raise
    for secret in request.secrets:
        text = text.replace(secret, "[key]")
    return HttpResponse(status=answer.status_code, body=text, headers=headers)


def _without_answer(error: Exception, *, handed_over: bool) -> NotSent | NoAnswer:
    if not handed_over:
        return NotSent(f"no connection to the provider: {type(error).__name__}")
    return NoAnswer(f"the connection broke before the provider answered: {type(error).__name__}")
