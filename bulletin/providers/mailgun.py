"""Mailgun, in its European or its American region: up to 1,000 readers in one call.

Mailgun fills in the personal values itself and gives one answer for a whole call. It knows no keys, so a call without
an answer leaves all its letters unknown until its log shows them. It writes Date and Message-ID of its own; our key
travels as a variable that its events return.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome
from bulletin.providers import _http, _reports
from bulletin.providers._copies import Copy, Entries, Once, subject_of, with_values
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import (
    Call,
    CallRefused,
    Capabilities,
    EventPage,
    ProviderError,
    Suppressed,
    Surroundings,
    Way,
)
from bulletin.providers._service import (
    Api,
    Calls,
    Trouble,
    accepted,
    addresses_of,
    key_of,
    session_with,
    settings_of,
    stopped,
    trouble,
    words_of,
)
from bulletin.render.message import Envelope, Message, ServiceMessage, from_header

CAPABILITIES = Capabilities(
    batch=1000,
    batch_bytes=25_000_000,
    key_window=None,
    really_sends=True,
    connections=8,
    webhooks="signed",
    test_mode=True,
)

KEY_VARIABLE = "BULLETIN_MAILGUN_KEY"
WEBHOOK_VARIABLE = "BULLETIN_MAILGUN_WEBHOOK"
_ENDPOINTS = {"eu": "https://api.eu.mailgun.net", "us": "https://api.mailgun.net"}

_ITS_VARIABLES = re.compile(r"%(?=recipient|unsubscribe|mailing_list_unsubscribe|tag_unsubscribe)(.)", re.IGNORECASE)
"""What Mailgun would fill in; in the words of an issue it must stay what was written."""

_LITERALS = {f"percent_{letter}": f"%{letter}" for letter in "rumtRUMT"}
"""Variables for the first two signs of such words: Mailgun then sees a name it does not know in what is left."""

_UNSETTLED_S = 1800
"""Seconds for which events may still come in out of order."""

_KEPT_DAYS = 30
"""Days for which Mailgun keeps events at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.mailgun]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    domain: str
    """The sending domain as it is called at Mailgun: mg.example.org"""
    region: Literal["eu", "us"] = "eu"
    """Where the domain was set up: eu or us."""
    require_tls: bool = False
    """Whether mail goes only to servers that take it over a protected connection."""
    test_mode: bool = False
    """Whether Mailgun takes the mail, bills it and delivers nothing."""
    timeout: float = 60.0
    """Seconds to wait for Mailgun's answer."""
    endpoint: str | None = None
    """Another web address in place of Mailgun's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """Mailgun bounces to and signs with its own name for the domain. Raises `BulletinError` if settings are missing."""
    settings = provider_settings(config, "mailgun", Settings)
    domain, strict = settings.domain, settings.require_tls
    return Way(bounces=domain, signing=domain, spf_include="mailgun.org", service="Mailgun", requires_tls=strict)


def check(surroundings: Surroundings) -> str:
    """Offer a mail to an address that is none, and ask for events, which a key for sending alone may not."""
    envelope = Envelope.of(surroundings.config)
    trial = ServiceMessage(envelope, subject="Trial", html="<p>Trial</p>", text="Trial", language="en")
    with open(surroundings) as session:
        session.refuse_unless_taken(trial)
        try:
            session.events("")
        except ProviderError as error:
            if re.search("answered 40[13]:", error.message):
                return "Mailgun takes the key, for sending alone."
            raise
    return "Mailgun takes the key, and tells what becomes of mails."


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with Mailgun. Raises `BulletinError` if settings or key are missing."""
    settings, base = settings_of(
        surroundings.config, "mailgun", Settings, usual=lambda settings: _ENDPOINTS[settings.region]
    )
    key = key_of(surroundings, "Mailgun", KEY_VARIABLE, kind="a sending key of the domain")
    if not re.fullmatch(r"[A-Za-z0-9.-]+", settings.domain):
        raise BulletinError(f'"{settings.domain}" is not a domain.', hint="Correct domain under [providers.mailgun].")
    mailgun = Mailgun(settings, base, key)
    return session_with(lambda post: Session(mailgun, post, surroundings), settings.timeout)


