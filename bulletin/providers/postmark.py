"""Postmark: up to 500 finished copies in one call, each with an answer of its own.

It knows no keys, but can be asked for a copy by ours. Its reports are not signed. Mail is handled in the USA.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bulletin.config import Config, provider_settings
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome, OutcomeKind
from bulletin.providers import _reports
from bulletin.providers._copies import Copy, sender_of, subject_of
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import Call, Capabilities, Suppressed, Surroundings, Way
from bulletin.providers._service import Api, Calls, Trouble, accepted, key_of, session_with, settings_of, trouble
from bulletin.render.message import Message

CAPABILITIES = Capabilities(
    batch=500,
    batch_bytes=50_000_000,
    key_window=None,
    really_sends=True,
    connections=4,
    webhooks="secret",
    test_mode=True,
)

KEY_VARIABLE = "BULLETIN_POSTMARK_KEY"
WEBHOOK_VARIABLE = "BULLETIN_POSTMARK_WEBHOOK"

_TEST_TOKEN = "POSTMARK_API_TEST"  # noqa: S105 - everybody's
_INACTIVE, _INVALID, _TOO_MUCH = 406, 300, (410, 413)
_SUPPRESSED_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.postmark]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    stream: str = "broadcast"
    """Message stream for bulletins, as it is called at Postmark; it must be one for broadcasts."""
    service_stream: str = "outbound"
    """Message stream for mails to one person, such as confirmations."""
    return_path: str | None = None
    """Your own name for bounces, if you set one up there: pm-bounces.example.org"""
    timeout: float = 60.0
    """Seconds to wait for Postmark's answer."""
    endpoint: str | None = None
    """Another web address in place of Postmark's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """Postmark signs with the sender's domain. Bounces go to its own, unless there is a name of ours for them.

    Raises `BulletinError` if settings cannot be read.
    """
    own = provider_settings(config, "postmark", Settings).return_path or ""
    return Way(bounces=own, theirs=not own, service="Postmark", requires_tls=None)


def check(surroundings: Surroundings) -> str:
    """Ask for the last message: whether the token is taken."""
    with open(surroundings) as session:
        session.ask(session.postmark.question("/messages/outbound", count=1, offset=0))
        testing = session.postmark.testing
    return "Postmark takes the token." + (" It is the one for tests: nothing will be delivered." if testing else "")


def only_tries(surroundings: Surroundings) -> bool:
    """Whether the token is the one for tests."""
    return surroundings.environment.get(KEY_VARIABLE) == _TEST_TOKEN


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with Postmark. Raises `BulletinError` if the token is missing."""
    settings, base = settings_of(
        surroundings.config, "postmark", Settings, usual=lambda _: "https://api.postmarkapp.com"
    )
    postmark = Postmark(settings, base, key_of(surroundings, "Postmark", KEY_VARIABLE, kind="a server API token"))
    return session_with(lambda post: Session(postmark, post, surroundings), settings.timeout)


class Postmark(Api):
    """What Postmark is told and what its answers mean."""

    title = "Postmark"
    capabilities = CAPABILITIES
    hints: Mapping[int, str] = {
        0: "Look at what Postmark says, and at [providers.postmark].",
        401: f"Check {KEY_VARIABLE}: it must be a server API token.",
        403: "Look at the account at Postmark: it may not be approved yet.",
        413: "The message is too large. See: bulletin check",
    }

    def __init__(self, settings: Settings, base: str, key: str) -> None:
        super().__init__(base, key)
        self.stream, self._service_stream = settings.stream, settings.service_stream
        self.testing = key == _TEST_TOKEN

    def login(self) -> dict[str, str]:
        """The token."""
        return {"X-Postmark-Server-Token": self._key}

    def describe(self, message: Message, mailing: str, copy: Copy) -> dict[str, Any]:
        """A whole message."""
        reply_to = message.envelope.reply_to
        return {
            "From": sender_of(message),
            "To": copy.address,
            **({"ReplyTo": reply_to} if reply_to else {}),
            "Subject": subject_of(message),
            "TextBody": copy.text,
            "HtmlBody": copy.html,
            "MessageStream": self.stream if message.markers else self._service_stream,
            "Tag": mailing,
            "Metadata": {"bulletin_key": copy.key},
            "TrackOpens": False,
            "TrackLinks": "None",
            "Headers": [{"Name": name, "Value": value} for name, value in copy.headers.items()],
        }

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call with a whole message for each letter."""
        return self.call("POST", "/email/batch", body=self.entries(message, mailing).joined(letters))

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """In the order of the call. 200 says nothing about a single message; its own code does."""
        if response.status != 200:
            if response.json().get("ErrorCode") in _TOO_MUCH:
                return Trouble.SIZE
            return Trouble.ADDRESS if _about_address(response.json()) else trouble(response)
        told = response.items()
        if len(told) != len(letters):
            return Trouble.UNSURE
        outcomes = [_outcome(letter, entry) for letter, entry in zip(letters, told, strict=True)]
        nobody = all(outcome.kind is OutcomeKind.RETRY for outcome in outcomes)
        return Trouble.STOP if nobody else outcomes


def _outcome(letter: Letter, entry: Mapping[str, Any]) -> Outcome:
    """What a code means for one letter. One that is no reader's fault is put off: alone in a call, it stops the run."""
    code, said = entry.get("ErrorCode", 0), str(entry.get("Message", ""))
    message_id = _reports.text(entry.get("MessageID"))
    if code == 0 and message_id:
        kind = OutcomeKind.ACCEPTED
    elif code == _INACTIVE or _about_address(entry):
        kind = OutcomeKind.REFUSED
    else:
        kind = OutcomeKind.UNKNOWN if code == 0 else OutcomeKind.RETRY
    return Outcome(key=letter.key, kind=kind, reason=f"{code} {said}".strip(), provider_id=message_id)


