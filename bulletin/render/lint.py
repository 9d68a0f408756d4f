"""The theme's own mistakes: words that the MJML engine and mail programs pass over in silence, each with its place.

The engine takes an unknown attribute for none, and a mail program does so with an unknown style, so the page merely
looks other than meant. Templates are read here as they are written. What Jinja puts in is not known and is left alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bulletin.errors import Place, Problem
from bulletin.render._words import ANYWHERE, ATTRIBUTES, COLOURS, NEEDED, PASSED_OVER, PROPERTIES

_PUT_IN, _STEERED = "\ue002", "\ue003"
"""What stands for a Jinja expression, and for a Jinja statement, sign by sign: from Unicode's private area."""
_UNKNOWN = re.compile(f"[{_PUT_IN}{_STEERED}]")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<(?P<name>[A-Za-z][\w:-]*)(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(
    rf"(?P<name>[^\s=<>\"'/{_PUT_IN}{_STEERED}]+)\s*=\s*(?:\"(?P<value>[^\"]*)\"|'(?P<other>[^']*)')"
)
_STYLE = re.compile(r"<(mj-style|style)\b[^>]*>(?P<css>.*?)</\1\s*>", re.DOTALL)
_DEFAULTS = re.compile(r"<mj-attributes\b[^>]*>(?P<inner>.*?)</mj-attributes\s*>", re.DOTALL)
_CSS_ASIDE = re.compile(r"/\*.*?\*/|\"[^\"\n]*\"|'[^'\n]*'|url\([^)]*\)", re.DOTALL)
_BLOCK = re.compile(r"(?P<opening>[^{};]*)\{(?P<inner>[^{}]*)\}")
_DECLARATION = re.compile(r"[^;]+")
_HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\Z", re.IGNORECASE)
_BARE_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)\Z")
_LENGTHS: Final = re.compile(
    r"(?:inner-|ico-|icon-)?(?:padding|margin)(?:-\w+)?|(?:max-|min-)?(?:width|height)|font-size|letter-spacing|"
    r"(?:inner-|tb-)?border-radius|border(?:-\w+)?-width|icon-size|icon-height|icon-width|tb-width|"
    r"background-width|background-height|top|right|bottom|left|text-indent|text-padding"
)
"""Attributes and properties whose numbers need a unit."""


def lint(template_dirs: tuple[Path, ...]) -> tuple[Problem, ...]:
    """What is wrong with the words of the templates in the first folder, each at template, line and column.

    The other folders are read for what is defined there. A file that is not UTF-8 is left to whoever renders it.
    """
    sources = [_Source.read(folder, path) for folder in template_dirs for path in _templates(folder)]
    defined = _Defined()
    for source in sources:
        if source:
            defined.learn(source)
    own = [source for source in sources if source and source.folder == template_dirs[0]]
    return tuple(sorted((problem for source in own for problem in _look(source, defined)), key=_by_place))


def _by_place(problem: Problem) -> tuple[Place, str]:
    return problem.place, problem.message


def _templates(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".mjml", ".css") and path.is_file())


@dataclass(frozen=True, slots=True)
class _Source:
    """A template as it is written, and as it reads with Jinja's parts taken out sign by sign."""

    folder: Path
    shown: str
    bare: str
    starts: tuple[int, ...]
    """Where each line starts."""

    @classmethod
    def read(cls, folder: Path, path: Path) -> _Source | None:
        try:
            text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError):
            return None
        bare = _JINJA.sub(_without_jinja, text)
        if path.suffix == ".mjml":
            bare = _COMMENT.sub(lambda found: _blank(found[0]), bare)
        starts = (0, *(found.end() for found in re.finditer("\n", text)))
        return cls(folder, f"{folder.name}/{path.relative_to(folder).as_posix()}", bare, starts)

    @property
    def is_css(self) -> bool:
        return self.shown.endswith(".css")

    def problem(self, offset: int, message: str, hint: str) -> Problem:
        line = bisect_right(self.starts, offset)
        return Problem(Place(self.shown, line, offset - self.starts[line - 1] + 1), message, hint)


