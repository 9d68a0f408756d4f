"""The preview as an ASGI application. It only ever answers GET, and changes nothing."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulletin.clients import views
from bulletin.errors import BulletinError, FileProblems, Place, Problem
from bulletin.preview.state import PreviewMail, PreviewState
from bulletin.preview.views import all_views
from bulletin.render import theme

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

PAGES: Final = Path(__file__).parent / "pages"
PHONE_LINE: Final = 40
"""Characters of a subject that a phone's inbox shows, about."""
CLIPPED: Final = 102_000
"""Bytes after which Gmail cuts a message off (G-01)."""

_PAGE_RULES = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# A mail may show the issue's own pictures and its own styles; it runs nothing and asks nobody else.
_MAIL_RULES = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
_HEADERS = {
    "Content-Security-Policy": _PAGE_RULES,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(load: Callable[[], PreviewState], version: Callable[[], str]) -> ASGIApp:
    """The preview of what `load` gives; it is called again when `version` gives something new.

    `version` is asked about once a second and should be quick, such as `version_of`. What `load` raises as
    `BulletinError` or `OSError` is shown, and goes away with the save that mends it. Only requests to this machine's
    own name are answered, so that no web page can reach the preview by a name of its own (DNS rebinding).
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    from bulletin.web.headers import Headers

    room = _Room(load, version)
    app = Starlette(
        routes=[
            Route("/", room.page),
            Route("/mail/{name}", room.mail),
            Route("/pictures/{file:path}", room.picture),
            Route("/version", room.version),
            Route("/preview.css", room.asset),
            Route("/preview.js", room.asset),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False),
        ],
        exception_handlers={Exception: room.broken},
    )
    return Headers(app, _HEADERS)


def version_of(paths: Iterable[Path]) -> str:
    """A word that changes when any of these files, or any file in these folders, is saved, added or removed."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            try:
                facts = file.stat()
            except OSError:
                continue  # gone between two looks; its absence is the change
            digest.update(f"{file}\0{facts.st_mtime_ns}\0{facts.st_size}\0".encode())
    return digest.hexdigest()[:16]


class _Room:
    """Keeps the newest state, and answers from it."""

    def __init__(self, load: Callable[[], PreviewState], version: Callable[[], str]) -> None:
        self._load, self._version = load, version
        self._lock = threading.Lock()
        self._seen: tuple[str, PreviewState] | None = None

    def _now(self) -> tuple[str, PreviewState]:
        with self._lock:
            version = self._version()
            if self._seen is None or self._seen[0] != version:
                try:
                    state = self._load()
                except (BulletinError, OSError) as error:
                    state = PreviewState(title="", path="", problems=_problems(error))
                self._seen = version, state
            return self._seen

    def page(self, request: Request) -> Response:
        version, state = self._now()
        if state.problems or not state.mails:
            return _page("problems.html", version=version, state=state)
        mail = _named(state, request.query_params.get("edition", "")) or state.mails[-1]
        asked = {key for one in request.query_params.getlist("view") for key in one.split(",")}
        shown = [key for key in all_views() if key in asked] or list(all_views())
        return _page("page.html", **page_values(state, mail), version=version, shown=shown)

    def mail(self, request: Request) -> Response:
        from starlette.responses import HTMLResponse, PlainTextResponse

        _, state = self._now()
        mail = _named(state, request.path_params["name"].removesuffix(".html"))
        if mail is None:
            return PlainTextResponse("There is no such edition.", 404)
        view = all_views().get(request.query_params.get("view", "desktop"))
        if view is None or not view.width:
            return PlainTextResponse("There is no such view.", 404)
        shown = view.change(with_pictures_at("/pictures/", state, mail.html))
        return HTMLResponse(shown, headers={"Content-Security-Policy": _MAIL_RULES})

    def picture(self, request: Request) -> Response:
        from starlette.responses import FileResponse, PlainTextResponse

        path = self._now()[1].pictures.get(request.path_params["file"])
        if path is None or not path.is_file():
            return PlainTextResponse("There is no such picture.", 404)
        return FileResponse(path)

    def version(self, _request: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse({"version": self._version()})

    def asset(self, request: Request) -> Response:
        from starlette.responses import FileResponse

        return FileResponse(PAGES / Path(request.url.path).name)

    def broken(self, _request: Request, error: Exception) -> Response:
        """A mistake of ours: the page says so and stays alive, the terminal shows where."""
        problem = Problem(Place("bulletin"), f"a mistake in the program: {type(error).__name__}.", "See the terminal.")
        state = PreviewState(title="", path="", problems=(problem,))
        return _page("problems.html", status=500, version=self._version(), state=state)


def page_values(state: PreviewState, mail: PreviewMail) -> dict[str, Any]:
    """What the page of a mail shows, whether it is served or saved."""
    findings = state.numbered(mail)
    return {
        "state": state,
        "mail": mail,
        "views": tuple(all_views().values()),
        "findings": findings,
        "beside": tuple(one for one in findings if stands_in(mail, one[1].anchor)),
        "above": tuple(one for one in findings if not stands_in(mail, one[1].anchor)),
        "left_out": len(state.findings) - len(findings),
        "spoken": views.outline(mail.html),
        "clipped": CLIPPED,
        "phone_line": PHONE_LINE,
    }


def stands_in(mail: PreviewMail, anchor: str) -> bool:
    """Whether a finding's place is a part of the mail itself, and not its inbox line, all of it or what it lacks."""
    if anchor in {"welcome", "notice"}:
        return "<h1" in mail.html
    return anchor.startswith(("item-", "section-")) and f'"{anchor}"' in mail.html


def with_pictures_at(place: str, state: PreviewState, html: str) -> str:
    """A mail whose pictures come from a place nearby, and not from the archive."""
    base = re.escape(state.picture_base)
    return re.sub(rf"(\ssrc=[\"']){base}", rf"\g<1>{place}", html) if base else html


def _page(template: str, *, status: int = 200, **values: Any) -> Response:
    from starlette.responses import HTMLResponse

    return HTMLResponse(theme.run((PAGES,), template, values, escape=True), status)


def _named(state: PreviewState, name: str) -> PreviewMail | None:
    return next((mail for mail in state.mails if mail.name == name), None)


def _problems(error: BulletinError | OSError) -> tuple[Problem, ...]:
    if isinstance(error, FileProblems):
        return error.problems
    if isinstance(error, OSError):  # a file that may not be read, or is just being saved
        reason = f"{error.strerror or error}.".lower()
        return (Problem(Place(str(error.filename or "")), reason, "Look at its rights."),)
    return (Problem(error.place or Place(""), error.message, error.hint),)
