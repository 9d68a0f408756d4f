"""Where mail services report by themselves what became of copies: one address for each, for programs alone (Z-15)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bulletin.config import Config
from bulletin.providers._provider import Call, CallRefused
from bulletin.web.forms import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

LARGEST_REPORT: Final = 1_000_000
"""Bytes of a report (Z-13)."""
SLOWEST_REPORT_S: Final = 10
"""Seconds it may take to arrive (Z-13)."""

Hear = Callable[[str, Call], bool]
"""Takes in what a provider, by its name, reports; False if it reports nothing. Raises `CallRefused` without a proof."""


def event_routes(config: Config, hear: Hear) -> list[BaseRoute]:
    """`events/PROVIDER` and `events/PROVIDER/SECRET` below `config.service_url`, for POST alone.

    What is proven is answered 200 once it is written down, also if it is of no kind we know, or was told before. What
    is not is answered 403, and no input whatever with a fault of ours. If the database is out of reach the answer is
    503: services then report again later, and nothing is lost.
    """
    from starlette.routing import Route

    async def report(request: Request) -> Response:
        return await _answer(config, hear, request)

    root = urlsplit(config.service_url).path
    paths = ("events/{provider}", "events/{provider}/{secret}")
    return [Route(f"{root}{path}{end}", report, methods=["POST"]) for path in paths for end in ("", "/")]


async def _answer(config: Config, hear: Hear, request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse

    provider, secret = request.path_params["provider"], request.path_params.get("secret", "")
    try:
        body = await _body(request)
    except Refused as refused:
        return PlainTextResponse("refused\n", refused.status)
    call = Call(
        headers=_headers(request),
        body=body,
        url=f"{config.service_url}events/{provider}" + (f"/{secret}" if secret else ""),
        secret=secret,
    )
    try:
        known = await run_in_threadpool(hear, provider, call)
    except CallRefused as refused_call:
        _log.warning("a report was refused: %s", refused_call.message)
        return PlainTextResponse("not proven\n", 403)
    except Exception as error:
        # Whatever it is, it is not settled; its words might hold an address (Z-20).
        _log.error("a report could not be taken in: %s", type(error).__name__)
        return PlainTextResponse("try again later\n", 503, {"Retry-After": "60"})
    return PlainTextResponse("thank you\n") if known else PlainTextResponse("nothing is reported here\n", 404)


_log = logging.getLogger(__name__)


def _headers(request: Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def _body(request: Request) -> bytes:
    """The bytes as they came, which is what signatures cover. Raises `Refused` if they are too many or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_REPORT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_REPORT:
                    raise Refused(413, "size")
    except TimeoutError:
        raise Refused(408, "slow") from None
    return bytes(body)
