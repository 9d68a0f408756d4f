"""Which features of HTML and CSS a finished mail uses, by the names that `support` knows them under.

Only what can be told from the bytes with certainty: `tests/test_clients.py` lists the features that are not looked for,
each with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bulletin.clients import support
from bulletin.clients.page import Declaration, MailPage, Rule, once_a_page

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a feature in a mail."""

    slug: str
    what: str
    """How it is written there: `border-radius: 3px`, `<video>`."""
    node: LexborNode | None = None
    """The element that has it, if an element has it itself."""
    rule: Rule | None = None
    """The rule of a `<style>` that has it, if one has."""
    conditional: bool = False
    """Whether something else holds for programs that lack it."""
    name: str = ""
    """The property or attribute, in small letters."""
    value: str = ""
    """Its value."""


def slug_of_property(name: str, value: str = "") -> str | None:
    """The feature that a CSS property is, or this value of it: `css-display-flex` for `display` and `flex`."""
    name, value = name.strip().lower(), value.strip().lower()
    if name.startswith("--"):
        return "css-variables"
    for prefix, special in _OF_VALUE.get(name, ()):
        if value.startswith(prefix):
            return special
    if name in _NO_PROPERTIES or name.startswith(_NO_PROPERTY_BEGINS):
        return None
    return _OF_PROPERTY.get(name) or _tested(f"css-{name}")


def slugs_of_value(name: str, value: str) -> tuple[str, ...]:
    """The features within a value: its units, functions, colours and words such as `initial`."""
    return _slugs_of_value(name.lower(), value.lower())


def slug_of_element(tag: str) -> str | None:
    """The feature that an element is; None for those every program shows, and for `<input>`, which has many."""
    tag = tag.lower()
    if tag in _NO_ELEMENTS or "-" in tag:
        return None
    return _OF_ELEMENT.get(tag) or _tested(f"html-{tag}")


def slug_of_attribute(name: str) -> str | None:
    """The feature that an attribute is."""
    name = name.lower()
    return _OF_ATTRIBUTE.get(name) or (_tested(f"html-{name}") if name in _ATTRIBUTES else None)


def slug_of_image(address: str) -> str | None:
    """The feature that a picture's format is, by the end of its address; None if that does not tell."""
    if address.lower().lstrip().startswith("data:"):
        return "image-base64"
    try:
        ending = PurePosixPath(urlsplit(address.strip()).path).suffix.lower()
    except ValueError:
        return None
    return _OF_ENDING.get(ending)


def slugs_of_selector(selector: str) -> tuple[str, ...]:
    """The features within a selector, such as `css-selector-child` and `css-pseudo-class-hover`."""
    return _slugs_of_selector(selector)


@once_a_page
def used(page: MailPage) -> tuple[Use, ...]:
    """Every use of a feature in a mail: its `<style>` first, then element by element. Never fails."""
    return (*_of_document(page), *_of_rules(page), *_of_elements(page))


# ---------------------------------------------------------------- names


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _tested(slug: str) -> str | None:
    return slug if slug in _known() else None


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(support.features())


_SIDES = ("top", "right", "bottom", "left")
_OF_VALUE = {
    "display": (
        ("none", "css-display-none"),
        ("flex", "css-display-flex"),
        ("inline-flex", "css-display-flex"),
        ("grid", "css-display-grid"),
        ("inline-grid", "css-display-grid"),
    ),
    "flex-direction": (("column", "css-flex-direction"),),
    "flex-wrap": (("wrap", "css-flex-wrap"),),
}
"""By property, how values begin that are features of their own."""

_NO_PROPERTIES = frozenset(
    _words(
        "flex-direction flex-wrap nesting comments variables important rgb rgba modern-color intrinsic-size "
        "inert-attribute left-right-top-bottom sytem-ui linear-gradient radial-gradient conic-gradient "
        "block-inline-size column-layout-properties border-radius-logical"
    )
)
_NO_PROPERTY_BEGINS = ("at-", "selector-", "unit-", "function-", "pseudo-", "display-", "border-inline-block")
"""Parts of features' names that are no properties, and properties of which one value was tested only."""

