"""Brevo: up to 100 finished copies in one call, under a key that makes a call carried out once within 30 minutes.

Its own limit is 2,000; a hundred copies are some ten megabytes. Tracking is a switch of the account and of no mail. Our
key travels in a header that readers could find, `X-Mailin-Custom`. Its reports are not signed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from bulletin.config import Config, provider_settings
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome, OutcomeKind
from bulletin.providers import _reports
from bulletin.providers._copies import Copy, json_text, subject_of
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import (
    Call,
    Capabilities,
    EventPage,
    Suppressed,
    Surroundings,
    UnsupportedFeature,
    Way,
)
from bulletin.providers._service import (
    Api,
    Calls,
    Trouble,
    accepted,
    key_of,
    session_with,
    settings_of,
    trouble,
    words_of,
)
from bulletin.render.message import Message

CAPABILITIES = Capabilities(
    batch=100,
    batch_bytes=20_000_000,
    key_window=None,
    really_sends=True,
    connections=4,
    webhooks="secret",
    test_mode=True,
)

KEY_VARIABLE = "BULLETIN_BREVO_KEY"
WEBHOOK_VARIABLE = "BULLETIN_BREVO_WEBHOOK"

_BETWEEN_QUESTIONS_S = 0.5
_PAGE = 1000
_WATCHED = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.brevo]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    test_mode: bool = False
    """Whether Brevo checks the mail and sends nothing."""
    return_path: str | None = None
    """Your own name for bounces, if you set one up there: bounces.example.org"""
    timeout: float = 60.0
    """Seconds to wait for Brevo's answer."""
    endpoint: str | None = None
    """Another web address in place of Brevo's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """Brevo signs with the sender's domain. Bounces go to its own, unless there is a name of ours for them.

    Raises `BulletinError` if settings cannot be read.
    """
    own = provider_settings(config, "brevo", Settings).return_path or ""
    return Way(bounces=own, theirs=not own, service="Brevo", requires_tls=None)


def check(surroundings: Surroundings) -> str:
    """Ask for one address that it does not write to."""
    with open(surroundings) as session:
        session.ask(session.brevo.question("/v3/smtp/blockedContacts", limit=1, offset=0))
    return "Brevo takes the key. Tracking is a switch of the account there: see that it is off."


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with Brevo. Raises `BulletinError` if the key is missing."""
    settings, base = settings_of(surroundings.config, "brevo", Settings, usual=lambda _: "https://api.brevo.com")
    brevo = Brevo(base, key_of(surroundings, "Brevo", KEY_VARIABLE, kind="an API key"), testing=settings.test_mode)
    return session_with(lambda post: Session(brevo, post, surroundings), settings.timeout)


class Brevo(Api):
    """What Brevo is told and what its answers mean."""

    title = "Brevo"
    capabilities = CAPABILITIES
    repeats = True
    hints: Mapping[int, str] = {
        0: "Look at what Brevo says, and at the account.",
        401: f"Check {KEY_VARIABLE}, and that Brevo lets this machine's address use it.",
        402: "The account has no credits left.",
        403: f"Check {KEY_VARIABLE}, and that the sender is verified at Brevo.",
        413: "The message is too large. See: bulletin check",
    }

    def __init__(self, base: str, key: str, *, testing: bool) -> None:
        super().__init__(base, key)
        self._trial = {"X-Sib-Sandbox": "drop"} if testing else {}

    def login(self) -> dict[str, str]:
        """The key."""
        return {"api-key": self._key}

    def describe(self, message: Message, mailing: str, copy: Copy) -> dict[str, Any]:
        """A version: all that one reader gets."""
        return {
            "to": [{"email": copy.address}],
            "htmlContent": _neutral(copy.html),
            "textContent": copy.text,
            "subject": subject_of(message),
            "headers": {**copy.headers, "X-Mailin-custom": copy.key},
        }

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call with a version for each letter, under a key made of its words."""
        envelope, subject = message.envelope, subject_of(message)
        shared = {
            "sender": {"email": envelope.sender_address, "name": envelope.sender_name},
            **({"replyTo": {"email": envelope.reply_to}} if envelope.reply_to else {}),
            "subject": subject,
            # Must be there, and is nobody's: each version has words of its own.
            "htmlContent": "<p></p>",
            "tags": [mailing],
        }
        entries, words = self.entries(message, mailing), json_text(shared)
        digest = hashlib.sha256(words.encode() + entries.digest(letters)).digest()
        headers = {"idempotencyKey": str(uuid.UUID(bytes=digest[:16], version=4)), **self._trial}
        before = f'{words[:-1]},"headers":{json_text(headers)},"messageVersions":['.encode()
        made = self.call("POST", "/v3/smtp/email", body=entries.joined(letters, before=before, after=b"]}"))
        return replace(made, headers={**made.headers, **self._trial})

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """An id for each version, in order. A call that was made before is told so, and counts as taken."""
        if response.status == 201:
            told = response.json()
            ids = told.get("messageIds") or [told.get("messageId")]
            if not isinstance(ids, list) or len(ids) != len(letters) or not all(map(_reports.text, ids)):
                return Trouble.UNSURE
            named = zip(letters, map(_reports.text, ids), strict=True)
            return [
                Outcome(key=letter.key, kind=OutcomeKind.ACCEPTED, provider_id=message_id.strip("<>"))
                for letter, message_id in named
            ]
        said = words_of(response)
        if 400 <= response.status < 500 and re.search(r"(?i)duplicate|idempoten", said):
            return accepted(letters, "", said)
        about_address = response.status == 400 and re.search(r"(?i)\bto\b", said) and re.search(r"(?i)e-?mail", said)
        return Trouble.ADDRESS if about_address else trouble(response)


def _neutral(page: str) -> str:
    """HTML in which nothing looks like Brevo's own signs for values."""
    return re.sub(r"\{(?=[{%])", "&#123;", page)


