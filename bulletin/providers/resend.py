"""Resend: up to 100 finished copies in one call, under a key that makes a call carried out once within 24 hours.

A call whose answer was lost is made again under its key, and gets the answer of the first. The key covers a call as a
whole: it does not help letters that are later offered in other company. It cannot be asked for a copy by our key.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome, OutcomeKind
from bulletin.providers import _reports
from bulletin.providers._copies import Copy, key_as_tag, key_of_tag, sender_of, subject_of
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import Call, Capabilities, EventPage, Quota, Suppressed, Surroundings, Way
from bulletin.providers._service import Api, Calls, Trouble, key_of, session_with, settings_of, trouble, words_of
from bulletin.render.message import Message

CAPABILITIES = Capabilities(batch=100, key_window=None, really_sends=True, webhooks="signed")

KEY_VARIABLE = "BULLETIN_RESEND_KEY"
WEBHOOK_VARIABLE = "BULLETIN_RESEND_WEBHOOK"

_BETWEEN_CALLS_S = 0.5
"""Two calls in a second are what an account may make, unless Resend raised that."""

_WATCHED = dt.timedelta(days=3)
"""How far back mails are asked for what became of them: most is known within hours, the last tries within days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.resend]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    return_path: str | None = None
    """Name for bounces as Resend shows it with your domain. Left out: the sender's domain with send. before it."""
    timeout: float = 60.0
    """Seconds to wait for Resend's answer."""
    endpoint: str | None = None
    """Another web address in place of Resend's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """Resend signs with the sender's domain, and takes bounces at a name within it.

    Raises `BulletinError` if settings cannot be read.
    """
    own = provider_settings(config, "resend", Settings).return_path
    bounces = own or f"send.{config.sender.address.rpartition('@')[2]}"
    return Way(bounces=bounces, spf_include="amazonses.com", service="Resend", requires_tls=None)


def check(surroundings: Surroundings) -> str:
    """Ask for the last mail. A key that may only send, which is the best one to have, is known and told no more."""
    with open(surroundings) as session:
        answer = session.try_out()
    if answer.status < 300:
        return "Resend takes the key, and tells what becomes of mails."
    return "Resend takes the key, for sending alone."


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with Resend. Raises `BulletinError` if the key is missing."""
    settings, base = settings_of(surroundings.config, "resend", Settings, usual=lambda _: "https://api.resend.com")
    resend = Resend(base, key_of(surroundings, "Resend", KEY_VARIABLE, kind="an API key for sending"))
    return session_with(lambda post: Session(resend, post, surroundings), settings.timeout)


