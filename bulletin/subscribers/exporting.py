"""Readers out of the database again: as a file for a spreadsheet, or those of one audience with the reason.

Questions are about whole tables and answered in pages, so that a long list needs no more memory than a short one.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.model import EVERYONE, Subscriber, SubscriberState
from bulletin.subscribers.audience import domains_of, why_member
from bulletin.subscribers.spreadsheet import guarded
from bulletin.subscribers.store import _subscriber
from bulletin.tables import memberships, people

COLUMNS = ("email", "name", "organisation", "role", "language", "topics", "lists", "state")
"""What is written of each reader, by names that an import knows."""

_PAGE = 5000


def chosen(
    engine: Engine, config: Config, *, audience: str = "", on_list: str = "", state: str = ""
) -> Iterator[tuple[Subscriber, tuple[str, ...]]]:
    """Readers with their lists, in the order of their ids; all of them if nothing is asked for.

    Raises `BulletinError` for an audience or a state that does not exist.
    """
    where: list[ColumnElement[bool]] = []
    if audience:
        where.append(_in_audience(config, audience))
    if on_list:
        where.append(people.c.id.in_(select(memberships.c.subscriber).where(memberships.c.list == on_list)))
    if state:
        known = [kind.value for kind in SubscriberState if kind is not SubscriberState.ERASED]
        if state not in known:
            raise BulletinError(f'there is no state "{state}".', hint=f"Choose one of: {', '.join(known)}")
        where.append(people.c.state == state)
    return _pages(engine, where)


def members(engine: Engine, config: Config, audience: str) -> Iterator[tuple[Subscriber, str]]:
    """Who is subscribed and reads the edition of an audience, each with the reason why they belong to it."""
    setting = next((known for known in config.audiences if known.id == audience), None)
    where = [_in_audience(config, audience), people.c.state == SubscriberState.SUBSCRIBED.value]
    for person, _ in _pages(engine, where):
        domain = person.email.rpartition("@")[2]
        yield person, why_member(domain, setting) if setting else f"{domain} is a domain of no other audience"


def write(path: Path, readers: Iterable[tuple[Subscriber, tuple[str, ...]]]) -> int:
    """Write a CSV file as RFC 4180 says, mode 0600, each cell safe in a spreadsheet (Z-22); how many readers.

    The file appears whole or not at all, in place of one of the same name. Importing it gives back what was exported.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    number = 0
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        # The mark at the beginning tells spreadsheets that this is UTF-8.
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for person, lists in readers:
                writer.writerow(map(guarded, _cells(person, lists)))
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


def _in_audience(config: Config, audience: str) -> ColumnElement[bool]:
    """By the column of domains. The first audience of the settings that fits counts."""
    # Pages go by id: the index of domains would have every page sort the whole audience, so it is kept out of the way.
    domain = func.lower(people.c.domain)
    names = [known.id for known in config.audiences]
    if audience not in {*names, EVERYONE}:
        raise BulletinError(
            f'there is no audience "{audience}".', hint=f"Choose one of: {', '.join([*names, EVERYONE])}"
        )
    taken: set[str] = set()
    for setting in config.audiences:
        if setting.id == audience:
            return domain.in_(sorted(domains_of(setting) - taken))
        taken |= domains_of(setting)
    return domain.not_in(sorted(taken))


def _pages(engine: Engine, where: Iterable[ColumnElement[bool]]) -> Iterator[tuple[Subscriber, tuple[str, ...]]]:
    last = ""
    question = select(people).where(*where).order_by(people.c.id).limit(_PAGE)
    while True:
        with engine.connect() as connection:  # pages, so that nobody is kept from writing meanwhile
            rows = connection.execute(question.where(people.c.id > last)).all()
            lists = _lists(connection, [row.id for row in rows])
        if not rows:
            return
        yield from ((_subscriber(row), lists.get(row.id, ())) for row in rows)
        last = rows[-1].id


def _lists(connection: Connection, ids: list[Any]) -> dict[str, tuple[str, ...]]:
    if not ids:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    m = memberships.c
    between = select(m.subscriber, m.list).where(m.subscriber >= ids[0], m.subscriber <= ids[-1])
    for subscriber, name in connection.execute(between.order_by(m.subscriber, m.list)):
        found[subscriber] = (*found.get(subscriber, ()), name)
    return found
