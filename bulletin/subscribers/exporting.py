"""Readers out of the database again: to be looked at, as a file for a spreadsheet, or with the reason why they belong.

Each question is one to the database, answered row by row, so that a long list needs no more memory than a short one.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, select

from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.model import EVERYONE, Subscriber, SubscriberState
from bulletin.stores import reading
from bulletin.subscribers import audience as audiences
from bulletin.subscribers.belonging import why_member
from bulletin.subscribers.spreadsheet import guarded
from bulletin.subscribers.store import _subscriber
from bulletin.tables import memberships, people

COLUMNS = ("email", "name", "organisation", "role", "language", "topics", "lists", "state")
"""What is written of each reader, by names that an import knows."""

_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Listed:
    """A reader with their lists, and the audience whose edition they read."""

    person: Subscriber
    lists: tuple[str, ...]
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which readers are asked for; all of them if nothing is."""

    audience: str = ""
    on_list: str = ""
    state: str = ""


def listed(engine: Engine, config: Config, choice: Choice) -> Iterator[Listed]:
    """The readers chosen, in the order of their addresses.

    Raises `BulletinError` for an audience, a list or a state that does not exist.
    """
    columns = (people, _lists_of().label("lists"), audiences.audience(config).label("audience"))
    for row in _rows(engine, select(*columns).where(*_where(engine, config, choice)).order_by(people.c.email)):
        yield Listed(_subscriber(row), _names(row.lists), row.audience)


def members(engine: Engine, config: Config, choice: Choice, now: dt.datetime) -> Iterator[tuple[str, str, str]]:
    """Who would get a copy now of those chosen: address, name and why they belong to the audience."""
    setting = next((known for known in config.audiences if known.id == choice.audience), None)
    p = people.c
    told = (p.domain, p.organisation, p.role, p.topics, p.language) if setting else (p.domain,)
    lists = (_lists_of(),) if setting and setting.lists else ()

    @lru_cache(maxsize=10_000)
    def why(domain: str, *rest: Any) -> str:
        if setting is None:
            return "belongs to no other audience" if config.audiences else "everyone reads it"
        organisation, role, topics, language, *on = rest
        reader = Subscriber(
            id="", email=f"@{domain}", organisation=organisation, role=role, topics=topics, language=language
        )
        return why_member(reader, _names(*on), setting, config)

    question = select(p.email, p.name, *told, *lists).where(*_where(engine, config, choice), audiences.gets_mail(now))
    for email, name, *facts in _rows(engine, question.order_by(p.email)):
        yield email, name, why(*facts)


def withheld(engine: Engine, config: Config, choice: Choice, now: dt.datetime) -> dict[str, int]:
    """How many of those chosen would get nothing now, by the reason in one word."""
    question = audiences.withheld(now).where(*_where(engine, config, choice))
    return dict(_rows(engine, question))


def write(path: Path, readers: Iterable[Listed]) -> int:
    """Write a CSV file as RFC 4180 says, mode 0600, each cell safe in a spreadsheet (Z-22); how many readers.

    The file appears whole or not at all, in place of one of the same name. Importing it gives back what was exported.
    """
    if not path.parent.is_dir():
        raise BulletinError(f"the folder {path.parent} does not exist.", hint="Make it first, or name another one.")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    number = 0
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        # The mark at the beginning tells spreadsheets that this is UTF-8.
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for each in readers:
                writer.writerow(map(guarded, _cells(each.person, each.lists)))
                number += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return number


def _cells(person: Subscriber, lists: tuple[str, ...]) -> tuple[str, ...]:
    return (
        *(person.email, person.name, person.organisation, person.role, person.language),
        *(", ".join(person.topics), ", ".join(lists), person.state.value),
    )


def _where(engine: Engine, config: Config, choice: Choice) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if choice.audience:
        _known("audience", choice.audience, [*(known.id for known in config.audiences), EVERYONE])
        where.append(audiences.in_audience(config, choice.audience))
    if choice.on_list:
        there = {name for (name,) in _rows(engine, select(memberships.c.list).distinct())}
        _known("list", choice.on_list, [*(known.id for known in config.lists), *sorted(there)])
        where.append(people.c.id.in_(select(memberships.c.subscriber).where(memberships.c.list == choice.on_list)))
    if choice.state:
        _known("state", choice.state, [kind.value for kind in SubscriberState if kind is not SubscriberState.ERASED])
        where.append(people.c.state == choice.state)
    return where


def _known(kind: str, name: str, names: list[str]) -> None:
    if name not in names:
        hint = f"Choose one of: {', '.join(dict.fromkeys(names))}" if names else f"Describe it under [[{kind}s]] first."
        raise BulletinError(f'there is no {kind} "{name}".', hint=hint)


def _lists_of() -> ColumnElement[str]:
    """The names of a reader's lists in one text, none as nothing."""
    m = memberships.c
    return select(func.aggregate_strings(m.list, " ")).where(m.subscriber == people.c.id).scalar_subquery()


def _names(joined: str | None = None) -> tuple[str, ...]:
    return tuple(sorted((joined or "").split()))


def _rows(engine: Engine, question: Any) -> Iterator[Any]:
    with reading(engine).connect() as connection:
        yield from connection.execution_options(yield_per=_PAGE).execute(question)
