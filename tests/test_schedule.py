"""A mailing leaves at the moment that was meant, also when the clocks change."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulletin.delivery.schedule import LATE, moment, overdue, shown
from bulletin.errors import BulletinError

LONDON = ZoneInfo("Europe/London")
NOW = dt.datetime(2024, 1, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-05-30 09:00", "2024-05-30T08:00+00:00"),
        ("2024-12-02 09:00", "2024-12-02T09:00+00:00"),
        ("  2024-05-30   09:00 ", "2024-05-30T08:00+00:00"),
        ("2024-05-30T09:00:30", "2024-05-30T08:00:30+00:00"),
        ("2024-05-30 09:00+02:00", "2024-05-30T07:00+00:00"),
        ("2024-03-31 00:59", "2024-03-31T00:59+00:00"),
        ("2024-03-31 02:00", "2024-03-31T01:00+00:00"),
        ("2024-10-27 00:59", "2024-10-26T23:59+00:00"),
        ("2024-10-27 02:00", "2024-10-27T02:00+00:00"),
        ("2024-10-27 01:30+01:00", "2024-10-27T00:30+00:00"),
        ("2024-10-27 01:30+00:00", "2024-10-27T01:30+00:00"),
    ],
)
def test_a_time_is_read_in_the_publications_zone(written: str, meant: str) -> None:
    assert moment(written, LONDON, now=NOW) == dt.datetime.fromisoformat(meant)


def test_an_hour_that_does_not_exist_is_not_guessed() -> None:
    with pytest.raises(BulletinError) as refused:
        moment("2024-03-31 01:30", LONDON, now=NOW)
    assert "no 01:30 on 31 March 2024" in str(refused.value)
    assert "Write 2024-03-31 00:30 or 2024-03-31 02:30." in str(refused.value)


def test_an_hour_that_comes_twice_is_asked_about_and_each_answer_works() -> None:
    with pytest.raises(BulletinError) as refused:
        moment("2024-10-27 01:30", LONDON, now=NOW)
    assert "comes twice on 27 October 2024" in str(refused.value)
    for answer, hour in (("2024-10-27 01:30+01:00", 0), ("2024-10-27 01:30+00:00", 1)):
        assert answer in str(refused.value)
        assert moment(answer, LONDON, now=NOW) == dt.datetime(2024, 10, 27, hour, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "written", ["", "tomorrow", "2024-05-30", "09:00", "30/05/2024 09:00", "2024-02-30 09:00", "٢"]
)
def test_what_is_no_moment_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(BulletinError, match="Write it as 2024-05-30 09:00"):
        moment(written, LONDON, now=NOW)


def test_a_moment_that_is_past_is_refused_with_the_time_it_is() -> None:
    with pytest.raises(BulletinError, match=r"Monday 1 January 2024, 09:00 GMT is past.*It is Tuesday 2 January"):
        moment("2024-01-01 09:00", LONDON, now=NOW)


@given(
    st.integers(min_value=50_000, max_value=6_800_000),
    st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_every_moment_that_is_there_once_is_the_one_that_the_clock_on_the_wall_showed(minutes: int, name: str) -> None:
    zone = ZoneInfo(name)
    instant = NOW + dt.timedelta(minutes=minutes)
    wall = instant.astimezone(zone)
    twice = wall.utcoffset() != wall.replace(fold=1 - wall.fold).utcoffset()
    if twice:
        with pytest.raises(BulletinError, match="comes twice") as refused:
            moment(f"{wall:%Y-%m-%d %H:%M}", zone, now=NOW)
        # Both answers that are offered are real, and one of them is the one meant.
        assert wall.isoformat(" ", "minutes") in str(refused.value)
    else:
        assert moment(f"{wall:%Y-%m-%d %H:%M}", zone, now=NOW) == instant


def test_overdue_is_more_than_an_hour_late() -> None:
    assert not overdue(NOW, NOW + LATE)
    assert overdue(NOW, NOW + LATE + dt.timedelta(seconds=1))
    assert shown(dt.datetime(2024, 5, 30, 8, tzinfo=dt.UTC), LONDON) == "Thursday 30 May 2024, 09:00 BST"
