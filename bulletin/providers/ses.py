"""Amazon SES, in London or another region: up to 50 readers in one call, each with an answer of its own.

SES fills in the personal values itself, and escapes nothing. It knows no keys and cannot be asked for a copy, so a lost
answer stays unknown until its reports tell. They come through Amazon SNS, signed with a certificate.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome, OutcomeKind
from bulletin.providers import _aws, _reports
from bulletin.providers._copies import Copy, Once, json_text, key_as_tag, key_of_tag, sender_of, subject_of
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import (
    Call,
    CallRefused,
    Capabilities,
    Quota,
    Suppressed,
    Surroundings,
    UnsupportedFeature,
    Way,
)
from bulletin.providers._service import Api, Calls, Trouble, key_of, session_with, settings_of, trouble, words_of
from bulletin.render.message import Message

CAPABILITIES = Capabilities(batch=50, key_window=None, really_sends=True, connections=4, webhooks="signed")

KEY_VARIABLE = "AWS_SECRET_ACCESS_KEY"
ID_VARIABLE = "AWS_ACCESS_KEY_ID"
TOKEN_VARIABLE = "AWS_SESSION_TOKEN"  # noqa: S105 - the name of a variable

_LARGEST_TEMPLATE = 500_000
"""Bytes of subject, HTML and text that SES fills in."""

_ONE_A_SECOND_S = 1.0
"""Seconds between two calls that are no deliveries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.ses]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    region: str = "eu-west-2"
    """Where mail is handled: eu-west-2 is London, eu-west-1 Ireland."""
    configuration_set: str | None = None
    """Configuration set of the account that publishes reports, if you set one up."""
    topic: str | None = None
    """ARN of the SNS topic whose reports are believed: arn:aws:sns:eu-west-2:123456789012:bulletin"""
    sns_certificate: str | None = None
    """File with the certificate that SNS signs with, for machines that may not fetch it."""
    return_path: str | None = None
    """Your own name for bounces, if you set one up there: bounces.example.org"""
    timeout: float = 60.0
    """Seconds to wait for SES's answer."""
    endpoint: str | None = None
    """Another web address in place of SES's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """Amazon SES signs with the sender's domain. Bounces go to its own, unless there is a name of ours for them.

    Raises `BulletinError` if settings cannot be read.
    """
    own = provider_settings(config, "ses", Settings).return_path or ""
    return Way(bounces=own, theirs=not own, spf_include="amazonses.com", service="Amazon SES", requires_tls=None)


def check(surroundings: Surroundings) -> str:
    """Ask for the account's quota."""
    with open(surroundings) as session:
        account = session.account()
    if account.get("SendingEnabled") is False:
        raise BulletinError("Amazon SES has paused the account.", hint="Look at it in the SES console.")
    quota = _quota(account, surroundings.now())
    left = "" if quota.left is None else f" {quota.left:,} messages may leave in the next 24 hours,"
    trying = " Only confirmed addresses get mail: ask for production access." if _in_sandbox(account) else ""
    return f"Amazon SES takes the key.{left} {quota.per_second or 0:g} a second.{trying}"


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with SES. Raises `BulletinError` if settings or keys are missing."""
    settings, base = settings_of(
        surroundings.config, "ses", Settings, usual=lambda settings: f"https://email.{settings.region}.amazonaws.com"
    )
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", settings.region):
        raise BulletinError(f'"{settings.region}" is no region of Amazon.', hint="eu-west-2, say, is London.")
    credentials = _aws.Credentials(
        key_id=key_of(surroundings, "Amazon SES", ID_VARIABLE, kind="the id of an access key"),
        secret=key_of(surroundings, "Amazon SES", KEY_VARIABLE, kind="an access key"),
        token=surroundings.environment.get(TOKEN_VARIABLE, ""),
        region=settings.region,
        service="ses",
    )
    ses = Ses(settings, base, credentials, surroundings.now)
    return session_with(lambda post: Session(ses, post, surroundings), settings.timeout)


class Ses(Api):
    """What SES is told and what its answers mean."""

    title = "Amazon SES"
    capabilities = CAPABILITIES
    nested = True
    hints: Mapping[int, str] = {
        0: "Look at what SES says, and at [providers.ses].",
        403: f"Check {ID_VARIABLE}, {KEY_VARIABLE} and the region, and that the key may send.",
        404: "Check configuration_set and region under [providers.ses].",
        413: "The message is too large. See: bulletin check",
    }

    def __init__(
        self, settings: Settings, base: str, credentials: _aws.Credentials, now: Callable[[], dt.datetime]
    ) -> None:
        super().__init__(base, credentials.secret)
        self._settings, self._credentials, self._now = settings, credentials, now
        self._contents = Once(lambda message, mailing: _Content(message))

    def tag_of(self, key: str) -> str:
        """Tags hold letters, digits, "-" and "_" only."""
        return key_as_tag(key)

    def login(self) -> dict[str, str]:
        """None: the whole request is signed."""
        return {}

    def call(self, method: str, path: str, value: object = None, *, body: bytes = b"") -> HttpRequest:
        """A signed request."""
        made = super().call(method, path, value, body=body)
        return _aws.signed(made, self._credentials, self._now())

    def describe(self, message: Message, mailing: str, copy: Copy) -> dict[str, Any]:
        """What is said of one reader."""
        values = {**copy.personal, **{f"{name}_html": value for name, value in copy.personal_html.items()}}
        literals = self._contents(message, mailing).literals
        return {
            "Destination": {"ToAddresses": [copy.address]},
            "ReplacementEmailContent": {
                "ReplacementTemplate": {"ReplacementTemplateData": json_text({**literals, **values})}
            },
            **({"ReplacementHeaders": _headers(copy.own)} if copy.own else {}),
            "ReplacementTags": [{"Name": "bulletin_key", "Value": copy.key}],
        }

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call; SES fills in what is said of each reader."""
        content, reply_to = self._contents(message, mailing), message.envelope.reply_to
        configuration = self._settings.configuration_set
        shared = {
            "FromEmailAddress": sender_of(message),
            **({"ReplyToAddresses": [reply_to]} if reply_to else {}),
            **({"ConfigurationSetName": configuration} if configuration else {}),
            "DefaultEmailTags": [{"Name": "mailing", "Value": key_as_tag(mailing)}],
            "DefaultContent": {
                "Template": {
                    "TemplateContent": {"Subject": content.subject, "Text": content.text, "Html": content.html},
                    "TemplateData": json_text(content.literals),
                    "Headers": _headers(message.headers),
                }
            },
            "ConfigurationOverrides": {
                "Tracking": {"OpenTrackingEnabled": "DISABLED", "ClickTrackingEnabled": "DISABLED"}
            },
        }
        before = json_text(shared)[:-1].encode() + b',"BulkEmailEntries":['
        body = self.entries(message, mailing).joined(letters, before=before, after=b"]}")
        return self.call("POST", "/v2/email/outbound-bulk-emails", body=body)

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """In the order of the call. 200 says nothing about a single message; its own status does."""
        if response.status != 200:
            return _trouble(response)
        told = response.items("BulkEmailEntryResults")
        if len(told) != len(letters):
            return Trouble.UNSURE
        outcomes = [_outcome(letter, entry) for letter, entry in zip(letters, told, strict=True)]
        states = {_reports.text(entry.get("Status")) for entry in told}
        # Nobody is at fault where a whole call is refused for what all letters have in common.
        ours = states <= _OURS or (len(letters) > 1 and states <= _OURS | _REFUSED)
        return Trouble.STOP if ours else outcomes


