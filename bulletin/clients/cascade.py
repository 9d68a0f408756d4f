"""What a text of a mail looks like in the end: its colour, the surface behind it, its size and weight.

A plain reading of CSS: inline styles, `bgcolor` and the rules of the mail's head, by importance, specificity and order,
inherited from element to element. Made for a window 600 pixels wide; pictures behind text are not looked at (H-08).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from bulletin.clients.page import Declaration, MailPage, Rule, once_a_page, rules_of
from bulletin.colours import from_rgb, mix

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

WINDOW = 600
"""Pixels across, for rules that depend on the width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How an element shows. Colours are six hexadecimal digits; sizes are pixels."""

    ink: str = "#000000"
    opacity: float = 1.0
    """How much of the ink covers the surface."""
    surface: str = "#ffffff"
    painted: bool = False
    """Whether the mail itself sets the surface; otherwise each program chooses one (H-15)."""
    size: float = 16.0
    weight: int = 400
    hidden: bool = False
    underlined: bool = False
    line_height: float = 0.0
    """Zero where the program chooses."""
    display: str = "inline"
    padding: float = 0.0
    """Above and below together."""
    rightwards: bool = True
    """Whether columns and words run from left to right."""

    @property
    def seen_ink(self) -> str:
        """The ink as it is seen on the surface."""
        return self.ink if self.opacity >= 1 else mix(self.surface, self.ink, self.opacity)

    @property
    def large(self) -> bool:
        """Whether WCAG counts the text as large: 24 pixels, or 18.66 and bold."""
        return self.size >= 24 or (self.size >= 18.66 and self.weight >= 700)


@once_a_page
def looks(page: MailPage, *, dark: bool = False) -> Mapping[int, Look]:
    """How each element of the body shows, by its `mem_id`; `dark` follows the mail's own rules for dark mode."""
    matched = _matched(page, dark)
    found: dict[int, Look] = {}
    root = page.tree.root
    start = _look(root, matched.get(root.mem_id, []), Look(display="block")) if root else Look()
    for node in page.elements:
        above = found.get(node.parent.mem_id, start) if node.parent else start
        found[node.mem_id] = _look(node, matched.get(node.mem_id, []), above)
    return MappingProxyType(found)


Weighted = tuple[tuple[bool, int, tuple[int, int, int], int], Declaration]


def _matched(page: MailPage, dark: bool) -> dict[int, list[Weighted]]:
    """The declarations of the head's rules, by the element they are for."""
    from selectolax.lexbor import SelectolaxError

    found: dict[int, list[Weighted]] = {}
    for order, rule in enumerate(_rules(page)):
        if not applies(rule.within, dark=dark):
            continue
        wanted = [declaration for declaration in rule.declarations if declaration.name in _READ]
        for selector in _selectors(rule.selector) if wanted else ():
            try:
                nodes = page.tree.css(selector)
            except (SelectolaxError, ValueError):
                continue  # what cannot be read here, such as ::before, is not about texts
            rank = specificity(selector)
            for node in nodes:
                found.setdefault(node.mem_id, []).extend(((d.important, 0, rank, order), d) for d in wanted)
    return found


def _rules(page: MailPage) -> Iterator[Rule]:
    for block in page.tree.css("style"):
        media = (block.attributes.get("media") or "").strip()
        for rule in _read_rules(block.text()):
            yield replace(rule, within=(f"@media {media}", *rule.within)) if media else rule


@lru_cache(maxsize=64)
def _read_rules(css: str) -> tuple[Rule, ...]:
    return tuple(rules_of(css))


@lru_cache(maxsize=1024)
def applies(within: tuple[str, ...], *, dark: bool) -> bool:
    """Whether a rule inside these at-rules is for a screen of `WINDOW` pixels, dark or light."""
    return all(_holds(at.casefold(), dark) for at in within)


def _holds(at: str, dark: bool) -> bool:
    name, _, condition = at.partition(" ")
    if name == "@supports":
        return True
    if name != "@media":
        return False
    return any(_query_holds(query, dark) for query in condition.split(","))


