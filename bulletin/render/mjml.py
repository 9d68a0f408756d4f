"""MJML to HTML, with the mistakes the engine passes over found first, and its known faults kept from the result.

The engine accepts unknown tags and mismatched ones, and prints attribute values through a debugging format that
spoils emoji, combining marks and backslashes. So every tag is read once here: it is checked against what MJML allows,
and its attribute values are rewritten as plain ASCII with character references, which the engine leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bulletin.door import closest

Include = Callable[[str], str]
"""The text of an included template, by its path. Raises `BulletinError`."""

_MOST_INCLUDES = 20
"""How often one path may be included: an include of itself would otherwise end the interpreter, not raise."""
_DEEPEST = 500
"""Levels of nesting; the engine's stack ends at about 10,000."""

_HEAD = frozenset(
    {"mj-attributes", "mj-breakpoint", "mj-font", "mj-include", "mj-preview", "mj-raw", "mj-style", "mj-title"}
)
_CONTENT = frozenset(
    {
        "mj-accordion", "mj-button", "mj-carousel", "mj-divider", "mj-image", "mj-include", "mj-navbar",
        "mj-raw", "mj-social", "mj-spacer", "mj-table", "mj-text",
    }
)  # fmt: skip
_MAY_HOLD: dict[str, frozenset[str]] = {
    "mjml": frozenset({"mj-head", "mj-body", "mj-include", "mj-raw"}),
    "mj-head": _HEAD,
    "mj-body": frozenset({"mj-section", "mj-wrapper", "mj-hero", "mj-raw", "mj-include"}),
    "mj-wrapper": frozenset({"mj-section", "mj-hero", "mj-raw", "mj-include"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw", "mj-include"}),
    "mj-group": frozenset({"mj-column", "mj-raw", "mj-include"}),
    "mj-column": _CONTENT,
    "mj-hero": _CONTENT,
    "mj-social": frozenset({"mj-social-element", "mj-raw"}),
    "mj-navbar": frozenset({"mj-navbar-link", "mj-raw"}),
    "mj-accordion": frozenset({"mj-accordion-element", "mj-raw"}),
    "mj-accordion-element": frozenset({"mj-accordion-title", "mj-accordion-text"}),
    "mj-carousel": frozenset({"mj-carousel-image"}),
}
_HOLDS_HTML = frozenset(
    {
        "mj-accordion-text", "mj-accordion-title", "mj-button", "mj-navbar-link", "mj-preview", "mj-raw",
        "mj-social-element", "mj-style", "mj-table", "mj-text", "mj-title",
    }
)  # fmt: skip
_KNOWN = frozenset().union(*_MAY_HOLD.values()) | {"mjml", "mj-all", "mj-class"}
_VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})

