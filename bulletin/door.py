"""Where files come in: plain data becomes one of our frozen values, or a list of everything wrong with it.

pydantic does the checking, in its strict JSON mode: dates only as ISO text, booleans only as true and false. Data that
plainly fits need not wait for it; see `fitting`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from bulletin.errors import Place, Problem
from bulletin.fitting import Unsure, fit

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

Loc = tuple[str | int, ...]
Complaint = tuple[Loc, str, str]
"""A broken rule: the path it is about, what is wrong, and what to do."""
PlaceOf = Callable[[Loc], Place]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rejected:
    """Data that does not fit, with one problem for each mistake."""

    problems: tuple[Problem, ...]


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def admit(
    kind: type[T],
    data: object,
    place_of: PlaceOf,
    *,
    key_of: PlaceOf | None = None,
    rules: Callable[[T], Iterable[Complaint]] = lambda value: (),
) -> T | Rejected:
    """`data` as a value of `kind`, or every problem in it, each at the place `place_of` gives for its path.

    `rules` name what a schema cannot. They are asked even if the schema finds something, about what is left without
    the faulty keys, so that a person sees all mistakes at once. Any path may be asked for; for a missing key `place_of`
    is given the path of its parent. For a key that should not be there `key_of` is asked instead, if it is given.
    """
    judged = _judge(kind, data)
    problems: list[Problem] = []
    if isinstance(judged, list):
        problems = [_problem(kind, detail, place_of, key_of or place_of) for detail in judged]
        judged = _judge(kind, _without(data, [detail["loc"] for detail in judged]))
    if not isinstance(judged, list):
        problems += [Problem(place_of(loc), message, hint) for loc, message, hint in rules(judged)]
    return Rejected(tuple(problems)) if problems or isinstance(judged, list) else judged


def _judge(kind: type[T], data: object) -> T | list[ErrorDetails]:
    """The value, or what pydantic finds wrong."""
    try:
        quickly: T = fit(kind, data)
    except Unsure:
        pass
    else:
        return quickly
    from pydantic import ValidationError

    try:
        # str: TOML has dates and times of its own, which are texts to us.
        value: T = _adapter(kind).validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        return error.errors(include_url=False)
    return value


def _without(data: Any, locs: Sequence[Loc]) -> Any:
    """A copy without the keys at these paths. Entries of lists stay, for the numbers of the others to stay right."""
    left = copy.deepcopy(data)
    for loc in locs:
        around = left
        for part in loc[:-1]:
            around = around[part] if _has(around, part) else None
        if loc and isinstance(around, dict):
            around.pop(loc[-1], None)
    return left


def _has(around: Any, part: str | int) -> bool:
    if isinstance(around, list):
        return isinstance(part, int) and part < len(around)
    return isinstance(around, dict) and part in around


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON Schema (2020-12) that lets an editor complete and check a file of this kind.

    The text under each field of a dataclass is the description of its key.
    """
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_adapter(kind).json_schema()}
    for found in _kinds_within(kind):
        properties = (schema if found is kind else schema["$defs"][found.__name__])["properties"]
        for name, text in _descriptions(found).items():
            properties[name]["description"] = text
    return schema


def closest(word: str, known: Sequence[str]) -> str:
    """A "did you mean" sentence, or the list of what is known, or nothing."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Known here: {', '.join(known)}." if known else ""


_REMEDIES = {
    "date_parsing": ("is not a date", "Write year-month-day, such as 2024-05-30."),
    "date_from_datetime_parsing": ("is not a date", "Write year-month-day, such as 2024-05-30."),
    "datetime_parsing": ("is not a date and time", "Write it as 2024-05-30T11:00."),
    "datetime_from_date_parsing": ("is not a date and time", "Write it as 2024-05-30T11:00."),
    "bool_type": ("is neither true nor false", "Write true or false."),
    "string_type": ("should be text", "Put it in quotes."),
    "int_type": ("should be a whole number", ""),
    "int_parsing": ("should be a whole number", ""),
    "float_type": ("should be a number", ""),
    "tuple_type": ("should be a list", 'Write each entry on its own line after "- ", or [one, two].'),
    "dict_type": ("should hold keys with values", "Write each key on its own line, further in than this one."),
    "dataclass_type": ("should hold keys with values", "Write each key on its own line, further in than this one."),
}


def _problem(kind: type[Any], detail: ErrorDetails, place_of: PlaceOf, key_of: PlaceOf) -> Problem:
    loc: Loc = detail["loc"]
    key = _readable(loc)
    if detail["type"] == "missing":
        return Problem(place_of(loc[:-1]), f'"{key}" is missing.', _purpose(kind, loc))
    if detail["type"] == "unexpected_keyword_argument":
        return Problem(key_of(loc), f'there is no key "{loc[-1]}" here.', closest(str(loc[-1]), _keys(kind, loc[:-1])))
    given = detail["input"]
    shown = f' "{_short(given)}"' if isinstance(given, str | int | float) and not isinstance(given, bool) else ""
    if detail["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        return Problem(place_of(loc), f'"{key}"{shown} is none of those known.', closest(_short(given), known))
    fault, remedy = _REMEDIES.get(detail["type"], (f"is wrong: {detail['msg']}", ""))
    reason = detail.get("ctx", {}).get("error")
    if detail["type"].startswith("date") and reason and "outside expected range" in str(reason):
        fault = f"{fault} ({str(reason).replace(' value', '').replace('outside expected range', 'out of range')})"
    return Problem(place_of(loc), f'"{key}"{shown} {fault}.', remedy)


def _readable(loc: Loc) -> str:
    """The path as a person would say it: the last key, with its number where it is an entry of a list."""
    names = [part for part in loc if isinstance(part, str)]
    return f"{names[-1]} {loc[-1] + 1}" if names and isinstance(loc[-1], int) else str(names[-1] if names else "file")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _kind_at(kind: Any, loc: Loc) -> Any:
    for part in loc:
        if isinstance(part, int):
            kind = next((arg for arg in get_args(kind) if arg is not Ellipsis), None)
        else:
            kind = get_args(kind)[1] if get_origin(kind) is dict else _hints(_dataclass_in(kind)).get(part)
    return _dataclass_in(kind)


def _dataclass_in(kind: Any) -> Any:
    """The dataclass a field's type is about: `Image` for `Image | None`, `Item` for `tuple[Item, ...]`."""
    if is_dataclass(kind):
        return kind
    return next((found for arg in get_args(kind) if (found := _dataclass_in(arg))), None)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(kind) if is_dataclass(kind) else {}


def _keys(kind: type[Any], loc: Loc) -> list[str]:
    found = _kind_at(kind, loc)
    return [field.name for field in fields(found)] if found else []


def _purpose(kind: type[Any], loc: Loc) -> str:
    """What the missing key is for: the text under its field."""
    owner = _kind_at(kind, loc[:-1])
    return _descriptions(owner).get(str(loc[-1]), "") if owner else ""


def _kinds_within(kind: Any) -> set[Any]:
    """A dataclass and all those its fields hold."""
    inner = {found for hint in _hints(kind).values() if (found := _dataclass_in(hint))}
    return {kind}.union(*(_kinds_within(found) for found in inner))


def _descriptions(kind: Any) -> dict[str, str]:
    """The text under each field. pydantic can read it too, but would do so at every start, for a tenth of a second."""
    import ast
    import inspect

    definition = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - it is the source of a class
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }
