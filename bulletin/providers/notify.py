"""GOV.UK Notify: the words alone, to one reader in a call, in a layout of its own.

What is lost: the design and all pictures, the name of the list (`List-Id`) and every header but the one for
unsubscribing with one click. A template with `((subject))` and `((body))` must be set up there. It knows no keys for
calls, but can be asked for a copy by ours. Its reports are not signed; they carry a token.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT, DeliveryEvent, EventKind, Letter, Outcome
from bulletin.providers import _reports
from bulletin.providers._copies import json_text, subject_of
from bulletin.providers._http import HttpRequest, HttpResponse, Post
from bulletin.providers._provider import Call, Capabilities, EventPage, Quota, Surroundings, UnsupportedFeature, Way
from bulletin.providers._service import Api, Calls, Trouble, accepted, key_of, session_with, settings_of, trouble
from bulletin.render.message import Message

CAPABILITIES = Capabilities(
    batch=1,
    key_window=None,
    really_sends=True,
    connections=8,
    webhooks="secret",
    test_mode=True,
    text_only=True,
)

KEY_VARIABLE = "BULLETIN_NOTIFY_KEY"
WEBHOOK_VARIABLE = "BULLETIN_NOTIFY_WEBHOOK"

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MESSAGES_A_MINUTE = 3000
_WATCHED = dt.timedelta(days=3)
"""How far back mails are asked for what became of them; Notify itself gives up within three days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.notify]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    template_id: str
    """Id of the template at Notify: ((subject)) is its subject, ((body)) its message."""
    reply_to_id: str | None = None
    """Id of the reply address at Notify, if it is not the usual one."""
    timeout: float = 60.0
    """Seconds to wait for Notify's answer."""
    endpoint: str | None = None
    """Another web address in place of Notify's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """Mail leaves under Notify's own name. Raises `BulletinError` if settings cannot be read."""
    provider_settings(config, "notify", Settings)
    own = "notifications.service.gov.uk"
    return Way(author=own, theirs=True, signing=own, service="GOV.UK Notify", requires_tls=None)


def check(surroundings: Surroundings) -> str:
    """Ask for the last mails, and for the template's form."""
    settings = provider_settings(surroundings.config, "notify", Settings)
    with open(surroundings) as session:
        template = session.ask(session.notify.question(f"/v2/template/{settings.template_id}")).json()
    words = f"{template.get('subject')} {template.get('body')}"
    missing = [name for name in ("((subject))", "((body))") if name not in words]
    if missing:
        hint = "Its subject must be ((subject)), its message ((body))."
        raise BulletinError(f"the template at GOV.UK Notify has no {missing[0]}.", hint=hint)
    return "GOV.UK Notify takes the key and has the template. It sends words alone: design and pictures are lost."


def open(surroundings: Surroundings) -> AbstractContextManager[Session]:
    """A session with Notify. Raises `BulletinError` if settings or key are missing."""
    settings, base = settings_of(
        surroundings.config, "notify", Settings, usual=lambda _: "https://api.notifications.service.gov.uk"
    )
    key = key_of(surroundings, "GOV.UK Notify", KEY_VARIABLE, kind="an API key")
    if not re.fullmatch(f".*{_UUID}-{_UUID}", key):
        raise BulletinError("this is no key of GOV.UK Notify.", hint=f"Copy it whole into {KEY_VARIABLE}.")
    if not re.fullmatch(_UUID, settings.template_id):
        raise BulletinError(
            f'"{settings.template_id}" is no id of a template.', hint="Correct template_id under [providers.notify]."
        )
    notify = Notify(settings, base, key, surroundings.now)
    return session_with(lambda post: Session(notify, post, surroundings), settings.timeout)


