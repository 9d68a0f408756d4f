"""Markdown of summaries and opening words, as HTML for mail and archive and as plain text.

Both come from one parser, so they say the same things and hold the same links (H-24). What one edition says, the next
mostly says again, so both remember.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token
    from markupsafe import Markup

_TAGS = frozenset({"p", "br", "hr", "strong", "em", "s", "a", "ul", "ol", "li", "blockquote", "code"})
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
_SCHEMES = frozenset({"http", "https", "mailto", "tel"})


@lru_cache(maxsize=512)
def to_html(text: str) -> Markup:
    """Markdown as sanitised, balanced HTML.

    Raw HTML and links other than http, https, mailto and tel stay as the text they are. Headings become bold
    paragraphs, so that a summary never breaks the outline of the page (H-19); pictures become their alternative text.
    """
    from markupsafe import Markup

    plain = _plain(text)
    if plain is not None:
        # No sign in it is more than itself, and none needs escaping.
        return Markup("\n".join("<p>" + "\n".join(lines) + "</p>" for lines in plain))  # noqa: S704
    return _parsed_html(text)


def _parsed_html(text: str) -> Markup:
    import nh3
    from markupsafe import Markup

    rough = _parser().render(text)
    clean = nh3.clean(rough, tags=set(_TAGS), attributes=_ATTRIBUTES, url_schemes=set(_SCHEMES), link_rel=None)
    return Markup(clean.strip())  # noqa: S704 - just sanitised


@lru_cache(maxsize=512)
def to_text(text: str, width: int = 72) -> str:
    """Markdown as plain text in lines of at most `width` characters, where words and addresses allow it.

    Links read "words (https://...)", lists start their items with "- " or a number.
    """
    plain = _plain(text)
    if plain is not None:
        return "\n\n".join("\n".join(wrap(" ".join(lines), width)) for lines in plain)
    return _parsed_text(text, width)


_PLAIN_LINE = re.compile(r"(?![0-9]+[.)]|-)(?:[A-Za-z0-9À-ž‘’“”–—£% ,;.?!'\"()-]|: |(?<=[0-9]):(?=[0-9])|/(?!/))+\Z")
"""A line in which Markdown sees nothing but words: no mark, no link, no number or dash that could start a list."""


def _plain(text: str) -> list[list[str]] | None:
    """The lines of each paragraph, if the text is nothing but words; loading a parser for them would take longer."""
    paragraphs: list[list[str]] = [[]]
    for line in text.strip("\n").split("\n"):
        if line == "":
            paragraphs.append([])
        elif line == line.strip() and "  " not in line and _PLAIN_LINE.match(line):
            paragraphs[-1].append(line)
        else:
            return None
    return [lines for lines in paragraphs if lines]


_SENTENCE_END = re.compile(r"(?<=[a-zà-ž0-9)%’”'\"]{3})[.!?][’”'\")]*\s+(?=[A-ZÀ-Ž0-9‘“'\"(£])")
_SHORTEST_GIST = 30


@lru_cache(maxsize=512)
def gist(text: str) -> str:
    """The first sentence of a summary, for where there is room for one line.

    A summary with links, lists or other marks comes back whole, so that no link is lost.
    """
    plain = _plain(text)
    if not plain:
        return text
    words = " ".join(plain[0])
    end = next((found for found in _SENTENCE_END.finditer(words) if found.end() > _SHORTEST_GIST), None)
    return words[: end.end()].rstrip() if end else words


def one_line(text: str) -> str:
    """Markdown as plain text on a single line, however long."""
    plain = _plain(text)
    if plain is not None:
        return " ".join(line for lines in plain for line in lines)
    return " ".join(_parsed_text(text, 10_000).split())


def _parsed_text(text: str, width: int) -> str:
    lines = "\n".join(_blocks(_parser().parse(text), width))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"^[> ]+\n(?=\n)", "", lines, flags=re.MULTILINE)).strip("\n")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "linkify": True}).enable(["linkify", "strikethrough"])
    # Only addresses written in full become links: "e.g.This" and "file.py" are words.
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False})  # type: ignore[union-attr]
    parser.validateLink = _may_link  # type: ignore[method-assign]
    parser.core.ruler.push("no_empty_links", _without_empty_links)
    parser.add_render_rule("heading_open", lambda *_: "<p><strong>")
    parser.add_render_rule("heading_close", lambda *_: "</strong></p>\n")
    parser.add_render_rule("image", _image_words)
    parser.add_render_rule("fence", _code)
    parser.add_render_rule("code_block", _code)
    return parser


def _may_link(url: str) -> bool:
    scheme, colon, _ = url.strip().partition(":")
    return bool(colon) and scheme.lower() in _SCHEMES


def _without_empty_links(state: StateCore) -> None:
    """A link to nowhere, `[words]()`, is its words; the check LNK15 tells of it."""
    for block in state.tokens:
        kept, dropped = [], 0
        for token in block.children or []:
            if token.type == "link_open" and not token.attrs.get("href"):
                dropped += 1
            elif token.type == "link_close" and dropped:
                dropped -= 1  # links cannot stand inside one another
            else:
                kept.append(token)
        if block.children:
            block.children = kept


def _image_words(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    return html.escape(tokens[index].content)


def _code(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    """Lines as they were typed, but free to wrap: one that is moved in by mistake would make the mail too wide.

    Outlook for Windows knows no other way for that.
    """
    lines = html.escape(tokens[index].content.rstrip("\n").expandtabs(4)).split("\n")
    return "<p><code>" + "<br>\n".join(re.sub(r"^ +| (?= )", _hard, line) for line in lines) + "</code></p>\n"


def _hard(spaces: re.Match[str]) -> str:
    return "&nbsp;" * len(spaces[0])


def _blocks(tokens: Sequence[Token], width: int) -> Iterator[str]:
    """The lines of the text, with a blank line between blocks and none inside tight lists."""
    first, later = [""], [""]  # what the next line and the lines after it start with, one entry for each open container
    numbers: list[int] = []
    for token in tokens:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                numbers.append(int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else 0)
            case "bullet_list_close" | "ordered_list_close":
                numbers.pop()
                if not numbers:
                    yield ""
            case "list_item_open":
                bullet = f"{numbers[-1]}. " if token.markup in ".)" and token.info else "- "
                numbers[-1] += 1
                first.append(later[-1] + bullet)
                later.append(later[-1] + " " * len(bullet))
            case "blockquote_open":
                first.append(first[-1] + "> ")
                later.append(later[-1] + "> ")
            case "list_item_close" | "blockquote_close":
                first.pop()
                later.pop()
                if token.type == "blockquote_close":
                    yield ""
            case "inline":
                yield from _wrapped(_words(token.children or []), width, first[-1], later[-1])
                first[-1] = later[-1]
            case "fence" | "code_block" | "hr":
                lines = ["-" * 20] if token.type == "hr" else token.content.splitlines()
                yield from (*(later[-1] + line for line in lines), "")
            case "paragraph_close" | "heading_close" if not token.hidden:
                yield later[-1].rstrip()


def _wrapped(words: str, width: int, first: str, later: str) -> Iterator[str]:
    for line in words.split("\n"):
        yield from wrap(line, width, first, later)
        first = later


def wrap(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    """`text` in lines of at most `width` characters; addresses and hyphenated words are never broken."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]


def _words(children: Sequence[Token]) -> str:
    parts: list[str] = []
    opened: list[tuple[str, int]] = []
    for child in children:
        match child.type:
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "link_open":
                opened.append((str(child.attrs["href"]), len(parts)))
            case "link_close":
                url, start = opened.pop()
                words = "".join(parts[start:])
                parts[start:] = [_link(words, url)]
            case _:
                parts.append(child.content)
    return re.sub(r"[ \t]+", " ", "".join(parts))


def _link(words: str, url: str) -> str:
    shown = re.sub(r"^(?:mailto|tel):", "", url)
    return shown if words in (url, shown) or not words.strip() else f"{words} ({shown})"
