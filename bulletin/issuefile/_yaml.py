"""YAML as people write it: every value is text, every value has a place, nothing is guessed.

Only `true` and `false` are more than text. Numbers, dates and times stay as they were typed, so `01633` and `1.10`
survive. Words that YAML programs disagree about (`no`, `on`, `~`) are refused with a remedy, as are aliases, which
can grow without bound. Nodes are composed by ruamel.yaml, with libyaml where that gives the same, and never built into
objects.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tokens import ScalarToken

from bulletin.door import Loc
from bulletin.errors import FileProblems, Place, Problem

LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_BEYOND_QUICK = re.compile(
    r"""[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]  # signs YAML knows twice
    | (?:^|[\s\[\]{},:?-])[&*!]\S | \?\s | [|>][-+0-9]*\#  # anchors, tags, keys without a word, a block's comment
    | ^(?:---|\.\.\.|%|[ -]{100})      # documents in documents, directives, levels without end""",
    re.MULTILINE | re.VERBOSE,
)
"""Where the two readers of YAML may differ; there the exact one judges. A property test holds them together."""
_DOUBTFUL = re.compile(r"(?i:y|n|yes|no|on|off)\Z")


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain data, the place of every value in it, and its node tree."""

    path: str
    data: Any
    root: MappingNode
    places: dict[Loc, Place] = field(repr=False)
    keys: dict[Loc, Place] = field(repr=False)

    def key_of(self, loc: Loc) -> Place:
        """The place of the key whose value is at `loc`."""
        return self.keys.get(loc) or self.place_of(loc)

    def place_of(self, loc: Loc) -> Place:
        """The place of the value at `loc`, or of the nearest thing around it."""
        while loc and loc not in self.places:
            loc = loc[:-1]
        return self.places.get(loc, Place(self.path, 1, 1))


def parse(text: str, path: str, *, exact: bool = False) -> Document:
    """Read YAML text. Raises `FileProblems` with every problem that can be found at once.

    `exact` for those who cut and paste by the nodes' end marks, which the quick reader sets differently.
    """
    text = text.removeprefix("\ufeff")
    root = None if exact else _composed_quickly(text)
    root = root or _compose(text, path)
    if not isinstance(root, MappingNode):
        raise FileProblems(
            path, [Problem(Place(path, 1, 1), "this is not an issue file.", 'It should start with "schema: 1".')]
        )
    reader = _Reader(path)
    data = reader.plain(root, ())
    if reader.problems:
        raise FileProblems(path, reader.problems)
    return Document(path, data, root, reader.places, reader.keys)


def _composed_quickly(text: str) -> Node | None:
    """The nodes as libyaml reads them, in a tenth of the time; None wherever it may not be right."""
    if _BEYOND_QUICK.search(text) or _too_deep(text) is not None:
        return None
    yaml = YAML(typ="safe")
    yaml.Resolver = _NothingToResolve
    try:
        node = yaml.compose(text)
    except (YAMLError, RecursionError):
        return None
    return node if isinstance(node, MappingNode) else None


class _NothingToResolve(VersionedResolver):
    """All values are text here, whatever YAML would take them for; asking about each takes longer than reading."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        return self.DEFAULT_SCALAR_TAG


def _compose(text: str, path: str) -> Node | None:
    directive = re.search(r"^%", text, re.MULTILINE)
    if directive:
        place = _place_at(text, path, directive.start())
        raise FileProblems(path, [Problem(place, "a line cannot start with %.", "Put the text in quotes.")])
    deep = _too_deep(text)
    if deep is not None:
        place = _place_at(text, path, deep)
        raise FileProblems(path, [Problem(place, _NESTED, "Close the brackets, or put the text in quotes.")])
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise FileProblems(path, [_explained(error, text, path)]) from None
    except ReaderError as error:
        place = _place_at(text, path, error.position)
        message = f"this character (U+{ord(text[error.position]):04X}) cannot stand in a text file."
        raise FileProblems(
            path, [Problem(place, message, "Delete it; it is invisible, so retype the word it is in.")]
        ) from None
    except (YAMLError, RecursionError) as error:
        message = _NESTED if isinstance(error, RecursionError) else f"this is not YAML: {error}."
        raise FileProblems(path, [Problem(Place(path, 1, 1), message)]) from None
    return node


_NESTED: Final = "this file is nested too deeply."
_DEEPEST: Final = 100
"""Brackets inside brackets; an issue needs three. Hundreds would keep the YAML reader busy for minutes."""