_OURS = {
    *("ACCOUNT_DAILY_QUOTA_EXCEEDED", "ACCOUNT_SENDING_PAUSED", "CONFIGURATION_SET_SENDING_PAUSED"),
    *("ACCOUNT_SUSPENDED", "MAIL_FROM_DOMAIN_NOT_VERIFIED", "CONFIGURATION_SET_NOT_FOUND", "TEMPLATE_NOT_FOUND"),
    "INVALID_SENDING_POOL_NAME",
}
"""What is no reader's fault, and would hit everybody."""

_LATER = {"TRANSIENT_FAILURE", "ACCOUNT_THROTTLED", "FAILED"}
_REFUSED = {"MESSAGE_REJECTED", "INVALID_PARAMETER"}


def _outcome(letter: Letter, entry: Mapping[str, Any]) -> Outcome:
    status, message_id = _reports.text(entry.get("Status")), _reports.text(entry.get("MessageId"))
    if status == "SUCCESS" and message_id:
        kind = OutcomeKind.ACCEPTED
    elif status in _REFUSED:
        kind = OutcomeKind.REFUSED
    else:
        kind = OutcomeKind.RETRY if status in _OURS | _LATER else OutcomeKind.UNKNOWN
    reason = _reports.words(status, entry.get("Error"))
    return Outcome(key=letter.key, kind=kind, reason=reason, provider_id=message_id)


