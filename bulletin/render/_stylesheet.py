"""Plain style rules, read quickly, in the shape in which premailer gets them from cssutils.

Loading cssutils and letting it read a theme takes longer than rendering an issue. Themes are written plainly: class
selectors, keywords, lengths, colours. Rules of that kind are read here; at the first sign of anything else cssutils is
loaded and reads it all. What is read here is what cssutils would have made of it; a property test holds the two
together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_NUMBER = r"-?(?:[1-9][0-9]*(?:\.[0-9]*[1-9])?|0\.[0-9]*[1-9])(?:px|%)?|0"
_WORD = r"[a-z]+(?:-[a-z]+)*"
_VALUE = rf"(?:{_NUMBER}|#(?:[0-9a-f]{{3}}){{1,2}}|{_WORD})(?![^\s;}}])"
_DECLARATION = re.compile(rf"\s*({_WORD})\s*:\s*({_VALUE}(?:\s+{_VALUE})*)\s*(?:;|\Z)")
_RULE = re.compile(r"\s*([a-z0-9.\[\] ,-]+?)\s*\{([^{}]*)\}\s*")


@dataclass(frozen=True, slots=True)
class Property:
    """A declaration, without `!important`."""

    name: str
    value: str
    priority: str = ""

    @property
    def propertyValue(self) -> Property:  # noqa: N802 - cssutils' name
        """What holds the value: this very declaration, whose value is plain."""
        return self

    @property
    def cssText(self) -> str:  # noqa: N802 - cssutils' name
        """The value as it is written."""
        return self.value


@dataclass(frozen=True, slots=True)
class Rule:
    """A selector with its declarations."""

    selectorText: str  # noqa: N815 - cssutils' name
    style: Rule.Style
    type: int = 1
    STYLE_RULE: int = 1
    MEDIA_RULE: int = 4

    @dataclass(frozen=True, slots=True)
    class Style:
        """The declarations of a rule."""

        properties: tuple[Property, ...]

        def getProperties(self) -> tuple[Property, ...]:  # noqa: N802 - cssutils' name
            """All of them."""
            return self.properties


class Reader(ModuleType):
    """Stands where premailer looks for cssutils, and fetches it when something is not plain."""

    def parseString(self, css: str, validate: bool = True) -> Iterable[Any]:  # noqa: N802 - cssutils' name
        """The rules of a style sheet."""
        rules = plain_rules(css)
        return rules if rules is not None else self._cssutils().parseString(css, validate=validate)

    def parseStyle(self, css: str, validate: bool = True) -> Iterable[Any]:  # noqa: N802 - cssutils' name
        """The declarations of a style attribute."""
        properties = plain_properties(css)
        return properties if properties is not None else self._cssutils().parseStyle(css, validate=validate)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cssutils(), name)

    @staticmethod
    def _cssutils() -> Any:
        import logging

        import cssutils

        cssutils.log.setLevel(logging.CRITICAL)
        return cssutils


def plain_rules(css: str) -> list[Rule] | None:
    """The rules of a plain style sheet; None if anything in it is not plain."""
    rules = []
    end = 0
    for found in _matches(_RULE, css.strip()):
        properties = plain_properties(found[2])
        if properties is None:
            return None
        if properties:
            rules.append(Rule(found[1], Rule.Style(tuple(properties))))
        end = found.end()
    return rules if end == len(css.strip()) else None


def plain_properties(css: str) -> list[Property] | None:
    """The declarations of a plain style attribute; None if anything in it is not plain, or stands in it twice."""
    properties = []
    end = 0
    for found in _matches(_DECLARATION, css):
        properties.append(Property(found[1], " ".join(map(_short, found[2].split()))))
        end = found.end()
    whole = not css[end:].strip() and len({entry.name for entry in properties}) == len(properties)
    return properties if whole else None


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Matches that follow each other without a gap."""
    position = 0
    while found := pattern.match(text, position):
        yield found
        position = found.end()
        if position == len(text):
            return


def _short(value: str) -> str:
    """Colours as cssutils writes them: #fff for #ffffff."""
    twice = re.fullmatch(r"#(.)\1(.)\2(.)\3", value)
    return f"#{twice[1]}{twice[2]}{twice[3]}" if twice else value
