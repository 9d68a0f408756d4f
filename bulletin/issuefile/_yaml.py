"""YAML as people write it: every value is text, every value has a place, nothing is guessed.

Only `true` and `false` are more than text. Numbers, dates and times stay as they were typed, so `01633` and `1.10`
survive. Words that YAML programs disagree about (`no`, `on`, `~`) are refused with a remedy, as are aliases, which
can grow without bound. Nodes are composed by ruamel.yaml and never built into objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from bulletin.door import Loc
from bulletin.errors import FileProblems, Place, Problem

LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_DOUBTFUL = re.compile(r"(?i:y|n|yes|no|on|off)\Z")


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain data, the place of every value in it, and its node tree."""

    path: str
    data: Any
    root: MappingNode
    places: dict[Loc, Place] = field(repr=False)

    def place_of(self, loc: Loc) -> Place:
        """The place of the value at `loc`, or of the nearest thing around it."""
        while loc and loc not in self.places:
            loc = loc[:-1]
        return self.places.get(loc, Place(self.path, 1, 1))


def parse(text: str, path: str) -> Document:
    """Read YAML text. Raises `FileProblems` with every problem that can be found at once."""
    root = _compose(text.removeprefix("\ufeff"), path)
    if not isinstance(root, MappingNode):
        raise FileProblems(
            path, [Problem(Place(path, 1, 1), "this is not an issue file.", 'It should start with "schema: 1".')]
        )
    reader = _Reader(path)
    data = reader.plain(root, ())
    if reader.problems:
        raise FileProblems(path, reader.problems)
    return Document(path, data, root, reader.places)


def _compose(text: str, path: str) -> Node | None:
    try:
        node: Node | None = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
        raise FileProblems(path, [Problem(place, *_explain(error, text))]) from None
    except ReaderError as error:
        place = _place_at(text, path, error.position)
        message = f"this character (U+{ord(text[error.position]):04X}) cannot stand in a text file."
        raise FileProblems(
            path, [Problem(place, message, "Delete it; it is invisible, so retype the word it is in.")]
        ) from None
    except (YAMLError, RecursionError) as error:
        message = (
            "this file is nested too deeply." if isinstance(error, RecursionError) else f"this is not YAML: {error}."
        )
        raise FileProblems(path, [Problem(Place(path, 1, 1), message)]) from None
    return node


def _place_at(text: str, path: str, position: int) -> Place:
    before = LINE_BREAK.split(text[:position])
    return Place(path, len(before), len(before[-1]) + 1)


def _explain(error: MarkedYAMLError, text: str) -> tuple[str, str]:
    """The YAML reader's complaint in a comms officer's words, and the remedy."""
    problem, context = (error.problem or "").strip(), error.context or ""
    mark = error.problem_mark or error.context_mark
    line = LINE_BREAK.split(text)[mark.line] if mark else ""
    if "\\t" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return "this line starts with a tab.", "Use spaces to move a line in; two for each step."
    for sign, message, remedy in _COMPLAINTS:
        if sign in problem or sign in context:
            return message, remedy
    return f"this is not YAML: {problem or context}.", ""


# Words of the YAML reader, what they mean, and the remedy; the first that fits counts.
_COMPLAINTS: Final = (
    (
        "mapping values are not allowed",
        "there is a colon in the middle of this text.",
        'Put the text in quotes: title: "One: two".',
    ),
    ("cannot start any token", "text cannot start with this sign.", "Put the text in quotes."),
    (
        "quoted scalar",
        "a quotation mark is opened here and never closed.",
        "Add the closing one, or remove the opening one.",
    ),
    ("escape character", "a backslash stands inside double quotes.", "Use single quotes around this text."),
    ("flow", "a bracket is opened here and never closed.", "Add the closing ] or }."),
    ("undefined alias", "text cannot start with *.", "Put the text in quotes."),
    (
        "<block end>",
        "this line does not line up with the ones around it.",
        "Give it the same number of spaces as its neighbours.",
    ),
    (
        "could not find expected ':'",
        "this line has no key.",
        'Write "key: value", or move the text in under a line ending in "|".',
    ),
)


class _Reader:
    """Walks the nodes once, gathering data, places and problems."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.places: dict[Loc, Place] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def plain(self, node: Node, loc: Loc) -> Any:
        place = Place(self.path, node.start_mark.line + 1, node.start_mark.column + 1)
        self.places.setdefault(loc, place)
        if node.anchor or id(node) in self._seen:
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
        if node.style is not None or (node.tag or "").startswith("!"):
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
            value = self.plain(value_node, (*loc, key))
            if value is None:
                self.places[(*loc, key)] = key_place
            result[key] = value
        # A key with nothing behind it counts as not given.
        return {key: value for key, value in result.items() if value is not None}