class Mailgun(Api):
    """What Mailgun is told and what its answers mean."""

    title = "Mailgun"
    capabilities = CAPABILITIES
    hints: Mapping[int, str] = {
        0: "Look at what Mailgun says, and at [providers.mailgun].",
        200: "Check endpoint and domain under [providers.mailgun].",
        401: f"Check {KEY_VARIABLE}, and that the key is for this region. One for sending alone may ask nothing.",
        402: "Look at the account at Mailgun.",
        403: "Look at the account at Mailgun: the key may not do this for the domain.",
        404: "Check domain and region under [providers.mailgun]: a domain is known in one region only.",
        413: "The message is too large. See: bulletin check",
    }

    def __init__(self, settings: Settings, base: str, key: str) -> None:
        super().__init__(f"{base}/v3/{settings.domain}", key)
        self._forms = Once(lambda message, mailing: _Form.of(message, mailing, settings))

    def login(self) -> dict[str, str]:
        """Name and key."""
        return {"Authorization": _http.basic("api", self._key)}

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call for all letters. Each reader sees only their own address, and has their own unsubscribe header."""
        form = self._forms(message, mailing)
        variables = form.entries.joined(letters, before=b"{", after=b"}")
        own = message.personal_headers(letters[0])
        fields: list[tuple[str, str | bytes]] = [
            *form.fields,
            *((f"h:{name}", f"%recipient.{_variable(name)}%") for name in own),
            ("recipient-variables", variables),
        ]
        content_type, body = _http.form(fields, ("to", addresses_of(letters)))
        made = self.call("POST", "/messages", body=body)
        return replace(made, headers={**made.headers, "Content-Type": content_type})

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """All the same: Mailgun answers for the call as a whole."""
        if response.status == 200:
            said, message_id = words_of(response), str(response.json().get("id", ""))
            if message_id and said.startswith("Queued"):
                return accepted(letters, message_id.strip("<>"), said)
            # So it answers wherever it knows no such address: it looks like success, and was nobody's mail.
            return Trouble.STOP if "Magnificent" in said and not response.json() else Trouble.UNSURE
        return Trouble.ADDRESS if response.status == 400 and about_address(response) else trouble(response)


@dataclass(frozen=True, slots=True)
class _Form:
    """What is the same in every call with a message, and what is said of each reader in it."""

    fields: tuple[tuple[str, str], ...]
    entries: Entries

    @classmethod
    def of(cls, message: Message, mailing: str, settings: Settings) -> _Form:
        envelope = message.envelope
        subject, text = _neutral(subject_of(message)), _with_variables(message, in_html=False)
        reply_to = {"Reply-To": envelope.reply_to} if envelope.reply_to else {}
        headers = {**reply_to, **message.headers}
        fields = (
            ("from", from_header(envelope).replace("\r\n", "")),
            ("subject", subject),
            ("text", text),
            ("html", _with_variables(message, in_html=True)),
            *((f"h:{name}", _neutral(value)) for name, value in headers.items()),
            ("v:bulletin_key", "%recipient.key%"),
            ("o:tag", mailing),
            ("o:suppress-headers", "X-Mailgun-Variables"),
            *((option, "no") for option in ("o:tracking", "o:tracking-clicks", "o:tracking-opens")),
            ("o:require-tls", "yes" if settings.require_tls else "no"),
            *((("o:testmode", "yes"),) if settings.test_mode else ()),
        )
        written = "".join(value for _, value in fields)
        used = {name: sign for name, sign in _LITERALS.items() if f"%recipient.{name}%" in written}
        return cls(fields, Entries(message, lambda copy: {copy.address: _variables(copy, used)}, bare=True))


def _variables(copy: Copy, literals: dict[str, str]) -> dict[str, str]:
    """Mailgun puts values in as they are, so a value for HTML is a value of its own."""
    headers = {_variable(name): value for name, value in copy.own.items()}
    for_html = {f"{name}_html": value for name, value in copy.personal_html.items()}
    return {"key": copy.key, **literals, **headers, **copy.personal, **for_html}


def _variable(header: str) -> str:
    return f"header_{header.lower().replace('-', '_')}"


def _with_variables(message: Message, *, in_html: bool) -> str:
    content = _ITS_VARIABLES.sub(r"&#37;\1", message.html) if in_html else _neutral(message.text)
    names = {name: f"%recipient.{name}{'_html' if in_html else ''}%" for name in message.markers}
    return with_values(content, message.markers, names)


def _neutral(text: str) -> str:
    return _ITS_VARIABLES.sub(r"%recipient.percent_\1%", text)


def about_address(response: HttpResponse) -> bool:
    """Whether a refused call was refused for an address in it, and for nothing else."""
    said = words_of(response)
    return bool(re.search(r"\bto\b.*\baddress", said)) and "from" not in said.lower()


class Session(Calls):
    """A session with Mailgun: beside delivering, its log of events and its lists of whom it does not write to."""

    def __init__(self, mailgun: Mailgun, post: Post, surroundings: Surroundings) -> None:
        super().__init__(mailgun, post, surroundings)
        self._mailgun = mailgun

    def refuse_unless_taken(self, trial: Message) -> None:
        """Raises `ProviderError` unless Mailgun gets as far as to refuse an address that is none."""
        nobody = Letter(key="trial:trial", number=1, address="nobody", personal={}, message_id="")
        answer = self._post(self._mailgun.request("trial", [nobody], trial))
        if not isinstance(answer, HttpResponse):
            raise ProviderError(f"Mailgun gave no answer: {answer.reason}.", hint="Try again later.")
        if not (answer.status == 400 and about_address(answer)):
            raise stopped(self._mailgun, answer)

    def look_up(self, mailing: str, letters: Sequence[Letter]) -> list[Outcome | None]:
        """Whom Mailgun's log names with our key. Who is not in it may come into it yet (up to half an hour later)."""
        return self.each(letters, lambda letter: self._look_up_one(mailing, letter))

    def _look_up_one(self, mailing: str, letter: Letter) -> Outcome | None:
        asked = self._mailgun.question("/events", recipient=letter.address, tags=mailing, limit=300, ascending="no")
        for item in self.ask(asked).items("items"):
            told = event_of(item, self._now())
            if told.key == letter.key:
                message_id = _reports.text(_reports.inner(item, "message", "headers", "message-id"))
                return accepted([letter], message_id, f"in Mailgun's log: {told.name}")[0]
        return None

    def events(self, cursor: str) -> EventPage:
        """The next page of the log, oldest first.

        Events come into the log out of order, so the last half hour is read again the next time. The cursor holds the
        newest moment seen, and the path of the next page while there is one.
        """
        seen, _, path = cursor.partition(" ")
        newest = float(seen or self._now().timestamp() - _KEPT_DAYS * 86_400 + _UNSETTLED_S)
        if path:
            asked = self._mailgun.call("GET", f"/events/{path}")
        else:
            asked = self._mailgun.question("/events", begin=f"{newest - _UNSETTLED_S:.0f}", ascending="yes", limit=300)
        answer = self.ask(asked)
        found = [event_of(item, self._now()) for item in answer.items("items")]
        newest = max([newest, *(event.at.timestamp() for event in found)])
        following = _last_part(_reports.inner(answer.json(), "paging", "next")) if found else ""
        return EventPage(events=found, cursor=f"{newest:.3f} {following}".strip(), more=bool(following))

    def suppressed(self) -> Iterator[Suppressed]:
        """Everybody on the domain's lists of bounces, complaints and unsubscribes."""
        kinds = {
            "bounces": EventKind.BOUNCED,
            "complaints": EventKind.COMPLAINED,
            "unsubscribes": EventKind.UNSUBSCRIBED,
        }
        for name, kind in kinds.items():
            query = "?limit=1000"
            while query:
                answer = self.ask(self._mailgun.call("GET", f"/{name}{query}"))
                items = answer.items("items")
                for item in items:
                    at = _reports.moment(item.get("created_at"), self._now())
                    yield Suppressed(address=_reports.text(item.get("address")), kind=kind, at=at)
                following = urlsplit(_reports.text(_reports.inner(answer.json(), "paging", "next"))).query
                query = f"?{following}" if items and following else ""

    def suppress(self, addresses: Sequence[str]) -> None:
        """Put addresses on the list of unsubscribes, for all mail of the domain."""
        at = format_datetime(self._now())
        for start in range(0, len(addresses), 1000):
            some = addresses[start : start + 1000]
            records = [{"address": address, "tags": ["*"], "created_at": at} for address in some]
            self.ask(self._mailgun.call("POST", "/unsubscribes", records))


