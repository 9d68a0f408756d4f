"""What a mail can do without: which missing feature, and which note of the testers, takes nothing from readers.

A list of the features a mail program lacks says little: half of them nobody misses. Two tables judge that, each entry
with its reason. `HARMLESS` holds features whose loss leaves every word readable, in its place and in its order. `NOTES`
says to which uses a note on partial support applies at all; a note that stands in no line of it applies to every use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from bulletin.clients.features import Use
from bulletin.clients.page import MailPage, declarations_of

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_CORNERS = "corners and shadows are decoration (H-03)"
_TYPE = "letters are set a little differently, and the words stay the same"
_MOTION = "nothing depends on movement"
_POINTER = "only a mouse shows it"
_SHEET = "what a mail needs to be read stands in its elements, not in its sheet (H-12)"
_SCHEME = "a program without it chooses dark colours itself, or shows the light ones (H-14)"
_WORDS_STAY = "the tags are dropped and their words stay (H-21)"
_SPACING = "the distance changes, and cells have their own attributes for it"

HARMLESS: dict[str, str] = {
    **dict.fromkeys(("css-border-radius", "css-border-radius-logical", "css-box-shadow", "css-text-shadow"), _CORNERS),
    **dict.fromkeys(("css-outline", "css-outline-offset", "css-opacity", "css-background-clip"), _CORNERS),
    **dict.fromkeys(("css-background-origin", "css-background-position", "css-background-repeat"), _CORNERS),
    **dict.fromkeys(("css-background-size", "css-border-image", "css-accent-color"), _CORNERS),
    **dict.fromkeys(("css-letter-spacing", "css-word-spacing", "css-font-kerning", "css-font-stretch"), _TYPE),
    **dict.fromkeys(("css-font-size-adjust", "css-hyphens", "css-hyphenate-character"), _TYPE),
    **dict.fromkeys(("css-hyphenate-limit-chars", "css-orphans", "css-widows", "css-text-wrap"), _TYPE),
    **dict.fromkeys(("css-overflow-wrap", "css-word-wrap", "css-word-break", "css-text-align-last"), _TYPE),
    **dict.fromkeys(("css-text-justify", "css-text-transform", "css-sytem-ui", "css-at-font-face"), _TYPE),
    **dict.fromkeys(("css-text-decoration-color", "css-text-decoration-style"), _TYPE),
    **dict.fromkeys(("css-text-decoration-thickness", "css-text-decoration-skip-ink"), _TYPE),
    **dict.fromkeys(("css-text-underline-offset", "css-text-underline-position"), _TYPE),
    **dict.fromkeys(("css-text-emphasis-position", "css-tab-size", "css-list-style-image"), _TYPE),
    **dict.fromkeys(("css-list-style-position", "css-caption-side"), _TYPE),
    **dict.fromkeys(("css-animation", "css-at-keyframes", "css-transition", "css-scroll-snap"), _MOTION),
    "css-at-media-prefers-reduced-motion": _MOTION,
    **dict.fromkeys(("css-cursor", "css-user-select", "css-resize", "css-at-media-hover"), _POINTER),
    **dict.fromkeys(("css-pseudo-class-hover", "css-pseudo-class-active", "css-pseudo-class-focus"), _POINTER),
    **dict.fromkeys(("css-pseudo-class-focus-visible", "css-pseudo-class-focus-within"), _POINTER),
    **dict.fromkeys(("css-pseudo-class-link", "css-pseudo-class-visited"), _POINTER),
    **dict.fromkeys(
        (
            *("css-selector-adjacent-sibling", "css-selector-attribute", "css-selector-chaining", "css-selector-child"),
            *("css-selector-class", "css-selector-descendant", "css-selector-general-sibling", "css-selector-grouping"),
            *("css-selector-id", "css-selector-type", "css-selector-universal", "css-at-media", "css-at-supports"),
            *("css-at-media-orientation", "css-at-media-device-pixel-ratio", "css-comments", "html-style"),
        ),
        _SHEET,
    ),
    **dict.fromkeys(("css-color-scheme", "html-meta-color-scheme", "css-at-media-prefers-color-scheme"), _SCHEME),
    **dict.fromkeys(("html-semantics", "html-abbr", "html-acronym", "html-dfn", "html-bdi", "html-wbr"), _WORDS_STAY),
    **dict.fromkeys(("css-border-spacing", "css-empty-cells", "css-table-layout", "css-box-sizing"), _SPACING),
    "html-doctype": "the program reads a mail in its own way, for which the tables stand (H-03)",
    "html-comments": "a comment says nothing to readers",
    "html-target": "a link opens where the program opens all links",
    "html-loading-attribute": "the picture is loaded at once",
    "html-srcset": "the picture of the attribute src stands there instead",
    "css-max-height": "the part keeps its own height",
    "css-min-height": "the part keeps its own height",
    "css-overflow": "what would be cut off or scrolled is shown whole",
}
"""Features whose loss takes nothing from readers, each with the reason."""


def needed(use: Use, client: str) -> bool:
    """Whether a reader whose program lacks this feature would miss something of the mail."""
    return not (use.conditional or use.slug in HARMLESS or _resets(use) or _has_outlook_table(use, client))


def concerns(note: str, use: Use, client: str, page: MailPage) -> bool:
    """Whether a note on partial support is about this use of the feature."""
    if use.conditional or (_has_outlook_table(use, client) and use.name in _PLACING):
        return False
    applies = _reading(note)
    return applies(use, page) if applies else use.slug not in HARMLESS


@lru_cache(maxsize=512)
def _reading(note: str) -> Applies | None:
    """The line of `NOTES` for a note; None if there is none."""
    if _ACCOUNTS.search(note):
        return _never
    return next((applies for pattern, applies in NOTES if pattern.search(note)), None)


_ACCOUNTS = re.compile(r"non[- ](?:google|gmail)[- ]accounts?", re.IGNORECASE)
"""On accounts of other providers in Gmail's programs, which drop `<style>`: the mail is made to be read without it."""

