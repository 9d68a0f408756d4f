"""What is remembered of sources between two collectings: how they answered, and what they offered.

One SQLite file in the state folder. It can be deleted at any time; then every source is asked and read anew, and what
is undated counts as first seen on that day. Each source's answer is kept as soon as it is there, so that an interrupted
collecting loses nothing.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from bulletin.addresses import same_story_key
from bulletin.model import Candidate, Event

_VERSION: Final = 1
_WAIT_S: Final = 30
_KEPT_DAYS: Final = 400
"""Days after which an offer that its source no longer makes is forgotten: longer than any window."""
_TABLES: Final = """
CREATE TABLE source (id TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE offer (
    source TEXT NOT NULL, key TEXT NOT NULL, source_id TEXT NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL,
    old_news INTEGER NOT NULL, candidate TEXT NOT NULL, PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE INDEX offer_source_id ON offer (source, source_id) WHERE source_id <> '';
CREATE TABLE host (name TEXT PRIMARY KEY, closed_until REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a source answered so far. Times are seconds since 1970."""

    source: str
    recipe: str = ""
    """Digest of what is asked and how it is read; with another one, nothing of the answer counts."""
    url: str = ""
    """The address that gave the validators."""
    etag: str | None = None
    last_modified: str | None = None
    digest: str = ""
    """Of the last document, to know it again where a server gives no validators."""
    asked_at: float = 0.0
    read_at: float = 0.0
    """When it was last read, or said that nothing changed; 0 for never."""
    next_at: float = 0.0
    """Not to be asked before."""
    told_to_wait: bool = False
    """Whether its server asked for that."""
    failures: int = 0
    """How often in a row it could not be read."""
    failure: str = ""
    """Why the last time, to be said after the source's name."""
    status: int | None = None
    """What the server answered then."""
    gone: bool = False
    """It answered 410: it is not asked any more (F-06)."""
    moved_to: str = ""
    moved_times: int = 0
    """How often in a row it sent us there for good (F-05)."""
    items: int = 0
    """Stories in the last document."""
    most: int = 0
    """The most there ever were."""
    remarks: tuple[str, ...] = ()
    """What a person should know of how it was last read."""
    rest_seconds: float = 0.0
    rest_hours: tuple[int, ...] = ()
    rest_weekdays: tuple[int, ...] = ()
    """When it does not want to be asked, as it said when it was last read (F-08)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """An offer of a source, now or earlier."""

    source: str
    candidate: Candidate
    first_seen: dt.date
    last_seen: dt.date
    old_news: bool = False
    """It stood there undated when the page was first read."""


class Memory:
    """The memory in a file. For one thread; several processes may share the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def states(self) -> dict[str, State]:
        """How each source answered, by its id."""
        known = {field.name for field in fields(State)}
        found: dict[str, State] = {}
        for name, text in self._connection.execute("SELECT id, state FROM source"):
            with suppress(ValueError, TypeError):
                kept: dict[str, Any] = {key: value for key, value in json.loads(text).items() if key in known}
                lists = {key: tuple(value) for key, value in kept.items() if isinstance(value, list)}
                found[name] = State(**kept | lists)
        return found

    def closed_hosts(self, now: float) -> dict[str, float]:
        """Hosts that asked us to wait, with the time until then."""
        return dict(self._connection.execute("SELECT name, closed_until FROM host WHERE closed_until > ?", (now,)))

    def close_host(self, name: str, until: float) -> None:
        """Remember that a host asked us to wait."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO host VALUES (?, ?)", (name, until))

    def keep(
        self, state: State, offers: Iterable[Candidate] | None, today: dt.date, *, undated_are_old: bool = False
    ) -> None:
        """Keep how a source answered and, unless nothing was read, what it offers; all of it or nothing."""
        with self._connection as connection:
            connection.execute("INSERT OR REPLACE INTO source VALUES (?, ?)", (state.source, json.dumps(asdict(state))))
            if offers is None:
                return
            now = today.isoformat()
            rows = [
                (
                    *(state.source, same_story_key(offer.url), offer.source_id, now, now),
                    int(undated_are_old and offer.published is None and offer.event is None),
                    _written(offer),
                )
                for offer in offers
            ]
            connection.executemany(
                "INSERT INTO offer VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, key) DO UPDATE SET"
                " source_id = excluded.source_id, last_seen = excluded.last_seen, candidate = excluded.candidate",
                rows,
            )
            forgotten = today - dt.timedelta(days=_KEPT_DAYS)
            connection.execute(
                "DELETE FROM offer WHERE source = ? AND last_seen < ?", (state.source, forgotten.isoformat())
            )

    def offers(self, source: str | None = None) -> Iterator[Remembered]:
        """What was offered, by one source or by all; what was seen first comes first."""
        where, values = ("WHERE source = ?", (source,)) if source is not None else ("", ())
        rows = self._connection.execute(
            "SELECT source, candidate, first_seen, last_seen, old_news FROM offer"  # noqa: S608 - two fixed texts
            f" {where} ORDER BY first_seen, key",
            values,
        )
        for name, text, first, last, old in rows:
            with suppress(ValueError, TypeError, KeyError):
                first_seen = dt.date.fromisoformat(first)
                candidate = _read(text)
                if candidate.published is None and candidate.event is None:
                    candidate = replace(candidate, seen=first_seen)
                yield Remembered(
                    source=name,
                    candidate=candidate,
                    first_seen=first_seen,
                    last_seen=dt.date.fromisoformat(last),
                    old_news=bool(old),
                )

    def detailed(self, source: str) -> dict[str, Candidate]:
        """The offers of a source by the key of their address, as they were kept."""
        return {same_story_key(kept.candidate.url): kept.candidate for kept in self.offers(source)}


@contextmanager
def open_memory(path: Path) -> Iterator[Memory]:
    """The memory in this file, readable by its owner only (Z-23).

    A file that is spoilt, or of another version, is begun anew; where none can be had, nothing is remembered but the
    news still counts.
    """
    connection = _opened(path)
    try:
        yield Memory(connection)
    finally:
        connection.close()


def _opened(path: Path) -> sqlite3.Connection:
    for attempt in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            return _set_up(sqlite3.connect(path, timeout=_WAIT_S))
        except sqlite3.OperationalError:
            break  # the disk is full or the file is busy; it is not spoilt
        except (sqlite3.DatabaseError, _OtherVersionError):
            if attempt == 0:
                for ending in ("", "-wal", "-shm"):
                    path.with_name(path.name + ending).unlink(missing_ok=True)
        except OSError:
            break
    return _set_up(sqlite3.connect(":memory:"))


class _OtherVersionError(Exception):
    """The file is of a version that this program does not read."""


def _set_up(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE;{_unless_there(_TABLES)}PRAGMA user_version = {_VERSION};COMMIT;"
            )
        elif version != _VERSION:
            raise _OtherVersionError
        connection.execute("SELECT count(*) FROM source").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _unless_there(statements: str) -> str:
    """Two processes may begin a memory at the same moment."""
    return statements.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ").replace(
        "CREATE INDEX ", "CREATE INDEX IF NOT EXISTS "
    )


_DEFAULTS: Final = tuple((field.name, field.default) for field in fields(Candidate))


def _written(candidate: Candidate) -> str:
    kept = {name: value for name, default in _DEFAULTS if (value := getattr(candidate, name)) != default}
    if candidate.event:
        kept["event"] = asdict(candidate.event)
    return json.dumps(kept, default=lambda moment: moment.isoformat(), separators=(",", ":"))


def _read(text: str) -> Candidate:
    kept: dict[str, Any] = json.loads(text)
    event: Mapping[str, Any] | None = kept.pop("event", None)
    for name in ("published", "seen", "updated"):
        if name in kept:
            kept[name] = dt.date.fromisoformat(kept[name])
    for name in ("topics", "also"):
        if name in kept:
            kept[name] = tuple(kept[name])
    return Candidate(**kept, event=_event(event) if event else None)


def _event(kept: Mapping[str, Any]) -> Event:
    ends = kept.get("ends")
    return Event(
        starts=dt.datetime.fromisoformat(kept["starts"]),
        ends=dt.datetime.fromisoformat(ends) if ends else None,
        place=kept.get("place"),
        booking=kept.get("booking"),
    )