def _query_holds(query: str, dark: bool) -> bool:
    words = query.split("(", maxsplit=1)[0].split()
    negated = "not" in words
    kinds = set(words) - {"not", "only", "and"}
    holds = kinds <= {"screen", "all"}
    for name, value in re.findall(r"\(\s*([\w-]+)\s*(?::\s*([^)]*?)\s*)?\)", query):
        if name == "prefers-color-scheme":
            holds &= value == ("dark" if dark else "light")
        elif name in {"min-width", "max-width", "min-device-width", "max-device-width"}:
            width = _pixels(value, 16)
            holds &= width is not None and (width <= WINDOW if name.startswith("min") else width >= WINDOW)
        else:
            holds = False
    return holds != negated


@lru_cache(maxsize=1024)
def _selectors(text: str) -> tuple[str, ...]:
    """The selectors of a list, split at commas outside of brackets and quotation marks."""
    parts = re.findall(r"""(?:"[^"]*"|'[^']*'|\([^()]*\)|\[[^\]]*\]|[^,])+""", text)
    return tuple(part.strip() for part in parts if part.strip())


@lru_cache(maxsize=1024)
def specificity(selector: str) -> tuple[int, int, int]:
    """The weight of a selector: ids; classes, attributes and pseudo-classes; names of elements."""
    bare = re.sub(r"""\[[^\]]*\]""", ".a", selector)
    bare = re.sub(r":where\([^()]*\)", "", bare)
    bare = re.sub(r":(?:not|is|has)\(([^()]*)\)", r" \1", bare)
    ids, classes = len(re.findall(r"#[\w-]+", bare)), len(re.findall(r"(?<!:)[.:][\w-]+", bare))
    names = len(re.findall(r"(?:^|[\s>+~,])[a-zA-Z][\w-]*|::[\w-]+", bare))
    return ids, classes, names


# ---------------------------------------------------------------- one element

_READ = frozenset(
    {
        *("color", "background", "background-color", "opacity", "font", "font-size", "font-weight", "display"),
        *("visibility", "mso-hide", "text-decoration", "text-decoration-line", "line-height", "direction"),
        *("padding", "padding-top", "padding-bottom"),
    }
)
_BOLD = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "b", "strong", "th"})
_SIZES = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h5": 0.83, "h6": 0.67, "small": 0.83, "sub": 0.83, "sup": 0.83}
_INLINE = frozenset(
    {"a", "b", "strong", "em", "i", "span", "br", "img", "code", "s", "u", "small", "sub", "sup", "font"}
)
_UNSEEN = frozenset({"style", "script", "title", "template", "head", "noscript"})


def _look(node: LexborNode, declared: list[Weighted], above: Look) -> Look:
    from bulletin.clients.page import declarations_of

    tag, attributes = node.tag or "", node.attributes
    look = replace(
        above,
        display="inline" if tag in _INLINE else "block",
        padding=0.0,
        hidden=above.hidden or tag in _UNSEEN or "hidden" in attributes,
        weight=700 if tag in _BOLD else above.weight,
        size=above.size * _SIZES.get(tag, 1.0),
        underlined=above.underlined or tag in {"u", "ins"} or (tag == "a" and "href" in attributes),
        ink="#0000ee" if tag == "a" and "href" in attributes else above.ink,
        rightwards={"rtl": False, "ltr": True}.get((attributes.get("dir") or "").casefold(), above.rightwards),
    )
    for name, hint in (("bgcolor", "background-color"), ("color", "color")):
        if attributes.get(name) and (name == "bgcolor" or tag == "font"):
            look = _with(look, hint, (attributes[name] or "").strip(), above)
    own = attributes.get("style")
    if own:
        declared = [
            *declared,
            *(((d.important, 1, (0, 0, 0), n), d) for n, d in enumerate(declarations_of(own)) if d.name in _READ),
        ]
    if len(declared) > 1:
        declared = sorted(declared, key=lambda weighted: weighted[0])
    # Sizes first: heights and paddings may be told in them.
    for _, declaration in sorted(declared, key=lambda weighted: not weighted[1].name.startswith("font")):
        look = _with(look, declaration.name, declaration.value, above)
    return look


def _with(look: Look, name: str, value: str, above: Look) -> Look:
    """A look with one declaration more; what is not understood changes nothing."""
    change = _change(name, value.strip().casefold(), look, above)
    return replace(look, **change) if change else look  # type: ignore[arg-type]


