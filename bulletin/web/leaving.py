"""One click, and no more mail (RFC 8058, L-05 to L-09)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulletin.model import SubscriberState
from bulletin.subscribers.tokens import UNSUBSCRIBE, read_token
from bulletin.web.forms import Refused, read_any
from bulletin.web.pages import Pages

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from bulletin.subscribers.store import Subscribers
    from bulletin.web.together import Together


@dataclass(frozen=True)
class Leaving:
    """The link of the mail's footer and of its List-Unsubscribe header."""

    pages: Pages
    subscribers: Subscribers
    leave: Together
    """Takes who leaves, and how."""

    async def unsubscribe(self, request: Request) -> Response:
        """GET shows one button, POST unsubscribes. The token in the address is the proof, and the only one (L-07)."""
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import PlainTextResponse

        subscriber = read_token(self.pages.secret, UNSUBSCRIBE, request.path_params["token"])
        if subscriber is None:
            raise Refused(404, "link")
        if request.method == "POST":
            # The token alone decides. What the body says only tells a mail program's button from the page's own.
            form = await read_any(request)
            own = form.get("from") == "page"
            await self.leave.do(subscriber, "unsubscribe page" if own else "one-click unsubscribe")
            if not own:  # a mail program's button: nobody sees the answer
                return PlainTextResponse("Unsubscribed.\n")
        person = await run_in_threadpool(self.subscribers.get, subscriber)
        stays = person is not None and person.state is SubscriberState.SUBSCRIBED
        return self.pages.page(
            request,
            "unsubscribe.html",
            wanted=person.language if person else "",
            step="done" if request.method == "POST" else "ask" if stays else "gone",
            back=self.pages.preferences_url(subscriber),
        )
