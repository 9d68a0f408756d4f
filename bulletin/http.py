"""The one client for asking other people's web servers.

Every fetch has a deadline, a size limit and a redirect limit (F-10), reaches public addresses only (Z-30 to Z-35, see
`guard`), and sends nothing about us but who we are (F-01). What goes wrong is a `FetchError` whose reason reads after
a name: "Ofcom news answered 404: there is no such page".
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit

from bulletin.guard import Authorities, FetchError, Limits, Watch, check_address, guarded_adapter

if TYPE_CHECKING:
    from protego import Protego
    from requests import Response
    from requests.adapters import HTTPAdapter

__all__ = ["FEEDS", "PAGES", "Client", "FetchError", "Fetched", "Limits", "Probed", "Validators", "refusal"]

FEEDS: Final = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"
PAGES: Final = "text/html, application/xhtml+xml;q=0.9, */*;q=0.5"

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_PERMANENT: Final = (301, 308)
_MEDIA_TYPE: Final = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(?:;|$)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What a server gave us to ask "has it changed?" with, byte for byte, and the address that gave it (F-02, F-04)."""

    url: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A server's answer. Header names are in small letters."""

    url: str
    """The address that answered, after redirects."""
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    not_modified: bool = False
    """The server says that nothing changed since the validators; `body` is empty (F-03)."""
    permanent: bool = False
    """Whether it was reached by redirects, and all of them are for good (301, 308; F-05)."""

    @property
    def content_type(self) -> str:
        """The content type with its parameters, or nothing."""
        return self.headers.get("content-type", "")

    @property
    def validators(self) -> Validators | None:
        """What to send next time; None if the server offers nothing."""
        etag, modified = self.headers.get("etag"), self.headers.get("last-modified")
        return Validators(url=self.url, etag=etag, last_modified=modified) if etag or modified else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """How an address answers, without what stands there. Header names are in small letters."""

    url: str
    """The address that answered, after redirects, without a fragment."""
    status: int
    """Its answer, whatever it is; never a redirect."""
    headers: Mapping[str, str]
    permanent: bool
    """Whether it was reached by redirects, and all of them are for good (301, 308)."""

    @property
    def content_type(self) -> str:
        """The media type in small letters, without parameters; or nothing."""
        named = _MEDIA_TYPE.match(self.headers.get("content-type", ""))
        return named[1].lower() if named else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Asks web servers, one address at a time; safe to share between threads.

    `user_agent` names the program, its version and an address to complain to (F-01). `local_hosts` are hosts with
    port, such as `127.0.0.1:8000`, that may be asked although they are private or use another port. `certificates` is
    a file of the authorities to trust instead of the usual ones, for networks that have their own.
    """

    user_agent: str
    local_hosts: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    certificates: str | None = None
    _robots: dict[str, Protego | FetchError] = field(default_factory=dict, repr=False, compare=False)
    _authorities: Authorities = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_authorities", Authorities(self.certificates))

    def get(self, url: str, *, validators: Validators | None = None, accept: str = FEEDS) -> Fetched:
        """The document at `url`. Raises `FetchError` for anything but the document or "not changed".

        The limits hold for the whole fetch, redirects included.
        """
        with Watch(self.limits) as watch:
            adapter = guarded_adapter(watch, self.local_hosts, self._authorities)
            try:
                return self._follow(url, adapter, watch, validators, accept)
            finally:
                adapter.close()

    def probe(self, url: str) -> Probed:
        """How `url` answers: the whole way there and the final headers, none of the body.

        It is asked for as a reader's browser would (GET), because many servers answer other questions wrongly. Each
        redirect passes the guard (Z-35). Raises `FetchError` only if there is no answer, or none that may be asked for.
        """
        with Watch(self.limits) as watch:
            adapter = guarded_adapter(watch, self.local_hosts, self._authorities)
            try:
                return self._answer(url.partition("#")[0], adapter, watch)
            finally:
                adapter.close()

    def check_robots(self, url: str) -> float:
        """Raises `FetchError` unless the site's `robots.txt` lets programs open the page (F-09).

        Gives the seconds it asks for between two pages. A client asks each site once. A site that has no `robots.txt`
        allows everything; one that cannot say, nothing.
        """
        check_address(url, self.local_hosts)
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._robots:
            self._robots[site] = self._robots_of(site)
        rules = self._robots[site]
        if isinstance(rules, FetchError):
            about = "" if rules.status is None else "cannot say whether programs may open it: its robots.txt "
            raise FetchError(url, about + rules.reason, status=rules.status, retry_after=rules.retry_after)
        if not rules.can_fetch(url, self.user_agent):
            raise FetchError(url, "does not let programs open this page (robots.txt)")
        return float(rules.crawl_delay(self.user_agent) or 0.0)

    def _robots_of(self, site: str) -> Protego | FetchError:
        from protego import Protego

        try:
            text = self.get(f"{site}/robots.txt", accept="text/plain, */*;q=0.5").body.decode("utf-8", "replace")
        except FetchError as error:
            if error.status is None or error.status >= 500:
                return error
            text = ""
        return Protego.parse(text)

    def _answer(self, url: str, adapter: HTTPAdapter, watch: Watch) -> Probed:
        permanent: list[bool] = []
        for _ in range(self.limits.redirects + 1):
            check_address(url, self.local_hosts)
            with watch.explaining(url), self._send(url, adapter, watch, None, PAGES) as response:
                watch.refuse_late(url)  # headers that were cut off at the deadline look like whole ones
                status = response.status_code
                headers = MappingProxyType({name.lower(): value for name, value in response.headers.items()})
            if status not in _REDIRECTS:
                return Probed(url=url, status=status, headers=headers, permanent=bool(permanent) and all(permanent))
            permanent.append(status in _PERMANENT)
            url = _next_address(url, headers.get("location", ""))
        raise FetchError(url, f"sends us on more than {self.limits.redirects} times")

    def _follow(
        self, url: str, adapter: HTTPAdapter, watch: Watch, validators: Validators | None, accept: str
    ) -> Fetched:
        hops: list[int] = []
        for _ in range(self.limits.redirects + 1):
            check_address(url, self.local_hosts)
            with watch.explaining(url), self._send(url, adapter, watch, validators, accept) as response:
                status = response.status_code
                headers = MappingProxyType({name.lower(): value for name, value in response.headers.items()})
                permanent = bool(hops) and all(hop in _PERMANENT for hop in hops)
                if status == 304 and validators and validators.url == url:
                    return Fetched(
                        url=url, status=status, headers=headers, body=b"", not_modified=True, permanent=permanent
                    )
                if status == 200:
                    body = watch.read(response, url)
                    return Fetched(url=url, status=status, headers=headers, body=body, permanent=permanent)
                if status not in _REDIRECTS:
                    raise refusal(url, status, headers)
                hops.append(status)
            url = _next_address(url, headers.get("location", ""))
        raise FetchError(url, f"sends us on more than {self.limits.redirects} times")

    def _send(
        self, url: str, adapter: HTTPAdapter, watch: Watch, validators: Validators | None, accept: str
    ) -> Response:
        from requests import Request

        headers = {"User-Agent": self.user_agent, "Accept": accept, "Accept-Encoding": "gzip"}
        if validators and validators.url == url:
            if validators.etag:
                headers["If-None-Match"] = validators.etag
            if validators.last_modified:
                headers["If-Modified-Since"] = validators.last_modified
        request = Request("GET", url, headers=headers).prepare()
        timeout = (watch.connect_timeout, self.limits.total)
        return adapter.send(request, stream=True, timeout=timeout, verify=True)


def _next_address(url: str, location: str) -> str:
    """Where a redirect leads. Going from https back to http is refused (Z-35)."""
    if not location:
        raise FetchError(url, "sends us on without saying where to")
    try:
        target = urljoin(url, _plain(location))
    except ValueError:
        raise FetchError(url, "sends us on to something that is not an address") from None
    if url.startswith("https:") and target.startswith("http:"):
        raise FetchError(url, "leads from a secure page to one that is not")
    return target.partition("#")[0]


def _plain(location: str) -> str:
    """A redirect's address as it may be asked and shown: every sign that stands in no address as %XX.

    Header values arrive as Latin-1 whatever they are in; most servers mean UTF-8.
    """
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    host = re.match(r"(?:(?:[A-Za-z][\w+.-]*:)?//[^/?#\x00-\x20\x7f]*)?", location)
    end = host.end() if host else 0  # a host in letters of its own is no matter of percent signs
    return location[:end] + quote(location[end:], safe=_ALLOWED)


_ALLOWED: Final = "!#$%&'()*+,/:;=?@[]~"
"""Signs with a meaning in addresses, beside letters, figures, "_", "." and "-" (RFC 3986 2.2)."""


def refusal(url: str, status: int, headers: Mapping[str, str]) -> FetchError:
    """What an answer that is no page means, in words."""
    wait = _seconds(headers.get("retry-after", ""))
    later = f", and asks us to wait {wait:.0f} seconds" if wait is not None else ""
    reasons = {
        304: "says that nothing changed, although we have nothing yet (304)",
        401: "asks for a password (401)",
        403: "refuses programs (403)",
        404: "answered 404: there is no such page",
        410: "answered 410: the page is gone for good",
        429: f"was asked too often (429){later}",
        503: f"is out of service for now (503){later}",
    }
    usual = f"has a fault of its own ({status})" if status >= 500 else f"answered {status}, which is not a page"
    return FetchError(url, reasons.get(status, usual), status=status, retry_after=wait)


def _seconds(retry_after: str) -> float | None:
    """RFC 9110 10.2.3: seconds, or the date to wait for."""
    from email.utils import parsedate_to_datetime

    if re.fullmatch(r"\d{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