_TOKEN = re.compile(
    r"(?P<comment><!--.*?-->)"
    r"|(?P<style><mj-style\b(?P<flags>[^>]*)>(?P<css>.*?)</mj-style\s*>)"
    r"|</(?P<close>[A-Za-z][\w:-]*)\s*>"
    r"|<(?P<open>[A-Za-z][\w:-]*)(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)(?P<empty>/?)>"
    r"|(?P<stray><)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"=\s*(?:\"([^\"]*)\"|'([^']*)')")


class MjmlError(Exception):
    """MJML that cannot become a mail: what is wrong, what to do, and the character it starts at."""

    def __init__(self, message: str, hint: str = "", *, offset: int = 0, template: str = "") -> None:
        super().__init__(message)
        self.message, self.hint, self.offset, self.template = message, hint, offset, template
        """`template` is the path of an included file; empty for the text that was handed in."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as HTML, and the style rules that belong into its elements' style attributes."""

    html: str
    css: str


def to_mail(source: str, include: Include) -> Mail:
    """MJML as HTML. `<mj-style inline="inline">` comes back apart, for whoever moves styles into attributes.

    Raises `MjmlError` for what MJML does not allow, and whatever `include` raises. Fetches nothing and names no
    third-party fonts.
    """
    from mjml import mjml2html

    raised: list[Exception] = []
    counts: dict[str, int] = {}

    def load(path: str) -> str:
        # The engine swallows what a loader raises and says only that it could not load; so it is kept here.
        try:
            counts[path] = counts.get(path, 0) + 1
            if counts[path] > _MOST_INCLUDES:
                raise MjmlError("this file is included again and again.", "Does it include itself?", template=path)
            text = include(path)
            return text if path.endswith(".css") else _prepared(text, path)[0]
        except Exception as error:
            raised.append(error)
            raise

    ready, css = _prepared(source)
    if "<mj-body" not in ready:
        raise MjmlError("this template has no <mj-body>.", "Put what readers see between <mj-body> and </mj-body>.")
    try:
        html = mjml2html(ready, fonts={}, include_loader=load)
    except ValueError as error:
        if raised:
            raise raised[0] from None
        raise _refused(str(error), ready) from None
    return Mail(html, css)


def _prepared(source: str, template: str = "") -> tuple[str, str]:
    """The source with safe attribute values and without the rules to be inlined, and those rules."""
    css: list[str] = []
    opened: list[tuple[str, int]] = []

    def rewrite(found: re.Match[str]) -> str:
        offset = found.start()
        if found["comment"]:
            return found[0]
        if found["style"]:
            if "inline" not in found["flags"]:
                return found[0]
            css.append(found["css"])
            # Line breaks stay, so that later positions still fit the source.
            return "\n" * found[0].count("\n")
        if found["stray"]:
            raise MjmlError(
                "there is a < that starts no tag.", "In text, write &lt; for it.", offset=offset, template=template
            )
        if found["close"]:
            _close(opened, found["close"], offset, source, template)
            return found[0]
        _check_place(opened, found["open"], offset, template)
        if not found["empty"] and found["open"].lower() not in _VOID:
            opened.append((found["open"], offset))
        return f"<{found['open']}{_ATTRIBUTE.sub(_ascii, found['attributes'])}{found['empty']}>"

    ready = _TOKEN.sub(rewrite, source)
    if opened:
        name, offset = opened[-1]
        raise MjmlError(f"<{name}> is never closed.", f"Add </{name}> where it ends.", offset=offset, template=template)
    return ready, "\n".join(css)


def _check_place(opened: list[tuple[str, int]], name: str, offset: int, template: str) -> None:
    parent = opened[-1][0] if opened else None
    if len(opened) > _DEEPEST:
        raise MjmlError(
            "tags are nested too deeply here.", "Close some before opening more.", offset=offset, template=template
        )
    if name.startswith("mj") and name not in _KNOWN:
        hint = closest(name, sorted(_KNOWN)) if _near(name) else "Look it up in MJML's documentation."
        raise MjmlError(f"MJML has no tag <{name}>.", hint, offset=offset, template=template)
    if parent is None:
        if name != "mjml" and not template:
            raise MjmlError(
                f"<{name}> stands outside <mjml>.", "A mail starts with <mjml> and ends with </mjml>.", offset=offset
            )
        return
    if parent == "mj-attributes" or not (parent.startswith("mj") or name.startswith("mj")):
        return
    if name in _MAY_HOLD.get(parent, ()) or (parent in _HOLDS_HTML and not name.startswith("mj")):
        return
    homes = [home for home in (*_MAY_HOLD, *sorted(_HOLDS_HTML)) if name in _MAY_HOLD.get(home, ())]
    homes = homes or ["mj-text", "mj-raw"]
    hint = f"It belongs into {' or '.join(f'<{home}>' for home in homes[:2])}."
    raise MjmlError(f"<{name}> cannot stand directly in <{parent}>.", hint, offset=offset, template=template)


def _near(name: str) -> bool:
    return closest(name, sorted(_KNOWN)).startswith("Did")


def _close(opened: list[tuple[str, int]], name: str, offset: int, source: str, template: str) -> None:
    if opened and opened[-1][0] == name:
        opened.pop()
        return
    if not opened:
        raise MjmlError(f"</{name}> closes nothing.", "Remove it, or open it first.", offset=offset, template=template)
    missing = opened[-1][0]
    raise MjmlError(
        f"</{name}> stands where </{missing}> is due.", f"Close <{missing}> first.", offset=offset, template=template
    )


def _ascii(found: re.Match[str]) -> str:
    value = found[1] if found[1] is not None else found[2]
    return '="' + re.sub(r"[^ !#-\[\]-~]", lambda sign: f"&#{ord(sign[0])};", value) + '"'


def _refused(reason: str, ready: str) -> MjmlError:
    """The engine's own complaint. Its positions are byte offsets: `... in root template at position 16:34`."""
    place = re.search(
        r" in (?:root template|template from \"(?P<path>[^\"]*)\")(?: at position (?P<start>\d+):\d+)?", reason
    )
    said = reason[: place.start()] if place else reason
    template = (place["path"] or "") if place else ""
    start = int(place["start"]) if place and place["start"] else 0
    offset = len(ready.encode()[:start].decode("utf-8", "ignore")) if not template else start
    return MjmlError(
        f"MJML cannot read this: {said}.",
        "Look for a tag or quote that is not closed.",
        offset=offset,
        template=template,
    )