_GROUPS = {
    "css-animation": "animation animation-name animation-duration animation-delay animation-timing-function "
    "animation-iteration-count animation-direction animation-fill-mode animation-play-state",
    "css-border": " ".join(
        ["border", "border-width", "border-style", "border-color", *(f"border-{side}" for side in _SIDES)]
        + [f"border-{side}-{part}" for side in _SIDES for part in ("width", "style", "color")]
    ),
    "css-border-image": "border-image-source border-image-slice border-image-width border-image-outset "
    "border-image-repeat",
    "css-border-inline-block": "border-inline border-block",
    "css-border-inline-block-individual": "border-inline-start border-inline-end border-block-start border-block-end",
    "css-border-inline-block-longhand": "border-inline-color border-inline-style border-inline-width "
    "border-block-color border-block-style border-block-width",
    "css-border-radius": "border-top-left-radius border-top-right-radius border-bottom-left-radius "
    "border-bottom-right-radius",
    "css-border-radius-logical": "border-start-start-radius border-start-end-radius border-end-start-radius "
    "border-end-end-radius",
    "css-column-layout-properties": "columns column-width column-fill column-rule column-rule-color column-rule-style "
    "column-rule-width column-span",
    "css-block-inline-size": "block-size",
    "css-gap": "gap row-gap column-gap",
    "css-grid-template": "grid-template grid-template-columns grid-template-rows grid-template-areas",
    "css-left-right-top-bottom": "left right top bottom",
    "css-margin": " ".join(f"margin-{side}" for side in _SIDES),
    "css-margin-inline-block": "margin-inline margin-block",
    "css-margin-inline-start-end": "margin-inline-start margin-inline-end",
    "css-margin-block-start-end": "margin-block-start margin-block-end",
    "css-outline": "outline-color outline-style outline-width",
    "css-overflow": "overflow-x overflow-y overflow-block overflow-inline",
    "css-padding": " ".join(f"padding-{side}" for side in _SIDES),
    "css-padding-inline-block": "padding-inline padding-block",
    "css-padding-inline-start-end": "padding-inline-start padding-inline-end",
    "css-padding-block-start-end": "padding-block-start padding-block-end",
    "css-scroll-snap": "scroll-snap-type scroll-snap-align scroll-snap-stop",
    "css-text-emphasis": "text-emphasis-color text-emphasis-style",
    "css-transition": "transition-property transition-duration transition-delay transition-timing-function",
}
_OF_PROPERTY = {name: slug for slug, names in _GROUPS.items() for name in names.split()}

_OF_ELEMENT = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "html-h1-h6"),
    **dict.fromkeys(("ul", "ol", "dl"), "html-lists"),
    **dict.fromkeys(
        _words("article aside details figcaption figure footer header main mark nav section summary time"),
        "html-semantics",
    ),
    "map": "html-image-maps",
}
_ATTRIBUTES = frozenset(
    _words(
        "align aria-describedby aria-hidden aria-label aria-labelledby aria-live background cellpadding cellspacing "
        "dir height hidden lang popover required role target valign width"
    )
)
_NO_ELEMENTS = _ATTRIBUTES | {"comments", "doctype", "lists", "semantics", "srcset"}
_OF_ATTRIBUTE = {
    "srcset": "html-srcset",
    "sizes": "html-srcset",
    "loading": "html-loading-attribute",
    "inert": "css-inert-attribute",
    "usemap": "html-image-maps",
}
_OF_ENDING = {
    **{f".{ending}": f"image-{ending}" for ending in _words("apng avif bmp gif hdr ico jpg mp4 png svg tiff webp")},
    ".jpeg": "image-jpg",
    ".tif": "image-tiff",
    ".heic": "image-heif",
    ".heif": "image-heif",
}

# ---------------------------------------------------------------- values

