"""When a mailing leaves: moments as people write them, in the publication's time zone. Pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final
from zoneinfo import ZoneInfo

from bulletin.errors import BulletinError

LATE: Final = dt.timedelta(hours=1)
"""A mailing that did not start within this time of its moment is overdue: it asks before it leaves."""

LONGEST: Final = dt.timedelta(days=2)
"""No mailing is spread over a longer time."""

_DURATION = re.compile(r"(?:(?P<h>\d{1,3})h)?(?:(?P<m>\d{1,4})m(?:in)?)?")


def moment(text: str, zone: ZoneInfo, *, now: dt.datetime) -> dt.datetime:
    """`2024-05-30 09:00` in the publication's time zone, or with an offset of its own; the moment in UTC.

    When the clocks change, an hour does not exist in spring and comes twice in autumn: neither is guessed. Raises
    `BulletinError` saying what to write, also for a moment that is past.
    """
    written = " ".join(text.split())
    try:
        read = dt.datetime.fromisoformat(written)
    except ValueError:
        read = None
    if read is None or len(written) < len("2024-05-30 09:00"):
        raise BulletinError(f'"{text}" is not a day and a time.', hint="Write it as 2024-05-30 09:00.")
    found = _in_zone(read, zone) if read.tzinfo is None else read
    if found <= now:
        raise BulletinError(f"{shown(found, zone)} is past.", hint=f"It is {shown(now, zone)} now.")
    return found.astimezone(dt.UTC)


def _in_zone(read: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    first, second = (read.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) != read:
        # In the gap each reading lands on the other side of it: that of the later offset before, the other one after.
        before, after = (moment.astimezone(dt.UTC).astimezone(zone) for moment in (second, first))
        raise BulletinError(
            f"there is no {read:%H:%M} on {_day(read)}: the clocks go forward over it.",
            hint=f"Write {before:%Y-%m-%d %H:%M} or {after:%Y-%m-%d %H:%M}.",
        )
    raise BulletinError(
        f"{read:%H:%M} comes twice on {_day(read)}, as the clocks go back.",
        hint=f"Say which one: {first.isoformat(' ', 'minutes')} is the first, {second.isoformat(' ', 'minutes')}"
        " the second.",
    )


def overdue(due: dt.datetime, now: dt.datetime) -> bool:
    """Whether a mailing missed its moment by so much that a person should look at it first."""
    return now - due > LATE


def shown(moment: dt.datetime, zone: ZoneInfo) -> str:
    """A moment as people of the publication read it: `Thursday 30 May 2024, 09:00 BST`."""
    local = moment.astimezone(zone)
    return f"{local:%A} {_day(local)}, {local:%H:%M %Z}"


def duration(text: str) -> dt.timedelta:
    """`90m`, `2h` or `1h30m`. Raises `BulletinError` saying how to write it."""
    found = _DURATION.fullmatch("".join(text.split()).lower())
    length = dt.timedelta(hours=int(found["h"] or 0), minutes=int(found["m"] or 0)) if found else dt.timedelta(0)
    if not dt.timedelta(0) < length <= LONGEST:
        raise BulletinError(f'"{text}" is not a length of time up to two days.', hint="Write it as 90m, 2h or 1h30m.")
    return length


def lasting(length: dt.timedelta) -> str:
    """A length of time for people: `1 h 30 min`, `40 s`."""
    seconds = round(length.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def _day(day: dt.date) -> str:
    return f"{day.day} {day:%B %Y}"