def _without_jinja(found: re.Match[str]) -> str:
    sign = {"{{": _PUT_IN, "{%": _STEERED}.get(found[0][:2], " ")
    return _blank(found[0], sign)


def _blank(text: str, sign: str = " ") -> str:
    return re.sub(r"[^\n]", sign, text)


@dataclass(slots=True)
class _Defined:
    """What the templates together define: classes for tags, and attributes that every tag of a kind has."""

    classes: set[str] = field(default_factory=set)
    defaults: dict[str, set[str]] = field(default_factory=dict)
    unsure: bool = False
    """Whether Jinja names a class, so that no class can be called unknown."""

    def learn(self, source: _Source) -> None:
        """Take in what a template defines."""
        for block in _DEFAULTS.finditer(source.bare):
            for tag in _TAG.finditer(block["inner"]):
                values = {name: value for name, value, _, _ in _attributes(tag)}
                if tag["name"] == "mj-class":
                    self.unsure |= bool(_UNKNOWN.search(values.get("name", "")))
                    self.classes.add(values.get("name", ""))
                else:
                    self.defaults.setdefault(tag["name"], set()).update(values)

    def given(self, tag: str) -> set[str]:
        """Attributes a tag has without being given them."""
        return self.defaults.get(tag, set()) | self.defaults.get("mj-all", set())


def _attributes(tag: re.Match[str]) -> Iterator[tuple[str, str, int, int]]:
    """Name, value and the two offsets of each attribute in quotes."""
    begin = tag.start("attributes")
    for found in _ATTRIBUTE.finditer(tag["attributes"]):
        group = "value" if found["value"] is not None else "other"
        yield found["name"], found[group], begin + found.start("name"), begin + found.start(group)


def _look(source: _Source, defined: _Defined) -> Iterator[Problem]:
    if source.is_css:
        yield from _css(source, source.bare, 0)
        return
    for style in _STYLE.finditer(source.bare):
        yield from _css(source, style["css"], style.start("css"))
    # Style rules may hold signs that look like tags.
    markup = _STYLE.sub(lambda found: found[0].replace(found["css"], _blank(found["css"])), source.bare)
    defaults = [block.span("inner") for block in _DEFAULTS.finditer(markup)]
    for tag in _TAG.finditer(markup):
        if tag["name"].startswith("mj"):
            yield from _mjml_tag(source, tag, defined, any(start <= tag.start() < end for start, end in defaults))
        else:
            for name, value, _, at in _attributes(tag):
                if name == "style":
                    yield from _declarations(source, value, at)


# ---------------------------------------------------------------- MJML


def _mjml_tag(source: _Source, tag: re.Match[str], defined: _Defined, is_default: bool) -> Iterator[Problem]:
    name = tag["name"]
    if name not in ATTRIBUTES and name not in ("mj-all", "mj-class"):
        yield source.problem(tag.start(), f"there is no MJML tag <{name}>.", _near(name, ATTRIBUTES))
        return
    seen: set[str] = set()
    for attribute, value, offset, value_at in _attributes(tag):
        if attribute in seen:
            yield source.problem(offset, f"<{name}> has {attribute} twice.", "Remove one; only the last counts.")
        seen.add(attribute)
        useless = _useless(name, attribute, is_default)
        if useless:
            yield source.problem(offset, *useless)
        elif not _UNKNOWN.search(value):
            yield from _value(source, attribute, value, value_at)
            if attribute == "mj-class":
                yield from _classes(source, value, value_at, defined)
    if name == "mj-font":
        hint = "Use fonts that readers have: the font list in bulletin.toml."
        yield source.problem(tag.start(), "a font from the web tells its server who opens the mail, and when.", hint)
    sure = not is_default and "mj-class" not in seen and _PUT_IN not in _ATTRIBUTE.sub("", tag["attributes"])
    for attribute, hint in NEEDED.get(name, {}).items():
        if sure and attribute not in seen | defined.given(name):
            yield source.problem(tag.start(), f"this <{name}> has no {attribute}.", hint)


