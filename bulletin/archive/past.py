"""Issues from before this tool, as issue files: saved web pages of Mailchimp, govDelivery and others, and PDFs. Pure.

What comes out is a draft. It is never public by itself: a page that was mailed may hold links of the one reader who
saved it, so links of mailing services are left out, and a person reads the issue before it is published.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from bulletin.archive.catalogue import slug
from bulletin.errors import BulletinError
from bulletin.model import Item
from bulletin.sources._text import decoded, extract, line, plain, web_link

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

DOCUMENT: Final = "issue.pdf"
"""Name of the document beside the issue file."""
LONGEST_SUMMARY: Final = 150
"""Words of a story that are taken over; the rest is for the editor to shorten."""
_BODIES: Final = ("#bulletin_body", ".bulletin_body", "#bodyTable", "#templateContainer", "main", "article", "body")
"""Where the words are: govDelivery's pages, Mailchimp's, and anybody's."""
_UNWANTED: Final = (
    "script, style, noscript, iframe, form, nav, header, footer, #awesomewrap, #archivebar, .mcnPreviewText, "
    "#templatePreheader, #templateFooter, .dateline, .bulletin_subject, #footer, [hidden]"
)
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4"})
_BLOCKS: Final = frozenset({"p", "td", "tr", "table", "li", "ul", "ol", "div", "br", "hr", "blockquote"})
_PERSONAL: Final = re.compile(
    r"list-manage\.com|mailchi\.mp/[^/]*/(?:unsub|profile)|campaign-archive\.com|govdelivery\.com|lnks\.gd|"
    r"unsubscri|preferences|manage[_-]?subscription|[?&](?:e|mc_eid|u)=[0-9a-f]{8,}",
    re.IGNORECASE,
)
"""Links that lead through a mailing service, or belong to one reader."""
_FAREWELL: Final = re.compile(
    r"unsubscribe|update your preferences|view this email in your browser|forward to a friend|"
    r"manage (?:your )?subscriptions|all rights reserved|why did i get this",
    re.IGNORECASE,
)
_MONTHS: Final = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_NAMED: Final = "|".join(f"{month}|{month[:3]}" for month in _MONTHS)
_WRITTEN: Final = re.compile(
    rf"\b(?:(\d{{1,2}})(?:st|nd|rd|th)?[\s_-]+)?({_NAMED})[\s_,.-]+((?:19|20)\d\d)\b", re.IGNORECASE
)
_ISO: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])(?:[-_.]?(0[1-9]|[12]\d|3[01]))?(?!\d)")
_SENT: Final = re.compile(r"sent this bulletin at (\d\d)/(\d\d)/(\d{4})")
"""govDelivery's own line, with the month first wherever it was sent."""


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier issue as it was found."""

    title: str
    date: dt.date
    stories: tuple[Item, ...] = ()
    document: bytes = b""
    """A PDF that holds it, where its words were not taken over."""

    def named(self, title: str | None, date: dt.date | None) -> Past:
        """The same with a title and a day that a person knows better."""
        return replace(self, title=title or self.title, date=date or self.date)


def read(data: bytes, name: str, *, title: str | None = None, date: dt.date | None = None) -> Past:
    """An earlier issue from a file; `name` is the file's, and may say the day. Raises `BulletinError`.

    `title` and `date`, where they are given, are taken instead of what the file says.
    """
    if data.startswith(b"%PDF-"):
        found = _titled_pdf(data, name)
        stories: tuple[Item, ...] = ()
    elif re.search(rb"<(?:html|body|table|div|p)\b", data[:100_000], re.IGNORECASE):
        page = _parsed(decoded(data, ""))
        found = _titled_page(page, name)
        stories = tuple(_stories(page))
        if not stories:
            raise BulletinError(
                f"no story was found in {name}.", hint="Save it as a PDF and import that, to link to it as it is."
            )
    else:
        raise BulletinError(f"{name} is neither a web page nor a PDF.", hint="Save it from the browser as HTML or PDF.")
    day = date or found[1]
    if day is None:
        raise BulletinError(
            f"it is not clear when {name} was sent.",
            hint="Name the day: --date 2019-03-28, or call the file 2019-03-28.",
        )
    return Past(title or found[0], day, stories, b"" if stories else data)


def issue_id(past: Past, taken: Collection[str]) -> str:
    """A name for the issue: its month, or its day where the month is taken; the next free one after that."""
    names = (
        f"{past.date:%Y-%m}",
        f"{past.date:%Y-%m-%d}",
        *(f"{past.date:%Y-%m-%d}-{number}" for number in range(2, 99)),
    )
    return next(name for name in names if name not in taken)


def issue_text(past: Past, name: str, section: str) -> str:
    """The issue's file: a draft that is not public yet."""
    from bulletin.issuefile import edit

    lines = [
        "# Taken over from an earlier bulletin. Read it before you publish it, then write public: true.",
        "",
        "schema: 1",
        f"id: {name}",
        f"title: {json.dumps(past.title, ensure_ascii=False)}",
        f"date: {past.date.isoformat()}",
        "public: false",
    ]
    if past.document:
        lines.append(f"document: {DOCUMENT}")
    text = "\n".join(lines) + "\n"
    for story in past.stories:
        text = edit.add_item(text, f"issues/{name}/issue.yaml", section, story)
    return text


