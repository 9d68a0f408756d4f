"""Opens the database that holds subscribers and ledger: SQLite in the state folder, or any other by its address."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, DateTime, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.types import TypeDecorator

from bulletin.errors import BulletinError, StoppedPartWay

LOCK_WAIT_S = 30
"""How long one process waits for another that is writing."""

_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


class Moment(TypeDecorator[dt.datetime]):
    """A time in UTC, also in databases that forget zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Stored in UTC, whatever zone it came in."""
        return value.astimezone(dt.UTC) if value else None

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Always with its zone."""
        return value.replace(tzinfo=dt.UTC) if value and value.tzinfo is None else value


def open_database(url: str) -> Engine:
    """The database at an SQLAlchemy address. A new SQLite file is readable by its owner only (Z-23).

    Transactions take SQLite's write lock when they begin, so that what a claim reads cannot change before it writes.
    A commit is on the disk when it returns, also after a power cut. Raises `BulletinError` if it cannot be opened.
    """
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, hide_parameters=True)  # errors and logs repeat no reader's address (Z-20)
    except (ArgumentError, NoSuchModuleError, ImportError):
        raise BulletinError(
            "the database address cannot be used.",
            hint="BULLETIN_DATABASE_URL should look like sqlite:////srv/bulletin/bulletin.db",
        ) from None
    try:
        if engine.dialect.name == "sqlite":
            _make_private(parsed.database)
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        engine.connect().close()
    except (DBAPIError, sqlite3.Error, OSError) as error:
        engine.dispose()
        raise _unusable(parsed, getattr(error, "orig", None) or error, "opened") from None
    return engine


@contextmanager
def database(url: str) -> Iterator[Engine]:
    """The same, closed at the end of the context.

    A database that fails meanwhile, because the disk is full, say, ends the step: `StoppedPartWay` if running it again
    would go on once there is room or the other program is done, else `BulletinError`.
    """
    engine = open_database(url)
    try:
        yield engine
    except DBAPIError as error:
        if type(error) not in (OperationalError, DatabaseError):  # the others are faults of ours
            raise
        raise _unusable(engine.url, error.orig or error, "used") from error
    finally:
        engine.dispose()


def _unusable(url: URL, reason: BaseException, verb: str) -> BulletinError:
    """What to tell a person whose database cannot be opened or used: whether to wait, or to look after it."""
    name, why = url.render_as_string(hide_password=True), getattr(reason, "strerror", None) or reason
    if getattr(reason, "sqlite_errorcode", 0) & 0xFF in _PASSING:
        return StoppedPartWay(
            f"the database {name} cannot be {verb} now: {why}.",
            hint="What was recorded stays. Make room or wait for the other program, then run the same again.",
        )
    return BulletinError(
        f"the database {name} cannot be {verb}: {why}.",
        hint="It holds readers and what they were sent: do not delete it. Check its rights, or restore a copy.",
    )


def _make_private(database: str | None) -> None:
    if not database or database == ":memory:" or Path(database).exists():
        return
    Path(database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(database, os.O_CREAT | os.O_RDWR, 0o600))


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction handling begins too late; SQLAlchemy's "begin" event does it instead.
    connection.isolation_level = None
    # Patience first: the next one already may have to wait for another program.
    for pragma in (f"busy_timeout={LOCK_WAIT_S * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
