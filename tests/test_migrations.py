"""A database of an older version is brought up to date: whole or not at all, by itself, and after a copy was made."""

from __future__ import annotations

import re
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mailing import NOON, SECRET, newsroom
from sqlalchemy import Engine, create_engine, inspect

from bulletin import migrations
from bulletin.errors import BulletinError
from bulletin.model import SubscriberState
from bulletin.stores import BACKUPS_KEPT, open_database
from bulletin.subscribers.store import Subscribers
from bulletin.tables import VERSIONS, metadata

RELEASE = (Path(__file__).parent / "data" / "first-release.sql").read_text("utf-8")
"""Made by the first release itself."""


def first_release(url: str) -> str:
    """A database as the first release left it, at an address; the address."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            database.executescript(RELEASE)
        return url
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        migrations.upgrade(connection, "0001")
        inserts = re.findall(r"^INSERT.*", RELEASE, re.MULTILINE)
        for table in ("subscriber", "consent", "mailing", "mailing_edition", "delivery"):
            for row in (row for row in inserts if row.startswith(f'INSERT INTO "{table}" ')):
                connection.exec_driver_sql(row)
        connection.exec_driver_sql("SELECT setval('consent_number_seq', 4)")
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()
    return url


def rows(engine: Engine) -> dict[str, Any]:
    """What the first release knew, read by column."""
    questions = {
        "readers": "SELECT id, email, name, language, state, created_at FROM subscriber ORDER BY id",
        "consents": "SELECT number, subscriber, what, at, how FROM consent ORDER BY number",
        "deliveries": "SELECT subscriber, number, state, provider_id, reason FROM delivery ORDER BY number",
        "editions": "SELECT edition, digest FROM mailing_edition ORDER BY edition",
    }
    with engine.connect() as connection:
        return {name: [tuple(row) for row in connection.exec_driver_sql(sql)] for name, sql in questions.items()}


def shape(engine: Engine) -> dict[str, Any]:
    """Everything there is to know of the tables, but for the order of columns in a key's name."""
    look = inspect(engine)
    found: dict[str, Any] = {}
    for table in look.get_table_names():
        indexes: list[Any] = look.get_indexes(table)
        found[table] = {
            "columns": [{key: str(value) for key, value in c.items()} for c in look.get_columns(table)],
            "key": look.get_pk_constraint(table),
            "foreign": sorted(look.get_foreign_keys(table), key=str),
            "unique": sorted(look.get_unique_constraints(table), key=str),
            "indexes": sorted(
                [
                    {**i, "dialect_options": {k: str(v) for k, v in i.get("dialect_options", {}).items()}}
                    for i in indexes
                ],
                key=str,
            ),
        }
    triggers = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
        "postgresql": "SELECT tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
        " WHERE NOT tgisinternal ORDER BY tgname",
    }
    with engine.connect() as connection:
        found["triggers"] = [tuple(row) for row in connection.exec_driver_sql(triggers[engine.dialect.name])]
    return found


