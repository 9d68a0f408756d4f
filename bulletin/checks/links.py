"""Links: their words and their addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlsplit

from bulletin.checks._reading import clipped, links, links_in, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity
from bulletin.selection import canonical, same_story_key

_VAGUE = frozenset(
    {
        "click here", "click", "click link", "click this link", "this link", "the link", "link", "here", "more",
        "read more", "read on", "find out more", "learn more", "see more", "more info", "more information",
        "further information", "full story", "continue reading", "view", "view more", "download", "details",
        "more details", "website", "this page", "this website", "this article", "this report", "open", "go", "visit",
        "visit website", "visit the website", "read", "read it", "read it here", "read more here", "web page", "page",
    }
)  # fmt: skip


@check("LNK01", Severity.LOOK)
def vague_words(material: Material) -> Iterator[Found]:
    """A link's words do not say what it leads to (C-03).

    *Why*: people who use a screen reader jump from link to link and hear only the links' words.

    *Instead of*: "Read more", "click here", or the bare address.

    *Write*: "Read the statutory guidance on Stalking Protection Orders".
    """
    for link in links(material):
        loc = (*link.loc[:-1], "link") if link.loc[-1] == "url" else link.loc
        if plain_key(link.words) in _VAGUE:
            yield Found(
                loc, f'the link "{clipped(link.words)}" does not say what it leads to.', "Name the page or document."
            )
        elif re.match(r"(?i)(?:https?://|www\.)\S+$", link.words.strip()):
            yield Found(
                loc,
                f"the link shows the bare address {clipped(link.words)}.",
                "Give it words: [the name of the page](address)."
                if link.loc[-1] != "url"
                else "Name the page instead.",
            )


@check("LNK02", Severity.LOOK)
def not_https(material: Material) -> Iterator[Found]:
    """A link does not use https.

    *Why*: http can be read and changed on the way, browsers warn of it, and some mail filters mark it down.

    *Instead of*: `http://www.example.org/page`.

    *Write*: `https://www.example.org/page`, after trying that it opens.
    """
    for link in links(material):
        if link.url.lower().startswith("http://") and not _is_own_host(link.url, material):
            yield Found(
                link.loc, f"the address {clipped(link.url, 80)} is not https.", "Try it with https:// and use that."
            )


@check("LNK03", Severity.LOOK)
def tracking(material: Material) -> Iterator[Found]:
    """A link carries parameters that only track who follows it.

    *Why*: they came with the mail or page the address was copied from. Some stand for one person.

    *Instead of*: `https://www.example.org/page?utm_source=newsletter&mc_eid=4f2`.

    *Write*: `https://www.example.org/page`.
    """
    for link in links(material):
        kept = _parameters(canonical(link.url))
        names = [name for name in _parameters(link.url) if name not in kept]
        if names:
            yield Found(
                link.loc,
                f"the address carries tracking: {', '.join(names)}.",
                "Delete these from the address, and try that it still opens.",
            )


def _parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(_parts(url).query, keep_blank_values=True))


_GATEWAYS = (
    "safelinks.protection.outlook.com", "safelinks.protection.office365.us", "urldefense.com",
    "urldefense.proofpoint.com", "urldefense.us", "mimecast.com", "mimecastprotect.com", "linkprotect.cudasvc.com",
    "secure-web.cisco.com", "emailprotection.link", "clicktime.symantec.com", "protection.sophos.com",
    "fireeye.com", "isolation.zscaler.com", "lnks.gd", "govdelivery.com", "list-manage.com", "ct.sendgrid.net",
    "l.facebook.com", "lm.facebook.com",
)  # fmt: skip
_OWN_SITES = frozenset({"mimecast.com", "www.mimecast.com", "urldefense.com", "fireeye.com", "www.fireeye.com"})


@check("LNK04", Severity.MUST_FIX)
def wrapped(material: Material) -> Iterator[Found]:
    """A link leads through a mail filter or somebody's click counter (G-09).

    *Why*: an address copied out of a mail often belongs to the filter of the organisation that received it. It can
    hold a colleague's mail address, it stops working, and readers cannot see where it goes.

    *Instead of*: `https://eur01.safelinks.protection.outlook.com/?url=...`.

    *Write*: the page's own address, copied from the browser after opening it.
    """
    for link in links(material):
        host = _host(link.url)
        if _is_gateway(link.url, host):
            target = _unwrapped(link.url)
            yield Found(
                link.loc,
                f"the address leads through {host}, not to the page itself.",
                f"Write {clipped(target, 200)}" if target else "Open it and copy the page's address from the browser.",
            )


def _is_gateway(url: str, host: str) -> bool:
    parts = _parts(url)
    if host in {"www.google.com", "www.google.co.uk", "google.com"}:
        return parts.path == "/url"
    if host.endswith("govdelivery.com"):
        return host.startswith("links") or "/track" in url or "/CL0/" in url
    if host.endswith("list-manage.com"):
        return "/track/" in parts.path
    if host in _OWN_SITES and not parts.path.startswith(("/v", "/s/")):
        return False
    return any(host == gateway or host.endswith("." + gateway) for gateway in _GATEWAYS)


def _unwrapped(url: str) -> str:
    """The page behind a wrapped address, if the address itself tells."""
    parts = _parts(url)
    query = parse_qs(parts.query)
    inner = next((query[name][0] for name in ("url", "u", "q", "a", "domain") if name in query), "")
    if _host(url) == "urldefense.proofpoint.com" and inner:
        inner = unquote(inner.replace("-", "%").replace("_", "/"))
    third = re.search(r"/v3/__(.+?)__;", url)
    inner = third[1] if third else inner
    return inner if re.match(r"https?://[^\s/]+\.[^\s/]+", inner) and "*" not in inner else ""


@check("LNK05", Severity.MUST_FIX)
def private_host(material: Material) -> Iterator[Found]:
    """A link leads to a place that readers cannot reach: a private, local or test host.

    *Why*: an address copied from a preview or a test site opens for you and for nobody else.

    *Instead of*: `http://localhost:8000/news` or `https://staging.example.org/news`.

    *Write*: the address of the published page.
    """
    for link in links(material):
        host = _host(link.url)
        if host and _is_private(host) and not _is_own_host(link.url, material):
            yield Found(link.loc, f"readers cannot reach {host}.", "Use the address of the published page.")


_PRIVATE_ENDS = (".local", ".localhost", ".internal", ".intranet", ".lan", ".corp", ".home", ".home.arpa")
_TEST_LABELS = frozenset({"staging", "stage", "preprod", "pre-prod", "uat", "dev", "test", "testing", "sandbox"})


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        labels = host.split(".")
        return len(labels) == 1 or host.endswith(_PRIVATE_ENDS) or bool(_TEST_LABELS & set(labels[:-2]))
    return not address.is_global


def _is_own_host(url: str, material: Material) -> bool:
    """Hosts on this machine that the settings allow, as the demonstration's sample sites are."""
    return _parts(url).netloc.lower() in material.config.collecting.local_hosts


