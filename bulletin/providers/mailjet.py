"""Mailjet: up to 50 finished copies in one call, each with an answer of its own.

Mailjet lets nobody set `List-Id`. It knows no keys for calls, but blocks a second mail of one mailing to one reader,
and can be asked for a copy by our key. Its reports are not signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome, OutcomeKind
from bulletin.providers import _http, _reports
from bulletin.providers._copies import Copy, json_text, subject_of
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import Call, Capabilities, Surroundings, UnsupportedFeature, Way
from bulletin.providers._service import Api, Calls, Trouble, accepted, key_of, session_with, settings_of, trouble
from bulletin.render.message import Message

CAPABILITIES = Capabilities(
    batch=50,
    batch_bytes=15_000_000,
    key_window=None,
    really_sends=True,
    connections=4,
    webhooks="secret",
    test_mode=True,
)

KEY_VARIABLE = "BULLETIN_MAILJET_KEY"
WEBHOOK_VARIABLE = "BULLETIN_MAILJET_WEBHOOK"
_ENDPOINTS = {"eu": "https://api.mailjet.com", "us": "https://api.us.mailjet.com"}
_LONGEST_SUBJECT = 255
_BAD_ADDRESS = "mj-0013"
_TOO_MUCH = ("mj-0008", "mj-0011")
"""Too many messages in a call, or too many bytes; it does not say how many that are, so the limits above are ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.mailjet]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    region: Literal["eu", "us"] = "eu"
    """Where the account is: eu or us."""
    test_mode: bool = False
    """Whether Mailjet checks the mail and sends nothing."""
    return_path: str | None = None
    """Your own name for bounces, if you set one up there: bnc3.example.org"""
    timeout: float = 60.0
    """Seconds to wait for Mailjet's answer."""
    endpoint: str | None = None
    """Another web address in place of Mailjet's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """Mailjet signs with the sender's domain. Bounces go to its own, unless there is a name of ours for them.

    Raises `BulletinError` if settings cannot be read.
    """
    own = provider_settings(config, "mailjet", Settings).return_path or ""
    return Way(bounces=own, theirs=not own, spf_include="spf.mailjet.com", service="Mailjet", requires_tls=None)


def check(surroundings: Surroundings) -> str:
    """Ask for a mail that never was."""
    with open(surroundings) as session:
        session.ask(session.mailjet.question("/v3/REST/message", CustomID="trial:trial"))
    return "Mailjet takes the keys."


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with Mailjet. Raises `BulletinError` if the keys are missing."""
    settings, base = settings_of(
        surroundings.config, "mailjet", Settings, usual=lambda settings: _ENDPOINTS[settings.region]
    )
    key = key_of(surroundings, "Mailjet", KEY_VARIABLE, kind="API key and secret key, with a colon between them,")
    if not re.fullmatch("[^:]+:[^:]+", key):
        raise BulletinError("the key for Mailjet is not two keys.", hint=f"Put both into {KEY_VARIABLE}: key:secret")
    mailjet = Mailjet(base, key, testing=settings.test_mode)
    return session_with(lambda post: Session(mailjet, post, surroundings), settings.timeout)


