"""MailerSend: up to 100 finished copies in one call, and ten calls a minute.

It answers for a call as a whole, takes any address and reports bad ones later. It knows no keys, and takes no data of
ours but tags: one of them is our key, which its reports return. Headers of one's own are part of larger plans only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from bulletin.config import Config, provider_settings
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome
from bulletin.providers import _reports
from bulletin.providers._copies import Copy, subject_of
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import Call, Capabilities, Quota, Suppressed, Surroundings, UnsupportedFeature, Way
from bulletin.providers._service import Api, Calls, Trouble, accepted, key_of, session_with, settings_of, trouble
from bulletin.render.message import Message

CAPABILITIES = Capabilities(batch=100, batch_bytes=25_000_000, key_window=None, really_sends=True, webhooks="signed")

KEY_VARIABLE = "BULLETIN_MAILERSEND_KEY"
WEBHOOK_VARIABLE = "BULLETIN_MAILERSEND_WEBHOOK"

_BETWEEN_CALLS_S = 6.0
"""Ten calls with many mails may be made in a minute."""
_BETWEEN_QUESTIONS_S = 1.0
"""And sixty of other kinds."""

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.mailersend]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    domain_id: str | None = None
    """Id of the domain at MailerSend, if addresses are to be put on its list."""
    return_path: str | None = None
    """Name for bounces as MailerSend shows it with your domain: mta.example.org"""
    timeout: float = 60.0
    """Seconds to wait for MailerSend's answer."""
    endpoint: str | None = None
    """Another web address in place of MailerSend's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """MailerSend signs with the sender's domain. Bounces go to its own, unless there is a name of ours for them.

    Raises `BulletinError` if settings cannot be read.
    """
    own = provider_settings(config, "mailersend", Settings).return_path or ""
    return Way(bounces=own, theirs=not own, service="MailerSend", requires_tls=None)


def check(surroundings: Surroundings) -> str:
    """Ask for its list of addresses that do not exist."""
    with open(surroundings) as session:
        session.ask(session.mailersend.question("/v1/suppressions/hard-bounces", limit=10, page=1))
    return "MailerSend takes the token. Whether the plan has headers of one's own shows in a test."


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with MailerSend. Raises `BulletinError` if the token is missing."""
    settings, base = settings_of(
        surroundings.config, "mailersend", Settings, usual=lambda _: "https://api.mailersend.com"
    )
    mailersend = MailerSend(base, key_of(surroundings, "MailerSend", KEY_VARIABLE, kind="an API token"))
    return session_with(lambda post: Session(mailersend, post, surroundings, settings.domain_id), settings.timeout)