def _host(url: str) -> str:
    return (_parts(url).hostname or "").lower()


def _parts(url: str) -> SplitResult:
    """The parts of an address; all of them empty if it cannot be read as one."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


@check("LNK06", Severity.LOOK)
def no_link(material: Material) -> Iterator[Found]:
    """An item has no link at all.

    *Why*: readers cannot see for themselves, and an item without its source is hard to trust.

    *Instead of*: a summary that ends with "see the website".

    *Write*: the page's address in `url`, and in `link` what it leads to.
    """
    for at, item in material.items():
        if not item.url and not (item.event and item.event.booking) and not links_in(item.summary):
            yield Found(at, f'"{clipped(item.title)}" has no link.', 'Add "url", the address of the page it is about.')


@check("LNK07", Severity.LOOK)
def same_words(material: Material) -> Iterator[Found]:
    """Two links have the same words and lead to different places (C-03).

    *Why*: in a list of links nobody can tell them apart.

    *Instead of*: "Read the report", twice.

    *Write*: "Read the report on forced marriage" and "Read the report on modern slavery".
    """
    seen: dict[str, str] = {}
    for link in links(material):
        words = plain_key(link.words)
        if not words:
            continue
        first = seen.setdefault(words, link.url)
        if same_story_key(first) != same_story_key(link.url):
            yield Found(
                (*link.loc[:-1], "link") if link.loc[-1] == "url" else link.loc,
                f'the words "{clipped(link.words)}" also lead to {clipped(first, 80)}.',
                "Say in each what it leads to.",
            )


_SHORTENERS = frozenset(
    {
        "bit.ly", "bit.do", "bitly.com", "buff.ly", "cutt.ly", "dlvr.it", "eepurl.com", "goo.gl", "hubs.ly",
        "is.gd", "lnkd.in", "ow.ly", "rb.gy", "rebrand.ly", "short.gy", "shorturl.at", "t.co", "t.ly",
        "tiny.cc", "tinyurl.com", "trib.al", "tr.im", "v.gd",
    }
)  # fmt: skip


@check("LNK08", Severity.LOOK)
def shortened(material: Material) -> Iterator[Found]:
    """A link is a short address of somebody else's service (G-10).

    *Why*: readers cannot see where it leads, careful organisations block it, and it can stop or change.

    *Instead of*: `https://bit.ly/3xYz`.

    *Write*: the page's own address. Its length does not matter, because readers see the link's words.
    """
    for link in links(material):
        host = _host(link.url)
        if host.removeprefix("www.") in _SHORTENERS:
            yield Found(
                link.loc, f"{host} is a link shortener.", "Open it and copy the page's address from the browser."
            )


@check("LNK09", Severity.MUST_FIX)
def other_host(material: Material) -> Iterator[Found]:
    """A link's words are a web address, and it leads somewhere else (G-10).

    *Why*: it is the oldest trick of fraud by mail. Filters stop such mails.

    *Instead of*: words that show www.example.org above an address at www.example.com.

    *Write*: words that name the page.
    """
    for link in links(material):
        shown = re.match(r"(?i)(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:[/?#]\S*)?$", link.words.strip())
        if shown and shown[1].lower().removeprefix("www.") != _host(link.url).removeprefix("www."):
            yield Found(
                link.loc,
                f'the link shows "{clipped(link.words)}" and leads to {_host(link.url)}.',
                "Name the page in words, or correct the address.",
            )
