"""Mailgun, in its European or its American region: up to 1,000 readers in one call.

Mailgun fills in the personal values itself and gives one answer for a whole call. It knows no keys, so a call without
an answer leaves all its letters unknown. It writes Date and Message-ID of its own; our key travels as a variable that
its events return.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT, Letter, Outcome, OutcomeKind
from bulletin.providers import _http
from bulletin.providers._http import HttpRequest, HttpResponse, NoAnswer, NotSent
from bulletin.providers._provider import Capabilities, ProviderError, Surroundings, Way
from bulletin.render.message import Message, checked, from_header

CAPABILITIES = Capabilities(batch=1000, key_window=None, really_sends=True)

KEY_VARIABLE = "BULLETIN_MAILGUN_KEY"
_ENDPOINTS = {"eu": "https://api.eu.mailgun.net", "us": "https://api.mailgun.net"}
_WAIT_S = 30.0

_ITS_VARIABLES = re.compile(r"%(?=recipient|unsubscribe|mailing_list_unsubscribe|tag_unsubscribe)(.)", re.IGNORECASE)
"""What Mailgun would fill in; in the words of an issue it must stay what was written."""

_LITERALS = {f"percent_{letter}": f"%{letter}" for letter in "rumtRUMT"}
"""Variables for the first two signs of such words: Mailgun then sees a name it does not know in what is left."""


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
    timeout: float = 60.0
    """Seconds to wait for Mailgun's answer."""
    endpoint: str | None = None
    """Another web address in place of Mailgun's own, to try things out on this machine."""


def way(config: Config) -> Way:
    """Mailgun bounces to and signs with its own name for the domain. Raises `BulletinError` if settings are missing."""
    settings = provider_settings(config, "mailgun", Settings)
    domain, strict = settings.domain, settings.require_tls
    return Way(bounces=domain, signing=domain, spf_include="mailgun.org", service="Mailgun", requires_tls=strict)


@contextmanager
def open(surroundings: Surroundings) -> Iterator[Session]:
    """A session with Mailgun. Raises `BulletinError` if settings or key are missing."""
    import requests

    settings = provider_settings(surroundings.config, "mailgun", Settings)
    key = surroundings.environment.get(KEY_VARIABLE, "")
    if not key:
        raise BulletinError("there is no key for Mailgun.", hint=f"Put a domain sending key into {KEY_VARIABLE}.")
    if not re.fullmatch(r"[A-Za-z0-9.-]+", settings.domain):
        raise BulletinError(f'"{settings.domain}" is not a domain.', hint="Correct domain under [providers.mailgun].")
    if settings.timeout <= 0:
        raise BulletinError(
            "nobody can answer within no time.",
            hint="Write a timeout above 0 under [providers.mailgun], or leave it out.",
        )
    _http.refuse_clear_text(settings.endpoint or _ENDPOINTS[settings.region])
    with requests.Session() as client:
        # Proxy settings and .netrc of the machine must not change where the key goes.
        client.trust_env = False
        yield Session(Mailgun(settings, key), lambda request: _http.post(client, request, timeout=settings.timeout))


