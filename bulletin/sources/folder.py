"""A folder of saved pages and forwarded mails, for sites that refuse programs: HTML, MHTML and .eml files.

Whoever can open a page in a browser saves it there, or drops a mail in. Each file is one story.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, Final
from urllib.parse import unquote

from bulletin.model import Candidate
from bulletin.sources import page
from bulletin.sources._dates import day
from bulletin.sources._source import Document, Folder, Spec, UnreadableError
from bulletin.sources._text import extract, headline, line, plain, web_link

_HTML: Final = (".html", ".htm", ".xhtml")
_MHTML: Final = (".mhtml", ".mht")
_MAIL: Final = (".eml",)
_OTHERS: Final = {
    ".msg": "is a message of Outlook's own kind; save it as .eml, or save the page it leads to",
    ".pdf": "is a PDF; save the page that leads to it",
    ".docx": "is a Word file; add its story by hand with bulletin add",
    ".url": "is a link only; add its page with bulletin add",
    ".webarchive": "is an archive of Safari's own kind; save the page as HTML instead",
}
"""What people drop there in good faith, with what to do instead."""
_SAVED_FROM: Final = re.compile(
    rb"<!--\s*saved from url=\(\d+\)(\S+)|<!--\s*Page saved with SingleFile\s+url:\s*(\S+)", re.IGNORECASE
)
_FORWARDED: Final = re.compile(r"\A\s*(?:(?:fwd?|fw|re|aw|wg)\s*:\s*)+", re.IGNORECASE)
_MOST_PARTS: Final = 200
_NO_STORY: Final = re.compile(
    r"unsubscribe|preferences|privacy|view (?:this|it|in)|in your browser|facebook\.|twitter\.|//x\.com|linkedin\."
    r"|instagram\.|youtube\.|mailto:",
    re.IGNORECASE,
)
_HEADER_LINE: Final = re.compile(r"^[>\s]*\**(From|Sent|Date|Subject):\**\s*(.+?)\s*$", re.MULTILINE)


def request(spec: Spec) -> Folder:
    """The files of the folder named in the settings."""
    return Folder(name=spec.url, endings=(*_HTML, *_MHTML, *_MAIL, *_OTHERS))


def read(document: Document, spec: Spec) -> tuple[Candidate, ...]:
    """The story in one file. Raises `UnreadableError` for a file that tells none, or none with a web address."""
    ending = document.url[document.url.rfind(".") :].lower()
    if ending in _OTHERS:
        raise UnreadableError(_OTHERS[ending])
    if not document.body.strip():
        raise UnreadableError("is empty")
    try:
        if ending in _MAIL:
            return (_of_mail(document, spec),)
        if ending in _MHTML:
            return (_of_mhtml(document, spec),)
        return (_of_page(document.body, _address_in(document.body), "", spec),)
    except (UnreadableError, MemoryError):
        raise
    except Exception:  # whatever somebody's bytes do to a parser, it is one file's failure (F-11)
        raise UnreadableError("cannot be read") from None


def _of_page(body: bytes, url: str, content_type: str, spec: Spec) -> Candidate:
    found = page.read(Document(url=url, body=body, content_type=content_type), spec)[0]
    if not web_link(found.url, ""):
        raise UnreadableError("does not say where it was saved from; add it by its address with bulletin add")
    return found


def _address_in(body: bytes) -> str:
    """Where a saved page comes from: a browser's remark, else what the page says of itself."""
    remark = _SAVED_FROM.search(body[:20_000])
    if remark:
        return web_link((remark[1] or remark[2]).decode("utf-8", "replace"), "") or ""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(body)
    for selector, attribute in (('link[rel="canonical"]', "href"), ('meta[property="og:url"]', "content")):
        node = tree.css_first(selector)
        link = web_link((node.attributes.get(attribute) or "") if node is not None else "", "")
        if link:
            return link
    return ""


# ---------------------------------------------------------------- MHTML