class Mailjet(Api):
    """What Mailjet is told and what its answers mean."""

    title = "Mailjet"
    capabilities = CAPABILITIES
    hints: Mapping[int, str] = {
        0: "Look at what Mailjet says, and at [providers.mailjet].",
        401: f"Check {KEY_VARIABLE}, and region under [providers.mailjet].",
        403: "Look at the account at Mailjet: the sender may not be confirmed yet.",
        413: "The message is too large. See: bulletin check",
    }

    def __init__(self, base: str, key: str, *, testing: bool) -> None:
        super().__init__(base, key.partition(":")[2])
        self._login, self._testing = _http.basic(*key.split(":")), testing

    def login(self) -> dict[str, str]:
        """Both keys."""
        return {"Authorization": self._login}

    def describe(self, message: Message, mailing: str, copy: Copy) -> dict[str, Any]:
        """What one reader gets. Square brackets that Mailjet would read as a value become a value."""
        headers = {name: value for name, value in copy.headers.items() if name.lower() != "list-id"}
        brackets = {"Variables": {"brackets": "[["}} if "[[" in copy.text else {}
        return {
            "To": [{"Email": copy.address}],
            "TextPart": copy.text.replace("[[", "[[var:brackets]]"),
            "HTMLPart": copy.html.replace("[[", "&#91;&#91;"),
            "Headers": headers,
            "CustomID": copy.key,
            **brackets,
        }

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call with the words of each letter."""
        envelope, subject = message.envelope, subject_of(message)
        if len(subject) > _LONGEST_SUBJECT:
            hint = "Shorten the subject."
            raise UnsupportedFeature(f"Mailjet takes subjects of {_LONGEST_SUBJECT} characters at most.", hint=hint)
        shared = {
            "From": {"Email": envelope.sender_address, "Name": envelope.sender_name},
            **({"ReplyTo": {"Email": envelope.reply_to}} if envelope.reply_to else {}),
            "Subject": subject,
            "CustomCampaign": mailing,
            # Of a bulletin nobody gets two; of service mails one may.
            "DeduplicateCampaign": bool(message.markers),
            "TrackOpens": "disabled",
            "TrackClicks": "disabled",
        }
        before = json_text({"SandboxMode": self._testing, "Globals": shared})[:-1].encode() + b',"Messages":['
        body = self.entries(message, mailing).joined(letters, before=before, after=b"]}")
        return self.call("POST", "/v3.1/send", body=body)

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """In the order of the call, whatever the status: one bad message makes the whole call look bad."""
        told = response.items("Messages")
        if len(told) != len(letters):
            return Trouble.SIZE if response.json().get("ErrorCode") in _TOO_MUCH else trouble(response)
        outcomes = [_outcome(letter, entry) for letter, entry in zip(letters, told, strict=True)]
        nobody = all(outcome.kind is OutcomeKind.RETRY for outcome in outcomes)
        return Trouble.STOP if nobody else outcomes


def _outcome(letter: Letter, entry: Mapping[str, Any]) -> Outcome:
    """What is said of one letter. What is no reader's fault is put off: alone in a call, it stops the run."""
    status, errors, to = _reports.text(entry.get("Status")), entry.get("Errors"), entry.get("To")
    error = errors[0] if isinstance(errors, list) and errors else None
    message_id = _reports.text(_reports.inner(to[0], "MessageID")) if isinstance(to, list) and to else ""
    code = _reports.text(_reports.inner(error, "ErrorCode"))
    if status == "error":
        kind = OutcomeKind.REFUSED if code == _BAD_ADDRESS else OutcomeKind.RETRY
    else:
        kind = OutcomeKind.ACCEPTED if status == "success" and message_id else OutcomeKind.UNKNOWN
    reason = _reports.words(code, _reports.inner(error, "ErrorMessage"))
    return Outcome(key=letter.key, kind=kind, reason=reason, provider_id=message_id)


class Session(Calls):
    """A session with Mailjet: beside delivering, its records of mails."""

    def __init__(self, mailjet: Mailjet, post: Post, surroundings: Surroundings) -> None:
        super().__init__(mailjet, post, surroundings)
        self.mailjet = mailjet

    def look_up(self, mailing: str, letters: Sequence[Letter]) -> list[Outcome | None]:
        """What Mailjet has under our keys."""
        return self.each(letters, self._look_up_one)

    def _look_up_one(self, letter: Letter) -> Outcome | None:
        for message in self.ask(self.mailjet.question("/v3/REST/message", CustomID=letter.key)).items("Data"):
            return accepted([letter], _reports.text(message.get("ID")), "in Mailjet's records")[0]
        return None


# ---------------------------------------------------------------- what it reports


_GONE = ("user unknown", "invalid domain", "no mail host")
_KINDS = {
    "sent": EventKind.DELIVERED,
    "blocked": EventKind.BLOCKED,
    "spam": EventKind.COMPLAINED,
    "unsub": EventKind.UNSUBSCRIBED,
}


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The events of a webhook. Mailjet signs nothing: a secret must come with them."""
    _reports.refuse_unless_secret(call, surroundings, "Mailjet", WEBHOOK_VARIABLE)
    return [_event(report, surroundings) for report in _reports.reports_in(call, "Mailjet")]


def _event(report: Mapping[str, Any], surroundings: Surroundings) -> DeliveryEvent:
    name, message_id, at = (_reports.text(report.get(part)) for part in ("event", "MessageID", "time"))
    return _reports.event(
        "mailjet",
        _kind(name, report),
        _reports.moment(report.get("time"), surroundings.now()),
        id=message_id and f"{message_id} {name} {at}",
        key=report.get("CustomID"),
        address=report.get("email"),
        name=name,
        reason=_reports.words(*(report.get(part) for part in ("error_related_to", "error", "comment"))),
    )


def _kind(name: str, report: Mapping[str, Any]) -> EventKind:
    error = _reports.text(report.get("error"))
    if name == "blocked" and error == "duplicate in campaign":
        return EventKind.OTHER
    if name == "bounce":
        if report.get("blocked") is True and error not in _GONE:
            return EventKind.BLOCKED
        return EventKind.BOUNCED if report.get("hard_bounce") is True else EventKind.SOFT_BOUNCED
    return _KINDS.get(name, EventKind.OTHER)