def _useless(tag: str, attribute: str, is_default: bool) -> tuple[str, str] | None:
    """Message and hint of an attribute that does nothing."""
    known = ATTRIBUTES.get(tag, frozenset().union(*ATTRIBUTES.values())) | ANYWHERE
    if attribute not in known:
        return f'<{tag}> has no attribute "{attribute}", so this does nothing.', _near(attribute, known)
    if is_default and tag == "mj-body":
        return f"{attribute} of <mj-body> is passed over by the MJML engine here.", "Put it on <mj-body> itself."
    if attribute in PASSED_OVER.get(tag, ()):
        return f"{attribute} of <{tag}> is passed over by the MJML engine.", "Take it out."
    return None


def _classes(source: _Source, value: str, offset: int, defined: _Defined) -> Iterator[Problem]:
    for word in re.finditer(r"\S+", value):
        if word[0] not in defined.classes and not defined.unsure:
            hint = _near(word[0], defined.classes, "Define it: <mj-class name=…> within <mj-attributes>.")
            yield source.problem(offset + word.start(), f'no template defines the mj-class "{word[0]}".', hint)


# ---------------------------------------------------------------- CSS


def _css(source: _Source, css: str, offset: int) -> Iterator[Problem]:
    """A style sheet: every declaration in its innermost blocks."""
    plain = _CSS_ASIDE.sub(lambda found: _blank(found[0], " " if found[0].startswith("/*") else "x"), css)
    for block in _BLOCK.finditer(plain):
        if not re.match(r"\s*@(?:counter-style|property|font-feature-values|page)", block["opening"]):
            yield from _declarations(source, block["inner"], offset + block.start("inner"))


def _declarations(source: _Source, text: str, offset: int) -> Iterator[Problem]:
    text = _CSS_ASIDE.sub(lambda found: _blank(found[0], " " if found[0].startswith("/*") else "x"), text)
    for found in _DECLARATION.finditer(text.replace(_STEERED, " ")):
        declaration = found[0]
        at = offset + found.start() + len(declaration) - len(declaration.lstrip())
        name, colon, value = declaration.strip().partition(":")
        name = name.rstrip()
        if not name or _PUT_IN in name or name.startswith(("--", "-", "mso-", "*")):
            continue
        if not colon or not re.fullmatch(r"[A-Za-z-]+", name):
            said = " ".join(declaration.split())[:40]
            yield source.problem(at, f'"{said}" is no style: it needs a name, a colon and a value.', "Mend this line.")
        elif name.lower() not in PROPERTIES:
            hint = _near(name.lower(), PROPERTIES)
            yield source.problem(at, f'there is no style "{name}", so this does nothing.', hint)
        elif not _UNKNOWN.search(value) and not re.search(r"[({]", value):
            value_at = at + declaration.strip().index(":") + 1
            bare = value.replace("!important", " " * 10)
            yield from _value(source, name.lower(), bare, value_at)


def _value(source: _Source, name: str, value: str, offset: int) -> Iterator[Problem]:
    """Values that certainly cannot be: a colour that is none, a number without its unit."""
    if name.endswith("color"):
        word = value.strip()
        if word and "(" not in word and not _HEX.match(word) and word.lower() not in COLOURS:
            at = offset + len(value) - len(value.lstrip())
            hint = _near(word.lower(), COLOURS, "Write # and six digits, such as #1d3557.")
            yield source.problem(at, f'"{word}" is not a colour.', hint)
    elif _LENGTHS.fullmatch(name):
        for found in re.finditer(r"\S+", value):
            if _BARE_NUMBER.match(found[0]) and float(found[0]):
                hint = f"Write {found[0]}px."
                yield source.problem(offset + found.start(), f"{name} {found[0]} has no unit.", hint)


def _near(word: str, known: Iterable[str] | Mapping[str, object], otherwise: str = "") -> str:
    import difflib

    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f'Did you mean "{near[0]}"?' if near else otherwise or "Take it out, or look up what it should be."
