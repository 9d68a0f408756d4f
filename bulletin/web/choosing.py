"""A reader's own page: what they get, when, in which language, or nothing at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bulletin.model import Subscriber, SubscriberState
from bulletin.render import wording
from bulletin.subscribers.desk import Asked, Choices, Desk, Wish
from bulletin.subscribers.store import Subscribers
from bulletin.subscribers.tokens import PREFERENCES, read_token
from bulletin.web.forms import Form, Refused
from bulletin.web.joining import Joining, is_offered_in
from bulletin.web.pages import Pages

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LONGEST_PAUSE: Final = dt.timedelta(days=366)


@dataclass(frozen=True)
class Choosing:
    """Reached from every bulletin, so it shows and changes choices only, and names nobody (Z-09)."""

    pages: Pages
    subscribers: Subscribers
    desk: Desk
    joining: Joining

    async def preferences(self, request: Request) -> Response:
        """GET shows the choices, POST changes them."""
        from starlette.concurrency import run_in_threadpool

        subscriber = read_token(self.pages.secret, PREFERENCES, request.path_params["token"])
        if subscriber is None:
            raise Refused(404, "link")
        done, mistakes = "", dict[str, str]()
        if request.method == "POST":
            form = await self.pages.form(request)
            if form.get("choice") == "data":
                await self.joining.take(request, Wish(what=Asked.LINKS, subscriber=subscriber))
                done = "saved_asked"
            else:
                done, mistakes = await run_in_threadpool(self._act, request, subscriber, form)
        person = await run_in_threadpool(self.subscribers.get, subscriber)
        on = await run_in_threadpool(self.desk.lists_of, subscriber)
        return self._page(request, person, on, done, mistakes)

    def _act(self, request: Request, subscriber: str, form: Form) -> tuple[str, dict[str, str]]:
        """Do what was chosen: the phrase that says so, or what is wrong."""
        now, how = self.pages.now(), "preferences page"
        match form.get("choice"):
            case "leave":
                self.subscribers.unsubscribe(subscriber, now=now, how=how)
                return "saved_left", {}
            case "stay":
                self.subscribers.resubscribe(subscriber, now=now, how=how)
                return "saved_back", {}
            case "save":
                try:
                    until = self._pause(form.get("pause"))
                except ValueError:
                    return "", {"Pause": self.pages.words(self.pages.language(request)).say("need_day")}
                self._save(subscriber, form, until)
                return "saved", {}
            case _:
                raise Refused(400, "form")

    def _save(self, subscriber: str, form: Form, until: dt.datetime | None) -> None:
        config, person = self.pages.config, self.subscribers.get(subscriber)
        if person is None or person.state is not SubscriberState.SUBSCRIBED:
            return
        on = self.desk.lists_of(subscriber)
        known = {one.id for one in config.topics}
        chosen = form.get("language")
        language = chosen if chosen in self.pages.languages else person.language
        choices = Choices(
            lists={one.id: one.id in form.all("list") for one in config.lists if one.public or one.id in on},
            topics=tuple(one for one in dict.fromkeys(form.all("topic")) if one in known),
            language="" if language == config.language else language,
            paused_until=until,
        )
        self.desk.choose(subscriber, choices, now=self.pages.now())

    def _pause(self, typed: str) -> dt.datetime | None:
        """The first moment of the day that was typed, if one was. Raises `ValueError` for one that cannot be."""
        if not typed:
            return None
        day = dt.date.fromisoformat(typed)
        first, last = self._days()
        if not first <= day <= last:
            raise ValueError
        return dt.datetime.combine(day, dt.time(), self.pages.config.zone)

    def _days(self) -> tuple[dt.date, dt.date]:
        today = self.pages.now().astimezone(self.pages.config.zone).date()
        return today + dt.timedelta(days=1), today + LONGEST_PAUSE

    def _page(
        self, request: Request, person: Subscriber | None, on: frozenset[str], done: str, mistakes: dict[str, str]
    ) -> Response:
        state = person.state if person else None
        stays = state is SubscriberState.SUBSCRIBED
        wanted = person.language if person else ""
        language = self.pages.language(request, wanted)
        config, zone = self.pages.settings(language), self.pages.config.zone
        until = (
            person.paused_until if person and person.paused_until and person.paused_until > self.pages.now() else None
        )
        day = until.astimezone(zone).date() if until else None
        first, last = self._days()
        names = self.pages.names(language)
        foreign = self.pages.config.language if language != self.pages.config.language else ""
        lists: list[dict[str, Any]] = [
            {
                "id": one.id,
                "title": one.title,
                "description": one.description,
                "on": one.id in on,
                "lang": "" if one.id in names["lists"] else foreign,
            }
            for one in config.lists
            if one.id in on or (one.public and is_offered_in(one, language))
        ]
        topics = [
            {
                "id": one.id,
                "title": one.title,
                "on": person is not None and one.id in person.topics,
                "lang": "" if one.id in names["topics"] else foreign,
            }
            for one in config.topics
        ]
        # "Done. You will get the next issue." only where that is so.
        said = "" if done == "saved_back" and not stays else done
        return self.pages.page(
            request,
            "preferences.html",
            400 if mistakes else 200,
            wanted=wanted,
            done=said,
            mistakes=mistakes,
            stays=stays,
            known=state in {SubscriberState.SUBSCRIBED, SubscriberState.UNSUBSCRIBED},
            may_return=state is SubscriberState.UNSUBSCRIBED,
            lists=lists,
            topics=topics,
            offered=self.pages.offered(),
            chosen_language=person.language or self.pages.config.language if person else "",
            paused=wording.day(day, self.pages.words(language)) if day else "",
            pause=day.isoformat() if day else "",
            first_day=first.isoformat(),
            last_day=last.isoformat(),
        )
