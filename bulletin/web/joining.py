"""Signing up with double opt-in, and asking for links that were lost."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulletin.config import Config, ListSetting
from bulletin.subscribers.address import AddressRefused, normalise
from bulletin.subscribers.desk import Asked, Desk, Wish
from bulletin.subscribers.store import CONFIRM, Confirmed, Evidence, Subscribers
from bulletin.web.forms import Form, Refused
from bulletin.web.pages import Pages
from bulletin.words import Words, primary

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LONGEST_NAME: Final = 120
_LONGEST_ADDRESS: Final = 254
_LIKE_AN_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Joining:
    """What anybody can ask for. Everybody is answered alike (Z-05): who is known learns it from the mail only."""

    pages: Pages
    subscribers: Subscribers
    desk: Desk
    wake: Callable[[], None]

    async def sign_up(self, request: Request) -> Response:
        """The form, and the wish it makes."""
        if request.method != "POST":
            return self._sign_up_page(request, Form({}), {})
        form = await self.pages.form(request)
        language = self.pages.language(request)
        words, config = self.pages.words(language), self.pages.settings(language)
        consent = consent_of(config, words, language)
        mistakes = {}
        if not may_be_address(form.get("email")):
            mistakes["Email"] = words.say("need_email")
        if not is_plain(form.get("name")):
            mistakes["Name"] = words.say("need_plain_name", most=LONGEST_NAME)
        if not form.get("consent"):
            mistakes["Consent"] = words.say("need_consent")
        elif form.get("wording") != consent.version:
            mistakes["Consent"] = words.say("need_again")
        if mistakes:
            return self._sign_up_page(request, form, mistakes)
        chosen = tuple(one.id for one in consent.lists if one.id in form.all("list"))
        wish = Wish(
            what=Asked.SIGN_UP,
            email=normal(form.get("email")),
            name=form.get("name"),
            language=self._chosen_language(form, language),
            lists=chosen,
            wording=consent.wording(chosen),
            wording_version=consent.version,
        )
        await self.take(request, wish)
        return self.pages.page(request, "asked.html", said=words.say("check_mail_sign_up", name=config.name))

    async def links(self, request: Request) -> Response:
        """For who has lost their mails: the links go to the address, if it is a reader's."""
        if request.method != "POST":
            return self.pages.page(request, "links.html", given={"email": ""})
        form = await self.pages.form(request)
        words = self.pages.words(self.pages.language(request))
        if not may_be_address(form.get("email")):
            mistakes = {"Email": words.say("need_email")}
            given = {"email": form.get("email")}
            return self.pages.page(request, "links.html", 400, given=given, mistakes=mistakes)
        await self.take(request, Wish(what=Asked.LINKS, email=normal(form.get("email"))))
        return self.pages.page(request, "asked.html", said=words.say("check_mail_link"))

    async def confirm(self, request: Request) -> Response:
        """The link in the mail: a button, since programs open links and press nothing; then what became of it."""
        from starlette.concurrency import run_in_threadpool

        token, now = request.path_params["token"], self.pages.now()
        link, subscriber = await run_in_threadpool(self.subscribers.look, token, CONFIRM, now=now)
        if link is Confirmed.UNKNOWN:
            raise Refused(404, "link")
        if request.method == "POST":
            await self.pages.form(request)
            evidence = Evidence(how="link in the mail", route="mail")
            link = await run_in_threadpool(self.subscribers.confirm, token, now=now, evidence=evidence)
        person = await run_in_threadpool(self.subscribers.get, subscriber)
        done = link in {Confirmed.NOW, Confirmed.ALREADY}
        return self.pages.page(
            request,
            "confirm.html",
            wanted=person.language if person else "",
            link=link.value,
            choose=self.pages.preferences_url(subscriber) if done else "",
        )

    async def take(self, request: Request, wish: Wish) -> None:
        """Write a wish down, and have it answered."""
        from starlette.concurrency import run_in_threadpool

        client = request.client.host if request.client else ""
        await run_in_threadpool(self.desk.take, wish, client=client, now=self.pages.now())
        self.wake()

    def _chosen_language(self, form: Form, language: str) -> str:
        chosen = form.get("language") or language
        known = next((one for one in self.pages.languages if one == chosen), language)
        return "" if known == self.pages.config.language else known

    def _sign_up_page(self, request: Request, form: Form, mistakes: dict[str, str]) -> Response:
        language = self.pages.language(request)
        given = {name: form.get(name) for name in ("email", "name")} | {"language": form.get("language") or language}
        return self.pages.page(
            request,
            "sign-up.html",
            400 if mistakes else 200,
            consent=consent_of(self.pages.settings(language), self.pages.words(language), language),
            given=given,
            mistakes=mistakes,
            offered=self.pages.offered(),
            longest_name=LONGEST_NAME,
        )


@dataclass(frozen=True)
class OfferedList:
    """A list anybody may sign up for, in the words of the form."""

    id: str
    words: str
    description: str


@dataclass(frozen=True)
class Consent:
    """What the form says people agree to (P-10, P-11)."""

    main: str
    lists: tuple[OfferedList, ...]
    stop: str
    privacy: str

    @property
    def version(self) -> str:
        """Changes with every word of it."""
        every = [self.main, *(f"{one.id} {one.words} {one.description}" for one in self.lists), self.stop, self.privacy]
        return hashlib.sha256("\n".join(every).encode()).hexdigest()[:12]

    def wording(self, chosen: tuple[str, ...]) -> str:
        """The words beside what was ticked, and those below."""
        ticked = [f"{one.words} {one.description}".strip() for one in self.lists if one.id in chosen]
        return " ".join(filter(None, [self.main, *ticked, self.stop, self.privacy]))


def consent_of(config: Config, words: Words, language: str) -> Consent:
    """What the form says in a language, whose settings `config` are."""
    often = config.web.frequency
    return Consent(
        words.say("consent_often", name=config.name, frequency=often)
        if often
        else words.say("consent", name=config.name),
        tuple(
            OfferedList(one.id, words.say("consent_list", list=one.title), one.description)
            for one in config.lists
            if one.public and is_offered_in(one, language)
        ),
        words.say("consent_stop"),
        f"{words.say('privacy')}: {config.organisation.privacy_url}" if config.organisation.privacy_url else "",
    )


def is_offered_in(one: ListSetting, language: str) -> bool:
    """Whether a list comes in a language; one that names none comes in all."""
    return not one.languages or primary(language) in {primary(known) for known in one.languages}


def may_be_address(typed: str) -> bool:
    """Whether somebody typed something like an address. Whether it is one decides nothing that can be seen (Z-05)."""
    return (
        len(typed) <= _LONGEST_ADDRESS and re.fullmatch(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+", typed) is not None
    )


def is_plain(typed: str) -> bool:
    """Whether this can be somebody's name: one line, and no sign that cannot be seen (M-10) but those that join or part
    letters, which some scripts need."""
    return len(typed) <= LONGEST_NAME and all(sign.isprintable() or sign in "\u200c\u200d" for sign in typed)


def normal(typed: str) -> str:
    """The address in the form in which it is kept; empty if nobody can be written to at it."""
    try:
        return normalise(typed)
    except AddressRefused:
        return ""
