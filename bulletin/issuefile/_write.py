"""Our values as YAML lines that every YAML program reads the same way."""

from __future__ import annotations

import datetime as dt
import io
import re
import textwrap
from dataclasses import fields
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from bulletin.model import Candidate, Event, Image, Item, Skipped

_PARAGRAPHS = frozenset({"summary"})
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# What some YAML program reads as something else than text: numbers, sixty-based times, dates, switches, nothing.
_AMBIGUOUS = re.compile(
    r"(?i:[-+]?[0-9][0-9_,.:eExXoOa-f+-]*|[-+]?\.(?:inf|nan)|y|n|yes|no|on|off|true|false|null|~|=|<<)\Z|\d{4}-\d\d?-\d\d?"
)


# Markdown's signs for lists, quotations, headings, tables, rules and code.
_MEANS_SOMETHING = re.compile(r"(?:[-*+#]+|>|\||=+$|-+$|\d+[.)])(?:\s|$)|>|[`~]{3}|[*_-](?:\s*[*_-]){2,}\s*$")


def mapping_of(value: Candidate | Item | Skipped | Event | Image) -> dict[str, Any]:
    """The keys of an entry as they would be written, in the schema's order; what is not set is left out."""
    result: dict[str, Any] = {}
    for field in fields(value):
        content = getattr(value, field.name)
        if content is None or content == field.default:
            continue
        plain = _plain(field.name, content)
        if plain == "" and content and field.default == "":
            continue  # only signs that nobody sees
        result[field.name] = plain
    return result


def _plain(name: str, content: Any) -> Any:
    if isinstance(content, Event | Image):
        return mapping_of(content)
    if isinstance(content, tuple):
        return [_line(str(entry)) for entry in content]
    if isinstance(content, dt.datetime):
        return content.strftime("%Y-%m-%dT%H:%M") + (content.strftime("%z") if content.tzinfo else "")
    if isinstance(content, dt.date):
        return content.isoformat()
    if isinstance(content, str) and name in _PARAGRAPHS:
        return _paragraphs(content)
    return _line(str(content))


def _line(text: str) -> str:
    return " ".join(_INVISIBLE.sub(" ", text).split())


def _paragraphs(text: str) -> str:
    """Text as a block a person likes to edit: paragraphs kept, long lines broken where Markdown does not mind."""
    parts = re.split(r"\n[ \t]*\n", _INVISIBLE.sub(" ", text.replace("\r\n", "\n")).strip())
    text = "\n\n".join(_wrapped(part) for part in parts if part.strip())
    return text + "\n" if text else ""


def _wrapped(paragraph: str) -> str:
    lines = [line.strip() for line in paragraph.splitlines()]
    if any(_MEANS_SOMETHING.match(line) for line in lines):
        return "\n".join(line for line in lines if line)
    whole = " ".join(lines)
    broken = textwrap.wrap(whole, 100, break_long_words=False, break_on_hyphens=False)
    # A sign that means something only at the start of a line must not come to stand there.
    return whole if any(_MEANS_SOMETHING.match(line) for line in broken[1:]) else "\n".join(broken)


def block(entry: dict[str, Any]) -> list[str]:
    """A mapping as the lines of one list entry, the dash at the left margin, without line breaks."""
    lines = _quick_lines(entry)
    if lines is None:
        lines = _exact_lines(entry)
    return [("- " if number == 0 else "  ") + line if line else line for number, line in enumerate(lines)]


_SURELY_TEXT = re.compile(r"[A-Za-z](?:[A-Za-z0-9 ,.()/?=_+'’–;-]|:(?=[/A-Za-z0-9]))*(?<! )")
_SURELY_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,.()/?=_+'’–;:-]*(?<! )")
_SURELY_ID = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def _quick_lines(entry: dict[str, Any]) -> list[str] | None:
    """The same lines as `_exact_lines` in a hundredth of the time; None where anything is not quite plain."""
    lines: list[str] = []
    for key, value in entry.items():
        if isinstance(value, list):
            if not value or not all(_SURELY_ID.fullmatch(one) and not _AMBIGUOUS.match(one) for one in value):
                return None
            lines.append(f"{key}: [{', '.join(value)}]")
        elif not isinstance(value, str):
            return None
        elif "\n" in value:
            inside = value.removesuffix("\n").split("\n")
            if not value.endswith("\n") or not all(_SURELY_WORDS.fullmatch(line) for line in inside):
                return None
            lines += [f"{key}: |", *("  " + line for line in inside)]
        elif re.fullmatch(r"\d{4}-\d\d-\d\d", value) or (_SURELY_TEXT.fullmatch(value) and not _AMBIGUOUS.match(value)):
            lines.append(f"{key}: {value}")
        else:
            return None
    return lines


def _exact_lines(entry: dict[str, Any]) -> list[str]:
    stream = io.StringIO()
    yaml = YAML(typ="rt", pure=True)
    yaml.Resolver = _EverythingIsText
    yaml.width = 10**6
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({key: _styled(value) for key, value in entry.items()}, stream)
    return stream.getvalue().rstrip("\n").split("\n")


class _EverythingIsText(VersionedResolver):
    """No value is quoted because of its type; `_styled` quotes what other programs would misread."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is ScalarNode and implicit[0]:
            return self.DEFAULT_SCALAR_TAG
        return super().resolve(kind, value, implicit)


def _styled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _styled(child) for key, child in value.items()}
    if isinstance(value, list):
        # A colon in brackets is the end of a key to some programs, with or without a space behind it.
        row = CommentedSeq(
            [DoubleQuotedScalarString(child) if ":" in str(child) else _styled(child) for child in value]
        )
        row.fa.set_flow_style()
        return row
    text = str(value)
    if "\n" in text:
        return LiteralScalarString(text)
    is_date = re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(\+\d{4})?)?", text) is not None
    if text == "" or (_AMBIGUOUS.match(text) and not is_date):
        return DoubleQuotedScalarString(text)
    return text
