"""A finished mail as other readers get it: pure changes of its HTML, each a rule of thumb that says what it does.

Only real programs are exact. These views show what is known for certain to be missing or changed there, so that an
editor sees what matters most: whether the mail can still be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bulletin.clients import features, support
from bulletin.clients.page import Declaration, declarations_of
from bulletin.colours import from_rgb, inverted, rgb

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

OUTLOOK: Final = "outlook.windows"
"""Classic Outlook for Windows, as the facts about mail programs name it."""
_WORD_VERSION: Final = 16
"""What Outlook 2016 to 2024 and Microsoft 365 call themselves in conditional comments."""


# ---------------------------------------------------------------- light and dark


def own_light(html: str) -> str:
    """The mail in a light surrounding: its rules for `prefers-color-scheme: dark` never hold."""
    return _in_scheme(html, dark=False)


def own_dark(html: str) -> str:
    """The mail in a dark surrounding that respects it: its own rules for `prefers-color-scheme: dark` hold."""
    return _in_scheme(html, dark=True)


_SCHEME = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_HOLDS, _NEVER = "(min-width: 0px)", "(max-width: 0px)"


def _in_scheme(html: str, *, dark: bool) -> str:
    def answer(question: re.Match[str]) -> str:
        return _HOLDS if (question[1].lower() == "dark") is dark else _NEVER

    tree = _parsed(html)
    _change_styles(tree, lambda css: _SCHEME.sub(answer, css))
    for node in tree.css("[media]"):
        node.attrs["media"] = _SCHEME.sub(answer, node.attributes.get("media") or "")
    _prefer(tree, "dark" if dark else "light")
    return _html(tree, html)


def forced_dark(html: str) -> str:
    """The mail where the program darkens it without asking, as Gmail and Outlook on phones do.

    Every colour of text, ground and border has its lightness turned round, hue and strength stay: white becomes
    black, navy becomes light blue. The mail's own rules for dark do not hold, and pictures stay as they are. What the
    programs really do differs between them and from year to year; this is the strongest of it.
    """
    tree = _parsed(own_light(html))
    _change_styles(tree, lambda css: _sheet(css, _inverted_declarations))
    for node in tree.css("[style]"):
        declarations = declarations_of(node.attributes.get("style") or "")
        node.attrs["style"] = _joined(_inverted_declarations(declarations, ""))
    for name in ("bgcolor", "color", "text", "link", "vlink"):
        for node in tree.css(f"[{name}]"):
            node.attrs[name] = _inverted_value(node.attributes.get(name) or "")
    _prefer(tree, "dark")
    return _html(tree, html)


_COLOURED = re.compile(r"^(?:-webkit-)?(?:color|background|border|outline|fill|stroke|(?:text|box)-shadow)|-color$")


def _inverted_declarations(declarations: Iterable[Declaration], _tag: str) -> Iterator[Declaration]:
    for one in declarations:
        changed = _inverted_value(one.value) if _COLOURED.search(one.name) else one.value
        yield Declaration(one.name, changed, one.important)


@lru_cache(maxsize=1024)
def _inverted_value(value: str) -> str:
    import tinycss2

    return _inverted_tokens(tinycss2.parse_component_value_list(value))


def _inverted_tokens(tokens: Sequence[Any]) -> str:
    import tinycss2
    from tinycss2.color3 import parse_color

    written = []
    for token in tokens:
        colour = parse_color(token) if token.type in {"ident", "hash", "function"} else None
        if colour is not None and colour != "currentColor" and colour.alpha:
            parts = (min(max(round(255 * part), 0), 255) for part in (colour.red, colour.green, colour.blue))
            turned = inverted(from_rgb(*parts))
            red, green, blue = rgb(turned)
            written.append(turned if colour.alpha >= 1 else f"rgba({red}, {green}, {blue}, {colour.alpha:g})")
        elif token.type == "function" and token.lower_name != "url":
            written.append(f"{token.name}({_inverted_tokens(token.arguments)})")
        else:
            written.append(tinycss2.serialize([token]))
    return "".join(written)


# ---------------------------------------------------------------- pictures and styles that do not arrive

_NOTHING: Final = "data:,"
"""An address that holds no picture."""


def images_off(html: str) -> str:
    """The mail with no picture loaded: each one's box keeps its width and says its alternative text."""
    tree = _parsed(html)
    for node in tree.css("img"):
        _unload(node)
    for node in tree.css("source[srcset]"):
        del node.attrs["srcset"]
    for node in tree.css("[background]"):
        del node.attrs["background"]
    _change_styles(tree, _without_pictures)
    for node in tree.css("[style]"):
        node.attrs["style"] = _without_pictures(node.attributes.get("style") or "")
    return _html(tree, html)