@pytest.fixture
def another_url(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A second database of the same kind."""
    if database_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'another.db'}"
    make: Callable[[], str] = request.getfixturevalue("postgresql")
    return make()


def test_the_program_knows_every_version_without_loading_the_steps() -> None:
    steps = ScriptDirectory(str(migrations.FOLDER)).walk_revisions()
    assert tuple(reversed([step.revision for step in steps])) == VERSIONS


def test_a_new_database_is_the_same_as_one_that_was_brought_up_to_date(database_url: str, another_url: str) -> None:
    new, old = open_database(database_url), open_database(first_release(another_url))
    try:
        assert shape(new) == shape(old)
        assert shape(new)["triggers"]
        for engine in (new, old):
            with engine.connect() as connection:
                assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    finally:
        new.dispose()
        old.dispose()


def test_no_row_of_the_first_release_is_lost(database_url: str) -> None:
    """Every value reads as before, the mailing goes on where it stood, and who left stays away."""
    before_engine = create_engine(first_release(database_url).replace("postgresql:", "postgresql+psycopg:"))
    before = rows(before_engine)
    before_engine.dispose()
    assert {name: len(found) for name, found in before.items()} == {
        "readers": 3,
        "consents": 4,
        "deliveries": 3,
        "editions": 2,
    }
    with newsroom(Path(), url=database_url) as room:
        assert rows(room.engine) == before
        readers = {person.email: person.state for person in room.readers.all()}
        assert readers["left@example.org"] is SubscriberState.UNSUBSCRIBED
        room.begin()
        claim = room.claim(1)
        assert claim
        assert [row.address for row in claim.deliveries] == ["ann@example.org"]
        assert room.readers.add([("left@example.org", "", ""), ("new@example.org", "", "")], now=NOON, how="test") == 1
        with room.engine.connect() as connection:
            domains = connection.exec_driver_sql("SELECT email, domain FROM subscriber")
            assert all(domain == email.partition("@")[2] for email, domain in domains)


def test_a_database_that_never_sent_anything_gets_the_ledger(tmp_path: Path) -> None:
    """The first release made the ledger's tables with the first sending only."""
    with closing(sqlite3.connect(tmp_path / "bulletin.db")) as database:
        database.executescript(RELEASE)
        database.executescript("DROP TABLE delivery; DROP TABLE mailing_edition; DROP TABLE mailing;")
    with newsroom(tmp_path) as room:
        assert room.enter() == 2


def test_z23_a_private_copy_is_put_aside_first_and_the_last_few_stay(tmp_path: Path) -> None:
    """Z-23: mode 0600; whole, one file, and as it was."""
    file = tmp_path / "bulletin.db"
    for number in range(BACKUPS_KEPT + 2):
        file.unlink(missing_ok=True)
        first_release(f"sqlite:///{file}")
        with closing(sqlite3.connect(file)) as database:
            database.execute("UPDATE subscriber SET name = ?", (f"Ann {number}",))
            database.commit()
        open_database(f"sqlite:///{file}").dispose()
        open_database(f"sqlite:///{file}").dispose()  # up to date: no further copy
    copies = sorted((tmp_path / "backups").iterdir())
    assert [copy.suffix for copy in copies] == [".db"] * BACKUPS_KEPT
    assert {stat.S_IMODE(copy.stat().st_mode) for copy in copies} == {0o600}
    names = []
    for copy in copies:
        with closing(sqlite3.connect(copy)) as database:
            names.append(database.execute("SELECT DISTINCT name FROM subscriber").fetchall())
            assert "alembic_version" not in str(database.execute("SELECT name FROM sqlite_master").fetchall())
    assert names == [[("Ann 2",)], [("Ann 3",)], [("Ann 4",)]]


def test_a_database_of_a_newer_program_is_refused_and_left_alone(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    before = shape(engine)
    engine.dispose()
    with pytest.raises(BulletinError, match="newer version of bulletin") as caught:
        open_database(database_url)
    assert "Update the program" in caught.value.hint
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    assert shape(engine) == before
    engine.dispose()


OPEN = "import sys; from bulletin.stores import open_database; open_database(sys.argv[1]).dispose()"


@pytest.mark.parametrize("old", [True, False], ids=["old", "new"])
def test_of_several_at_once_one_brings_it_up_to_date_and_the_others_wait(
    database_url: str, tmp_path: Path, old: bool
) -> None:
    if old:
        first_release(database_url)
    openers = [
        subprocess.Popen([sys.executable, "-c", OPEN, database_url], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [(opener.communicate()[1], opener.returncode) for opener in openers] == [("", 0)] * 4
    if old and database_url.startswith("sqlite"):
        assert len(list((tmp_path / "backups").iterdir())) == 1


@pytest.mark.parametrize(
    "moment", ["UPDATE subscriber", "CREATE TABLE suppression", "CREATE TRIGGER", "UPDATE alembic_version"]
)
def test_killed_in_the_middle_it_stands_as_it_was(database_url: str, moment: str) -> None:
    """Killed at a step of the upgrade; the next opening makes it whole."""
    engine = create_engine(first_release(database_url).replace("postgresql:", "postgresql+psycopg:"))
    before, tables = rows(engine), shape(engine)
    die = (
        "import os, signal, sys\n"
        "from sqlalchemy import Engine, event\n"
        "def die(connection, cursor, statement, *rest):\n"
        "    if sys.argv[2] in statement: os.kill(os.getpid(), signal.SIGKILL)\n"
        "event.listen(Engine, 'before_cursor_execute', die)\n"
    )
    killed = subprocess.run([sys.executable, "-c", die + OPEN, database_url, moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert rows(engine) == before
    assert shape(engine) == tables
    engine.dispose()
    engine = open_database(database_url)
    assert rows(engine) == before
    assert Subscribers(engine, SECRET).counts()[SubscriberState.SUBSCRIBED] == 2
    engine.dispose()


def test_the_library_for_the_steps_is_loaded_for_an_old_database_only(tmp_path: Path) -> None:
    """A command must not become slower for it."""
    first_release(f"sqlite:///{tmp_path / 'old.db'}")
    told = []
    for name in ("new", "new", "old", "old"):
        program = OPEN + "; print('alembic' in sys.modules)"
        command = [sys.executable, "-c", program, f"sqlite:///{tmp_path / name}.db"]
        told.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    assert told == ["False", "False", "True", "False"]
