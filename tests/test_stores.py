"""The database: private, durable, and clear about why it cannot be opened."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from mailing import NOON, newsroom
from sqlalchemy import select

from bulletin.errors import BulletinError
from bulletin.stores import open_database
from bulletin.subscribers.store import people


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


def test_times_keep_their_zone(tmp_path: Path) -> None:
    """What is written in any zone reads back as the same moment in UTC."""
    summer = dt.timezone(dt.timedelta(hours=1))
    with newsroom(tmp_path) as room:
        room.readers.add([("a@example.org", "", "")], now=NOON.astimezone(summer), how="test")
        with room.engine.begin() as connection:
            assert connection.scalar(select(people.c.created_at)) == NOON


def test_a_commit_is_on_the_disk(tmp_path: Path) -> None:
    """Promise 4: write-ahead log, synchronised at every commit, and patience with other writers."""
    with newsroom(tmp_path) as room, room.engine.begin() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
    assert pragmas == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}