_PICTURE = re.compile(r"url\(\s*(?:\"[^\"]*\"|'[^']*'|[^)\"']*)\s*\)", re.IGNORECASE)


def _without_pictures(css: str) -> str:
    return _PICTURE.sub("none", css)


def _unload(picture: LexborNode) -> None:
    picture.attrs["src"] = _NOTHING
    if "srcset" in picture.attributes:
        del picture.attrs["srcset"]


def without_style(html: str) -> str:
    """The mail as Gmail shows it where it drops the whole `<style>`: only styles on the elements themselves hold."""
    tree = _parsed(own_light(html))
    for node in tree.css("style, link[rel~=stylesheet]"):
        node.decompose()
    if tree.body is not None:  # Gmail makes a plain block of it, which has no margin of its own
        own = declarations_of(tree.body.attributes.get("style") or "")
        if not any(one.name == "margin" for one in own):
            tree.body.attrs["style"] = _joined([Declaration("margin", "0"), *own])
    return _html(tree, html)


# ---------------------------------------------------------------- classic Outlook


def classic_outlook(html: str) -> str:
    """The mail as near to classic Outlook for Windows as a browser comes.

    Conditional comments are resolved as Outlook resolves them. Each property, selector, element and picture format
    that it lacks by the tests of caniemail.com is taken out. So is what it lacks on some elements only: padding
    outside of table cells, widths and heights of blocks, `max-width` except on tables, `auto` margins. What Word's
    engine draws in its own way, such as line heights and gaps between tables, stays as a browser draws it.
    """
    tree = _parsed(_without_office_settings(resolved(own_light(html))))
    for node in tree.css("style"):
        if "(" in (node.attributes.get("media") or ""):
            node.decompose()
    _change_styles(tree, lambda css: _sheet(css, _known_to_outlook, _outlook_reads, at_rules=_outlook_reads_at_rule))
    for node in tree.css("[style]"):
        declarations = declarations_of(node.attributes.get("style") or "")
        node.attrs["style"] = _joined(_known_to_outlook(declarations, node.tag or ""))
    for node in list(tree.css("*")):
        _as_outlook_has_it(node)
    return _html(tree, html)


def resolved(html: str) -> str:
    """HTML with its conditional comments resolved as Word does: `[if mso]` holds, `[if !mso]` does not.

    One within another counts only where the outer one holds. What stands in an ordinary comment is part of that, and
    a condition or an end without its other half stays as it is, for a browser to pass over.
    """
    signs = [sign for sign in _SIGN.finditer(html) if not sign["comment"]]
    paired = _paired(signs)
    written: list[str] = []
    at = hidden = 0  # hidden: how many conditions are open from the first that does not hold
    for sign in (signs[number] for number in sorted(paired)):
        if not hidden:
            written.append(html[at : sign.start()])
        at = sign.end()
        if sign["end"]:
            hidden -= bool(hidden)
        else:
            hidden += bool(hidden) or not _holds(sign["when"])
    return "".join(written) + html[at:]


def _paired(signs: Sequence[re.Match[str]]) -> set[int]:
    """The numbers of the conditions that are closed, and of the signs that close them."""
    paired: set[int] = set()
    waiting: list[int] = []
    for number, sign in enumerate(signs):
        if not sign["end"]:
            waiting.append(number)
        elif waiting:
            paired |= {waiting.pop(), number}
    return paired


_SIGN = re.compile(
    r"<!(?:--)?\[if\s*(?P<when>[^\]]{1,200})\](?:\s*-->\s*<!-->|><!-->|-->|><!--\s*-->|>)"
    r"|(?P<end><!--\s*<!\[endif\]\s*-->|<!\[endif\]\s*(?:--)?>)"
    r"|(?P<comment><!--(?:.*?-->|.*))",
    re.DOTALL | re.IGNORECASE,
)
_PART = re.compile(
    r"\s*(?:(?P<sign>[!&|()])|(?:(?P<compare>gte|gt|lte|lt)\s+)?(?P<name>[a-z]+)(?:\s+(?P<version>[\d.]+))?)", re.I
)