def _trouble(response: HttpResponse) -> Trouble:
    said = words_of(response)
    if response.status == 429 and "quota exceeded" in said.lower():
        return Trouble.STOP
    if response.status == 400 and re.search(r"(?i)\b(illegal|recipient|destination|to)\b.*\baddress", said):
        return Trouble.ADDRESS
    return trouble(response)


def _headers(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in headers.items()]


# ---------------------------------------------------------------- the template


class _Content:
    """A message as SES fills it in: `{{name}}` for values, and words that look so behind names of their own.

    Raises `UnsupportedFeature` if it is larger than SES takes.
    """

    def __init__(self, message: Message) -> None:
        self._runs: dict[str, str] = {}
        self.subject = self._filled_in(subject_of(message), {})
        self.text = self._filled_in(message.text, {marker: name for name, marker in message.markers.items()})
        self.html = self._filled_in(message.html, {marker: f"{name}_html" for name, marker in message.markers.items()})
        size = sum(len(part.encode()) for part in (self.subject, self.text, self.html))
        if size > _LARGEST_TEMPLATE:
            raise UnsupportedFeature(
                f"the message has {size} bytes; Amazon SES fills in {_LARGEST_TEMPLATE} at most.",
                hint="Shorten the issue, or send with another provider.",
            )

    @property
    def literals(self) -> dict[str, str]:
        """What stands in the words themselves, under the names it got."""
        return {name: run for run, name in self._runs.items()}

    def _filled_in(self, content: str, names: Mapping[str, str]) -> str:
        """Braces and backslashes that SES would read as its own, and those beside a value, become values."""
        parts = re.split("(" + "|".join(map(re.escape, names)) + ")", content) if names else [content]
        last = len(parts) - 1
        for number in range(0, len(parts), 2):
            part = parts[number]

            def named(found: re.Match[str], *, size: int = len(part), at: int = number) -> str:
                beside = (found.start() == 0 and at > 0) or (found.end() == size and at < last)
                if not beside and "{{" not in found[0]:
                    return found[0]
                return _variable(self._runs.setdefault(found[0], f"run{len(self._runs)}"))

            parts[number] = re.sub(r"[{}\\]+", named, part)
        return "".join(part if number % 2 == 0 else _variable(names[part]) for number, part in enumerate(parts))


def _variable(name: str) -> str:
    return "{{" + name + "}}"


