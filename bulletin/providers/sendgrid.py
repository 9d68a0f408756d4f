"""SendGrid, by Twilio, in the USA or for accounts set up in the EU: up to 1,000 readers in one call.

SendGrid puts the personal values in itself, and gives one answer for a whole call. It knows no keys; its log can be
asked where the account has one. Our key travels as an argument that its reports return.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome
from bulletin.providers import _reports
from bulletin.providers._copies import Copy, json_text, subject_of, with_values
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import Call, CallRefused, Capabilities, Suppressed, Surroundings, Way
from bulletin.providers._service import Api, Calls, Trouble, accepted, key_of, session_with, settings_of, trouble
from bulletin.render.message import Envelope, Message, ServiceMessage

CAPABILITIES = Capabilities(
    batch=1000,
    batch_bytes=30_000_000,
    key_window=None,
    really_sends=True,
    connections=8,
    webhooks="signed",
    test_mode=True,
)

KEY_VARIABLE = "BULLETIN_SENDGRID_KEY"
WEBHOOK_VARIABLE = "BULLETIN_SENDGRID_WEBHOOK"
_ENDPOINTS = {"us": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.sendgrid]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    region: Literal["us", "eu"] = "us"
    """Where the account was set up: us or eu."""
    test_mode: bool = False
    """Whether SendGrid checks the mail and sends nothing."""
    return_path: str | None = None
    """Name for bounces as SendGrid shows it with your domain: em123.example.org"""
    timeout: float = 60.0
    """Seconds to wait for SendGrid's answer."""
    endpoint: str | None = None
    """Another web address in place of SendGrid's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """SendGrid signs with the sender's domain. Bounces go to its own, unless there is a name of ours for them.

    Raises `BulletinError` if settings cannot be read.
    """
    own = provider_settings(config, "sendgrid", Settings).return_path or ""
    return Way(bounces=own, theirs=not own, spf_include="sendgrid.net", service="SendGrid", requires_tls=None)


def check(surroundings: Surroundings) -> str:
    """Let it check a mail to ourselves, which it does not send."""
    config = surroundings.config
    trial = ServiceMessage(Envelope.of(config), subject="Trial", html="<p>Trial</p>", text="Trial", language="en")
    letter = Letter(key="trial:trial", number=1, address=config.sender.address, personal={}, message_id="")
    with open(surroundings) as session:
        session.ask(session.sendgrid.trial(letter, trial))
    return "SendGrid takes the key, and checked a mail from this sender without sending it."


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with SendGrid. Raises `BulletinError` if the key is missing."""
    settings, base = settings_of(
        surroundings.config, "sendgrid", Settings, usual=lambda settings: _ENDPOINTS[settings.region]
    )
    key = key_of(surroundings, "SendGrid", KEY_VARIABLE, kind="an API key that may send")
    sendgrid = SendGrid(base, key, testing=settings.test_mode)
    return session_with(lambda post: Session(sendgrid, post, surroundings), settings.timeout)