class Notify(Api):
    """What Notify is told and what its answers mean."""

    title = "GOV.UK Notify"
    capabilities = CAPABILITIES
    hints: Mapping[int, str] = {
        0: "Look at what Notify says, and at [providers.notify].",
        400: "Look at template_id and reply_to_id under [providers.notify], and whether the service is live.",
        403: f"Check {KEY_VARIABLE}, and the clock of this machine.",
        429: "The service has sent all it may today. Send again after midnight (UTC) to go on.",
    }

    def __init__(self, settings: Settings, base: str, key: str, now: Callable[[], dt.datetime]) -> None:
        super().__init__(base, key[-36:])
        self._settings, self._service_id, self._now = settings, key[-73:-37], now

    def login(self) -> dict[str, str]:
        """A token of this moment, signed with the key (RFC 7519, HS256)."""
        claims = {"iss": self._service_id, "iat": int(self._now().timestamp())}
        words = ".".join(_base64(json_text(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims))
        signature = _base64(hmac.digest(self._key.encode(), words.encode(), hashlib.sha256))
        return {"Authorization": f"Bearer {words}.{signature}"}

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """The words for one reader."""
        (letter,) = letters
        reply_to = self._settings.reply_to_id
        value: dict[str, Any] = {
            "email_address": letter.address,
            "template_id": self._settings.template_id,
            "personalisation": {"subject": subject_of(message), "body": _literal(message.text_of(letter))},
            "reference": letter.key,
            **({"email_reply_to_id": reply_to} if reply_to else {}),
        }
        own = message.personal_headers(letter)
        if own:
            link = re.match("<(https://[^>]+)>", own.get("List-Unsubscribe", ""))
            if not link or "List-Unsubscribe-Post" not in own:
                raise UnsupportedFeature(
                    "GOV.UK Notify has no place for unsubscribing by mail.",
                    hint="It needs a page for that: service_url under [web].",
                )
            value["one_click_unsubscribe_url"] = link[1]
        return self.call("POST", "/v2/notifications/email", value)

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse) -> Sequence[Outcome] | Trouble:
        """What a status and an error mean."""
        message_id = _reports.text(response.json().get("id"))
        if response.status == 201 and message_id:
            return accepted(letters, message_id)
        error = next(iter(response.items("errors")), {})
        name, said = _reports.text(error.get("error")), _reports.text(error.get("message"))
        if name == "TooManyRequestsError":
            return Trouble.STOP
        if response.status == 400 and name == "ValidationError" and said.startswith("email_address"):
            return Trouble.ADDRESS
        return trouble(response)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _literal(text: str) -> str:
    """Words of which Notify makes no headings, lists, or links but the addresses in them."""
    text = re.sub(r"[\\\[\]`]", r"\\\g<0>", text)
    text = re.sub(r"(?m)^([ \t]*)(#|>|[*+-](?=[ \t]|[*-]{2,}))", r"\1\\\2", text)
    text = re.sub(r"(?m)^([ \t]*\d+)([.)])", r"\1\\\2", text)
    # No backslash helps before this sign; a word joiner, which nobody sees, does.
    return re.sub(r"(?m)^([ \t]*)\^", "\\1\u2060^", text)


class Session(Calls):
    """A session with Notify: beside delivering, its records of mails."""

    def __init__(self, notify: Notify, post: Post, surroundings: Surroundings) -> None:
        super().__init__(notify, post, surroundings)
        self.notify = notify

    def quota(self) -> Quota:
        """So many in a minute; it does not say how many are left of the day's."""
        return Quota(per_second=_MESSAGES_A_MINUTE / 60)

    def look_up(self, mailing: str, letters: Sequence[Letter]) -> list[Outcome | None]:
        """What Notify has under our keys."""
        return self.each(letters, self._look_up_one)

    def _look_up_one(self, letter: Letter) -> Outcome | None:
        asked = self.notify.question("/v2/notifications", reference=letter.key, template_type="email")
        for message in self.ask(asked).items("notifications"):
            return accepted([letter], _reports.text(message.get("id")), "in Notify's records")[0]
        return None

    def events(self, cursor: str) -> EventPage:
        """What became of the mails of the last three days, newest first; then all over again, for mails change.

        The cursor holds the moment to go back to, and the last mail of the page before.
        """
        until, _, last = cursor.partition(" ")
        answer = self.ask(self.notify.question("/v2/notifications", template_type="email", older_than=last))
        mails = answer.items("notifications")
        oldest = float(until or (self._now() - _WATCHED).timestamp())
        times = [_reports.moment(mail.get("created_at"), self._now()).timestamp() for mail in mails]
        more = bool(mails) and min(times) > oldest
        following = f"{oldest:.0f} {_reports.text(mails[-1].get('id'))}" if more else ""
        return EventPage(events=[_event_of(mail, self._now()) for mail in mails], cursor=following, more=more)


# ---------------------------------------------------------------- what it reports


_KINDS = {
    "delivered": EventKind.DELIVERED,
    "permanent-failure": EventKind.BOUNCED,
    "temporary-failure": EventKind.SOFT_BOUNCED,
    "technical-failure": EventKind.BLOCKED,
}


def receive(call: Call, surroundings: Surroundings) -> list[DeliveryEvent]:
    """The event of a callback. Notify signs nothing: a token must come with it."""
    _reports.refuse_unless_secret(call, surroundings, "GOV.UK Notify", WEBHOOK_VARIABLE)
    return [_event_of(_reports.report_in(call, "GOV.UK Notify"), surroundings.now())]


def _event_of(mail: Mapping[str, Any], now: dt.datetime) -> DeliveryEvent:
    """What a callback, or the list of mails, says of one."""
    message_id, status = _reports.text(mail.get("id")), _reports.text(mail.get("status"))
    at = _reports.first_text(mail.get(f"{step}_at") for step in ("completed", "sent", "created"))
    return _reports.event(
        "notify",
        _KINDS.get(status, EventKind.OTHER),
        _reports.moment(at, now),
        id=message_id and f"{message_id} {status}",
        key=mail.get("reference"),
        address=_reports.first_text((mail.get("to"), mail.get("email_address"))),
        name=status,
    )