_UNITS = frozenset(_words("ch cm em ex in mm pc pt px rem vh vmax vmin vw"))
_UNIT = re.compile(r"(?<![\w#.-])[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(%|[a-z]+)")
_FUNCTION = re.compile(r"(?<![\w-])([a-z][a-z-]*)\(")
_OF_FUNCTION = {
    "calc": "css-unit-calc",
    "clamp": "css-function-clamp",
    "max": "css-function-max",
    "min": "css-function-min",
    "light-dark": "css-function-light-dark",
    "conic-gradient": "css-conic-gradient",
    "linear-gradient": "css-linear-gradient",
    "radial-gradient": "css-radial-gradient",
    "rgb": "css-rgb",
    "rgba": "css-rgba",
    **dict.fromkeys(("lch", "oklch", "lab", "oklab"), "css-modern-color"),
    "var": "css-variables",
    "fit-content": "css-intrinsic-size",
}
_WORDS = {
    "initial": "css-unit-initial",
    **dict.fromkeys(("fit-content", "min-content", "max-content"), "css-intrinsic-size"),
}
_WORD = re.compile(r"(?<![\w-])[a-z][a-z-]*(?![\w(-])")
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|url\([^)]*\)", re.DOTALL)
_SYSTEM_FONT = re.compile(r"(?<![\w-])(?:system-ui|ui-(?:serif|sans-serif|rounded|monospace))(?![\w-])")


@lru_cache(maxsize=4096)
def _slugs_of_value(name: str, value: str) -> tuple[str, ...]:
    bare = _QUOTED.sub(lambda quote: "url()" if quote[0].startswith("url(") else '""', value)
    found: dict[str, None] = {}
    for unit in _UNIT.findall(bare):
        if unit == "%":
            found["css-unit-percent"] = None
        elif unit in _UNITS:
            found[f"css-unit-{unit}"] = None
    for function in _FUNCTION.findall(bare):
        if function in _OF_FUNCTION:
            found[_OF_FUNCTION[function]] = None
    for word in _WORD.findall(bare):
        if word in _WORDS:
            found[_WORDS[word]] = None
    if name in {"font", "font-family"} and _SYSTEM_FONT.search(bare):
        found["css-sytem-ui"] = None  # spelt so by those who tested it
    if name == "background" and "url()" in bare:
        found["css-background-image"] = None
    return tuple(found)


# ---------------------------------------------------------------- selectors

_BRACKETS = re.compile(r"\[[^\]]*\]")
_PSEUDO = re.compile(r"(::?)(-?[a-z][a-z-]*)(\([^()]*\))?", re.IGNORECASE)
_OLD_PSEUDO_ELEMENTS = frozenset({"before", "after", "first-letter", "first-line"})
_COMPOUND = re.compile(r"[^\s>+~,]+")


@lru_cache(maxsize=1024)
def _slugs_of_selector(selector: str) -> tuple[str, ...]:
    found: list[str] = []
    bare = _QUOTED.sub('""', selector)
    if _BRACKETS.search(bare):
        found.append("css-selector-attribute")
        bare = _BRACKETS.sub("[]", bare)
    for colons, name, _inside in _PSEUDO.findall(bare):
        kind = "element" if colons == "::" or name.lower() in _OLD_PSEUDO_ELEMENTS else "class"
        slug = _tested(f"css-pseudo-{kind}-{name.lower()}")
        if slug:
            found.append(slug)
    bare = _PSEUDO.sub(":", bare)
    for sign, slug in ((",", "grouping"), (">", "child"), ("+", "adjacent-sibling"), ("~", "general-sibling")):
        if sign in bare:
            found.append(f"css-selector-{slug}")
    if any(re.search(r"[^\s>+~]\s+[^\s>+~]", one.strip()) for one in bare.split(",")):
        found.append("css-selector-descendant")
    for compound in _COMPOUND.findall(bare):
        found += [f"css-selector-{kind}" for kind in _kinds_of_compound(compound)]
    return tuple(dict.fromkeys(found))


def _kinds_of_compound(compound: str) -> Iterator[str]:
    names = re.findall(r"[.#][\w-]+", compound)
    if any(name[0] == "." for name in names):
        yield "class"
    if any(name[0] == "#" for name in names):
        yield "id"
    if len(names) > 1:
        yield "chaining"
    if compound[0].isalpha():
        yield "type"
    if compound[0] == "*":
        yield "universal"


# ---------------------------------------------------------------- the whole mail