def _of_mhtml(document: Document, spec: Spec) -> Candidate:
    message: Any = email.message_from_bytes(document.body, policy=email.policy.default)
    for part in _parts(message):
        if part.get_content_type() in ("text/html", "application/xhtml+xml"):
            where = str(message.get("Snapshot-Content-Location") or part.get("Content-Location") or "")
            charset = part.get_content_charset() or ""
            kind = f"text/html; charset={charset}" if charset else ""
            body = part.get_payload(decode=True) or b""
            return _of_page(body, web_link(where, "") or _address_in(body), kind, spec)
    raise UnreadableError("holds no web page")


def _parts(message: Any) -> Iterator[Any]:
    for number, part in enumerate(message.walk()):
        if number >= _MOST_PARTS:
            return
        yield part


# ---------------------------------------------------------------- mails


def _of_mail(document: Document, spec: Spec) -> Candidate:
    """A mail as a story: of a forwarded one the sender, day and subject of the first mail count."""
    message: Any = email.message_from_bytes(document.body, policy=email.policy.default)
    inner = next((part for part in _parts(message) if part.get_content_type() == "message/rfc822"), None)
    if inner is not None:
        message = inner.get_payload(0)
    html, text = _body(message, "html"), _body(message, "plain")
    lines = (_lines(html) if html else text).splitlines()
    words = " ".join(" ".join(each for each in lines if not _NO_STORY.search(each) and "://" not in each).split())
    within = {name.lower(): value for name, value in reversed(_HEADER_LINE.findall(_lines(html) if html else text))}
    subject = line(plain(_FORWARDED.sub("", within.get("subject") or str(message.get("Subject") or ""))))
    title = headline(subject)
    if not title:
        raise UnreadableError("has no subject; add the story by hand")
    link = _story_link(html, text, title)
    if link is None:
        raise UnreadableError("holds no web address of a story; add it by hand with bulletin add")
    sent = within.get("sent") or within.get("date") or str(message.get("Date") or "")
    raw = within.get("from") or str(message.get("From") or "")
    sender = parseaddr(raw)[0] or (raw if "@" not in raw else "")
    after = re.split(r"\bSubject:\s*" + re.escape(subject), words, maxsplit=1)
    return Candidate(
        title=title,
        url=link,
        source=line(plain(sender)) or spec.title,
        published=day(sent, spec.zone, spec.today),
        summary=extract(after[-1].strip()),
        why="from a mail in the folder",
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):
        return bytes(part.get_payload(decode=True) or b"").decode("utf-8", "replace")


def _lines(html: str) -> str:
    """HTML as lines of words, to find the header lines that mail programs put before a forwarded mail."""
    broken = re.sub(r"<(?:br|/p|/div|/tr|/h\d|/li)\b[^>]*>", "\n", html[:200_000], flags=re.IGNORECASE)
    return "\n".join(plain(part) for part in broken.split("\n")[:2_000])


def _story_link(html: str, text: str, title: str) -> str | None:
    """The link whose words are most like the subject, else the first that is none of the usual ones of newsletters."""
    links: list[tuple[str, str]] = []
    if html:
        from selectolax.lexbor import LexborHTMLParser

        links = [
            (node.attributes.get("href") or "", plain(node.html or ""))
            for node in LexborHTMLParser(html).css("a[href]")
        ]
    links += [(found, "") for found in re.findall(r"https?://[^\s<>\"')\]]+", text)]
    usable = [
        (web_link(_unwrapped(href), ""), words) for href, words in links if not _NO_STORY.search(href + " " + words)
    ]
    wanted = set(re.findall(r"\w{3,}", title.casefold()))
    scored = [
        (len(wanted & set(re.findall(r"\w{3,}", words.casefold()))), -number, link)
        for number, (link, words) in enumerate(usable[:_MOST_PARTS])
        if link
    ]
    return max(scored)[2] if scored else None


def _unwrapped(href: str) -> str:
    """The address behind the wrapping of a mail gateway, which only the receiver may open."""
    wrapped = re.match(r"https://[a-z0-9.-]+\.safelinks\.protection\.outlook\.com/\?(?:.*&(?:amp;)?)?url=([^&]+)", href)
    return unquote(wrapped[1]) if wrapped else href
