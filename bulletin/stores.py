"""Opens the database that holds subscribers and ledger: SQLite in the state folder, or PostgreSQL by its address.

A database of an older version is brought up to date when it is opened, after a copy was put aside.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, NoSuchModuleError, OperationalError

from bulletin.errors import BulletinError, StoppedPartWay
from bulletin.tables import VERSIONS, metadata

LOCK_WAIT_S = 30
"""How long one process waits for another that is writing."""

BACKUPS_KEPT = 3
"""How many copies from before an upgrade, or from before anything else, are kept."""

_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def open_database(url: str) -> Engine:
    """The database at an SQLAlchemy address. A new SQLite file is readable by its owner only (Z-23).

    Transactions take SQLite's write lock when they begin, so that what a claim reads cannot change before it writes;
    those of `reading(engine)` do not.
    A commit is on the disk when it returns, also after a power cut. A new database gets all tables, one of an older
    version is brought up to date: whole or not at all, by one process while others wait, and after a copy of an SQLite
    file was put into `backups` beside it. Raises `BulletinError` if it cannot be opened, or is newer than this program.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, hide_parameters=True)  # errors and logs repeat no reader's address (Z-20)
    except (ArgumentError, NoSuchModuleError, ImportError):
        raise BulletinError(
            "the database address cannot be used.",
            hint="BULLETIN_DATABASE_URL should look like sqlite:////srv/bulletin/bulletin.db or"
            " postgresql://user@host/bulletin, which needs: pip install 'bulletin[postgresql]'",
        ) from None
    try:
        if engine.dialect.name == "sqlite":
            _make_private(parsed.database)
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        if engine.dialect.name == "postgresql":
            event.listen(engine, "handle_error", _say_no_values)
        if _version(engine) != VERSIONS[-1]:
            _bring_up_to_date(engine)
    except (DBAPIError, sqlite3.Error, OSError) as error:
        engine.dispose()
        raise _unusable(parsed, getattr(error, "orig", None) or error, "opened") from None
    except BulletinError:
        engine.dispose()
        raise
    return engine


def reading(engine: Engine) -> Engine:
    """The same database for questions only: they see one moment's state, and wait for no writer."""
    return engine.execution_options(**{_READS: True})


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


def forget_deleted(engine: Engine) -> None:
    """Leave nothing of deleted rows in the database's files (P-22).

    Raises `StoppedPartWay` if another program is in the way. PostgreSQL keeps its own log of changes for a while.
    """
    with engine.connect() as connection:
        driver: Any = (
            connection.connection.driver_connection
        )  # SQLAlchemy would begin a transaction, which forbids this
        try:
            if engine.dialect.name == "sqlite":
                driver.execute("VACUUM")
                busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            else:
                busy = False
                driver.autocommit = True
                driver.execute(
                    "VACUUM (FULL) subscriber, consent, membership, confirmation, delivery, import_change, event,"
                    " web_request, service_mail"
                )
                driver.autocommit = False
        except engine.dialect.loaded_dbapi.Error as error:
            raise _unusable(engine.url, error, "cleaned") from None
    if busy:
        raise StoppedPartWay(
            "another program is reading the database, so what was deleted may still be in its files.",
            hint="Stop it, or wait until it is done, and run the same again.",
        )


def _version(engine: Engine) -> str:
    """The version written in the database; empty if there is none. Takes no lock."""
    with engine.connect() as connection:
        cursor = connection.connection.cursor()  # past SQLAlchemy, which would begin a transaction
        try:
            cursor.execute("SELECT version_num FROM alembic_version")
        except engine.dialect.loaded_dbapi.Error:  # most likely there is no such table
            return ""
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def _bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or change them to their present form, in one transaction that others wait for."""
    with engine.begin() as connection:  # in SQLite this takes the write lock
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7236)")
        tables = set(inspect(connection).get_table_names())
        rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version") if _STAMP in tables else ()
        version = next((str(row[0]) for row in rows), "")
        if version == VERSIONS[-1]:
            return
        if version and version not in VERSIONS:
            raise BulletinError(
                f"the database was made by a newer version of bulletin (its format is {version},"
                f" this program knows {VERSIONS[-1]}).",
                hint="Update the program. To go back instead, restore the copy from before the update.",
            )
        if not tables & {"subscriber", "mailing"}:
            metadata.create_all(connection, checkfirst=False)
            connection.exec_driver_sql(
                f"CREATE TABLE {_STAMP}"
                f" (version_num VARCHAR(32) NOT NULL, CONSTRAINT {_STAMP}_pkc PRIMARY KEY (version_num))"
            )
            connection.exec_driver_sql(f"INSERT INTO {_STAMP} VALUES ('{VERSIONS[-1]}')")  # noqa: S608 - constants
            return
        from bulletin import migrations

        put_copy_aside(connection, VERSIONS[-1])
        migrations.upgrade(connection)


_STAMP = "alembic_version"


def put_copy_aside(connection: Connection, before: str) -> Path | None:
    """A private copy of an SQLite file as it stands, in `backups` beside it; its path, None for any other database.

    Call it in a transaction before it writes: then nobody else can, either. `before` says in a word what comes next,
    and is part of the copy's name; of each such word the last few copies stay.
    """
    database = connection.engine.url.database
    if connection.dialect.name != "sqlite" or not database or database == ":memory:":
        return None
    folder, stem = Path(database).parent / "backups", f"{Path(database).stem}-before-{before}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for left_over in folder.glob(f"{stem}-*.part"):  # of a process that was killed; we alone are here
        left_over.unlink()
    copy = folder / f"{stem}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}.db"
    unfinished = copy.with_suffix(".part")
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file that can be copied back
    with open(unfinished, "rb") as written:
        os.fsync(written.fileno())
    unfinished.rename(copy)
    for old in sorted(folder.glob(f"{stem}-*.db"))[:-BACKUPS_KEPT]:
        old.unlink()
    return copy


def _unusable(url: URL, reason: BaseException, verb: str) -> BulletinError:
    """What to tell a person whose database cannot be opened or used: whether to wait, or to look after it."""
    name, why = url.render_as_string(hide_password=True), getattr(reason, "strerror", None) or reason
    why = " ".join(str(why).split())
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


def _say_no_values(context: ExceptionContext) -> None:
    """PostgreSQL names the row that is in the way, with its address, below the first line of an error (Z-20)."""
    context.original_exception.args = (str(context.original_exception).partition("\n")[0],)
    if context.sqlalchemy_exception:
        context.sqlalchemy_exception.args = context.original_exception.args


_READS = "bulletin_only_reads"


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READS) else "BEGIN IMMEDIATE")


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction handling begins too late; SQLAlchemy's "begin" event does it instead.
    connection.isolation_level = None
    # Patience first: the next one already may have to wait for another program.
    for pragma in (f"busy_timeout={LOCK_WAIT_S * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