def _holds(condition: str) -> bool:
    """Whether a condition holds in Outlook. `!` binds most, then `&`, then `|`; what cannot be read does not hold."""
    truth: list[str] = []
    at = 0
    while at < len(condition.rstrip()):
        part = _PART.match(condition, at)
        if part is None or part.end() == at:
            return False
        truth.append(part["sign"] or ("1" if _is_outlook(part) else "0"))
        at = part.end()
    text = "".join(truth)
    for _ in range(len(text)):  # each round takes out at least one sign
        simpler = re.sub(r"\(([01])\)", r"\1", text)
        simpler = simpler.replace("!0", "1").replace("!1", "0")
        if simpler == text:
            simpler = re.sub(r"([01])&([01])", lambda two: "1" if two[0] == "1&1" else "0", text, count=1)
        if simpler == text:
            simpler = re.sub(r"([01])\|([01])(?!&)", lambda two: "1" if "1" in two[0] else "0", text, count=1)
        if simpler == text:
            break
        text = simpler
    return text == "1"


def _is_outlook(part: re.Match[str]) -> bool:
    if part["name"].lower() not in {"mso", "vml", "true"}:
        return False
    if not part["version"]:
        return True
    try:
        version = float(part["version"])
    except ValueError:
        return False
    return {
        "gte": version <= _WORD_VERSION,
        "gt": version < _WORD_VERSION,
        "lte": version >= _WORD_VERSION,
        "lt": version > _WORD_VERSION,
        "": version == _WORD_VERSION,
    }[(part["compare"] or "").lower()]


def _without_office_settings(html: str) -> str:
    """Without `<xml>`, which only Office reads; a browser would end the head there."""
    low, written, at = html.lower(), [], 0
    if len(low) != len(html):  # a letter that is longer in small
        return html
    while (start := low.find("<xml>", at)) >= 0 and (end := low.find("</xml>", start)) >= 0:
        written.append(html[at:start])
        at = end + len("</xml>")
    return "".join(written) + html[at:]


def _lacks(slug: str | None) -> bool:
    fact = support.of(slug, OUTLOOK) if slug else None
    return fact is not None and fact.code == "n"


_BLOCKS = frozenset({"body", "span", "div", "p"})


def _known_to_outlook(declarations: Iterable[Declaration], tag: str) -> Iterator[Declaration]:
    """What Outlook makes of the declarations of an element; the tag is empty in a rule, which may be for any."""
    for one in declarations:
        name, value = one.name, one.value
        if name == "mso-hide" and value.lower() == "all":
            name, value = "display", "none"
        elif name.startswith("mso-padding") and name.endswith("-alt"):
            name = name.removeprefix("mso-").removesuffix("-alt")
        if _lacks(features.slug_of_property(name, value)) or _misses_on(tag, name, value):
            continue
        if any(map(_lacks, features.slugs_of_value(name, value))):
            continue
        if name == "margin" or name.startswith("margin-"):
            value = re.sub(r"\bauto\b", "0", value)
        yield Declaration(name, value, one.important)


def _misses_on(tag: str, name: str, value: str) -> bool:
    """What it can do in part: the notes of caniemail.com on padding, width, height, max-width and display."""
    if name == "display":
        return value.lower() != "none" or tag == "img"
    if not tag:
        return False
    if name == "padding" or name.startswith("padding-"):
        return tag not in {"td", "th", "ul", "ol"}
    if name == "max-width":
        return tag != "table"
    return (name == "width" and tag in _BLOCKS | {"img"}) or (name == "height" and tag in _BLOCKS)


def _outlook_reads(selector: str) -> bool:
    return not any(map(_lacks, features.slugs_of_selector(selector)))


def _outlook_reads_at_rule(keyword: str) -> bool:
    return not _lacks(f"css-at-{keyword}")


_EMPTY = frozenset({"input", "source", "track", "wbr", "embed"})