def _change(name: str, value: str, look: Look, above: Look) -> dict[str, object]:  # noqa: PLR0911 - one for each property
    match name:
        case "color":
            return _ink(value, above)
        case "background" | "background-color":
            return _surface(value, above)
        case "opacity":
            share = _number(value)
            return {} if share is None else {"opacity": above.opacity * share, "hidden": look.hidden or share == 0}
        case "font-size":
            size = _pixels(value, above.size)
            return {} if size is None else {"size": size}
        case "font":
            return _font(value, above)
        case "font-weight":
            weight = {"bold": 700, "bolder": 700, "normal": 400, "lighter": 400}.get(value) or _number(value)
            return {} if weight is None else {"weight": int(weight)}
        case "display":
            # A later `display` shows again what an earlier one hid.
            return {"display": value, "hidden": above.hidden or value == "none"}
        case "visibility":
            return {"hidden": above.hidden or value in {"hidden", "collapse"}}
        case "text-decoration" | "text-decoration-line":
            return {"underlined": "underline" in value or (above.underlined and "none" not in value)}
        case "line-height":
            number = _number(value)
            height = number * look.size if number is not None else _pixels(value, look.size)
            return {} if height is None else {"line_height": height}
        case "direction":
            return {"rightwards": value != "rtl"}
        case "padding" | "padding-top" | "padding-bottom":
            return _padding(name, value, look)
    return {}


def _ink(value: str, above: Look) -> dict[str, object]:
    if value in {"inherit", "currentcolor"}:
        return {"ink": above.ink}
    colour = _colour(value)
    return {"ink": colour[0], "opacity": above.opacity * colour[1]} if colour else {}


def _surface(value: str, above: Look) -> dict[str, object]:
    if value == "inherit":
        return {"surface": above.surface, "painted": above.painted}
    colour = next((found for part in _parts(value) if (found := _colour(part))), None)
    if colour is None:
        return {"surface": above.surface, "painted": above.painted} if value in {"none", "initial", "unset"} else {}
    paint, share = colour
    if share <= 0:
        return {"surface": above.surface, "painted": above.painted}
    return {"surface": paint if share >= 1 else mix(above.surface, paint, share), "painted": True}


def _font(value: str, above: Look) -> dict[str, object]:
    change: dict[str, object] = {"weight": 700 if re.search(r"\bbold\b|\b[7-9]00\b", value) else 400}
    size = re.search(r"([\d.]+(?:px|pt|em|rem|%))", value)
    pixels = _pixels(size[1], above.size) if size else None
    return change if pixels is None else {**change, "size": pixels}


def _padding(name: str, value: str, look: Look) -> dict[str, object]:
    sides = [_pixels(part, look.size) or 0.0 for part in value.split()[:4]]
    if not sides:
        return {}
    if name == "padding":
        return {"padding": sides[0] + (sides[2] if len(sides) > 2 else sides[0])}
    return {"padding": look.padding + sides[0]}


@cache
def _parts(value: str) -> tuple[str, ...]:
    return tuple(re.findall(r"(?:[^\s()]|\([^()]*\))+", value))


@lru_cache(maxsize=512)
def _colour(value: str) -> tuple[str, float] | None:
    """A colour as six digits, and how much of it covers what is behind; None for what is no colour."""
    from tinycss2 import color3

    if re.fullmatch(r"[0-9a-f]{6}|[0-9a-f]{3}", value):
        value = f"#{value}"  # as in bgcolor
    try:
        colour = color3.parse_color(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(colour, color3.RGBA):
        return None
    red, green, blue, share = (min(max(part, 0.0), 1.0) for part in colour)
    return from_rgb(round(red * 255), round(green * 255), round(blue * 255)), share


_UNITS = {"px": 1.0, "pt": 4 / 3, "rem": 16.0, "": 0.0}
_WORDS = {"small": 13.0, "x-small": 10.0, "medium": 16.0, "large": 18.0, "x-large": 24.0, "xx-large": 32.0}


@lru_cache(maxsize=1024)
def _pixels(value: str, size: float) -> float | None:
    """A length in pixels; `size` is what `em` and per cent are told in."""
    if value in _WORDS:
        return _WORDS[value]
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(px|pt|rem|em|%)?", value, re.ASCII)
    if not match:
        return None
    number = float(match[1])
    match match[2]:
        case "em":
            return number * size
        case "%":
            return number * size / 100
        case unit:
            return number * _UNITS[unit or ""]


def _number(value: str) -> float | None:
    return float(value) if re.fullmatch(r"\d+\.?\d*|\.\d+", value, re.ASCII) else None