class MailerSend(Api):
    """What MailerSend is told and what its answers mean."""

    title = "MailerSend"
    capabilities = CAPABILITIES
    hints: Mapping[int, str] = {
        0: "Look at what MailerSend says, and at the account: headers of one's own need a larger plan.",
        401: f"Check {KEY_VARIABLE}.",
        403: f"Check {KEY_VARIABLE}, what it may do, and that the sender's domain is verified.",
        413: "The message is too large. See: bulletin check",
    }

    def login(self) -> dict[str, str]:
        """The token."""
        return {"Authorization": f"Bearer {self._key}"}

    def describe(self, message: Message, mailing: str, copy: Copy) -> dict[str, Any]:
        """A whole message. Braces that MailerSend would read as a value become a value."""
        envelope = message.envelope
        subject, text = _neutral(subject_of(message)), _neutral(copy.text)
        used = {name: sign for sign, name in _BRACES.items() if _value(name) in subject + text}
        return {
            "from": {"email": envelope.sender_address, "name": envelope.sender_name},
            "to": [{"email": copy.address}],
            **({"reply_to": {"email": envelope.reply_to}} if envelope.reply_to else {}),
            "subject": subject,
            "text": text,
            "html": re.sub(r"\{(?=[{$%])", "&#123;", copy.html),
            "tags": [mailing, copy.key],
            **({"personalization": [{"email": copy.address, "data": used}]} if used else {}),
            "settings": {"track_clicks": False, "track_opens": False, "track_content": False},
            "headers": [{"name": name, "value": value} for name, value in copy.headers.items()],
        }

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call with a whole message for each letter."""
        return self.call("POST", "/v1/bulk-email", body=self.entries(message, mailing).joined(letters))

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """All the same: it only says that it has the call."""
        bulk_id = _reports.text(response.json().get("bulk_email_id"))
        if response.status == 202 and bulk_id:
            return accepted(letters, bulk_id, "taken; bad addresses are reported later")
        if response.status == 422 and _about_addresses(response.json().get("errors")):
            return Trouble.ADDRESS
        if response.status == 421:  # being mended
            return Trouble.LATER
        return trouble(response)

    def pause(self, response: HttpResponse) -> float:
        """Until it takes the next call; after a list of addresses, say, sooner than after mails."""
        mails = response.status >= 300 or "bulk_email_id" in response.json()
        return _BETWEEN_CALLS_S if mails else _BETWEEN_QUESTIONS_S


_BRACES = {"{{": "braces", "{$": "brace_dollar", "{%": "brace_percent"}


def _value(name: str) -> str:
    return "{{ " + name + " }}"


def _neutral(text: str) -> str:
    return re.sub(r"\{[{$%]", lambda found: _value(_BRACES[found[0]]), text)


def _about_addresses(errors: object) -> bool:
    """Whether all that is wrong with a call is wrong with addresses in it."""
    names = list(errors) if isinstance(errors, dict) else []
    return bool(names) and all(re.match(r"(message\.)?\d+\.to\b", name) for name in names)


class Session(Calls):
    """A session with MailerSend: beside delivering, its lists of whom it does not write to."""

    def __init__(self, mailersend: MailerSend, post: Post, surroundings: Surroundings, domain_id: str | None) -> None:
        super().__init__(mailersend, post, surroundings)
        self.mailersend, self._domain_id = mailersend, domain_id

    def quota(self) -> Quota:
        """Ten calls a minute; it does not say how many mails are left."""
        return Quota(per_second=CAPABILITIES.batch / _BETWEEN_CALLS_S)

    def suppressed(self) -> Iterator[Suppressed]:
        """Everybody on the account's lists of bounces, complaints and unsubscribes."""
        for name, kind in _LISTS.items():
            page = 1
            while True:
                answer = self.ask(self.mailersend.question(f"/v1/suppressions/{name}", limit=_PAGE, page=page))
                for one in answer.items("data"):
                    at = _reports.moment(one.get("created_at"), self._now())
                    address = _reports.text(_reports.inner(one, "recipient", "email"))
                    yield Suppressed(address=address, kind=kind, at=at)
                if not _reports.inner(answer.json(), "links", "next"):
                    break
                page += 1

    def suppress(self, addresses: Sequence[str]) -> None:
        """Put addresses on the domain's list of unsubscribes. Raises `UnsupportedFeature` if it is not known which."""
        if not self._domain_id:
            hint = "Put the domain's id into [providers.mailersend], domain_id."
            raise UnsupportedFeature("MailerSend keeps its lists for each domain, and none is named.", hint=hint)
        for start in range(0, len(addresses), _PAGE):
            value = {"domain_id": self._domain_id, "recipients": list(addresses[start : start + _PAGE])}
            self.ask(self.mailersend.call("POST", "/v1/suppressions/unsubscribes", value))


_LISTS = {
    "hard-bounces": EventKind.BOUNCED,
    "spam-complaints": EventKind.COMPLAINED,
    "unsubscribes": EventKind.UNSUBSCRIBED,
}


# ---------------------------------------------------------------- what it reports


_KINDS = {
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DEFERRED,
    "soft_bounced": EventKind.SOFT_BOUNCED,
    "hard_bounced": EventKind.BOUNCED,
    "spam_complaint": EventKind.COMPLAINED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
}


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The event of a webhook, signed with all its words (HMAC-SHA256) but with no time of its own: it may come again
    for days. What comes again has the same id."""
    secret = _reports.secret_of(surroundings, "MailerSend", WEBHOOK_VARIABLE)
    expected = hmac.new(secret.encode(), call.body, hashlib.sha256).hexdigest()
    _reports.refuse_unless_signed("MailerSend", call.headers.get("signature", ""), expected)
    report = _reports.report_in(call, "MailerSend")
    data = report.get("data")
    mail = _reports.inner(data, "email")
    name = _reports.first_text((_reports.inner(data, "type"), report.get("type"))).removeprefix("activity.")
    reason = _reports.words(*(_reports.inner(data, "morph", part) for part in ("reason", "readable_reason")))
    kind = _KINDS.get(name, EventKind.OTHER)
    tags = _reports.inner(mail, "tags")
    at = _reports.first_text((_reports.inner(data, "created_at"), report.get("created_at")))
    return [
        _reports.event(
            "mailersend",
            _reports.failure(reason, otherwise=kind) if kind is EventKind.BOUNCED else kind,
            _reports.moment(at, surroundings.now()),
            id=_reports.inner(data, "id"),
            # Of the two tags, the one with a colon is our key.
            key=next((tag for tag in tags if ":" in _reports.text(tag)), "") if isinstance(tags, list) else "",
            address=_reports.inner(mail, "recipient", "email"),
            name=name,
            reason=reason,
        )
    ]
