"""Pages for readers: the publication's brand, and the words of the reader's language."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bulletin import words
from bulletin.archive.pages import page
from bulletin.config import Config
from bulletin.render.service import WORDS
from bulletin.subscribers.tokens import PREFERENCES, make_form_token, make_token
from bulletin.translations import language_for, settings_in
from bulletin.web.forms import Form, Refused, read_own

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@dataclass(frozen=True)
class Pages:
    """Makes every page, and reads every form of ours."""

    config: Config
    secret: bytes = field(repr=False)
    template_dirs: tuple[Path, ...]
    now: Callable[[], dt.datetime]

    @cached_property
    def root(self) -> str:
        """The path all pages lie below, ending in a slash."""
        return urlsplit(self.config.service_url).path

    @cached_property
    def origin(self) -> str:
        """How a browser names where our forms come from."""
        service = urlsplit(self.config.service_url)
        return f"{service.scheme}://{service.netloc}"

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the pages."""
        return (self.config.language, *self.config.other_languages)

    def language(self, request: Request, wanted: str = "") -> str:
        """The language of a page: as its address says, else as its reader wants it, else the publication's."""
        asked = request.query_params.get("lang", "")
        return asked if asked in self.languages else language_for(self.config, wanted)

    def words(self, language: str) -> words.Words:
        """The words of the pages."""
        return words.load(self.template_dirs, language, WORDS)

    def names(self, language: str) -> Mapping[str, Mapping[str, str]]:
        """What the theme's words call the publication's own things in a language."""
        return words.load(self.template_dirs, language).names

    def settings(self, language: str) -> Config:
        """The settings, with what the publication is called in a language."""
        if language == self.config.language:
            return self.config
        return settings_in(self.config, language, words.load(self.template_dirs, language))

    def page(
        self,
        request: Request,
        template: str,
        status: int = 200,
        *,
        wanted: str = "",
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """A page of `templates/web`. `wanted` is the reader's language, if it is known."""
        from starlette.responses import HTMLResponse

        language = self.language(request, wanted)
        own = {
            "language": language,
            "others": [one for one in self.offered() if one["language"] != language],
            # Forms and links stay in the language that was chosen by a link on a page.
            "here": f"?lang={language}" if language != self.config.language else "?",
            # What the settings say in the publication's language only is marked as that.
            "foreign": self.config.language if language != self.config.language else "",
            "translated": self.names(language)["publication"].get,
            "root": self.root,
            "say": self.words(language).say,
            "token": make_form_token(self.secret, request.url.path, self.now()),
            "mistakes": {},
        }
        made = page(self.template_dirs, f"web/{template}", self.settings(language), **(own | values))
        return HTMLResponse(made, status, headers)

    def offered(self) -> list[dict[str, str]]:
        """Each language with its own name for itself."""
        return [{"language": one, "name": self.words(one).say("language_name")} for one in self.languages]

    async def form(self, request: Request) -> Form:
        """The fields of a form of ours. Raises `Refused`."""
        return await read_own(request, origin=self.origin, secret=self.secret, now=self.now())

    def preferences_url(self, subscriber: str) -> str:
        """Where a reader chooses what they get."""
        return f"{self.config.service_url}preferences/{make_token(self.secret, PREFERENCES, subscriber)}"

    # ---- what did not work

    def error(self, request: Request, status: int, reason: str, **values: Any) -> Response:
        """A page that says so, and what to do."""
        return self.page(request, "error.html", status, **{"reason": reason, "reference": ""} | values)

    async def refused(self, request: Request, error: Exception) -> Response:
        """For `Refused`."""
        assert isinstance(error, Refused)  # noqa: S101 - it is registered for no other
        return self.error(request, error.status, error.reason)

    async def missing(self, request: Request, _error: Exception) -> Response:
        """404"""
        return self.error(request, 404, "link")

    async def not_allowed(self, request: Request, error: Exception) -> Response:
        """405"""
        return self.error(request, 405, "form", headers=getattr(error, "headers", None))

    async def broken(self, request: Request, error: Exception) -> Response:
        """Z-14: a number to name when asking for help, and nothing about the inside."""
        import logging
        import traceback

        from starlette.responses import PlainTextResponse

        reference = secrets.token_hex(4)
        # Where it happened, and not what was said there: that may hold a reader's address (Z-20).
        steps = "".join(traceback.format_tb(error.__traceback__)[-6:])
        said = (reference, type(error).__name__, steps)
        logging.getLogger(__name__).error("request failed, reference %s: %s\n%s", *said)
        try:
            return self.error(request, 500, "mistake", reference=reference)
        except Exception:
            return PlainTextResponse(f"Something went wrong on our side. Number: {reference}\n", 500)
