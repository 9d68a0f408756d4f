"""Signs requests for Amazon's services (Signature Version 4), as its documentation describes it.

Two dozen lines in place of a library of fourteen megabytes; the tests hold them against that library.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, urlsplit

from bulletin.providers._http import HttpRequest

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who signs, and for what."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    """Of a session that ends by itself; most have none."""
    region: str
    service: str


def signed(request: HttpRequest, credentials: Credentials, now: dt.datetime) -> HttpRequest:
    """The request with the headers that prove whose it is."""
    parts = urlsplit(request.url)
    moment = now.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    session = {"X-Amz-Security-Token": credentials.token} if credentials.token else {}
    told = {**request.headers, "X-Amz-Date": moment, **session}
    signing = {name.lower(): " ".join(value.split()) for name, value in told.items()} | {"host": parts.netloc}
    names = sorted(signing)
    query = sorted((_quoted(name), _quoted(value)) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    asked = "\n".join(
        [
            request.method,
            quote(parts.path or "/", safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{signing[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/{credentials.region}/{credentials.service}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    proof = f"Credential={credentials.key_id}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    secrets = tuple(filter(None, (credentials.secret, credentials.token, signature)))
    return replace(request, headers={**told, "Authorization": f"{_ALGORITHM} {proof}"}, secrets=secrets)


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