def _last_part(address: object) -> str:
    """The end of the path of the next page. The host stays ours, whatever an answer names."""
    return urlsplit(_reports.text(address)).path.rpartition("/")[2]


# ---------------------------------------------------------------- what it reports


_KINDS = {
    "delivered": EventKind.DELIVERED,
    "complained": EventKind.COMPLAINED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
    "rejected": EventKind.BLOCKED,
}


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The event of a webhook. Mailgun signs the time and a token, not the words (HMAC-SHA256)."""
    key = _reports.secret_of(surroundings, "Mailgun", WEBHOOK_VARIABLE)
    report = _reports.report_in(call, "Mailgun")
    at, token, given = (_reports.text(_reports.inner(report, "signature", name)) for name in _SIGNED)
    expected = hmac.new(key.encode(), f"{at}{token}".encode(), hashlib.sha256).hexdigest()
    _reports.refuse_unless_signed("Mailgun", given, expected)
    _reports.refuse_old("Mailgun", at, surroundings.now())
    data = report.get("event-data")
    if not isinstance(data, dict):
        raise CallRefused("a report that names Mailgun holds no event.")
    return [event_of(data, surroundings.now())]


_SIGNED = ("timestamp", "token", "signature")


def event_of(data: dict[str, Any], now: dt.datetime) -> DeliveryEvent:
    """What an event of the log or of a webhook says; both have the same form."""
    name = _reports.text(data.get("event"))
    status = data.get("delivery-status")
    reason = _reports.first_text(
        [_reports.inner(status, "message"), _reports.inner(status, "description"), data.get("reason")]
    )
    return _reports.event(
        "mailgun",
        _failed(data) if name == "failed" else _KINDS.get(name, EventKind.OTHER),
        _reports.moment(data.get("timestamp"), now),
        id=_reports.text(data.get("id")) and f"{_reports.text(data.get('timestamp'))} {_reports.text(data.get('id'))}",
        key=_reports.inner(data, "user-variables", "bulletin_key"),
        address=data.get("recipient"),
        name=name,
        reason=_reports.words(_reports.inner(status, "code"), reason),
    )


def _failed(data: dict[str, Any]) -> EventKind:
    """Temporary: Mailgun goes on trying. Permanent: it gave up, or dropped the mail for a name on one of its lists."""
    if data.get("severity") == "temporary":
        return EventKind.DEFERRED
    lists = {
        "suppress-bounce": EventKind.BOUNCED,
        "suppress-complaint": EventKind.COMPLAINED,
        "suppress-unsubscribe": EventKind.UNSUBSCRIBED,
    }
    words = json.dumps(data.get("delivery-status"))
    return lists.get(_reports.text(data.get("reason"))) or _reports.failure(words, otherwise=EventKind.BOUNCED)
