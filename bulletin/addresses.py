"""Web addresses: their usual spelling, when two are one, and what one gives away. Nothing here asks for any."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

_TRACKING: Final = re.compile(
    r"utm_\w*|fbclid|gclid|gclsrc|dclid|msclkid|yclid|igshid|mc_cid|mc_eid|mkt_tok|_ga|_gl|_hsenc|_hsmi|vero_id", re.I
)
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PORTS: Final = {"http": "80", "https": "443"}
_HOME: Final = re.compile(r"/?(?:[a-z]{2}(?:-[a-z]{2})?/?)?(?:(?:index|home|default)(?:\.\w+)?/?)?", re.I)


def split(url: str) -> SplitResult:
    """The parts of an address; all of them empty if it cannot be read as one."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def mailto(mailbox: str, subject: str = "") -> str:
    """The address of a mail to write; its subject is filled in (RFC 6068)."""
    written = "mailto:" + quote(mailbox, safe="@+!$*'")
    return f"{written}?subject={quote(subject, safe='')}" if subject else written


def is_home(url: str) -> bool:
    """Whether an address is a site's first page, also that of one language."""
    parts = split(url)
    return bool(parts.netloc) and not parts.query and _HOME.fullmatch(parts.path) is not None


def canonical(url: str) -> str:
    """The address in its one usual spelling, without tracking parameters (F-27, RFC 3986 6). Never raises.

    What is no address comes back as it is, without spaces around it.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return url
    if scheme not in _PORTS or not host:
        return url
    shown = f"[{host}]" if ":" in host else host
    place = shown if port is None or str(port) == _PORTS[scheme] else f"{shown}:{port}"
    path = _percent(_without_dots(parts.path)) or "/"
    pairs = (pair for pair in parts.query.split("&") if pair and not _TRACKING.fullmatch(pair.partition("=")[0]))
    return urlunsplit(SplitResult(scheme, place, path, _percent("&".join(pairs)), ""))


def without_tracking(url: str) -> str:
    """The address as its source writes it, less what only counts readers."""
    place, mark, rest = url.partition("?")
    query, hash_, fragment = rest.partition("#")
    if not mark or "#" in place:
        return url
    kept = "&".join(pair for pair in query.split("&") if not _TRACKING.fullmatch(pair.partition("=")[0]))
    return place + (f"?{kept}" if kept else "") + hash_ + fragment


_SECRETS: Final = frozenset(
    {
        "password", "passwd", "pwd", "access_token", "auth_token", "authtoken", "api_key", "apikey", "session_id",
        "sessionid", "jsessionid", "phpsessid", "refresh_token", "id_token", "client_secret",
    }
)  # fmt: skip


def secret_in(url: str) -> str:
    """What an address holds that lets whoever has it in: a user name, or the name of a parameter; else nothing."""
    parts = split(url)
    if parts.scheme not in _PORTS:
        return ""
    if "@" in parts.netloc:
        return "a user name"
    named = [pair.partition("=")[0] for pair in f"{parts.query}&{parts.fragment}".split("&")]
    session = re.search(r"(?i);(jsessionid|phpsessid|sessionid)=", parts.path)
    found = next((name for name in named if name.lower() in _SECRETS), session[1] if session else "")
    return f'"{found}"' if found else ""


def same_story_key(url: str) -> str:
    """What two addresses of one story have in common: `www.`, http or https and a trailing slash do not count (F-27).

    For comparing only; it is no address.
    """
    clean = _CLEAN.fullmatch(url)
    if clean and "/." not in clean[2]:
        return clean[1] + clean[2].rstrip("/")
    return _exact_key(url)


_CLEAN: Final = re.compile(r"https?://(?:www\.)?([a-z0-9]+(?:[.-][a-z0-9]+)*)((?:/[A-Za-z0-9_~./-]*)?)")
"""An address in its usual spelling already, as nearly all are: taking it apart takes most of the time of comparing."""


def _exact_key(url: str) -> str:
    place, _, query = canonical(url).partition("?")
    place = re.sub(r"\Ahttps?://(www\.)?", "", place).rstrip("/")
    return f"{place}?{query}" if query else place


def _without_dots(path: str) -> str:
    """RFC 3986 5.2.4, by the resolver of the standard library."""
    if "/." not in path:
        return path
    return urlsplit(urljoin("http://host/", path.lstrip("/"))).path


def _percent(text: str) -> str:
    """RFC 3986 6.2.2: escapes in capitals, and none where none is needed."""

    def normal(escape: re.Match[str]) -> str:
        sign = chr(int(escape[1], 16))
        return sign if sign in _UNRESERVED else escape[0].upper()

    return re.sub(r"%([0-9A-Fa-f]{2})", normal, text)
