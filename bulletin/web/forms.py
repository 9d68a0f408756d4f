"""What readers send us: the fields of a form, when it is small, quick and from our own page."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from bulletin.subscribers.tokens import form_token_is_good

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST_FORM: Final = 64_000
"""Bytes of a form (Z-13)."""

SLOWEST_FORM: Final = 10
"""Seconds a form may take to arrive (Z-13)."""

MOST_FIELDS: Final = 300


class Refused(Exception):  # noqa: N818 - the request is; nothing went wrong here
    """A request that is not fulfilled: its status, and the reason by the name that `web/error.html` knows."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form."""

    fields: Mapping[str, list[str]]

    def get(self, name: str) -> str:
        """The first value of a field, without blanks at its ends; empty if there is none."""
        return self.fields.get(name, [""])[0].strip(" \t")

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may be there more than once."""
        return tuple(self.fields.get(name, []))


async def read_any(request: Request) -> Form:
    """The fields of a form as browsers send it; none for any other body. Raises `Refused` if it is too much or slow."""
    from starlette.requests import ClientDisconnect

    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_FORM):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_FORM:
                    raise Refused(413, "size")
    except TimeoutError:
        raise Refused(408, "slow") from None
    except ClientDisconnect:  # nobody is there any more to read the answer
        raise Refused(400, "form") from None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return Form({})
    try:
        return Form(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise Refused(400, "form") from None


async def read_own(request: Request, *, origin: str, secret: bytes, now: dt.datetime) -> Form:
    """The fields of a form of our own. Raises `Refused` if another page sent it (Z-02).

    Browsers say where a form comes from; for those that do not, the form carries a token of its page and time.
    """
    site = request.headers.get("sec-fetch-site")
    if site not in {None, "same-origin", "none"}:
        raise Refused(403, "origin")
    form = await read_any(request)
    told = site is not None or request.headers.get("origin") == origin
    if not told and not form_token_is_good(secret, request.url.path, form.get("form"), now):
        raise Refused(403, "origin")
    return form
