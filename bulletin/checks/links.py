"""Links: their words and their addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from bulletin.addresses import canonical, is_home, same_story_key, secret_in, split, without_tracking
from bulletin.checks._mail import loc_of, mails
from bulletin.checks._reading import Link, clipped, links, links_in, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.door import Loc
from bulletin.model import LinkFact, LinkState, Mend, Severity


def addresses(material: Material) -> tuple[str, ...]:
    """The addresses to ask for: where the issue's links lead and, when it is about to leave, its mails' pictures.

    Never asked are addresses with a password, a session or the like in them, private hosts, click counters, which
    would count, and the publication's own pages, which may not be there yet. Of an address with http its https form is
    asked as well.
    """
    own = tuple({material.config.archive_url, material.config.service_url})
    asked = []
    for link in links(material):
        if not link.url.startswith(own) and _may_be_asked(link.url, material):
            asked += [link.url, _with_https(link.url)]
    if material.leaving:
        asked += [src for src, _ in _pictures(material)]
    return tuple(dict.fromkeys(filter(None, asked)))


def _may_be_asked(url: str, material: Material) -> bool:
    host = _host(url)
    if not host or secret_in(url) or _is_gateway(url, host):
        return False
    return _is_own_host(url, material) or not _is_out_of_reach(host, material)


def _with_https(url: str) -> str:
    parts = split(url)
    return f"https{url[4:]}" if parts.scheme == "http" and ":" not in parts.netloc else ""


def _mended(link: Link, new: str, material: Material) -> tuple[Mend, ...]:
    """The mend that gives a link another address, if its old one stands in the file as it is."""
    value: Any = material.file.document.data
    for part in link.loc:
        value = value[part]
    if not new or link.url not in str(value) or re.search(r"[\s<>\[\]\"'`]", new):
        return ()
    if link.loc[-1] not in {"url", "booking"}:  # brackets would end the link in Markdown
        new = new.replace("(", "%28").replace(")", "%29")
    return (Mend(loc=link.loc, old=link.url, new=new),)


VAGUE = frozenset(
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
        if plain_key(link.words) in VAGUE:
            yield Found(
                loc, f'the link "{clipped(link.words)}" does not say what it leads to.', "Name the page or document."
            )
        elif re.match(r"(?i)(?:https?://|www\.)\S+$", link.words.strip()) and not _shown_elsewhere(link):
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
        host = _host(link.url)
        if link.url.lower().startswith("http://") and not (
            _is_own_host(link.url, material) or (host and _is_out_of_reach(host, material))  # LNK05 tells of the latter
        ):
            secure = material.links.get(_with_https(link.url))
            works = secure is not None and secure.state is LinkState.WORKS
            yield Found(
                link.loc,
                f"the address {clipped(link.url, 80)} is not https.",
                "It works with https:// as well; use that." if works else "Try it with https:// and use that.",
                _mended(link, secure.url, material) if works and secure else (),
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
                _mended(link, without_tracking(link.url), material),
            )


def _parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(split(url).query, keep_blank_values=True))


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
                _mended(link, without_tracking(target), material) if target else (),
            )


def _is_gateway(url: str, host: str) -> bool:
    parts = split(url)
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
    parts = split(url)
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
        if host and _is_out_of_reach(host, material) and not _is_own_host(link.url, material):
            yield Found(link.loc, f"readers cannot reach {host}.", "Use the address of the published page.")


_PRIVATE_ENDS = (".local", ".localhost", ".internal", ".intranet", ".lan", ".corp", ".home", ".home.arpa")
_TEST_LABELS = frozenset(
    {"staging", "stage", "preprod", "pre-prod", "preview", "uat", "dev", "test", "testing", "sandbox"}
)


def _is_out_of_reach(host: str, material: Material) -> bool:
    """Whether a host is private by its name, or one of the publication's own test sites."""
    own = [known.lower().lstrip("*.") for known in material.config.checking.staging_hosts]
    return _is_private(host) or any(host == known or host.endswith("." + known) for known in own if known)


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        labels = host.split(".")
        return len(labels) == 1 or host.endswith(_PRIVATE_ENDS) or bool(_TEST_LABELS & set(labels[:-2]))
    return not address.is_global


def _is_own_host(url: str, material: Material) -> bool:
    """Hosts on this machine that the settings allow, as the demonstration's sample sites are."""
    return split(url).netloc.lower() in material.config.collecting.local_hosts


def _host(url: str) -> str:
    return (split(url).hostname or "").lower()


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
        if not words or words in VAGUE:
            continue  # LNK01 speaks of vague ones
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
        if _shown_elsewhere(link):
            yield Found(
                link.loc,
                f'the link shows "{clipped(link.words)}" and leads to {_host(link.url)}.',
                "Name the page in words, or correct the address.",
            )


def _shown_elsewhere(link: Link) -> bool:
    """Whether a link's words are an address at another site than its own."""
    shown = re.match(r"(?i)(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:[/?#]\S*)?$", link.words.strip())
    return shown is not None and shown[1].lower().removeprefix("www.") != _host(link.url).removeprefix("www.")


