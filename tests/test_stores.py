"""The database: private, durable, and clear about why it cannot be opened."""

from __future__ import annotations

import datetime as dt
import traceback
from pathlib import Path

import pytest
from mailing import NOON, SECRET, addresses, newsroom
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from bulletin.errors import BulletinError, StoppedPartWay
from bulletin.stores import database, open_database
from bulletin.subscribers.store import Subscribers
from bulletin.tables import people


def test_a_file_that_is_no_database_is_named_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "bulletin.db"
    file.write_text("not a database at all, but long enough to be looked at " * 20)
    with pytest.raises(BulletinError, match="cannot be opened: file is not a database") as caught:
        open_database(f"sqlite:///{file}")
    assert "do not delete it" in caught.value.hint
    assert file.read_text().startswith("not a database")


@pytest.mark.parametrize("url", ["", "nonsense", "mysterydb://host/name"])
def test_an_address_that_means_nothing_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(BulletinError, match="cannot be used") as caught:
        open_database(url)
    assert "sqlite:////" in caught.value.hint


def test_z23_a_password_in_the_address_is_not_shown() -> None:
    """Z-23: secrets never appear in output."""
    with pytest.raises(BulletinError) as caught:
        open_database("mysterydb://reader:hush@db.example.org/bulletin")
    assert "hush" not in str(caught.value)


def test_a_folder_that_cannot_hold_the_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BulletinError, match=r"bulletin\.db cannot be opened"):
        open_database(f"sqlite:///{tmp_path}/file/bulletin.db")


def test_a_database_that_breaks_while_it_is_used_is_named_and_kept(tmp_path: Path) -> None:
    """A damaged file opens as long as nobody looks at the damage; the person is told what to do, not that we failed."""
    file = tmp_path / "bulletin.db"
    with newsroom(tmp_path) as room:
        room.subscribe(addresses(2000))
    data = file.read_bytes()
    half = len(data) // 2
    file.write_bytes(data[:half] + b"\xff" * (len(data) - half))
    with (
        pytest.raises(BulletinError, match=r"bulletin\.db cannot be used: ") as caught,
        database(f"sqlite:///{file}") as engine,
    ):
        list(Subscribers(engine, SECRET).all())
    assert not isinstance(caught.value, StoppedPartWay)
    assert "do not delete it" in caught.value.hint


def test_a_full_disk_stops_the_step_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """SQLite's own limit on pages stands for the disk's end."""
    url = f"sqlite:///{tmp_path / 'bulletin.db'}"
    newcomers = [(address, "", "") for address in addresses(5000)]

    def fill_up() -> None:
        with database(url) as engine:
            store = Subscribers(engine, SECRET)
            event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count=20"))
            engine.dispose()
            store.add(newcomers, now=NOON, how="test")

    with pytest.raises(StoppedPartWay, match="cannot be used now: database or disk is full"):
        fill_up()
    with database(url) as engine:
        store = Subscribers(engine, SECRET)
        assert list(store.all()) == []
        assert store.add(newcomers, now=NOON, how="test") == 5000


def test_a_server_that_is_not_there_is_named_with_no_password() -> None:
    """Z-23, and one line for a person."""
    with pytest.raises(BulletinError, match="cannot be opened: connection failed") as caught:
        open_database("postgresql://reader:hush@127.0.0.1:1/bulletin")
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fault_of_ours_is_not_blamed_on_the_database(tmp_path: Path) -> None:
    def stumble() -> None:
        with database(f"sqlite:///{tmp_path / 'bulletin.db'}") as engine, engine.begin() as connection:
            connection.execute(people.insert().values(id="a"))

    with pytest.raises(IntegrityError):
        stumble()


def test_readers_are_found_while_another_program_writes(tmp_path: Path, database_url: str) -> None:
    """Questions wait for nobody, and see the state before what is not finished yet."""
    with newsroom(tmp_path, url=database_url) as room:
        room.subscribe(["a@example.org"])
        with room.engine.begin() as writing:
            writing.execute(people.update().values(name="Ann"))
            found = room.readers.find("a@example.org")
            assert found
            assert found.name == ""
            assert len(list(room.readers.all())) == 1
        found = room.readers.find("a@example.org")
        assert found
        assert found.name == "Ann"


def test_times_keep_their_zone(tmp_path: Path, database_url: str) -> None:
    """What is written in any zone reads back as the same moment in UTC."""
    summer = dt.timezone(dt.timedelta(hours=1))
    with newsroom(tmp_path, url=database_url) as room:
        room.readers.add([("a@example.org", "", "")], now=NOON.astimezone(summer), how="test")
        with room.engine.begin() as connection:
            assert connection.scalar(select(people.c.created_at)) == NOON


def test_a_commit_is_on_the_disk(tmp_path: Path) -> None:
    """Promise 4: write-ahead log, synchronised at every commit, and patience with other writers."""
    with newsroom(tmp_path) as room, room.engine.begin() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
    assert pragmas == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}


def test_z20_a_failing_statement_repeats_no_address(tmp_path: Path, database_url: str) -> None:
    """Z-20: what the database says of a fault ends up in logs and on the screen."""
    with newsroom(tmp_path, url=database_url) as room:
        room.subscribe(["marked.person@example.org"])
        with room.engine.connect() as connection:
            row = {**connection.execute(select(people)).one()._mapping, "id": "another"}
            with pytest.raises(IntegrityError) as twice:
                connection.execute(people.insert().values(**row))
        with room.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE subscriber RENAME COLUMN language TO tongue")
        with pytest.raises((OperationalError, ProgrammingError)) as lost:
            room.readers.find("marked.person@example.org")
        with pytest.raises((OperationalError, ProgrammingError)) as refused:
            room.readers.add([("another.person@example.org", "", "")], now=NOON, how="test")
        said = "".join(traceback.format_exception(twice.value)) + f"{lost.value} {refused.value}"
        assert "person@" not in said
