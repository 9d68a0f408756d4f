"""MJML to HTML, with the mistakes the engine passes over found first, and its known faults kept from the result.

The engine accepts unknown tags and mismatched ones, and prints attribute values through a debugging format that
spoils emoji, combining marks and backslashes. So every tag is read once here: it is checked against what MJML allows,
and its attribute values are rewritten as plain ASCII with character references, which the engine leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

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
    r"|<mj-title\s*>(?P<title>[^<]*)</mj-title\s*>"
    r"|</(?P<close>[A-Za-z][\w:-]*)\s*>"
    r"|<(?P<open>[A-Za-z][\w:-]*)(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)(?P<empty>/?)>"
    r"|(?P<stray><)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"=\s*(?:\"([^\"]*)\"|'([^']*)')")


class MjmlError(Exception):
    """MJML that cannot become a mail: what is wrong, what to do, and the character it starts at.

    `template` is the path of the included file it is in; empty for the text that was handed in.
    """

    def __init__(self, message: str, hint: str = "", offset: int = 0, template: str = "") -> None:
        super().__init__(message)
        self.message, self.hint, self.offset, self.template = message, hint, offset, template


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as HTML, and the style rules that belong into its elements' style attributes."""

    html: str
    css: str


def to_mail(source: str, include: Include) -> Mail:
    """MJML as HTML. The rules in `<mj-style inline="inline">` come back apart, to be moved into style attributes.

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
            return text if path.endswith(".css") else _Reader(path).read(text)
        except Exception as error:
            raised.append(error)
            raise

    reader = _Reader()
    ready = reader.read(source)
    if "<mj-body" not in ready:
        raise MjmlError("this template has no <mj-body>.", "Put what readers see between <mj-body> and </mj-body>.")
    try:
        html = mjml2html(ready, fonts={}, include_loader=load)
    except ValueError as error:
        raise (raised[0] if raised else _refused(str(error), ready, source)) from None
    return Mail(html, "\n".join(reader.css))


class _Reader:
    """Reads every tag of one template: checks where it stands, and rewrites its attribute values as plain ASCII."""

    def __init__(self, template: str = "") -> None:
        self.css: list[str] = []
        self._template = template
        self._open: list[tuple[str, int]] = []

    def read(self, source: str) -> str:
        """The source, line for line, ready for the engine and without the rules to be inlined. Raises `MjmlError`."""
        try:
            ready = _TOKEN.sub(self._tag, source)
            if self._open:
                name, offset = self._open[-1]
                raise MjmlError(f"<{name}> is never closed.", f"Add </{name}> where it ends.", offset)
        except MjmlError as error:
            error.template = self._template
            raise
        return ready

    def _tag(self, found: re.Match[str]) -> str:
        if found["comment"]:
            return found[0]
        if found["stray"]:
            raise MjmlError("there is a < that starts no tag.", "In text, write &lt; for it.", found.start())
        if found["style"]:
            if "inline" not in found["flags"]:
                return found[0]
            self.css.append(found["css"])
            return "\n" * found[0].count("\n")
        if found["title"] is not None:
            # The engine copies the title into an attribute, by way of its debugging format.
            return f"<mj-title>{_ascii(found['title'])}</mj-title>"
        if found["close"]:
            self._close(found["close"], found.start())
            return found[0]
        self._check_place(found["open"], found.start())
        if not found["empty"] and found["open"].lower() not in _VOID:
            self._open.append((found["open"], found.start()))
        return f"<{found['open']}{_ATTRIBUTE.sub(_quoted, found['attributes'])}{found['empty']}>"

    def _check_place(self, name: str, offset: int) -> None:
        if len(self._open) > _DEEPEST:
            raise MjmlError("tags are nested too deeply here.", "Close some before opening more.", offset)
        ours = name.startswith("mj")
        if ours and name not in _KNOWN:
            import difflib

            near = difflib.get_close_matches(name, _KNOWN, n=1)
            hint = f"Did you mean <{near[0]}>?" if near else f"Known: {', '.join(sorted(_KNOWN))}."
            raise MjmlError(f"there is no MJML tag <{name}> here.", hint, offset)
        if not self._open:
            if self._template and name in ("mjml", "mj-body"):
                raise MjmlError(f"an included file cannot be a whole <{name}>.", "Put only its pieces there.", offset)
            if name != "mjml" and not self._template:
                raise MjmlError(f"<{name}> stands outside <mjml>.", "Put it between <mjml> and </mjml>.", offset)
            return
        parent = self._open[-1][0]
        allowed = name in _MAY_HOLD.get(parent, ()) if ours else parent in _HOLDS_HTML or not parent.startswith("mj")
        if not allowed and parent != "mj-attributes":
            homes = [home for home, held in _MAY_HOLD.items() if name in held] or ["mj-text", "mj-raw"]
            hint = f"It belongs into {' or '.join(f'<{home}>' for home in homes[:2])}."
            raise MjmlError(f"<{name}> cannot stand directly in <{parent}>.", hint, offset)

    def _close(self, name: str, offset: int) -> None:
        if not self._open:
            raise MjmlError(f"</{name}> closes nothing.", "Remove it, or open it first.", offset)
        expected, _ = self._open.pop()
        if expected != name:
            raise MjmlError(f"</{name}> stands where </{expected}> is due.", f"Close <{expected}> first.", offset)


def _quoted(found: re.Match[str]) -> str:
    return f'="{_ascii(found[1] if found[1] is not None else found[2])}"'


def _ascii(value: str) -> str:
    """The value with a character reference for each sign that is not plain: beyond ASCII, control, quote, backslash."""
    return re.sub(r"[^ !#-\[\]-~]", lambda sign: f"&#{ord(sign[0])};", value)


def _refused(reason: str, ready: str, source: str) -> MjmlError:
    """The engine's own complaint, such as `unexpected element in root template at position 16:34`, in bytes."""
    said = re.split(r" in (?:root )?template", reason)[0]
    place = re.search(r"root template at position (\d+)", reason)
    # Lines are the same before and after reading, characters are not.
    line = ready.encode()[: int(place[1])].count(b"\n") if place else 0
    offset = sum(len(text) for text in source.splitlines(keepends=True)[:line])
    return MjmlError(f"MJML cannot read this: {said}.", "Look for a tag or quote that is not closed.", offset)