def _of_document(page: MailPage) -> Iterator[Use]:
    start = page.html.lstrip()[:100].lower()
    if re.match(r"<!doctype\s+html\s*>", start):
        yield Use("html-doctype", "<!doctype html>", conditional=True)
    if "<!--" in page.html:
        yield Use("html-comments", "<!-- … -->")
    root = page.tree.root
    if root is None:
        return
    yield from _of_attributes(root)
    if {"amp4email", "⚡4email"} & set(root.attributes):
        yield Use("amp", "<html amp4email>", root)
    for tag in ("meta", "base", "link"):
        for node in page.tree.css(tag):
            if tag == "meta" and (node.attributes.get("name") or "").lower() == "color-scheme":
                yield Use("html-meta-color-scheme", '<meta name="color-scheme">', node)
            elif tag != "meta" and not _is_in_body(page, node):
                yield Use(f"html-{tag}", f"<{tag}>", node)


def _is_in_body(page: MailPage, node: LexborNode) -> bool:
    return node.mem_id in _body_ids(page)


@once_a_page
def _body_ids(page: MailPage) -> frozenset[int]:
    return frozenset(node.mem_id for node in page.elements)


_AIMED = re.compile(
    r"\[data-og|#outlook\b|\.moz-text-html|\.ExternalClass|\.ReadMsgBody|#MessageViewBody|\bu\s*\+|:root\b|"
    r"\[class~?=[\"']?x_|\[x-apple-data-detectors|\[owa\]|\*\[office365\]"
)
"""Selectors that match in one mail program only, or speak of the whole page to programs that know its scheme."""

_MEDIA = (
    (re.compile(r"\((?:any-)?hover\b"), "css-at-media-hover"),
    (re.compile(r"\(orientation\b"), "css-at-media-orientation"),
    (re.compile(r"\(prefers-color-scheme\b"), "css-at-media-prefers-color-scheme"),
    (re.compile(r"\(prefers-reduced-motion\b"), "css-at-media-prefers-reduced-motion"),
    (re.compile(r"-device-pixel-ratio\b"), "css-at-media-device-pixel-ratio"),
)
_AT_RULES = {
    "@media": "css-at-media",
    "@supports": "css-at-supports",
    "@import": "css-at-import",
    "@font-face": "css-at-font-face",
    "@keyframes": "css-at-keyframes",
}
_IMPORTANT = re.compile(r"(\S?)!\s*(important)", re.IGNORECASE)


def _of_rules(page: MailPage) -> Iterator[Use]:
    for block in page.tree.css("style"):
        yield Use("html-style", "<style>", block, conditional=not _is_in_body(page, block))
        css = _QUOTED.sub('""', block.text())
        if "/*" in css:
            yield Use("css-comments", "/* … */", block)
        css = re.sub(r"/\*.*?(?:\*/|\Z)", "", css, flags=re.DOTALL)
        if _is_nested(css):
            yield Use("css-nesting", "a rule within a rule", block)
        yield from _odd_important(css, block)
    for rule in page.rules:
        yield from _of_rule(rule)


def _of_rule(rule: Rule) -> Iterator[Use]:
    for at in rule.within:
        keyword, _, rest = at.partition(" ")
        if keyword in _AT_RULES:
            # A mail must be read without its @media, so what they hold is always for those who can (H-12).
            yield Use(_AT_RULES[keyword], at, rule=rule, conditional=keyword in {"@media", "@supports"}, value=rest)
        if keyword == "@media":
            for pattern, slug in _MEDIA:
                if pattern.search(rest.lower()):
                    yield Use(slug, at, rule=rule, conditional=True, value=rest)
    optional = any(at.startswith(("@media", "@supports")) for at in rule.within) or bool(_AIMED.search(rule.selector))
    if any(at.startswith(("@keyframes", "@-webkit-keyframes", "@page")) for at in rule.within):
        return
    for slug in slugs_of_selector(rule.selector):
        yield Use(slug, rule.selector, rule=rule, conditional=optional)
    for number, declaration in enumerate(rule.declarations):
        yield from _of_declaration(declaration, rule.declarations[:number], rule=rule, optional=optional)


def _is_nested(css: str) -> bool:
    """Whether a style rule holds another. Comments and quotes are gone from the text."""
    within: list[bool] = []
    for prelude, sign in re.findall(r"([^{};]*)([{};])", css):
        if sign == "{":
            is_rule = not prelude.strip().startswith("@")
            if is_rule and any(within):
                return True
            within.append(is_rule)
        elif sign == "}" and within:
            within.pop()
    return False