def _as_outlook_has_it(node: LexborNode) -> None:
    tag = node.tag or ""
    for name in ("hidden", "srcset", "loading"):
        if name in node.attributes and _lacks(features.slug_of_attribute(name)):
            del node.attrs[name]
    if tag == "img" and _lacks(features.slug_of_image(node.attributes.get("src") or "")):
        _unload(node)
    if tag in {"html", "head", "body", "meta", "style", "title"}:
        return
    if tag in _EMPTY:
        node.decompose()
    elif ":" in tag or _lacks(features.slug_of_element(tag)) or tag in {"button", "form", "select", "textarea"}:
        _unwrap(node)


def _unwrap(node: LexborNode) -> None:
    if node.first_child is None:
        node.decompose()
    else:
        node.insert_before(" ")  # what stood in two blocks stays two words
        node.insert_after(" ")
        node.unwrap()


def outlook_tested() -> tuple[int, int]:
    """The years of the oldest and the newest test that `classic_outlook` goes by."""
    facts = (support.of(slug, OUTLOOK) for slug in support.features())
    years = [fact.tested.year for fact in facts if fact and fact.code == "n"]
    return min(years), max(years)


# ---------------------------------------------------------------- what a screen reader says


@dataclass(frozen=True, slots=True)
class Spoken:
    """One thing a screen reader says."""

    role: str
    """heading, link, picture, list, table, article or text."""
    text: str
    level: int = 0
    """Of a heading: 1 to 6. Else how many lists it stands in."""
    href: str = ""
    """Where it leads, if it is a link too."""
    anchor: str = ""
    """The part of the mail it stands in: `item-ID` or `section-ID`."""


def outline(html: str) -> tuple[Spoken, ...]:
    """Headings, links, pictures, lists and text of a mail, in the order a screen reader says them.

    What is hidden from it is left out: `display:none`, `aria-hidden`, tables for layout only, decorative pictures.
    """
    tree = _parsed(html)
    reader = _Reader()
    if tree.body is not None:
        reader.read(tree.body)
    return tuple(reader.said)


_SILENT = frozenset({"head", "style", "script", "template", "noscript", "title", "-comment"})
_INLINE = frozenset(
    [
        *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark"),
        *("q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var"),
    ]
)
_JUNK = re.compile("[\u034f\u00ad\u200b-\u200f\u2060\ufeff]")


class _Reader:
    """Goes through a page as a screen reader does, without recursion: pages of any depth are read."""

    def __init__(self) -> None:
        self.said: list[Spoken] = []
        self._words: list[str] = []
        self._heading, self._href, self._anchor, self._lists = 0, "", "", 0

    def read(self, body: LexborNode) -> None:
        """Everything from here on."""
        todo: list[tuple[LexborNode, bool]] = [(body, False)]
        while todo:
            node, leaving = todo.pop()
            if leaving:
                self._leave(node.tag or "")
                continue
            if node.tag == "-text":
                self._words.append(_JUNK.sub("", node.text_content or ""))
                continue
            if node.tag in _SILENT or _is_hidden(node):
                continue
            self._enter(node)
            todo.append((node, True))
            inner, child = [], node.first_child
            while child is not None:
                inner.append((child, False))
                child = child.next
            todo += reversed(inner)
        self._flush()

    def _enter(self, node: LexborNode) -> None:
        tag, attributes = node.tag or "", node.attributes
        name = attributes.get("id") or attributes.get("name") or ""
        if tag not in _INLINE and tag != "br":
            self._flush()
        elif tag == "br":
            self._words.append(" ")
        if name.startswith(("item-", "section-")) or name == "footer":
            self._flush()
            self._anchor = "" if name == "footer" else name
        if re.fullmatch("h[1-6]", tag):
            self._heading = int(tag[1])
        elif tag == "a" and attributes.get("href"):
            if not self._heading:
                self._flush()
            self._href = attributes.get("href") or ""
        elif tag == "img":
            self._picture(node)
        elif tag in {"ul", "ol"}:
            self._lists += 1
            entries = sum(1 for _ in _children(node, "li"))
            self._say("list", f"{entries} {'entry' if entries == 1 else 'entries'}")
        elif tag == "table" and (attributes.get("role") or "") not in {"presentation", "none"}:
            rows = len(node.css("tr"))
            self._say("table", f"{rows} {'row' if rows == 1 else 'rows'}")
        if (attributes.get("role") or "") == "article":
            self._say("article", attributes.get("aria-label") or "")

    def _leave(self, tag: str) -> None:
        if tag == "a" and self._href:
            if not self._heading:
                self._flush()
                self._href = ""
        elif tag not in _INLINE and tag != "br":
            self._flush()
        if re.fullmatch("h[1-6]", tag):
            self._heading, self._href = 0, ""
        elif tag in {"ul", "ol"}:
            self._lists -= 1

    def _picture(self, node: LexborNode) -> None:
        attributes = node.attributes
        alt = attributes.get("alt") if "alt" in attributes else (attributes.get("src") or "").rpartition("/")[2]
        if alt:
            self._say("picture", alt, href=self._href)

    def _flush(self) -> None:
        text = " ".join("".join(self._words).split())
        self._words.clear()
        if text and self._heading:
            self._say("heading", text, level=self._heading, href=self._href)
        elif text:
            self._say("link" if self._href else "text", text, href=self._href)

    def _say(self, role: str, text: str, *, level: int = 0, href: str = "") -> None:
        self.said.append(Spoken(role, " ".join(text.split()), level or self._lists, href, self._anchor))