def _about_address(entry: Mapping[str, Any]) -> bool:
    said = str(entry.get("Message", ""))
    return entry.get("ErrorCode") == _INVALID and said.startswith(("Invalid 'To'", "Error parsing 'To'"))


class Session(Calls):
    """A session with Postmark: beside delivering, its search for messages and its list of whom it does not write to."""

    def __init__(self, postmark: Postmark, post: Post, surroundings: Surroundings) -> None:
        super().__init__(postmark, post, surroundings)
        self.postmark = postmark

    def look_up(self, mailing: str, letters: Sequence[Letter]) -> list[Outcome | None]:
        """What Postmark finds under our keys. What it does not find may not have come into its records yet."""
        return self.each(letters, self._look_up_one)

    def _look_up_one(self, letter: Letter) -> Outcome | None:
        asked = self.postmark.question(
            "/messages/outbound",
            count=1,
            offset=0,
            metadata_bulletin_key=letter.key,
            messagestream=self.postmark.stream,
        )
        for message in self.ask(asked).items("Messages"):
            return accepted([letter], _reports.text(message.get("MessageID")), "in Postmark's records")[0]
        return None

    def suppressed(self) -> Iterator[Suppressed]:
        """Everybody on the stream's list."""
        answer = self.ask(self.postmark.question(f"{self._list}/dump"))
        for one in answer.items("Suppressions"):
            kind = _SUPPRESSED.get(_reports.text(one.get("SuppressionReason")), EventKind.UNSUBSCRIBED)
            at = _reports.moment(one.get("CreatedAt"), self._now())
            yield Suppressed(address=_reports.text(one.get("EmailAddress")), kind=kind, at=at)

    def suppress(self, addresses: Sequence[str]) -> None:
        """Put addresses on the stream's list."""
        for start in range(0, len(addresses), _SUPPRESSED_AT_ONCE):
            some = [{"EmailAddress": address} for address in addresses[start : start + _SUPPRESSED_AT_ONCE]]
            self.ask(self.postmark.call("POST", self._list, {"Suppressions": some}))

    @property
    def _list(self) -> str:
        return f"/message-streams/{quote(self.postmark.stream, safe='')}/suppressions"


# ---------------------------------------------------------------- what it reports


_SUPPRESSED = {"HardBounce": EventKind.BOUNCED, "SpamComplaint": EventKind.COMPLAINED}
_BOUNCES = {
    **dict.fromkeys(("HardBounce", "BadEmailAddress"), EventKind.BOUNCED),
    **dict.fromkeys(("SoftBounce", "DnsError"), EventKind.SOFT_BOUNCED),
    "Transient": EventKind.DEFERRED,
    **dict.fromkeys(("Blocked", "SpamNotification", "DMARCPolicy"), EventKind.BLOCKED),
    "ManuallyDeactivated": EventKind.UNSUBSCRIBED,
}


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The event of a webhook. Postmark signs nothing: a secret must come with it."""
    _reports.refuse_unless_secret(call, surroundings, "Postmark", WEBHOOK_VARIABLE)
    report = _reports.report_in(call, "Postmark")
    name = _reports.text(report.get("RecordType"))
    at = _reports.first_text(report.get(field) for field in ("DeliveredAt", "BouncedAt", "ChangedAt", "ReceivedAt"))
    message_id = _reports.text(report.get("MessageID"))
    return [
        _reports.event(
            "postmark",
            _kind(name, report),
            _reports.moment(at, surroundings.now()),
            id=message_id and f"{message_id} {name} {_reports.text(report.get('ID')) or at}",
            key=_reports.inner(report, "Metadata", "bulletin_key"),
            address=_reports.first_text((report.get("Recipient"), report.get("Email"))),
            name=_reports.words(name, report.get("Type")),
            reason=_reports.first_text((report.get("Details"), report.get("Description"))),
        )
    ]


def _kind(name: str, report: Mapping[str, Any]) -> EventKind:
    match name:
        case "Delivery":
            return EventKind.DELIVERED
        case "SpamComplaint":
            return EventKind.COMPLAINED
        case "SubscriptionChange" if report.get("SuppressSending") is True:
            reason = _reports.text(report.get("SuppressionReason"))
            return _SUPPRESSED.get(reason, EventKind.UNSUBSCRIBED)
        case "Bounce":
            return _BOUNCES.get(_reports.text(report.get("Type")), EventKind.OTHER)
    return EventKind.OTHER