@dataclass(frozen=True, slots=True)
class Mailgun:
    """What Mailgun is told and what its answers mean. Pure."""

    settings: Settings
    key: str = field(repr=False)

    def request(self, mailing: str, letters: Sequence[Letter], message: Message) -> HttpRequest:
        """One call for all letters. Each reader sees only their own address, and has their own unsubscribe header."""
        envelope = message.envelope
        fixed = {"Reply-To": envelope.reply_to} if envelope.reply_to else {}
        own = {letter.address: message.personal_headers(letter) for letter in letters}
        names = dict.fromkeys(name for headers in own.values() for name in headers)
        headers = {**fixed, **message.headers, **{name: f"%recipient.{_variable(name)}%" for name in names}}

        def values(letter: Letter) -> dict[str, str]:
            mine = {_variable(name): own[letter.address].get(name, "") for name in names}
            return {"key": letter.key, **_LITERALS, **mine, **_values(letter, message.markers)}

        fields = [
            ("from", from_header(envelope).replace("\r\n", "")),
            *(("to", letter.address) for letter in letters),
            ("subject", _neutral(checked("Subject", message.subject))),
            ("text", _with_variables(message.text, message.markers)),
            ("html", _with_variables(message.html, message.markers, in_html=True)),
            *((f"h:{name}", checked(name, value)) for name, value in headers.items()),
            ("v:bulletin_key", "%recipient.key%"),
            ("o:suppress-headers", "X-Mailgun-Variables"),
            ("o:tag", mailing),
            ("o:tracking", "no"),
            ("o:tracking-clicks", "no"),
            ("o:tracking-opens", "no"),
            ("o:require-tls", "yes" if self.settings.require_tls else "no"),
            ("recipient-variables", json.dumps({letter.address: values(letter) for letter in letters})),
        ]
        base = self.settings.endpoint or _ENDPOINTS[self.settings.region]
        url = f"{base.rstrip('/')}/v3/{self.settings.domain}/messages"
        return HttpRequest(url=url, fields=fields, user="api", secret=self.key)

    def outcomes(self, letters: Sequence[Letter], response: HttpResponse | NotSent | NoAnswer) -> list[Outcome]:
        """One outcome for each letter, all the same: Mailgun answers for the call as a whole.

        Raises `ProviderError` if no other call would fare better. An answer of a gateway (502, 504) does not say
        whether Mailgun had the call, so it counts as none.
        """
        match response:
            case NotSent(reason):
                return _all(letters, OutcomeKind.RETRY, reason)
            case NoAnswer(reason):
                return _all(letters, OutcomeKind.UNKNOWN, reason)
        said = self._without_key(str(response.json().get("message", "") or response.body[:200]))
        reason = f"{response.status} {said}"
        if response.status == 200:
            return self._taken(letters, response, said)
        if response.status in (502, 504):
            return _all(letters, OutcomeKind.UNKNOWN, reason)
        if response.status in (408, 425, 429) or response.status >= 500:
            return _all(letters, OutcomeKind.RETRY, reason)
        if response.status == 400 and len(letters) == 1 and about_address(response):
            return _all(letters, OutcomeKind.REFUSED, reason)
        raise self._stopped(response.status, said)

    def _without_key(self, said: str) -> str:
        """Words of a server, which may repeat what it was told: the key stays out of messages and ledger (Z-23)."""
        login = b64encode(f"api:{self.key}".encode()).decode()
        return said.replace(login, "[key]").replace(self.key, "[key]")

    def _taken(self, letters: Sequence[Letter], response: HttpResponse, said: str) -> list[Outcome]:
        message_id = str(response.json().get("id", ""))
        if message_id and said.startswith("Queued"):
            return _all(letters, OutcomeKind.ACCEPTED, said, message_id.strip("<>"))
        if not response.json() and "Magnificent" in said:
            raise ProviderError(
                "Mailgun does not know this address, and says so in an answer that looks like success.",
                hint="Check endpoint and domain under [providers.mailgun].",
            )
        return _all(letters, OutcomeKind.UNKNOWN, f"an answer that confirms nothing: {said}")

    def _stopped(self, status: int, said: str) -> ProviderError:
        hints = {
            401: f"Check {KEY_VARIABLE}, and that the key is for this region.",
            402: "Look at the account at Mailgun.",
            403: "Look at the account at Mailgun: the key may not send for this domain.",
            404: "Check domain and region under [providers.mailgun]: a domain is known in one region only.",
            413: "The message is too large. See: bulletin check",
        }
        usual = "Look at what Mailgun says, and at [providers.mailgun]."
        return ProviderError(f"Mailgun answered {status}: {said.strip()}", hint=hints.get(status, usual))


class Session:
    """Makes Mailgun's calls. One refused for a bad address is made again in halves, until that address is alone."""

    def __init__(self, mailgun: Mailgun, post: Callable[[HttpRequest], HttpResponse | NotSent | NoAnswer]) -> None:
        self.wait = 0.0
        self._mailgun, self._post = mailgun, post

    def deliver(self, mailing: str, letters: Sequence[Letter], message: Message) -> list[Outcome]:
        """See `providers._provider.Session`."""
        self.wait = 0.0
        response = self._post(self._mailgun.request(mailing, letters, message))
        if isinstance(response, HttpResponse):
            if response.status == 400 and len(letters) > 1 and about_address(response):
                return self._in_halves(mailing, letters, message)
            if response.status in (408, 425, 429) or response.status >= 500:
                self.wait = response.retry_after or _WAIT_S
        elif isinstance(response, NotSent):
            self.wait = _WAIT_S
        return self._mailgun.outcomes(letters, response)

    def _in_halves(self, mailing: str, letters: Sequence[Letter], message: Message) -> list[Outcome]:
        middle = len(letters) // 2
        first = self.deliver(mailing, letters[:middle], message)
        if self.wait:
            return [*first, *_all(letters[middle:], OutcomeKind.RETRY, "Mailgun wants to be left alone first")]
        try:
            return [*first, *self.deliver(mailing, letters[middle:], message)]
        except ProviderError as error:
            error.outcomes = (*first, *error.outcomes)
            raise


def about_address(response: HttpResponse) -> bool:
    """Whether a refused call was refused for an address in it, and for nothing else."""
    said = str(response.json().get("message", ""))
    return bool(re.search(r"\bto\b.*\baddress", said)) and "from" not in said.lower()


def _all(letters: Sequence[Letter], kind: OutcomeKind, reason: str, provider_id: str = "") -> list[Outcome]:
    return [Outcome(key=letter.key, kind=kind, reason=reason, provider_id=provider_id) for letter in letters]


def _variable(header: str) -> str:
    return f"header_{header.lower().replace('-', '_')}"


def _values(letter: Letter, names: Collection[str]) -> dict[str, str]:
    """Mailgun puts values in as they are, so a value for HTML is a value of its own."""
    personal = {name: letter.personal[name] for name in names}
    for_html = {f"{name}_html": html.escape(value) for name, value in personal.items()}
    return {**personal, **for_html}


def _with_variables(content: str, markers: Mapping[str, str], *, in_html: bool = False) -> str:
    content = _ITS_VARIABLES.sub(r"&#37;\1", content) if in_html else _neutral(content)
    for name, marker in markers.items():
        content = content.replace(marker, f"%recipient.{name}{'_html' if in_html else ''}%")
    return content


def _neutral(text: str) -> str:
    return _ITS_VARIABLES.sub(r"%recipient.percent_\1%", text)
