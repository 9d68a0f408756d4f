"""Other people's text made safe and short: no markup, one line, a short extract (F-31, F-32)."""

from __future__ import annotations

import codecs
import html
import re
from typing import Final
from urllib.parse import urljoin, urlsplit

EXTRACT_WORDS: Final = 60
_EXTRACT_LETTERS: Final = 600
_LINE_LETTERS: Final = 250
_LINK_LETTERS: Final = 2_000
LONGEST: Final = 100_000
"""Characters of one text that are looked at; what is cut off is never shown anyway."""
_BLOCK: Final = re.compile(
    r"</?(?:p|div|br|li|ul|ol|h[1-6]|tr|td|th|dd|dt|figure|figcaption|blockquote)\b", re.IGNORECASE
)
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")
"""Signs that nobody sees but that turn text around, hide words, or cannot be written to a file."""
_META_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]{2,30})", re.IGNORECASE)

GOVERNMENT_PREFIXES: Final = (
    "Authored article",
    "Case study",
    "Closed consultation",
    "Consultation",
    "Consultation outcome",
    "Correspondence",
    "Decision",
    "Detailed guide",
    "FOI release",
    "Form",
    "Government response",
    "Guidance",
    "Impact assessment",
    "Independent report",
    "National Statistics",
    "News story",
    "Notice",
    "Official Statistics",
    "Open consultation",
    "Oral statement to Parliament",
    "Policy paper",
    "Press release",
    "Promotional material",
    "Regulation",
    "Research and analysis",
    "Research",
    "Speech",
    "Statistical data set",
    "Statutory guidance",
    "Transparency data",
    "World news story",
    "Written statement to Parliament",
)
"""Document types that GOV.UK feeds put before a headline; they say nothing in a bulletin."""
_PREFIX: Final = re.compile(rf"\A(?:{'|'.join(map(re.escape, GOVERNMENT_PREFIXES))}): +(?=\S)", re.IGNORECASE)


def plain(markup: str) -> str:
    """The words of a piece of HTML, on one line. Tags that were escaped once too often are markup as well."""
    import nh3

    text = _visible(markup[:LONGEST])
    for _ in range(3 if "<" in text or "&" in text else 0):
        cleaned = html.unescape(nh3.clean(_BLOCK.sub(lambda tag: " " + tag[0], text), tags=set()))
        if cleaned == text:
            break
        text = cleaned
    return " ".join(_visible(text).split())


def _visible(text: str) -> str:
    return _UNSEEN.sub("", _CONTROLS.sub(" ", text))


def headline(markup: str) -> str:
    """A headline as words, without the document type that GOV.UK puts before it."""
    return line(_PREFIX.sub("", plain(markup), count=1))


def line(text: str) -> str:
    """A text that stands on one line, cut at a word if it is longer than any headline or description should be."""
    return _cut(text, _LINE_LETTERS)


def _cut(text: str, letters: int) -> str:
    if len(text) <= letters:
        return text
    return text[:letters].rpartition(" ")[0].rstrip(",;:–-") + "…" if " " in text[:letters] else text[:letters] + "…"


def extract(text: str, words: int = EXTRACT_WORDS) -> str:
    """The first sentences of a text, at most `words` words, as Markdown that shows just these words (F-32).

    A first sentence longer than that is cut at a word, with an ellipsis.
    """
    parts = _cut(text, _EXTRACT_LETTERS).split()
    if len(parts) <= words:
        return _as_markdown(" ".join(parts))
    ends = [at for at in range(words // 3, words) if re.search(r"[.!?][\"'”’)]?\Z", parts[at])]
    if ends:
        return _as_markdown(" ".join(parts[: ends[-1] + 1]))
    return _as_markdown(" ".join(parts[:words]).rstrip(",;:–-") + "…")


def _as_markdown(text: str) -> str:
    text = re.sub(r"([\\`*\[\]<])", r"\\\1", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
    text = re.sub(r"&(?=#?\w+;)", r"\\&", text)
    return re.sub(r"\A([#>+=~|-]|\d{1,9}(?=[.)]))", lambda sign: _escaped(sign[0]), text)


def _escaped(sign: str) -> str:
    return sign + "\\" if sign.isdigit() else "\\" + sign


def web_link(link: str, base: str) -> str | None:
    """A link as an absolute http or https address; None for anything else, such as `javascript:` (F-24, F-31)."""
    link = "".join(re.split("[\t\r\n]", link.strip()))
    if not link or len(link) > _LINK_LETTERS or _visible(link) != link or re.search(r"[\s<>\"\\]", link):
        return None
    try:
        whole = urljoin(base, link)
        parts = urlsplit(whole)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        return whole if usable and parts.port != 0 else None
    except ValueError:
        return None


def decoded(body: bytes, content_type: str) -> str:
    """A web page as text. The encoding is, in this order, that of the byte order mark, of the HTTP header, of the page
    itself, UTF-8, windows-1252 (F-21)."""
    inside = _META_CHARSET.search(body[:4096])
    return decode(body, content_type, inside[1].decode("ascii") if inside else "")[0]


def decode(body: bytes, content_type: str, declared: str) -> tuple[str, str]:
    """Bytes as text, and the encoding that they turned out to have (F-21).

    What is named a Latin encoding and yet reads as UTF-8 is UTF-8: its letters would be spoilt, and Latin text does
    not look like that by chance.
    """
    marks = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
    named = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9_-]+)", content_type, re.IGNORECASE)
    guesses = [encoding for mark, encoding in marks if body.startswith(mark)]
    guesses += [name for name in (named[1] if named else "", declared) if name]
    for encoding in (*guesses, "utf-8"):
        latin = encoding.lower() in _LATIN
        try:
            return body.decode("utf-8" if latin else encoding), "utf-8" if latin else encoding.lower()
        except (UnicodeError, LookupError):
            if latin:
                break
    return body.decode("windows-1252", "replace"), "windows-1252"


_LATIN: Final = frozenset(
    {"iso-8859-1", "latin-1", "latin1", "iso8859-1", "windows-1252", "cp1252", "us-ascii", "ascii"}
)
"""Encodings that web pages name for each other; browsers read all of them as windows-1252."""