def _too_deep(text: str) -> int | None:
    """Where too many brackets are open at once, or nothing. Brackets in ordinary text count too: they close again."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth = depth + 1 if bracket.group() in "[{" else max(depth - 1, 0)
        if depth > _DEEPEST:
            return bracket.start()
    return None


def _runaway_quotation(text: str, line: int) -> StreamMark | None:
    """Where a quotation begins that ran on to the next quotation mark, many lines on, where the reader gave up."""
    begun: StreamMark | None = None
    with suppress(YAMLError):
        for token in YAML(typ="rt", pure=True).scan(text):
            if isinstance(token, ScalarToken) and token.style in {"'", '"'}:
                runs_on = token.start_mark.line < token.end_mark.line == line
                begun = token.start_mark if runs_on else None
    return begun


def _place_at(text: str, path: str, position: int) -> Place:
    before = LINE_BREAK.split(text[:position])
    return Place(path, len(before), len(before[-1]) + 1)


def _explained(error: MarkedYAMLError, text: str, path: str) -> Problem:
    """The YAML reader's complaint in a comms officer's words, at the place that needs a hand, with the remedy."""
    problem, context = (error.problem or "").strip(), error.context or ""
    mark = error.problem_mark or error.context_mark
    line = LINE_BREAK.split(text)[mark.line] if mark else ""
    if "\\t" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return Problem(
            _at(mark, path), "this line starts with a tab.", "Use spaces to move a line in; two for each step."
        )
    runaway = _runaway_quotation(text, mark.line) if mark else None
    if runaway:
        place = Place(path, runaway.line + 1, runaway.column + 1)
        return Problem(place, _NEVER_CLOSED, "Add the closing one, or remove the opening one.")
    if mark and "mapping values" in problem and re.fullmatch(r"\s+[\w-]+", line[: mark.column]):
        place = Place(path, mark.line + 1, len(line) - len(line.lstrip()) + 1)
        return Problem(place, _KEY_UNDER_VALUE, "Line it up with its neighbours, or delete the value above it.")
    for sign, message, remedy in _COMPLAINTS:
        if sign in problem or sign in context:
            # The reader stops where it gives up; people must go back to where it began.
            if message == _OPEN_BRACKET and mark:
                began = max(text.rfind("[", 0, mark.index), text.rfind("{", 0, mark.index))
                return Problem(_place_at(text, path, max(began, 0)), message, remedy)
            begun = error.context_mark if message in _BEGAN_EARLIER else None
            return Problem(_at(begun or mark, path), message, remedy)
    return Problem(_at(mark, path), f"this is not YAML: {problem or context}.")


def _at(mark: StringMark | None, path: str) -> Place:
    return Place(path, mark.line + 1, mark.column + 1) if mark else Place(path, 1, 1)


_NEVER_CLOSED = "a quotation mark is opened here and never closed."
_OPEN_BRACKET = "a bracket is opened here and never closed."
_NO_KEY = "this line has no key."
_KEY_UNDER_VALUE = "this line stands further in than the one above, which has a value already."
_BEGAN_EARLIER: Final = frozenset({_NEVER_CLOSED, _NO_KEY})

_BACKSLASH: Final = ("a backslash stands inside double quotes.", "Use single quotes around this text.")
# Words of the YAML reader, what they mean, and the remedy; the first that fits counts.
_COMPLAINTS: Final = (
    (
        "mapping values are not allowed",
        "there is a colon in the middle of this text.",
        'Put the text in quotes: title: "One: two".',
    ),
    ("cannot start any token", "text cannot start with this sign.", "Put the text in quotes."),
    ("escape character", *_BACKSLASH),
    ("escape sequence", *_BACKSLASH),
    ("quoted scalar", _NEVER_CLOSED, "Add the closing one, or remove the opening one."),
    ("another document", "a second document starts here.", "Delete the line with ---; one file holds one issue."),
    ("flow", _OPEN_BRACKET, "Add the closing ] or }."),
    ("undefined alias", "text cannot start with *.", "Put the text in quotes."),
    (
        "<block end>",
        "this line does not line up with the ones around it.",
        "Give it the same number of spaces as its neighbours.",
    ),
    ("could not find expected ':'", _NO_KEY, 'Write "key: value", or move the text in under a line ending in "|".'),
)


class _Reader:
    """Walks the nodes once, gathering data, places and problems."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.places: dict[Loc, Place] = {}
        self.keys: dict[Loc, Place] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def plain(self, node: Node, loc: Loc) -> Any:
        place = Place(self.path, node.start_mark.line + 1, node.start_mark.column + 1)
        self.places.setdefault(loc, place)
        if getattr(node, "anchor", None) or id(node) in self._seen:
            self.problems.append(
                Problem(
                    place,
                    "anchors and aliases (& and *) are not used here.",
                    "Put text that starts with & or * in quotes.",
                )
            )
            return None
        self._seen.add(id(node))
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        if isinstance(node, SequenceNode):
            return [self.plain(child, (*loc, number)) for number, child in enumerate(node.value)]
        return self._mapping(node, loc) if isinstance(node, MappingNode) else None

    def _scalar(self, node: ScalarNode, place: Place) -> str | bool | None:
        text = str(node.value)
        if node.style == ">":
            text = text.replace("\a", "")  # ruamel.yaml's own mark of where a line was folded
        if node.style or (node.tag or "").startswith("!"):
            return text
        if text == "":
            return None
        if text in {"true", "false"}:
            return text == "true"
        if _DOUBTFUL.match(text) or text in {"~", "null", "Null", "NULL"}:
            remedy = (
                f'For the word, write "{text}" in quotes; for a switch, write true or false; '
                "for nothing, delete the line."
            )
            self.problems.append(
                Problem(place, f"YAML programs disagree about what {text} without quotes means.", remedy)
            )
        return text

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_place = Place(self.path, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, ScalarNode):
                self.problems.append(Problem(key_place, "a key must be one plain word."))
                continue
            key = str(key_node.value)
            if key in result:
                self.problems.append(Problem(key_place, f'"{key}" stands here twice.', "Keep one of the two."))
                continue
            self.keys[(*loc, key)] = key_place
            value = self.plain(value_node, (*loc, key))
            if value is None:
                self.places[(*loc, key)] = key_place
            result[key] = value
        # A key with nothing behind it counts as not given.
        return {key: value for key, value in result.items() if value is not None}