# ---------------------------------------------------------------- title and day


def _titled_page(page: LexborHTMLParser, name: str) -> tuple[str, dt.date | None]:
    said = [
        node.text(strip=True) if node.tag != "meta" else node.attributes.get("content") or ""
        for selector in (".bulletin_subject", 'meta[property="og:title"]', "title", "h1")
        for node in page.css(selector)[:1]
    ]
    title = next((plain(words) for words in said if words.strip()), PurePath(name).stem)
    text = page.body.text(separator=" ") if page.body else ""
    sent = _SENT.search(text)
    if sent:
        return line(title), _day(int(sent[3]), int(sent[1]), int(sent[2]))
    return line(title), _told(PurePath(name).stem) or _told(title) or _told(text[:3000])


def _titled_pdf(data: bytes, name: str) -> tuple[str, dt.date | None]:
    from io import BytesIO

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    stem = PurePath(name).stem
    try:
        document = PdfReader(BytesIO(data))
        facts = document.metadata
        title = (facts.title if facts else None) or ""
        first = document.pages[0].extract_text() if document.pages else ""
        made = facts.creation_date.date() if facts and facts.creation_date else None
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError):
        raise BulletinError(f"{name} cannot be read as a PDF.", hint="Save it again as PDF.") from None
    readable = re.sub(r"[_-]+", " ", stem).strip()
    useful = title if len(title.split()) > 1 and not title.lower().endswith((".docx", ".doc", ".pdf")) else readable
    return line(" ".join(useful.split())), _told(stem) or _told(title) or _told(first[:2000]) or made


def _told(text: str) -> dt.date | None:
    """The first day, or month, that a text names; a month is its last day, when bulletins go out."""
    found = [(match.start(), _from_iso(match)) for match in _ISO.finditer(text)]
    found += [(match.start(), _from_words(match)) for match in _WRITTEN.finditer(text)]
    return next((day for _, day in sorted(found, key=lambda one: one[0]) if day), None)


def _from_iso(match: re.Match[str]) -> dt.date | None:
    return _day(int(match[1]), int(match[2]), int(match[3]) if match[3] else None)


def _from_words(match: re.Match[str]) -> dt.date | None:
    month = next(number for number, name in enumerate(_MONTHS, 1) if name.startswith(match[2].lower()[:3]))
    return _day(int(match[3]), month, int(match[1]) if match[1] else None)


def _day(year: int, month: int, day: int | None) -> dt.date | None:
    try:
        if day is None:
            return dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
        return dt.date(year, month, day)
    except ValueError:
        return None


# ---------------------------------------------------------------- stories


def _parsed(page: str) -> LexborHTMLParser:
    from selectolax.lexbor import LexborHTMLParser

    return LexborHTMLParser(page)


def _stories(page: LexborHTMLParser) -> Iterator[Item]:
    """Each heading with the words up to the next one. A heading without words of its own is no story."""
    body = next((found for selector in _BODIES if (found := page.css_first(selector))), None)
    if body is None:
        return
    for node in body.css(_UNWANTED):
        node.decompose()
    taken: set[str] = set()
    inside: set[int] = set()
    heading, url, words = "", None, [""]
    for node in body.traverse(include_text=True):
        if node.mem_id in inside:
            continue
        if node.tag in _HEADINGS:
            if story := _story(heading, url, words, taken):
                yield story
            heading, url, words = plain(node.html or ""), _link(node), [""]
            inside.update(one.mem_id for one in node.traverse(include_text=True))
        elif node.tag == "-text":
            words[-1] += node.text_content or ""
        elif node.tag == "a":
            url = url or _link(node)
        elif node.tag in _BLOCKS:
            words.append("")
    if story := _story(heading, url, words, taken):
        yield story


def _link(node: LexborNode) -> str | None:
    """The first link that is nobody's own, in a node or of it."""
    for anchor in (node, *node.css("a[href]")):
        found = web_link(anchor.attributes.get("href") or "", "")
        if found and not _PERSONAL.search(found):
            return found
    return None


def _story(heading: str, url: str | None, words: list[str], taken: set[str]) -> Item | None:
    said = [text for text in map(plain, words) if text and not _FAREWELL.search(text)]
    if not heading or not said:
        return None
    short = slug(line(heading))[:40].strip("-")
    name, number = short, 1
    while name in taken:
        number += 1
        name = f"{short}-{number}"
    taken.add(name)
    text = extract(" ".join(dict.fromkeys(said)), LONGEST_SUMMARY)
    return Item(id=name, title=line(heading), url=url, summary=text)