@check("LNK10", Severity.MUST_FIX, online=True)
def dead(material: Material) -> Iterator[Found]:
    """A link leads to a page that is not there.

    *Why*: the site says so, there is no such site any more, or its certificate has run out. Readers would meet the
    same, and trust the next link less.

    *Instead of*: an address that answers "404: there is no such page".

    *Write*: the page's new address. Search for its title on the site, or leave the link out.
    """
    for link, fact in _answered(material, LinkState.DEAD):
        yield Found(
            link.loc,
            f"{clipped(link.url, 120)} {fact.reason}.",
            "Look for the page's new address, or take the link out.",
        )


@check("LNK11", Severity.LOOK, online=True)
def moved(material: Material) -> Iterator[Found]:
    """A link leads on to another address, for good.

    *Why*: the old address works only as long as somebody keeps it. A page that leads to the site's home page has
    often been deleted.

    *Instead of*: the address from last year's mail.

    *Write*: the address that the browser shows once the page is open.
    """
    for link, fact in _answered(material, LinkState.MOVED):
        if is_home(fact.leads_to) and not is_home(link.url):
            hint = "The page itself may be gone: open it, and look for its new address."
            yield Found(link.loc, f"{clipped(link.url, 120)} {fact.reason}.", hint)
        elif fact.leads_to != _with_https(link.url) or not _is_reported_by_lnk02(link, material):
            yield Found(
                link.loc,
                f"{clipped(link.url, 120)} has moved for good.",
                f"Write {clipped(fact.leads_to, 200)}",
                _mended(link, fact.leads_to, material),
            )


def _is_reported_by_lnk02(link: Link, material: Material) -> bool:
    secure = material.links.get(_with_https(link.url))
    return secure is not None and secure.state is LinkState.WORKS


@check("LNK12", Severity.LOOK, online=True)
def unchecked(material: Material) -> Iterator[Found]:
    """The links to a site could not be checked.

    *Why*: many sites let no program in, or were too busy just now. That says nothing of the page.

    *Instead of*: taking silence for a page that works.

    *Write*: nothing, but open the links yourself before sending.
    """
    sites: dict[tuple[str, str], list[Link]] = {}
    for link, fact in _answered(material, LinkState.UNSURE):
        sites.setdefault((_host(link.url), fact.reason), []).append(link)
    for (host, reason), found in sites.items():
        pages = list(dict.fromkeys(link.url for link in found))
        count = f"{len(pages)} links" if len(pages) > 1 else "a link"
        yield Found(
            found[0].loc,
            f"could not check {count} at {host}, which {reason}.",
            f"Open {'them' if len(pages) > 1 else 'it'} yourself: {clipped(' '.join(pages), 300)}",
        )


@check("LNK13", Severity.MUST_FIX, online=True, leaving=True)
def pictures_not_published(material: Material) -> Iterator[Found]:
    """A picture of the mail is not at its address yet, and the mail is about to leave.

    *Why*: mails show pictures from the archive. What is not published when a reader opens the mail is an empty box.

    *Instead of*: sending first and publishing after.

    *Write*: publish the archive first: `bulletin archive`, and put its folder where readers get it.
    """
    for src, loc in _pictures(material):
        fact = material.links.get(src)
        missing = fact is not None and fact.state is LinkState.DEAD
        other = fact is not None and fact.state is LinkState.WORKS and bool(fact.kind) and "image/" not in fact.kind
        if fact is not None and (missing or other):
            what = fact.reason if missing else f"is {fact.kind} and no picture"
            yield Found(
                loc, f"readers would see no picture: {src} {what}.", "Publish the archive first: bulletin archive"
            )


def _pictures(material: Material) -> Iterator[tuple[str, Loc]]:
    """The address of each picture in the finished mails, once, with the part of the issue it belongs to."""
    seen = set()
    for mail in mails(material):
        for node in mail.page.elements:
            src = node.attributes.get("src") or "" if node.tag == "img" else ""
            if re.match(r"(?i)https?://", src) and src not in seen:
                seen.add(src)
                yield src, loc_of(material, mail.page.owner(node))


def _answered(material: Material, state: LinkState) -> Iterator[tuple[Link, LinkFact]]:
    """The links of which this was learnt, each address once."""
    seen = set()
    for link in links(material):
        fact = material.links.get(link.url)
        if fact is not None and fact.state is state and link.url not in seen:
            seen.add(link.url)
            yield link, fact


@check("LNK15", Severity.MUST_FIX)
def no_address(material: Material) -> Iterator[Found]:
    """A link in a text has no address behind its words.

    *Why*: the words were to lead somewhere, and nobody said where to. Readers get the words alone.

    *Instead of*: `Read [the guidance]() by Friday.`

    *Write*: `Read [the guidance](https://www.example.org/guidance) by Friday.`
    """
    for link in links(material):
        if not link.url.strip():
            yield Found(
                link.loc, f'the link "{clipped(link.words)}" has no address.', "Put it between the round brackets."
            )


@check("LNK14", Severity.MUST_FIX)
def secret(material: Material) -> Iterator[Found]:
    """A link holds somebody's user name, password or session.

    *Why*: whoever gets the mail can use it, and so can everyone the mail is passed on to.

    *Instead of*: `https://name:password@www.example.org/page` or `https://www.example.org/page?access_token=4f2c`.

    *Write*: the page's address without it. Tell whoever it belongs to, so that it can be changed.
    """
    for link in links(material):
        if what := secret_in(link.url):
            message = f"the address of {_host(link.url)} holds {what}."
            yield Found(link.loc, message, "Write it without, and try it again.")