class Resend(Api):
    """What Resend is told and what its answers mean."""

    title = "Resend"
    capabilities = CAPABILITIES
    repeats = True
    hints: Mapping[int, str] = {
        0: "Look at what Resend says, and at the account.",
        401: f"Check {KEY_VARIABLE}.",
        403: f"Check {KEY_VARIABLE}, and that the sender's domain is verified at Resend.",
        413: "The message is too large. See: bulletin check",
        429: "The account has sent all it may for now. Wait, or ask Resend for more.",
    }

    def tag_of(self, key: str) -> str:
        """Tags hold letters, digits, "-" and "_" only."""
        return key_as_tag(key)

    def login(self) -> dict[str, str]:
        """The key."""
        return {"Authorization": f"Bearer {self._key}"}

    def describe(self, message: Message, mailing: str, copy: Copy) -> dict[str, Any]:
        """A whole message. Tracking is a switch of the domain, which a message cannot turn."""
        reply_to = message.envelope.reply_to
        return {
            "from": sender_of(message),
            "to": [copy.address],
            **({"reply_to": reply_to} if reply_to else {}),
            "subject": subject_of(message),
            "text": copy.text,
            "html": copy.html,
            "headers": dict(copy.headers),
            "tags": [
                {"name": "mailing", "value": key_as_tag(mailing)},
                {"name": "bulletin_key", "value": copy.key},
            ],
        }

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call with a whole message for each letter. Good ones are sent although others are refused."""
        entries = self.entries(message, mailing)
        made = self.call("POST", "/emails/batch", body=entries.joined(letters))
        # The same words have the same key, and other words another one.
        named = {"Idempotency-Key": entries.digest(letters).hex(), "x-batch-validation": "permissive"}
        return replace(made, headers={**made.headers, **named})

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """Ids of the good ones in order; the bad ones by their place."""
        if response.status != 200:
            return _trouble(response)
        bad = {error.get("index"): _reports.text(error.get("message")) for error in response.items("errors")}
        ids = [_reports.text(entry.get("id")) for entry in response.items("data")]
        places = set(range(len(letters)))
        if not bad.keys() <= places or len(ids) + len(bad) != len(letters) or not all(ids):
            return Trouble.UNSURE
        if len(letters) > 1 and not ids:
            return Trouble.STOP
        good = iter(ids)
        return [
            Outcome(key=letter.key, kind=OutcomeKind.REFUSED, reason=bad[place])
            if place in bad
            else Outcome(key=letter.key, kind=OutcomeKind.ACCEPTED, provider_id=next(good))
            for place, letter in enumerate(letters)
        ]

    def pause(self, response: HttpResponse) -> float:
        """Until it takes the next call, as it says itself; else the usual time."""
        left, reset = (response.headers.get(f"ratelimit-{name}", "") for name in ("remaining", "reset"))
        if not left.isdigit():
            return _BETWEEN_CALLS_S
        return float(reset) if left == "0" and re.fullmatch(r"\d{1,4}(\.\d+)?", reset) else 0.0


def _trouble(response: HttpResponse) -> Trouble:
    name = _reports.text(response.json().get("name"))
    if name == "concurrent_idempotent_requests":
        return Trouble.UNSURE
    if name in ("daily_quota_exceeded", "monthly_quota_exceeded"):
        return Trouble.STOP
    if response.status in (400, 422) and re.search(r"(?i)\binvalid `?to`?\b|`to`", words_of(response)):
        return Trouble.ADDRESS
    return trouble(response)


class Session(Calls):
    """A session with Resend: beside delivering, what became of mails, and its list of whom it does not write to."""

    def __init__(self, resend: Resend, post: Post, surroundings: Surroundings) -> None:
        super().__init__(resend, post, surroundings)
        self._resend = resend

    def try_out(self) -> HttpResponse:
        """Its answer to a question, or that the key is for sending alone. Raises `ProviderError` for a wrong one."""
        answer = self._post(self._resend.question("/emails", limit=1))
        if isinstance(answer, HttpResponse) and answer.json().get("name") == "restricted_api_key":
            return answer
        return self.ask(self._resend.question("/emails", limit=1))

    def quota(self) -> Quota:
        """Two calls a second, unless Resend raised that; it does not say how many mails are left."""
        return Quota(per_second=CAPABILITIES.batch / _BETWEEN_CALLS_S)

    def events(self, cursor: str) -> EventPage:
        """What became of the mails of the last three days, newest first; then all over again, for mails change.

        Our keys are not told: readers are found by their address. The cursor holds the moment to go back to, and the
        last mail of the page before.
        """
        until, _, last = cursor.partition(" ")
        answer = self.ask(self._resend.question("/emails", limit=100, after=last))
        mails = answer.items("data")
        oldest = float(until or (self._now() - _WATCHED).timestamp())
        times = [_reports.moment(mail.get("created_at"), self._now()).timestamp() for mail in mails]
        more = bool(answer.json().get("has_more")) and bool(mails) and min(times) > oldest
        following = f"{oldest:.0f} {_reports.text(mails[-1].get('id'))}" if more else ""
        return EventPage(events=[_event_of(mail, self._now()) for mail in mails], cursor=following, more=more)

    def suppressed(self) -> Iterator[Suppressed]:
        """Everybody on the account's list."""
        kinds = {"bounce": EventKind.BOUNCED, "complaint": EventKind.COMPLAINED}
        last = ""
        while True:
            answer = self.ask(self._resend.question("/suppressions", limit=100, after=last))
            found = answer.items("data")
            for one in found:
                kind = kinds.get(_reports.text(one.get("origin")), EventKind.UNSUBSCRIBED)
                at = _reports.moment(one.get("created_at"), self._now())
                yield Suppressed(address=_reports.text(one.get("email")), kind=kind, at=at)
            if not found or not answer.json().get("has_more"):
                return
            last = _reports.text(found[-1].get("id"))

    def suppress(self, addresses: Sequence[str]) -> None:
        """Put addresses on that list."""
        for start in range(0, len(addresses), 100):
            value = {"emails": list(addresses[start : start + 100])}
            self.ask(self._resend.call("POST", "/suppressions/batch/add", value))


