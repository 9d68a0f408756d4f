"""Runs the requests of providers that are reached by HTTP, and says what is certain about each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from requests import Session

CONNECT_TIMEOUT_S = 10.0
_LARGEST_ANSWER = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A POST of form fields. `user` and `secret` go into the Authorization header."""

    url: str
    fields: Sequence[tuple[str, str]]
    user: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What the provider answered."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in small letters."""

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        import json

        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def retry_after(self) -> float | None:
        """Seconds the provider asks to wait, from its header or from its words."""
        header = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,6}", header):
            return float(header)
        words = re.search(r"try again (?:after|in) (\d{1,6}) second", self.body)
        return float(words[1]) if words else None


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request never reached the provider: offering it again is safe."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request was handed over and no answer came: nobody can tell whether it was carried out."""

    reason: str


def refuse_clear_text(url: str) -> None:
    """Raises `BulletinError` unless the address is https, or on this machine: a key must not travel in clear text."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise BulletinError(f"{url} would carry a secret key in clear text.", hint="Use an address with https://.")


def post(client: Session, request: HttpRequest, *, timeout: float) -> HttpResponse | NotSent | NoAnswer:
    """Send one request and read its answer, waiting `timeout` seconds for it at most.

    Redirects are not followed: they would carry the key elsewhere.
    """
    from io import BytesIO

    import requests

    prepared = client.prepare_request(
        requests.Request(
            "POST",
            request.url,
            files=[(name, (None, value)) for name, value in request.fields],
            auth=(request.user, request.secret),
        )
    )
    # Read from piece by piece, it tells afterwards whether any of it was handed over. The kind of error does not: a
    # fault in the secure connection, say, may come before the first byte or after the last.
    body = BytesIO(prepared.body if isinstance(prepared.body, bytes) else b"")
    prepared.body = body  # type: ignore[assignment] # a file, which requests takes too
    try:
        with client.send(prepared, timeout=(CONNECT_TIMEOUT_S, timeout), allow_redirects=False, stream=True) as answer:
            text = answer.raw.read(_LARGEST_ANSWER, decode_content=True).decode("utf-8", "replace")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return HttpResponse(status=answer.status_code, body=text, headers=headers)
    except (requests.exceptions.RequestException, OSError) as error:
        return _without_answer(error, handed_over=body.tell() > 0)
    except Exception as error:
        if type(error).__module__.startswith("urllib3"):
            return NoAnswer(f"the provider's answer broke off: {type(error).__name__}")
        raise


def _without_answer(error: Exception, *, handed_over: bool) -> NotSent | NoAnswer:
    if not handed_over:
        return NotSent(f"no connection to the provider: {type(error).__name__}")
    return NoAnswer(f"the connection broke before the provider answered: {type(error).__name__}")