class Session(Calls):
    """A session with Brevo: beside delivering, its log of events and its list of whom it does not write to."""

    def __init__(self, brevo: Brevo, post: Post, surroundings: Surroundings) -> None:
        super().__init__(brevo, post, surroundings)
        self.brevo = brevo

    def look_up(self, mailing: str, letters: Sequence[Letter]) -> list[Outcome | None]:
        """What its log has of this mailing to these readers."""
        return self.each(letters, lambda letter: self._look_up_one(mailing, letter))

    def _look_up_one(self, mailing: str, letter: Letter) -> Outcome | None:
        asked = self.brevo.question("/v3/smtp/statistics/events", tags=mailing, email=letter.address, limit=1, offset=0)
        answer = self.ask(asked)
        self._sleep(_BETWEEN_QUESTIONS_S)
        for event in answer.items("events"):
            return accepted([letter], _reports.text(event.get("messageId")).strip("<>"), "in Brevo's log")[0]
        return None

    def events(self, cursor: str) -> EventPage:
        """The next page of the log, oldest first, and the last day again the next time.

        Our keys are not told: readers are found by their address. The cursor holds a day and how much of what followed
        it has been read.
        """
        day, _, read = cursor.partition(" ")
        now = self._now()
        day, start = day or f"{now - _WATCHED:%Y-%m-%d}", int(read or 0)
        page = {"limit": _PAGE, "offset": start, "sort": "asc"}
        asked = self.brevo.question("/v3/smtp/statistics/events", startDate=day, endDate=f"{now:%Y-%m-%d}", **page)
        found = self.ask(asked).items("events")
        following = f"{day} {start + len(found)}" if found else f"{now - dt.timedelta(days=1):%Y-%m-%d}"
        return EventPage(events=[_event_of(one, now) for one in found], cursor=following, more=bool(found))

    def suppressed(self) -> Iterator[Suppressed]:
        """Everybody whom the account does not write to."""
        start = 0
        while True:
            answer = self.ask(self.brevo.question("/v3/smtp/blockedContacts", limit=100, offset=start))
            found = answer.items("contacts")
            for one in found:
                code = _reports.text(_reports.inner(one, "reason", "code"))
                kind = _LISTED.get(code, EventKind.UNSUBSCRIBED)
                at = _reports.moment(one.get("blockedAt"), self._now())
                yield Suppressed(address=_reports.text(one.get("email")), kind=kind, at=at)
            if not found:
                return
            start += len(found)

    def suppress(self, addresses: Sequence[str]) -> None:
        """Brevo takes no addresses onto its list. Raises `UnsupportedFeature`."""
        hint = "Nothing is lost: who is on our list is not written to."
        raise UnsupportedFeature("Brevo takes no addresses from others onto its list.", hint=hint)


_LISTED = {"hardBounce": EventKind.BOUNCED, "contactFlaggedAsSpam": EventKind.COMPLAINED}


# ---------------------------------------------------------------- what it reports


_KINDS = {
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DEFERRED,
    **dict.fromkeys(("hard_bounce", "hardBounces", "invalid_email", "invalid"), EventKind.BOUNCED),
    **dict.fromkeys(("soft_bounce", "softBounces"), EventKind.SOFT_BOUNCED),
    **dict.fromkeys(("blocked", "error"), EventKind.BLOCKED),
    **dict.fromkeys(("spam", "complaint"), EventKind.COMPLAINED),
    **dict.fromkeys(("unsubscribe", "unsubscribed"), EventKind.UNSUBSCRIBED),
}
"""Its reports and its log have different names for some."""


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The events of a webhook. Brevo signs nothing: a secret must come with them."""
    _reports.refuse_unless_secret(call, surroundings, "Brevo", WEBHOOK_VARIABLE)
    return [_event_of(report, surroundings.now()) for report in _reports.reports_in(call, "Brevo")]


def _event_of(report: Mapping[str, Any], now: dt.datetime) -> DeliveryEvent:
    name = _reports.text(report.get("event"))
    message_id = _reports.first_text((report.get("message-id"), report.get("messageId"))).strip("<>")
    at = _reports.first_text((report.get("ts_epoch"), report.get("date")))
    reason = _reports.text(report.get("reason"))
    kind = _KINDS.get(name, EventKind.OTHER)
    if kind is EventKind.BOUNCED:
        kind = _reports.failure(reason, otherwise=kind)
    return _reports.event(
        "brevo",
        kind,
        _reports.moment(at, now),
        id=message_id and f"{message_id} {name} {at}",
        key=report.get("X-Mailin-custom"),
        address=report.get("email"),
        name=name,
        reason=reason,
    )
