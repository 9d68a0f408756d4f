"""The public endpoints as an ASGI application. GET shows and never changes; POST changes (L-08, Z-01)."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from bulletin.archive.pages import page, stylesheet
from bulletin.config import Config
from bulletin.model import SubscriberState
from bulletin.subscribers.tokens import PREFERENCES, UNSUBSCRIBE, make_token, read_token

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from bulletin.subscribers.store import Subscribers

LARGEST_FORM: Final = 64_000
"""Bytes of a form (Z-13)."""

SLOWEST_FORM: Final = 10
"""Seconds a form may take to arrive (Z-13)."""


def make_app(
    config: Config,
    subscribers: Subscribers,
    *,
    secret: bytes,
    template_dirs: tuple[Path, ...],
    now: Callable[[], dt.datetime],
    hosts: tuple[str, ...] = (),
) -> ASGIApp:
    """The endpoints under `config.service_url`, for the links that `subscribers.tokens.Links` makes.

    Requests for another host than that of `service_url` or one of `hosts` are refused (Z-06). No cookie is set and no
    script is needed; the token in the address is the proof (L-03, L-07).
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    from bulletin.web.headers import Headers

    service = urlsplit(config.service_url)
    desk = _Desk(config, subscribers, secret, template_dirs, now)
    root = service.path
    # With and without a last slash, as a redirect between the two would break one-click clients (L-06).
    ends = ("{token}", "{token}/")
    app = Starlette(
        routes=[
            Route(f"{root}style.css", desk.style),
            *(Route(f"{root}unsubscribe/{end}", desk.unsubscribe, methods=["GET", "POST"]) for end in ends),
            *(Route(f"{root}preferences/{end}", desk.preferences, methods=["GET", "POST"]) for end in ends),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[service.hostname or "", *hosts], www_redirect=False),
        ],
        exception_handlers={404: desk.missing, 405: desk.refused, Exception: desk.broken},
    )
    app.router.redirect_slashes = False
    # Around everything, so that the page for a fault inside carries them too.
    return Headers(app, _headers(service.scheme))


def _headers(scheme: str) -> Mapping[str, str]:
    """Z-10 to Z-12."""
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self'",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
    return headers | {"Strict-Transport-Security": "max-age=31536000"} if scheme == "https" else headers


class _Desk:
    """Answers one reader at a time."""

    def __init__(
        self,
        config: Config,
        subscribers: Subscribers,
        secret: bytes,
        template_dirs: tuple[Path, ...],
        now: Callable[[], dt.datetime],
    ) -> None:
        self._config, self._subscribers, self._secret = config, subscribers, secret
        self._template_dirs, self._now = template_dirs, now

    async def style(self, _request: Request) -> Response:
        from starlette.responses import Response

        return Response(stylesheet(self._template_dirs, self._config), media_type="text/css")

    async def unsubscribe(self, request: Request) -> Response:
        """The link of the mail's footer and of its List-Unsubscribe header (RFC 8058, L-05 to L-09)."""
        from starlette.concurrency import run_in_threadpool

        subscriber = read_token(self._secret, UNSUBSCRIBE, request.path_params["token"])
        if subscriber is None:
            return self._page("error.html", 404, reason="link")
        if request.method != "POST":
            gone = not await run_in_threadpool(self._is_subscribed, subscriber)
            return self._page("unsubscribe.html", done=False, gone=gone, back=self._preferences(subscriber))
        # The token alone decides. What the body says only tells a mail program's button from the page's own.
        form = await _form(request)
        if form is None:
            return self._page("error.html", 413, reason="size")
        how = "unsubscribe page" if form.get("from") == "page" else "one-click unsubscribe"
        await run_in_threadpool(self._subscribers.unsubscribe, subscriber, now=self._now(), how=how)
        return self._page("unsubscribe.html", done=True, gone=False, back=self._preferences(subscriber))

    async def preferences(self, request: Request) -> Response:
        """Whether this reader gets the bulletin, and one button to change it."""
        from starlette.concurrency import run_in_threadpool

        subscriber = read_token(self._secret, PREFERENCES, request.path_params["token"])
        if subscriber is None:
            return self._page("error.html", 404, reason="link")
        done = ""
        if request.method == "POST":
            if not self._from_our_page(request):
                return self._page("error.html", 403, reason="origin")
            form = await _form(request)
            if form is None:
                return self._page("error.html", 413, reason="size")
            done = form.get("choice", "")
            change = {"leave": self._subscribers.unsubscribe, "stay": self._subscribers.resubscribe}.get(done)
            if change is None:
                return self._page("error.html", 400, reason="form")
            await run_in_threadpool(change, subscriber, now=self._now(), how="preferences page")
        stays = await run_in_threadpool(self._is_subscribed, subscriber)
        return self._page("preferences.html", stays=stays, done=done)

    async def missing(self, _request: Request, _error: Exception) -> Response:
        return self._page("error.html", 404, reason="link")

    async def refused(self, _request: Request, error: Exception) -> Response:
        return self._page("error.html", 405, reason="form", headers=getattr(error, "headers", None))

    async def broken(self, _request: Request, _error: Exception) -> Response:
        """Z-14: a number to name when asking for help, and nothing about the inside."""
        import logging

        reference = secrets.token_hex(4)
        logging.getLogger(__name__).error("request failed, reference %s", reference)
        return self._page("error.html", 500, reason="mistake", reference=reference)

    def _is_subscribed(self, subscriber: str) -> bool:
        found = self._subscribers.get(subscriber)
        return found is not None and found.state is SubscriberState.SUBSCRIBED

    def _preferences(self, subscriber: str) -> str:
        return f"{self._config.service_url}preferences/{make_token(self._secret, PREFERENCES, subscriber)}"

    def _from_our_page(self, request: Request) -> bool:
        """Whether the form was sent from our own page (Z-02). Browsers say so in one of two headers."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in {"same-origin", "none"}
        service = urlsplit(self._config.service_url)
        return request.headers.get("origin") == f"{service.scheme}://{service.netloc}"

    def _page(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
    ) -> Response:
        from starlette.responses import HTMLResponse

        root = urlsplit(self._config.service_url).path
        values = {"root": root, "reference": ""} | values
        return HTMLResponse(page(self._template_dirs, f"web/{template}", self._config, **values), status, headers)


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form as browsers send it; none for any other body; None if it is too large or too slow."""
    import asyncio

    body = b""
    try:
        async with asyncio.timeout(SLOWEST_FORM):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_FORM:
                    return None
    except TimeoutError:
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