def _children(node: LexborNode, tag: str) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        if child.tag == tag:
            yield child
        child = child.next


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if attributes.get("aria-hidden") == "true" or "hidden" in attributes:
        return True
    return any(
        (one.name, one.value.lower()) in {("display", "none"), ("visibility", "hidden")}
        for one in declarations_of(attributes.get("style") or "")
    )


# ---------------------------------------------------------------- reading and writing


def _parsed(html: str) -> LexborHTMLParser:
    from selectolax.lexbor import LexborHTMLParser

    return LexborHTMLParser(html)


def _html(tree: LexborHTMLParser, before: str) -> str:
    return tree.html or before


def _prefer(tree: LexborHTMLParser, scheme: str) -> None:
    """Let the browser's own colours, of what the mail leaves open, be those of the scheme."""
    if (top := tree.css_first("html")) is not None:
        kept = [one for one in declarations_of(top.attributes.get("style") or "") if one.name != "color-scheme"]
        top.attrs["style"] = _joined([*kept, Declaration("color-scheme", scheme, important=True)])


def _change_styles(tree: LexborHTMLParser, change: Callable[[str], str]) -> None:
    for block in tree.css("style"):
        if (text := block.first_child) is not None:
            text.replace_with(change(block.text()))


Change = Callable[[Iterable[Declaration], str], Iterator[Declaration]]


def _sheet(
    css: str,
    change: Change,
    reads: Callable[[str], bool] = lambda selector: True,
    *,
    at_rules: Callable[[str], bool] = lambda keyword: True,
) -> str:
    """A sheet with its declarations changed, without the selectors and at-rules that are not read."""
    import tinycss2

    return "\n".join(_rules(tinycss2.parse_stylesheet(css, True, True), change, reads, at_rules))


def _rules(
    nodes: Sequence[Any], change: Change, reads: Callable[[str], bool], at_rules: Callable[[str], bool]
) -> Iterator[str]:
    import tinycss2

    for node in nodes:
        if node.type == "qualified-rule":
            parts = (part.strip() for part in tinycss2.serialize(node.prelude).split(","))
            selector = ", ".join(part for part in parts if reads(part))
            own = declarations_of(tinycss2.serialize(node.content))
            if selector:
                yield f"{selector} {{ {_joined(change(own, ''))} }}"
        elif node.type == "at-rule" and at_rules(node.lower_at_keyword):
            head = f"@{node.at_keyword} {tinycss2.serialize(node.prelude).strip()}"
            if node.content is None:
                yield f"{head};"
            elif node.lower_at_keyword in {"media", "supports", "layer"}:
                inner = tinycss2.parse_rule_list(node.content, True, True)
                yield f"{head} {{\n" + "\n".join(_rules(inner, change, reads, at_rules)) + "\n}"
            else:
                yield f"{head} {{{tinycss2.serialize(node.content)}}}"


def _joined(declarations: Iterable[Declaration]) -> str:
    return "; ".join(f"{one.name}: {one.value}{' !important' if one.important else ''}" for one in declarations)