# ---------------------------------------------------------------- what it reports


_KINDS = {
    "delivered": EventKind.DELIVERED,
    "delivery_delayed": EventKind.DEFERRED,
    "bounced": EventKind.BOUNCED,
    "complained": EventKind.COMPLAINED,
    "failed": EventKind.BLOCKED,
    "suppressed": EventKind.BOUNCED,
}


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The event of a webhook, signed by Svix for Resend: its name, the time and all words (HMAC-SHA256)."""
    secret = _reports.secret_of(surroundings, "Resend", WEBHOOK_VARIABLE)
    key = _reports.from_base64(secret.removeprefix("whsec_"))
    if not key:
        raise BulletinError(f"{WEBHOOK_VARIABLE} holds no signing secret of Resend.", hint="It starts with whsec_.")
    name, at, given = (call.headers.get(f"svix-{part}", "") for part in ("id", "timestamp", "signature"))
    expected = hmac.digest(key, f"{name}.{at}.".encode("utf-8", "replace") + call.body, hashlib.sha256)
    signatures = [_reports.from_base64(one[3:]) for one in given.split(" ") if one.startswith("v1,")]
    # One of several may match while a secret is being changed.
    _reports.refuse_unless_signed("Resend", expected if expected in signatures else b"", expected)
    _reports.refuse_old("Resend", at, surroundings.now())
    report = _reports.report_in(call, "Resend")
    data = report.get("data")
    title = _reports.text(report.get("type")).removeprefix("email.")
    tags, to = _reports.inner(data, "tags"), _reports.inner(data, "to")
    about = _reports.inner(data, "bounce" if title == "bounced" else title)
    reason = _said(about)
    kind = _KINDS.get(title, EventKind.OTHER)
    if title == "bounced":
        permanent = _reports.inner(about, "type") == "Permanent"
        kind = _reports.failure(reason, otherwise=EventKind.BOUNCED if permanent else EventKind.SOFT_BOUNCED)
    if title == "suppressed" and _reports.inner(about, "reason") == "previous_complaint":
        kind = EventKind.COMPLAINED
    return [
        _reports.event(
            "resend",
            kind,
            _reports.moment(report.get("created_at"), surroundings.now()),
            id=name,
            key=key_of_tag(_reports.text(_reports.inner(tags, "bulletin_key"))),
            address=to[0] if isinstance(to, list) and to else "",
            name=title,
            reason=reason,
        )
    ]


def _said(about: object) -> str:
    codes = _reports.inner(about, "diagnosticCode")
    words = [*(codes if isinstance(codes, list) else []), *(_reports.inner(about, name) for name in _WORDS)]
    return _reports.words(*words)


_WORDS = ("message", "type", "subType", "reason")


def _event_of(mail: Mapping[str, Any], now: dt.datetime) -> DeliveryEvent:
    """What the list of mails says of one."""
    title, to = _reports.text(mail.get("last_event")), mail.get("to")
    return _reports.event(
        "resend",
        # Who opened it or followed a link has it.
        EventKind.DELIVERED if title in ("opened", "clicked") else _KINDS.get(title, EventKind.OTHER),
        _reports.moment(mail.get("created_at"), now),
        id=f"{_reports.text(mail.get('id'))} {title}",
        address=to[0] if isinstance(to, list) and to else "",
        name=title,
    )