def _odd_important(css: str, node: LexborNode) -> Iterator[Use]:
    """Uses of `!important` that some programs do not take: not in small letters, or without a space before (H-12)."""
    for before, word in dict.fromkeys(_IMPORTANT.findall(css)):
        if before or word != "important":
            yield Use("css-important", f"{before}!{word}", node, name="odd", value=f"{before}!{word}")


def _of_declaration(
    declaration: Declaration,
    before: tuple[Declaration, ...],
    *,
    node: LexborNode | None = None,
    rule: Rule | None = None,
    optional: bool = False,
) -> Iterator[Use]:
    name, value = declaration.name, declaration.value
    what = f"{name}: {value}" if len(value) <= 60 else f"{name}: {value[:59]}…"
    same = "background-color" if name in {"background-image", "background"} else name
    stands_in = optional or any(
        earlier.name in {name, same} or (same.startswith("background") and earlier.name == "background")
        for earlier in before
    )
    if same == "background-color" and node is not None and node.attributes.get("bgcolor"):
        stands_in = True
    slug = slug_of_property(name, value)
    if slug:
        # What a property lacks is not made good by an earlier value of the same property, except for pictures (H-08).
        holds = stands_in if slug in {"css-background-image", "css-display-flex", "css-display-grid"} else optional
        yield Use(slug, what, node, rule, holds, name, value)
    if not name.startswith(("mso-", "-")):  # those are for one program, which knows them
        for slug in slugs_of_value(name, value):
            yield Use(slug, what, node, rule, stands_in, name, value)
        if name in {"background", "background-image", "list-style", "list-style-image"}:
            for address in re.findall(r"url\(\s*[\"']?([^)\"']*)", value, re.IGNORECASE):
                picture = slug_of_image(address)
                if picture:
                    yield Use(picture, what, node, rule, stands_in, name, address)
    if declaration.important:
        yield Use("css-important", f"{what} !important", node, rule, optional, name, "!important")


def _of_elements(page: MailPage) -> Iterator[Use]:
    for node in page.elements:
        tag = node.tag or ""
        slug = _slug_of_form_part(node) if tag in {"input", "button"} else slug_of_element(tag)
        if slug and tag not in {"style", "meta"}:
            yield Use(slug, f"<{tag}>", node, conditional=_has_stand_in(node))
        yield from _of_attributes(node)
        style = page.style(node)
        for number, declaration in enumerate(style):
            yield from _of_declaration(declaration, style[:number], node=node)
        if style and "!" in (raw := node.attributes.get("style") or ""):
            yield from _odd_important(_QUOTED.sub('""', raw), node)


def _has_stand_in(node: LexborNode) -> bool:
    """Whether an element holds what programs show that do not know it (an `<img>` in `<picture>`)."""
    return node.tag == "picture" and node.css_first("img[src]") is not None


def _slug_of_form_part(node: LexborNode) -> str | None:
    kind = (node.attributes.get("type") or ("text" if node.tag == "input" else "submit")).strip().lower()
    return _tested(f"html-{node.tag}-{kind}")


def _of_attributes(node: LexborNode) -> Iterator[Use]:
    tag = node.tag or ""
    for name, value in node.attributes.items():
        slug = slug_of_attribute(name)
        value = value or ""  # noqa: PLW2901 - None stands for an attribute without a value
        if slug:
            instead = name in {"srcset", "sizes"} and bool(node.attributes.get("src"))
            short = value if len(value) <= 40 else value[:39] + "…"
            yield Use(slug, f'<{tag} {name}="{short}">', node, conditional=instead, name=name, value=value)
        if name == "href" and tag in {"a", "area"}:
            if value.startswith("#") and len(value) > 1:
                yield Use("html-anchor-links", f'<{tag} href="{value[:40]}">', node, name=name, value=value)
            elif value.lower().startswith("mailto:"):
                yield Use("html-mailto-links", f'<{tag} href="mailto:…">', node, name=name, value=value)
        if (name == "src" and tag in {"img", "input"}) or name == "background":
            picture = slug_of_image(value)
            if picture:
                shown = value if len(value) <= 60 else "…" + value[-58:]
                shown = "data:…" if picture == "image-base64" else shown
                yield Use(picture, f'{name}="{shown}"', node, name=name, value=value)
