"""Both ways through the door give the same answers: the quick one, and pydantic's."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bulletin import door
from bulletin.config import Config, SectionSetting
from bulletin.errors import Place
from bulletin.fitting import Unsure, fit
from bulletin.model import Issue

DOUBTFUL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 99999999),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["2024-05-30", "2024-02-30", "2024-05-30T11:00", "2024-05-30T25:00", "20240530", "1715000000", "٢٠٢٤-05-30"]
    ),
    st.sampled_from(["2024-05-30T11:00Z", "2024-05-30T11:00:00", "2024-05-30 11:00", "2024-W22-4", "", "no", "true"]),
    st.text(max_size=5),
    st.lists(st.text(max_size=2), max_size=2),
    st.dictionaries(st.sampled_from(["id", "title", "x"]), st.text(max_size=2), max_size=2),
)


def like(kind: Any) -> st.SearchStrategy[Any]:
    """Data for a type, most of it right, some of it not."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        known = st.fixed_dictionaries({}, optional={field.name: like(hints[field.name]) for field in fields(kind)})
        return st.one_of(known, known, known, st.builds(lambda data: data | {"unknown": 1}, known))
    inner = [arg for arg in get_args(kind) if arg not in {type(None), Ellipsis}]
    right: st.SearchStrategy[Any]
    if get_origin(kind) is Literal:
        right = st.sampled_from(inner)
    elif get_origin(kind) is tuple:
        right = st.lists(like(inner[0]), max_size=2)
    elif get_origin(kind) is dict:
        right = st.dictionaries(st.text(max_size=3), like(inner[1]), max_size=2)
    elif inner:
        right = st.one_of(st.none(), like(inner[0]))
    elif kind is Any:
        right = DOUBTFUL
    elif kind in {dt.date, dt.datetime}:
        right = st.dates().map(str) if kind is dt.date else st.datetimes().map(lambda time: f"{time:%Y-%m-%dT%H:%M}")
    else:
        right = {str: st.text(max_size=5), bool: st.booleans(), int: st.integers(), float: st.floats(0, 1)}[kind]
    return st.one_of(right, right, right, right, right, right, DOUBTFUL)


@pytest.mark.parametrize("kind", [Issue, Config])
@given(data=st.data())
def test_what_the_quick_way_accepts_is_what_pydantic_makes_of_it(kind: Any, data: st.DataObject) -> None:
    offered = data.draw(like(kind))
    try:
        quick = fit(kind, offered)
    except Unsure:
        return
    try:
        judged = TypeAdapter(kind).validate_json(json.dumps(offered), strict=True)
    except ValidationError as error:
        pytest.fail(f"accepted {offered!r}, which pydantic refuses: {error}")
    assert quick == judged


def test_a_file_without_mistakes_takes_the_quick_way() -> None:
    full = {
        "schema": 1,
        "id": "2024-05",
        "title": "T",
        "date": "2024-05-30",
        "public": True,
        "sections": [{"id": "a", "items": [{"id": "b", "title": "c", "event": {"starts": "2024-05-30T11:00"}}]}],
    }
    issue = fit(Issue, full)
    assert issue.date == dt.date(2024, 5, 30)
    assert next(issue.items).event.starts == dt.datetime(2024, 5, 30, 11, 0)  # noqa: DTZ001 - as written, without a zone


def test_dates_of_toml_are_text_where_text_is_wanted() -> None:
    place = Place("bulletin.toml", 1, 1)
    given_date = {"id": "a", "title": dt.date(2024, 5, 30)}
    section = door.admit(SectionSetting, given_date, lambda _: place)
    assert not isinstance(section, door.Rejected)
    assert section.title == "2024-05-30"