_PLACING = frozenset({"width", "max-width", "min-width", "margin", "display", "vertical-align", "float"})


def _resets(use: Use) -> bool:
    """Whether it sets only what holds anyway, as for programs with styles of their own: `outline: none`."""
    return use.slug.startswith("css-") and use.value.lower() in {
        "none",
        "normal",
        "auto",
        "0",
        "0px",
        "visible",
        "static",
    }


def _has_outlook_table(use: Use, client: str) -> bool:
    """Whether the element stands in a table that comments write for Outlook only, which gives it width and place."""
    if client != "outlook.windows" or use.name not in _PLACING or use.node is None:
        return False
    return _follows_outlook_comment(use.node)


def _follows_outlook_comment(node: LexborNode) -> bool:
    before = node.prev
    while before is not None and before.tag == "-text" and not (before.text(deep=False) or "").strip():
        before = before.prev
    return before is not None and before.is_comment_node and "[if mso" in (before.html or "")


# ---------------------------------------------------------------- notes

Applies = Callable[[Use, MailPage], bool]


def _never(use: Use, page: MailPage) -> bool:
    return False


def _value(pattern: str) -> Applies:
    wanted = re.compile(pattern, re.IGNORECASE)
    return lambda use, page: bool(wanted.search(use.value))


def _on(*tags: str, unless: str = r"^\W*(?:0(?:px)?\W*)*$") -> Applies:
    """On these elements, whatever the value but one that changes nothing."""
    nothing = re.compile(unless, re.IGNORECASE)

    def applies(use: Use, page: MailPage) -> bool:
        return use.node is not None and use.node.tag in tags and not nothing.search(use.value)

    return applies


def _larger_than(pixels: float) -> Applies:
    def applies(use: Use, page: MailPage) -> bool:
        return any(float(size) > pixels for size in re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)px", use.value))

    return applies


def _hides_tables(use: Use, page: MailPage) -> bool:
    return use.value == "none" and use.node is not None and use.node.css_first("table") is not None


def _arranges(use: Use, page: MailPage) -> bool:
    """Block and inline hold anyway; a link in a line of words looks the same without `inline-block`."""
    if use.value in {"none", "block", "inline", "list-item"} or use.value.startswith("table") or use.node is None:
        return False
    return not (use.node.tag in _IN_LINES and _is_no_box(use.node, page))


_IN_LINES = frozenset({"a", "span", "strong", "em", "b", "i"})


def _is_no_box(node: LexborNode, page: MailPage) -> bool:
    """Whether nothing shows where an element ends, or its cell gives Outlook what it needs for that."""
    cell = node.parent
    if cell is not None and "mso-padding-alt" in (cell.attributes.get("style") or ""):
        return True
    return not any(declaration.name.startswith(("background", "border")) for declaration in page.style(node))


def _framed_words(use: Use, page: MailPage) -> bool:
    """A frame around words. A line alone, on an element without words, is decoration."""
    return _on("p", "div", unless=r"^(?:none|0)")(use, page) and bool(use.node and use.node.text().strip("\xa0 \n"))


def _height_not_taken(use: Use, page: MailPage) -> bool:
    if not _on("body", "span", "div", "p", unless=r"^(?:auto|100%|0)")(use, page) or use.node is None:
        return False
    return not any(one.name == "line-height" and one.value == use.value for one in page.style(use.node))


def _between_weights(use: Use, page: MailPage) -> bool:
    return use.value.isdigit() and 500 <= int(use.value) < 600


def _no_exact_lines(use: Use, page: MailPage) -> bool:
    """The remedy the note names may stand in a comment for Outlook, once for the whole mail."""
    return bool(re.search(r"\d(?:px|em)", use.value)) and not _EXACT.search(page.html)


_EXACT = re.compile(r"mso-line-height-rule\s*:\s*exactly")


def _not_in_cells(use: Use, page: MailPage) -> bool:
    if use.node is None or re.fullmatch(r"[\s0px%]*", use.value):
        return False
    if use.node.tag in {"td", "th"} or _is_hidden(use.node):
        return False
    return not (use.node.tag in _IN_LINES and _is_no_box(use.node, page))


def _is_hidden(node: LexborNode | None) -> bool:
    return node is not None and "mso-hide" in (node.attributes.get("style") or "")


def _uneven_row(use: Use, page: MailPage) -> bool:
    """Cells of one row whose padding above and below differs, so that one loses its own."""
    row = use.node.parent if use.node is not None else None
    if use.node is None or row is None or row.tag != "tr":
        return False
    cells = [cell for cell in row.iter() if cell.tag in {"td", "th"}]
    return len(cells) > 1 and len({_upright_padding(cell.attributes.get("style") or "") for cell in cells}) > 1


@lru_cache(maxsize=1024)
def _upright_padding(style: str) -> tuple[str, str]:
    top = bottom = "0"
    for declaration in declarations_of(style):
        parts = declaration.value.split()
        if declaration.name == "padding" and parts:
            top, bottom = parts[0], parts[2] if len(parts) > 2 else parts[0]
        elif declaration.name == "padding-top":
            top = declaration.value
        elif declaration.name == "padding-bottom":
            bottom = declaration.value
    return top.removesuffix("px"), bottom.removesuffix("px")


def _background_in_margin(use: Use, page: MailPage) -> bool:
    if use.node is None or not re.search(r"[1-9]", use.value):
        return False
    return any(declaration.name in {"background", "background-color"} for declaration in page.style(use.node))


def _wide_without_table(use: Use, page: MailPage) -> bool:
    """A width that nothing else gives: neither the attribute nor the element's kind."""
    if use.node is None or use.node.tag == "table" or _is_hidden(use.node) or use.value in {"auto", "100%", "0", "0px"}:
        return False
    return not use.node.attributes.get("width")


def _width_not_taken(use: Use, page: MailPage) -> bool:
    tags = {"body", "span", "div", "p", "img"}
    return use.node is not None and use.node.tag in tags and _wide_without_table(use, page)


def _has(selector: str) -> Applies:
    def applies(use: Use, page: MailPage) -> bool:
        if use.node is None:
            return False
        return use.node.css_matches(selector) or any(use.node.css(selector))

    return applies


def _no_language_within(use: Use, page: MailPage) -> bool:
    """The wrapper within the body carries on what a replaced body loses (H-18)."""
    return use.node is not None and page.tree.css_first("html[lang]") is not None and not use.node.css("[lang]")


def _misspelt_important(sign: str) -> Applies:
    wanted = re.compile(sign)
    return lambda use, page: use.name == "odd" and bool(wanted.search(use.value))


