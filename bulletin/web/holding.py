"""What is held about a reader, for them to see, take away and correct, behind a link just mailed to them (Z-09)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulletin.model import Subscriber, SubscriberState
from bulletin.render import wording
from bulletin.subscribers.access import as_json, as_text
from bulletin.subscribers.belonging import goes_with_address
from bulletin.subscribers.desk import Asked, Desk, Wish
from bulletin.subscribers.store import ADDRESS, DATA, Confirmed, Subscribers
from bulletin.web.forms import Refused
from bulletin.web.joining import LONGEST_NAME, Joining, is_plain, may_be_address, normal
from bulletin.web.pages import Pages

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@dataclass(frozen=True)
class Holding:
    """Pages behind links that work for 24 hours."""

    pages: Pages
    subscribers: Subscribers
    desk: Desk
    joining: Joining

    async def data(self, request: Request) -> Response:
        """Everything held about the reader, and forms to correct it."""
        from starlette.concurrency import run_in_threadpool

        person = await run_in_threadpool(self._owner, request)
        done, mistakes, given = "", dict[str, str](), dict[str, str]()
        if request.method == "POST":
            form = await self.pages.form(request)
            words = self.pages.words(self.pages.language(request, person.language))
            match form.get("choice"):
                case "correct":
                    given = {name: form.get(name) for name in self._own_to_say()}
                    wrong = words.say("need_plain_name", most=LONGEST_NAME)
                    mistakes = {name.capitalize(): wrong for name, typed in given.items() if not is_plain(typed)}
                    if not mistakes:
                        await run_in_threadpool(lambda: self.desk.correct(person.id, given))
                        done = "corrected"
                case "address":
                    given = {"email": form.get("email")}
                    if may_be_address(given["email"]):
                        email = await run_in_threadpool(self._free_to_go, person, normal(given["email"]))
                        await self.joining.take(request, Wish(what=Asked.ADDRESS, subscriber=person.id, email=email))
                        done, given = "check_mail_change", {}
                    else:
                        mistakes["Email"] = words.say("need_email")
                case _:
                    raise Refused(400, "form")
        return await run_in_threadpool(self._page, request, done, mistakes, given)

    def download_of(self, kind: str) -> Callable[[Request], Awaitable[Response]]:
        """The same as a file: txt to read, json for another program."""

        async def download(request: Request) -> Response:
            from starlette.concurrency import run_in_threadpool
            from starlette.responses import Response

            person = await run_in_threadpool(self._owner, request)
            held, at = await run_in_threadpool(self.subscribers.holding, person.email), self.pages.now()
            name = self.pages.config.name
            if kind == "json":
                whole = as_json({"publication": name, "written_at": at} | held)
                made = Response(whole, media_type="application/json; charset=utf-8")
            else:
                made = Response(as_text(held, publication=name, at=at), media_type="text/plain")
            made.headers["Content-Disposition"] = f'attachment; filename="held-about-you.{kind}"'
            return made

        return download

    async def address(self, request: Request) -> Response:
        """The link mailed to a new address: a button, then what became of it."""
        from starlette.concurrency import run_in_threadpool

        token, now = request.path_params["token"], self.pages.now()
        link, subscriber = await run_in_threadpool(self.subscribers.look, token, ADDRESS, now=now)
        if link is Confirmed.UNKNOWN:
            raise Refused(404, "link")
        if request.method == "POST":
            await self.pages.form(request)
            link = await run_in_threadpool(self.desk.change_address, token, now=now)
            self.joining.wake()
        person = await run_in_threadpool(self.subscribers.get, subscriber)
        return self.pages.page(request, "address.html", wanted=person.language if person else "", link=link.value)

    def _own_to_say(self) -> tuple[str, ...]:
        """What readers may write of themselves: nothing by which the settings tell who reads what is kept for some."""
        audiences = self.pages.config.audiences
        decides = {
            "organisation": any(one.organisations for one in audiences),
            "role": any(one.roles for one in audiences),
        }
        return tuple(name for name in ("name", "organisation", "role") if not decides.get(name))

    def _free_to_go(self, person: Subscriber, email: str) -> str:
        """The new address, or nothing where what they get may not follow them to it."""
        on = self.desk.lists_of(person.id)
        return email if email and goes_with_address(person, on, email, self.pages.config) else ""

    def _owner(self, request: Request) -> Subscriber:
        token, now = request.path_params["token"], self.pages.now()
        link, subscriber = self.subscribers.look(token, DATA, now=now)
        person = self.subscribers.get(subscriber) if link is Confirmed.OPEN else None
        if person is None:
            raise Refused(404, "link")
        return person

    def _page(self, request: Request, done: str, mistakes: dict[str, str], given: dict[str, str]) -> Response:
        person, token = self._owner(request), request.path_params["token"]
        language = self.pages.language(request, person.language)
        ends = self.subscribers.link_ends(token, DATA) or self.pages.now()
        own = {"name": person.name, "organisation": person.organisation, "role": person.role, "email": ""}
        held: dict[str, Any] = self.subscribers.holding(person.email)
        utc = ends.astimezone(dt.UTC)
        return self.pages.page(
            request,
            "data.html",
            400 if mistakes else 200,
            wanted=person.language,
            done=done,
            mistakes=mistakes,
            given=own | given,
            held=as_text(held, publication=self.pages.config.name, at=self.pages.now()),
            until_day=wording.day(utc.date(), self.pages.words(language)),
            until_time=f"{utc:%H:%M}",
            path=f"{self.pages.root}data/{token}",
            stays=person.state is SubscriberState.SUBSCRIBED,
            own_to_say=self._own_to_say(),
            longest_name=LONGEST_NAME,
        )
