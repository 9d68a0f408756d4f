"""What readers read and where it leads: every text and every link of an issue, each with its path in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from bulletin.checks._rule import Material
from bulletin.door import Loc
from bulletin.errors import Place
from bulletin.model import Item

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


@dataclass(frozen=True, slots=True)
class Passage:
    """A text readers see: its path in the issue file, what it is called, its plain words, and how it was typed."""

    loc: Loc
    name: str
    words: str
    typed: str
    markdown: bool
    item: Item | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A link readers can follow: its path in the issue file, its words and its address."""

    loc: Loc
    words: str
    url: str


def passages(material: Material) -> Iterator[Passage]:
    """Every text readers see, in the order of the file."""
    issue = material.issue
    for key, name in _GENERAL.items():
        yield from _passage((key,), name, getattr(issue, key))
    for s, section in enumerate(issue.sections):
        yield from _passage(("sections", s, "title"), "the section's heading", section.title)
        yield from _passage(("sections", s, "intro"), "the section's introduction", section.intro)
        for i, item in enumerate(section.items):
            yield from item_passages(("sections", s, "items", i), item)


def item_passages(at: Loc, item: Item) -> Iterator[Passage]:
    """Every text of one item."""
    for key, name in _OF_ITEM.items():
        yield from _passage((*at, key), name, getattr(item, key), item)
    if item.image:
        yield from _passage((*at, "image", "alt"), "the picture's alternative text", item.image.alt, item)
    if item.event:
        yield from _passage((*at, "event", "place"), "the event's place", item.event.place, item)


def links(material: Material) -> Iterator[Link]:
    """Every link readers can follow, in the order of the file."""
    for at, item in material.items():
        if item.url:
            yield Link((*at, "url"), item.link or item.title, item.url)
        if item.event and item.event.booking:
            yield Link((*at, "event", "booking"), "", item.event.booking)
    for passage in passages(material):
        if passage.markdown:
            for words, url in _parsed(passage.typed)[1]:
                yield Link(passage.loc, words, url)


def links_in(markdown: str) -> tuple[tuple[str, str], ...]:
    """The links of a Markdown text, each with its words and its address."""
    return _parsed(markdown)[1]


def is_english(material: Material) -> bool:
    """Whether rules of English style apply (W-06)."""
    return material.config.language.lower().partition("-")[0] == "en"


def place_within(material: Material, passage: Passage, start: int, words: str) -> Place:
    """Line and column of words that stand at `start` in a passage as typed; of the passage, if they cannot be found."""
    begin = material.file.place_of(*passage.loc)
    text = material.file.text.removeprefix("\ufeff")
    at = 0
    for _, match in zip(range(begin.line - 1), _LINE_BREAK.finditer(text), strict=False):
        at = match.end()
    pattern = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
    earlier = sum(1 for _ in pattern.finditer(passage.typed, 0, start))
    found = next(islice(pattern.finditer(text, at + begin.column - 1), earlier, None), None)
    if not found:
        return begin
    lines = _LINE_BREAK.split(text[: found.start()])
    return Place(begin.path, len(lines), len(lines[-1]) + 1)


def sentences(words: str) -> Iterator[str]:
    """The sentences of a plain text; a line of a list or a heading counts as one."""
    for line in words.split("\n"):
        begin = 0
        for match in _END.finditer(line):
            if not _SHORT_FORM.search(line[: match.start() + 1]):
                yield line[begin : match.end()].strip()
                begin = match.end()
        if line[begin:].strip():
            yield line[begin:].strip()


def count_words(text: str) -> int:
    """How many words a reader would count; a number, or two words joined by a hyphen, is one."""
    return sum(any(sign.isalnum() for sign in word) for word in text.split())


def clipped(text: str, width: int = 60) -> str:
    """A text short enough to be quoted in a message."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def plain_key(text: str) -> str:
    """Small letters and digits only, so that texts compare by their words alone."""
    return " ".join(re.findall(r"\w+", text.casefold()))


_GENERAL = {
    "title": "the title",
    "subject": "the subject",
    "preheader": "the preheader",
    "notice": "the notice",
    "welcome": "the welcome",
    "signed": "the signature",
}
_OF_ITEM = {"title": "the headline", "summary": "the summary", "link": "the link's words", "source": "the source"}
_MARKDOWN = frozenset({"welcome", "intro", "summary"})

# Where lines of a file end for its reader.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_END = re.compile(r"[.!?…][)\"'”’]*(?=\s+[\"'“‘(]?[A-Z0-9])")
_SHORT_FORM = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Supt|Insp|Sgt|No|vs|etc|e\.g|i\.e|approx)|\b[A-Z])\.$")


def _passage(loc: Loc, name: str, typed: str | None, item: Item | None = None) -> Iterator[Passage]:
    if typed and typed.strip():
        markdown = loc[-1] in _MARKDOWN
        words = _parsed(typed)[0] if markdown else typed
        yield Passage(loc, name, words, typed, markdown, item)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "linkify": True}).enable(["linkify", "strikethrough"])
    # Only addresses written in full become links, as in the mail.
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False})  # type: ignore[union-attr]
    return parser


@lru_cache(maxsize=1024)
def _parsed(markdown: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Plain words, one line a block, and the links with their words."""
    lines: list[str] = []
    found: list[tuple[str, str]] = []
    for token in _parser().parse(markdown):
        if token.type in {"fence", "code_block"}:
            lines.append(token.content)
        if token.type != "inline":
            continue
        parts: list[str] = []
        opened: list[tuple[int, str]] = []
        for child in token.children or []:
            if child.type == "link_open":
                opened.append((len(parts), str(child.attrs["href"])))
            elif child.type == "link_close":
                start, url = opened.pop()
                found.append(("".join(parts[start:]), url))
            else:
                parts.append(" " if child.type in {"softbreak", "hardbreak"} else child.content)
        lines.append("".join(parts))
    return "\n".join(lines), tuple(found)