class Session(Calls):
    """A session with SES: beside delivering, the account's quota and its list of whom it does not write to."""

    def __init__(self, ses: Ses, post: Post, surroundings: Surroundings) -> None:
        super().__init__(ses, post, surroundings)
        self._ses = ses

    def account(self) -> dict[str, Any]:
        """What SES says about the account."""
        return self.ask(self._ses.question("/v2/email/account")).json()

    def quota(self) -> Quota:
        """What is left of the last 24 hours' allowance, and the rate."""
        return _quota(self.account(), self._now())

    def suppressed(self) -> Iterator[Suppressed]:
        """Everybody on the account's list in this region."""
        token = ""
        while True:
            answer = self.ask(self._ses.question("/v2/email/suppression/addresses", PageSize=1000, NextToken=token))
            for one in answer.items("SuppressedDestinationSummaries"):
                kind = EventKind.COMPLAINED if one.get("Reason") == "COMPLAINT" else EventKind.BOUNCED
                at = _reports.moment(one.get("LastUpdateTime"), self._now())
                yield Suppressed(address=_reports.text(one.get("EmailAddress")), kind=kind, at=at)
            token = _reports.text(answer.json().get("NextToken"))
            if not token:
                return
            self._sleep(_ONE_A_SECOND_S)

    def suppress(self, addresses: Sequence[str]) -> None:
        """Put addresses on that list, one a second: as complaints, for SES knows nothing between that and a bounce."""
        for number, address in enumerate(addresses):
            if number:
                self._sleep(_ONE_A_SECOND_S)
            value = {"EmailAddress": address, "Reason": "COMPLAINT"}
            self.ask(self._ses.call("PUT", "/v2/email/suppression/addresses", value))


def _quota(account: Mapping[str, Any], now: dt.datetime) -> Quota:
    limits = account.get("SendQuota")
    most, sent, rate = (_reports.inner(limits, name) for name in ("Max24HourSend", "SentLast24Hours", "MaxSendRate"))
    counted = isinstance(most, int | float) and isinstance(sent, int | float) and most >= 0
    return Quota(
        left=max(0, int(most - sent)) if counted else None,
        until=now + dt.timedelta(days=1) if counted else None,
        per_second=float(rate) if isinstance(rate, int | float) else None,
    )


def _in_sandbox(account: Mapping[str, Any]) -> bool:
    return account.get("ProductionAccessEnabled") is False


