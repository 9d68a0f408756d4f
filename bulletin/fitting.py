"""The quick way through the door, for data in which everything plainly fits.

Loading pydantic takes longer than all the rest of reading a publication. So the common case, a file without a mistake,
is read here, from the types of our own dataclasses; at the first doubt the answer is "unsure", and pydantic judges.
What this module accepts is what pydantic would have made of it; a property test holds the two together.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
import types
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}\Z")


class Unsure(Exception):  # noqa: N818 - a doubt, not an error: somebody else decides
    """The data may be wrong, or right in a way that is not known here."""


def fit(kind: Any, data: object) -> Any:
    """`data`, as JSON would give it, as a value of `kind`. Raises `Unsure` for anything that does not plainly fit."""
    if is_dataclass(kind):
        return _record(kind, data)
    if kind in {dt.date, dt.datetime}:
        return _moment(kind, data)
    if kind in {str, bool, int} and type(data) is kind:
        return data
    if kind is float and type(data) in {int, float}:
        return float(data)  # type: ignore[arg-type]
    return data if kind is Any and data is not None else _inside(kind, data)


def _inside(kind: Any, data: object) -> Any:
    """The same for types that hold others: `X | None`, `tuple[X, ...]`, `dict[str, X]` and `Literal` words."""
    if get_origin(kind) is Literal:
        return data if type(data) is str and data in get_args(kind) else _unsure()
    holder, inner = get_origin(kind), [arg for arg in get_args(kind) if arg is not types.NoneType]
    if holder in {Union, types.UnionType} and len(inner) == 1:
        return None if data is None else fit(inner[0], data)
    if holder is tuple and isinstance(data, list):
        return tuple(fit(inner[0], entry) for entry in data)
    if holder is dict and isinstance(data, dict) and all(type(key) is str for key in data):
        return {key: fit(inner[1], entry) for key, entry in data.items()}
    return _unsure()


def _unsure() -> Any:
    raise Unsure


def _moment(kind: Any, data: object) -> Any:
    form = _DATE if kind is dt.date else _TIME
    if isinstance(data, str) and form.match(data):
        try:
            return kind.fromisoformat(data)
        except ValueError:
            pass
    return _unsure()


def _record(kind: Any, data: object) -> Any:
    known, needed = _plan(kind)
    if not isinstance(data, dict) or not data.keys() <= known.keys() or not needed <= data.keys():
        return _unsure()
    return kind(**{key: fit(known[key], entry) for key, entry in data.items()})


@cache
def _plan(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The type of each field, and the fields that must be given."""
    needed = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}
    return {field.name: _type_named(str(field.type), kind.__module__) for field in fields(kind)}, frozenset(needed)


@cache
def _type_named(words: str, module: str) -> Any:
    """The type an annotation means. Many fields share a few, and each takes its time to work out."""
    return eval(words, vars(sys.modules[module]))  # noqa: S307 - our own words