NOTES: tuple[tuple[re.Pattern[str], Applies], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), applies)
    for pattern, applies in (
        (r"whole attribute is stripped", _never),  # CLI04 says it
        (r"limited to 16 ?KB", _never),  # CLI04 says it
        (r"^Partial\. Negative values", _value(r"(?<![\w-])-[\d.]")),
        (r"auto value is not supported", _value(r"\bauto\b")),
        (r"not supported on <span> and <body>", _on("span", "body")),
        (r"background-color is included inside the margin", _background_in_margin),
        (r"border can not be bigger than 8px", _larger_than(8)),
        (r"Unreliable if used on a <p> or a <div>", _framed_words),
        (r"Only background-color values", _value(r"url\(|gradient\(")),
        (r"display:none does not inherit|Does not inherit onto nested", _hides_tables),
        (r"Only supports display:none", _arranges),
        (r"directly to an <img>", _on("img")),
        (r"\brem values", _never),  # the unit is a feature of its own
        (r"values between 0 and 599", _between_weights),
        (r"Not supported on <body>, <span>, <div> or <p>", _height_not_taken),
        (r"Not supported on <body>, <span>, <div>, <p> or <img>", _width_not_taken),
        (r"Only works on <table>", _wide_without_table),
        (r"Only supported on table cells", _not_in_cells),
        (r"Vertical padding will be the same", _uneven_row),
        (r"Big negative values", _value(r"-(?:[2-9]|\d\d)(?:\.\d+)?px|-\.?[1-9][\d.]*em")),
        (r"Values set in em are smaller", _value(r"\dem\b")),
        (r"mso-line-height-rule", _no_exact_lines),
        (r"Only list-style-type", _value(r"url\(|\binside\b|\boutside\b")),
        (r"list-style-image values", _value(r"url\(")),
        (r"overflow-block & overflow-inline", lambda use, page: use.name in {"overflow-block", "overflow-inline"}),
        (r"Cannot scroll through", _value(r"auto|scroll")),
        (r"Supports sticky but not", _value(r"relative|absolute|fixed")),
        (r"Supports relative, absolute but not", _value(r"sticky|fixed")),
        (r"flow-relative values start", _value(r"^(?:start|end)$")),
        (r"match-parent", _value(r"match-parent")),
        (r"with multiple values", _value(r"\S\s+\S")),
        (r"overline is not", _value(r"overline")),
        (r"lowercase value is not", _value(r"^lowercase$")),
        (r"pre value is not", _value(r"^pre$")),
        (r"^Whitespace syntax", _value(r"rgba?\([^,)]*\)")),
        (r"Alpha value is not", _value(r"rgb\([^)]*(?:/|,[^,)]*,[^,)]*,)")),
        (r"looking like break-all|look like break-all", _value(r"keep-all")),
        (r"word-wrap: ?break-word to all", _value(r"^normal$")),
        (r"inline-start and inline-end", _value(r"inline-(?:start|end)")),
        (r"Only supported with a space before|no space before", _misspelt_important(r"^\S!")),
        (r"in lowercase", _misspelt_important(r"[A-Z]")),
        (r"Not supported inline\. \(See email-bugs#31", lambda use, page: use.rule is None and use.name != "odd"),
        (r"Percentage width on <img>", lambda use, page: use.name == "width" and _has("img[width$='%']")(use, page)),
        (r"120 dpi", lambda use, page: "PixelsPerInch" not in page.html),
        (r"reversed attribute", _has("ol[reversed]")),
        (r"value attribute to an <li>", _has("li[value]")),
        (r"Not supported inside the <body>|need to be declared before", lambda use, page: True),
        (r"links always open in a new window", _never),
        (r"Replaced by a <div>", _no_language_within),
        (r"Buggy on anchor tags", _on("a", unless=r"^$")),
        (r"Only supported on the <body>", lambda use, page: use.node is not None and use.node.tag != "body"),
        (r"animated gif|animation 3 times|support animation", _never),  # an address does not tell whether it moves
        (r"Converts (?:file|still)", _never),  # it is shown
        (r"Does not render Base 64 gif", _value(r"^data:image/gif")),
    )
)
"""To which uses each note applies, found by words of the note; the first line that fits counts."""