# ---------------------------------------------------------------- what it reports


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The event of a message from SNS, whose signature covers all its words.

    A topic of ours that asks whether we want its messages is told so.
    """
    settings = provider_settings(surroundings.config, "ses", Settings)
    if not settings.topic:
        hint = "Put the ARN of the SNS topic into [providers.ses], topic."
        raise BulletinError("reports from Amazon SES cannot be proved: no topic is named.", hint=hint)
    note = _reports.report_in(call, "Amazon SES")
    if note.get("TopicArn") != settings.topic:
        raise CallRefused("a report that names Amazon SES comes from a topic that is not ours.")
    if call.headers.get("x-amz-sns-message-type", note.get("Type")) != note.get("Type"):
        raise CallRefused("a report that names Amazon SES is of two kinds at once.")
    now = surroundings.now()
    _refuse_unless_signed(note, _certificate(settings, _reports.text(note.get("SigningCertURL"))), now)
    _reports.refuse_old("Amazon SES", _reports.moment(note.get("Timestamp"), _LONG_AGO).timestamp(), now)
    if note.get("Type") == "SubscriptionConfirmation":
        _fetched(_refuse_strange(settings, _reports.text(note.get("SubscribeURL"))))
        return []
    try:
        report = json.loads(_reports.text(note.get("Message")))
    except (ValueError, RecursionError):
        return []  # SES sends a line of words once, to see whether the topic works.
    return [_event(report, _reports.text(note.get("MessageId")), now)] if isinstance(report, dict) else []


_LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def _refuse_unless_signed(note: Mapping[str, Any], certificate: bytes, now: dt.datetime) -> None:
    """SNS signs these values by name (RSA, PKCS #1 v1.5, with SHA-256 or, of old, SHA-1), while a certificate holds."""
    _reports.need_cryptography("Amazon SES")
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    names = _SIGNED.get(_reports.text(note.get("Type")), ())
    words = "".join(f"{name}\n{note[name]}\n" for name in names if isinstance(note.get(name), str))
    method = hashes.SHA1() if note.get("SignatureVersion") == "1" else hashes.SHA256()  # noqa: S303 - theirs
    try:
        found = load_pem_x509_certificate(certificate)
        key, holds = found.public_key(), found.not_valid_before_utc <= now <= found.not_valid_after_utc
        if not names or not holds or not isinstance(key, RSAPublicKey):
            raise InvalidSignature
        key.verify(_reports.from_base64(note.get("Signature")), words.encode("utf-8", "replace"), PKCS1v15(), method)
    except (InvalidSignature, ValueError):
        raise CallRefused("a report that names Amazon SES is not signed by it.") from None


def _certificate(settings: Settings, url: str) -> bytes:
    """The certificate that SNS signs with: from the file of the settings, or from where SNS keeps it."""
    _refuse_strange(settings, url)
    if settings.sns_certificate:
        try:
            return Path(settings.sns_certificate).read_bytes()
        except OSError as error:
            hint = "Correct sns_certificate under [providers.ses]."
            raise BulletinError(f"{settings.sns_certificate}: {error.strerror}.", hint=hint) from None
    if not url.endswith(".pem"):
        raise CallRefused("a report that names Amazon SES names no certificate.")
    return _fetched(url)


def _refuse_strange(settings: Settings, url: str) -> str:
    """The address, if it is one of SNS in the topic's own region. Raises `CallRefused` if it is anything else."""
    region = (settings.topic or "").split(":")[3:4] or [""]
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.netloc not in [f"sns.{region[0]}.amazonaws.com{end}" for end in ("", ".cn")]:
        raise CallRefused("a report that names Amazon SES names an address that is not SNS's.")
    return url


@lru_cache(maxsize=8)
def _fetched(url: str) -> bytes:
    """What stands at an address of SNS. Certificates stay as they are under their address, so one is fetched once."""
    from bulletin.http import Client, FetchError

    try:
        return Client(user_agent="bulletin").get(url, accept="*/*").body
    except FetchError as error:
        raise BulletinError(f"Amazon SNS {error.reason}.", hint="Try again later.") from None


_KINDS = {
    "Delivery": EventKind.DELIVERED,
    "DeliveryDelay": EventKind.DEFERRED,
    "Complaint": EventKind.COMPLAINED,
    "Subscription": EventKind.UNSUBSCRIBED,
    "Reject": EventKind.BLOCKED,
    "Rendering Failure": EventKind.BLOCKED,
}


def _event(report: Mapping[str, Any], note_id: str, now: dt.datetime) -> DeliveryEvent:
    name = _reports.first_text((report.get("eventType"), report.get("notificationType")))
    mail, about = report.get("mail"), report.get(name[:1].lower() + name[1:])
    tags = _reports.inner(mail, "tags", "bulletin_key")
    addresses = _reports.inner(mail, "destination")
    reasons = _reports.inner(about, "bouncedRecipients")
    said = reasons[0] if isinstance(reasons, list) and reasons else None
    parts = ("bounceType", "bounceSubType", "complaintFeedbackType", "reason", "errorMessage")
    words = [_reports.inner(said, "diagnosticCode"), *(_reports.inner(about, part) for part in parts)]
    reason = _reports.words(*words)
    return _reports.event(
        "ses",
        _bounced(about, reason) if name == "Bounce" else _KINDS.get(name, EventKind.OTHER),
        _reports.moment(
            _reports.first_text((_reports.inner(about, "timestamp"), _reports.inner(mail, "timestamp"))), now
        ),
        id=note_id,
        key=key_of_tag(_reports.text(tags[0])) if isinstance(tags, list) and tags else "",
        address=addresses[0] if isinstance(addresses, list) and addresses else "",
        name=name,
        reason=reason,
    )


def _bounced(about: object, reason: str) -> EventKind:
    """Permanent: the address does not exist, or is on a list for that. Transient: SES gave up for now."""
    if _reports.inner(about, "bounceSubType") in ("ContentRejected", "AttachmentRejected"):
        return EventKind.BLOCKED
    permanent = _reports.inner(about, "bounceType") == "Permanent"
    return _reports.failure(reason, otherwise=EventKind.BOUNCED if permanent else EventKind.SOFT_BOUNCED)
