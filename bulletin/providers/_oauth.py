"""Tokens to log in to a mail server with, in place of a password: Microsoft 365 asks for them (B-09)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from bulletin.providers._http import refuse_clear_text
from bulletin.providers._provider import ProviderError
from bulletin.providers._smtpline import Broken

MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
MICROSOFT_SCOPE = "https://outlook.office365.com/.default"
_RENEW_BEFORE_S = 300.0
_TIMEOUT_S = 30.0
_LARGEST_ANSWER = 100_000


@dataclass(slots=True, kw_only=True)
class Tokens:
    """Asks for a token with the app's own secret (RFC 6749 4.4), and keeps it until shortly before it ends."""

    url: str
    client: str
    scope: str
    secret: str = field(repr=False)
    _token: str = field(default="", repr=False)
    _until: float = 0.0
    """By the clock that only goes forward."""

    def __post_init__(self) -> None:
        refuse_clear_text(self.url)

    def current(self) -> str:
        """A token that is good for some minutes at least.

        Raises `ProviderError` if none is given, and `Broken` if nobody answers.
        """
        if time.monotonic() >= self._until:
            answer = self._ask()
            self._token = str(answer["access_token"])
            self._until = time.monotonic() + max(_seconds(answer.get("expires_in")) - _RENEW_BEFORE_S, 0.0)
        return self._token

    def forget(self) -> None:
        """Ask anew next time: the mail server did not take this one."""
        self._until = 0.0

    def _ask(self) -> dict[str, Any]:
        import requests

        form = {
            "grant_type": "client_credentials",
            "client_id": self.client,
            "client_secret": self.secret,
            "scope": self.scope,
        }
        try:
            with requests.Session() as client:
                # Proxy settings and .netrc of the machine must not change where the secret goes.
                client.trust_env = False
                sent = client.post(self.url, data=form, timeout=_TIMEOUT_S, allow_redirects=False, stream=True)
                with sent as response:
                    body = response.raw.read(_LARGEST_ANSWER, decode_content=True)
                    status = response.status_code
        except (requests.RequestException, OSError) as error:
            raise Broken(f"no answer from {self.url}: {type(error).__name__}") from None
        answer = _object(body)
        if status == 200 and answer.get("access_token"):
            return answer
        if status == 429 or status >= 500:
            raise Broken(f"{self.url} answered {status}", wait=30.0)
        said = str(answer.get("error_description") or answer.get("error") or "no reason given").splitlines()[0][:200]
        raise ProviderError(
            f"{self.url} gives no token to log in to the mail server with ({status}): "
            f"{said.replace(self.secret, '[secret]').rstrip('.')}.",
            hint="Check tenant and client under [providers.smtp], and the secret in BULLETIN_SMTP_CLIENT_SECRET.",
        )


def xoauth2(user: str, token: str) -> str:
    """What the client says first in Microsoft's and Google's way of logging in by token."""
    return f"user={user}\x01auth=Bearer {token}\x01\x01"


def _object(body: bytes) -> dict[str, Any]:
    import json

    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0