class SendGrid(Api):
    """What SendGrid is told and what its answers mean."""

    title = "SendGrid"
    capabilities = CAPABILITIES
    hints: Mapping[int, str] = {
        0: "Look at what SendGrid says, and at [providers.sendgrid].",
        401: f"Check {KEY_VARIABLE}, and region under [providers.sendgrid].",
        403: "Check that the key may send, and that the sender is authenticated at SendGrid.",
        413: "The message is too large. See: bulletin check",
    }

    def __init__(self, base: str, key: str, *, testing: bool) -> None:
        super().__init__(base, key)
        self._testing = testing

    def login(self) -> dict[str, str]:
        """The key."""
        return {"Authorization": f"Bearer {self._key}"}

    def trial(self, letter: Letter, message: Message) -> HttpRequest:
        """A call that is checked and carried out in no case."""
        return SendGrid(self.base, self._key, testing=True).request("trial", [letter], message)

    def describe(self, message: Message, mailing: str, copy: Copy) -> dict[str, Any]:
        """What is said of one reader. Every value is a text: of a number it says only that the request is bad."""
        values = {_tag(marker): copy.personal[name] for name, marker in message.markers.items()}
        values |= {_tag(marker, "html"): copy.personal_html[name] for name, marker in message.markers.items()}
        return {
            "to": [{"email": copy.address}],
            **({"headers": dict(copy.own)} if copy.own else {}),
            **({"substitutions": values} if values else {}),
            "custom_args": {"bulletin_key": copy.key},
        }

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call; SendGrid puts in what is said of each reader, wherever it finds our own markers."""
        envelope = message.envelope
        text = with_values(message.text, message.markers, {n: _tag(m) for n, m in message.markers.items()})
        page = with_values(message.html, message.markers, {n: _tag(m, "html") for n, m in message.markers.items()})
        shared = {
            "from": {"email": envelope.sender_address, "name": envelope.sender_name},
            **({"reply_to": {"email": envelope.reply_to}} if envelope.reply_to else {}),
            "subject": subject_of(message),
            "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": page}],
            "headers": dict(message.headers),
            "categories": [mailing],
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": {"enable": False},
                "subscription_tracking": {"enable": False},
            },
            "mail_settings": {"sandbox_mode": {"enable": self._testing}},
        }
        before = json_text(shared)[:-1].encode() + b',"personalizations":['
        body = self.entries(message, mailing).joined(letters, before=before, after=b"]}")
        return self.call("POST", "/v3/mail/send", body=body)

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """All the same: SendGrid answers for the call as a whole, and tells about bad addresses later."""
        message_id = response.headers.get("x-message-id", "")
        if response.status == 202 and message_id:
            return accepted(letters, message_id)
        if response.status == 200 and self._testing and not response.body.strip():
            return accepted(letters, "trial", "checked, not sent")
        errors = response.items("errors")
        if response.status == 400 and errors and all(map(_about_address, errors)):
            return Trouble.ADDRESS
        return trouble(response)


def _tag(marker: str, place: str = "text") -> str:
    """What SendGrid looks for. Neither of two such tags is part of the other, and nobody can write one by chance."""
    return f"-{marker}.{place}-"


def _about_address(error: Mapping[str, Any]) -> bool:
    return bool(re.match(r"personalizations\.\d+\.to\b", _reports.text(error.get("field"))))


class Session(Calls):
    """A session with SendGrid: beside delivering, its log and its lists of whom it does not write to."""

    def __init__(self, sendgrid: SendGrid, post: Post, surroundings: Surroundings) -> None:
        super().__init__(sendgrid, post, surroundings)
        self.sendgrid = sendgrid

    def look_up(self, mailing: str, letters: Sequence[Letter]) -> list[Outcome | None]:
        """What its log has of this mailing to these readers. Where the account has no log, nothing can be told."""
        return self.each(letters, lambda letter: self._look_up_one(mailing, letter))

    def _look_up_one(self, mailing: str, letter: Letter) -> Outcome | None:
        query = f"to_email = '{_quoted(letter.address)}' AND categories IN ('{_quoted(mailing)}')"
        for message in self.ask(self.sendgrid.call("POST", "/v3/logs", {"query": query, "limit": 1})).items("messages"):
            return accepted([letter], _reports.text(message.get("sg_message_id")), "in SendGrid's log")[0]
        return None

    def suppressed(self) -> Iterator[Suppressed]:
        """Everybody on the account's lists of bounces, wrong addresses, complaints and unsubscribes."""
        for name, kind in _LISTS.items():
            start = 0
            while True:
                answer = self.ask(self.sendgrid.question(f"/v3/suppression/{name}", limit=_PAGE, offset=start))
                found = answer.items()
                for one in found:
                    at = _reports.moment(one.get("created"), self._now())
                    yield Suppressed(address=_reports.text(one.get("email")), kind=kind, at=at)
                if not found:
                    break
                start += len(found)

    def suppress(self, addresses: Sequence[str]) -> None:
        """Put addresses on the list of those who want no mail of the account at all."""
        for start in range(0, len(addresses), _PAGE):
            value = {"recipient_emails": list(addresses[start : start + _PAGE])}
            self.ask(self.sendgrid.call("POST", "/v3/asm/suppressions/global", value))


def _quoted(text: str) -> str:
    return text.replace("'", "''")


_LISTS = {
    "bounces": EventKind.BOUNCED,
    "invalid_emails": EventKind.BOUNCED,
    "spam_reports": EventKind.COMPLAINED,
    "unsubscribes": EventKind.UNSUBSCRIBED,
}


# ---------------------------------------------------------------- what it reports


_KINDS = {
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DEFERRED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED,
}
_DROPPED = {
    "Bounced Address": EventKind.BOUNCED,
    "Invalid": EventKind.BOUNCED,
    "Spam Reporting Address": EventKind.COMPLAINED,
    "Unsubscribed Address": EventKind.UNSUBSCRIBED,
}


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The events of a webhook, signed with all their words (ECDSA with SHA-256)."""
    key = _reports.secret_of(surroundings, "SendGrid", WEBHOOK_VARIABLE)
    given, at = (call.headers.get(f"x-twilio-email-event-webhook-{part}", "") for part in ("signature", "timestamp"))
    _refuse_unless_signed(key, _reports.from_base64(given), at.encode("utf-8", "replace") + call.body)
    _reports.refuse_old("SendGrid", at, surroundings.now())
    return [
        _reports.event(
            "sendgrid",
            _kind(report),
            _reports.moment(report.get("timestamp"), surroundings.now()),
            id=report.get("sg_event_id"),
            key=report.get("bulletin_key"),
            address=report.get("email"),
            name=report.get("event"),
            reason=" ".join(
                filter(None, (_reports.text(report.get(part)) for part in ("status", "reason", "response")))
            ),
        )
        for report in _reports.reports_in(call, "SendGrid")
    ]


def _refuse_unless_signed(public_key: str, signature: bytes, words: bytes) -> None:
    _reports.need_cryptography("SendGrid")
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(_reports.from_base64(public_key))
    except ValueError:
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        hint = "Copy it again from SendGrid's settings of the webhook."
        raise BulletinError(f"{WEBHOOK_VARIABLE} holds no public key of SendGrid.", hint=hint)
    try:
        key.verify(signature, words, ECDSA(SHA256()))
    except InvalidSignature:
        raise CallRefused("a report that names SendGrid is not signed by it.") from None


def _kind(report: Mapping[str, Any]) -> EventKind:
    name, words = _reports.text(report.get("event")), _reports.text(report.get("reason"))
    if name == "bounce":
        if report.get("type") == "blocked":
            return EventKind.BLOCKED
        return _reports.failure(f"{_reports.text(report.get('status'))} {words}", otherwise=EventKind.BOUNCED)
    if name == "dropped":
        return _DROPPED.get(words, EventKind.BLOCKED)
    return _KINDS.get(name, EventKind.OTHER)
