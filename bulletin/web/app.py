"""The public endpoints as an ASGI application. GET shows and never changes; POST changes (L-08, Z-01)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bulletin.archive.pages import stylesheet
from bulletin.config import Config
from bulletin.web.choosing import Choosing
from bulletin.web.forms import Refused
from bulletin.web.holding import Holding
from bulletin.web.joining import Joining
from bulletin.web.leaving import Leaving
from bulletin.web.pages import Pages
from bulletin.web.together import Together

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute, Route
    from starlette.types import ASGIApp

    from bulletin.subscribers.desk import Desk
    from bulletin.subscribers.store import Subscribers

    Handler = Callable[[Request], Awaitable[Response]]


def make_app(
    config: Config,
    subscribers: Subscribers,
    desk: Desk,
    *,
    secret: bytes,
    template_dirs: tuple[Path, ...],
    now: Callable[[], dt.datetime],
    wake: Callable[[], None] = lambda: None,
    hosts: tuple[str, ...] = (),
    more_routes: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """The endpoints under `config.service_url`, for the links that `subscribers.tokens.Links` makes.

    Requests for another host than that of `service_url` or one of `hosts` are refused (Z-06). No cookie is set and no
    script is needed; the token in the address is the proof (L-03, L-07). `wake` is called when somebody asked for
    something that is answered by mail. `more_routes` are whole paths of others.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    from bulletin.web.headers import Headers

    service = urlsplit(config.service_url)
    pages = Pages(config, secret, template_dirs, now)
    app = Starlette(
        routes=[*_routes(pages, subscribers, desk, wake), *more_routes],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[service.hostname or "", *hosts], www_redirect=False),
        ],
        exception_handlers={
            Refused: pages.refused,
            404: pages.missing,
            405: pages.not_allowed,
            Exception: pages.broken,
        },
    )
    app.router.redirect_slashes = False
    # Only a web server of our own may say who is asking (Z-16).
    trusting: ASGIApp = ProxyHeadersMiddleware(app, list(config.web.trusted_proxies))  # type: ignore[arg-type, assignment]
    # Around everything, so that the page for a fault inside carries them too.
    return Headers(trusting, _headers(service.scheme))


def _routes(pages: Pages, subscribers: Subscribers, desk: Desk, wake: Callable[[], None]) -> list[Route]:
    """Every page. With and without a last slash, as a redirect between the two would break one-click clients (L-06)."""
    from starlette.responses import Response
    from starlette.routing import Route

    leave = Together(lambda wishes: subscribers.unsubscribe_all(wishes, now=pages.now()))
    joining = Joining(pages, subscribers, desk, wake)
    choosing = Choosing(pages, subscribers, desk, joining)
    holding = Holding(pages, subscribers, desk, joining)

    async def style(_request: Request) -> Response:
        return Response(stylesheet(pages.template_dirs, pages.config), media_type="text/css")

    both = {
        "sign-up": joining.sign_up,
        "links": joining.links,
        "confirm/{token}": joining.confirm,
        "unsubscribe/{token}": Leaving(pages, subscribers, leave).unsubscribe,
        "preferences/{token}": choosing.preferences,
        "data/{token}": holding.data,
        "address/{token}": holding.address,
    }
    return [
        Route(f"{pages.root}style.css", style),
        Route(f"{pages.root}health", _health(subscribers)),
        *(Route(f"{pages.root}data/{{token}}/held.{kind}", holding.download_of(kind)) for kind in ("txt", "json")),
        *(
            Route(f"{pages.root}{path}{end}", handler, methods=["GET", "POST"])
            for path, handler in both.items()
            for end in ("", "/")
        ),
    ]


def _health(subscribers: Subscribers) -> Handler:
    """For who watches over the server: whether it answers, and reaches its database."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse

    async def health(_request: Request) -> Response:
        try:
            await run_in_threadpool(subscribers.get, "")
        except Exception:
            return JSONResponse({"status": "the database does not answer"}, 503, media_type=_JSON)
        return JSONResponse({"status": "ok"}, media_type=_JSON)

    return health


_JSON = "application/json; charset=utf-8"


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
