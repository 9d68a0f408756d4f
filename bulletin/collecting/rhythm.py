"""When a source is asked again (F-05 to F-08). Pure: the time comes in, a state goes out."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bulletin.collecting.memory import State
from bulletin.sources import Rests

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
_LONGEST_GAP: Final = 7 * DAY
_LONGEST_REST: Final = DAY
"""What a server may ask for in passing (max-age, ttl). A Retry-After is obeyed whatever it says, up to a month."""
_LONGEST_WAIT: Final = 30 * DAY
_SURE_OF_MOVE: Final = 2
_USUALLY_FULL: Final = 3


def why_rest(state: State, now: float, *, fresh: bool, zone: dt.tzinfo) -> str:
    """Why a source is not asked now, in words that read after its name; empty if it is.

    `fresh` is a person's wish to ask all the same; it counts for less than the wish of a server.
    """
    if state.gone and not fresh:
        return "is gone for good (410), and is not asked any more"
    clock_was_wrong = state.asked_at > now + HOUR
    if now >= state.next_at or clock_was_wrong or (fresh and not state.told_to_wait):
        return ""
    until = clock(state.next_at, now, zone)
    if state.told_to_wait:
        return f"asked us to wait until {until}"
    if state.failure:
        return f"{state.failure}; it is asked again from {until}"
    return f"was asked at {clock(state.asked_at, now, zone)}; next from {until}"


def clock(moment: float, now: float, zone: dt.tzinfo) -> str:
    """A time as people say it: the hour alone if it is today."""
    local, today = (dt.datetime.fromtimestamp(time, zone) for time in (moment, now))
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%H:%M} on {local.day} {local:%B}"


def after_answer(
    state: State, *, now: float, url: str, permanent: bool, headers: Mapping[str, str], rests: Rests | None = None
) -> State:
    """The state after a document was read, or nothing had changed. `url` is the address that answered.

    `rests` is what the document asks for; without one, what it asked for the last time holds.
    """
    if rests is None:
        hours, weekdays = frozenset(state.rest_hours), frozenset(state.rest_weekdays)
        rests = Rests(seconds=state.rest_seconds, hours=hours, weekdays=weekdays)
    moved = permanent and url != ""
    again = moved and url == state.moved_to
    age = re.search(r"(?:^|[\s,])max-age=(\d{1,9})", headers.get("cache-control", ""))
    rest = max(HOUR, min(_LONGEST_REST, max(float(age[1]) if age else 0.0, rests.seconds)))
    return replace(
        state,
        asked_at=now,
        read_at=now,
        next_at=_awake(now + rest, rests),
        rest_seconds=rests.seconds,
        rest_hours=tuple(sorted(rests.hours)),
        rest_weekdays=tuple(sorted(rests.weekdays)),
        told_to_wait=False,
        failures=0,
        failure="",
        status=None,
        gone=False,
        moved_to=url if moved else state.moved_to if state.moved_times >= _SURE_OF_MOVE else "",
        moved_times=state.moved_times + 1 if again else 1 if moved else _kept_move(state),
    )


def _kept_move(state: State) -> int:
    """Once it is sure, the new address is asked, which sends nobody on any more."""
    return state.moved_times if state.moved_times >= _SURE_OF_MOVE else 0


def address(state: State, url: str) -> str:
    """Where to ask: the address of the settings, or where it has moved to for certain (F-05)."""
    return state.moved_to if state.moved_times >= _SURE_OF_MOVE and state.moved_to else url


def after_failure(
    state: State, *, now: float, reason: str, status: int | None = None, retry_after: float | None = None
) -> State:
    """The state after a failure. One that never reached a server says nothing of it, and is tried again at once."""
    failures = state.failures + 1
    gap = min(_LONGEST_GAP, HOUR * 2.0 ** min(failures - 1, 20))
    waits = status in (429, 503)
    if waits:
        gap = min(_LONGEST_WAIT, retry_after if retry_after is not None else max(HOUR, gap))
    reached = status is not None
    return replace(
        state,
        asked_at=now,
        next_at=now + gap if reached else now,
        told_to_wait=waits,
        failures=failures,
        failure=reason,
        status=status,
        gone=status == 410,
    )


def notes(state: State, url: str) -> tuple[str, ...]:
    """What a person should know of a source that was read: it moved, or it is suspiciously empty."""
    found = []
    if state.moved_times >= _SURE_OF_MOVE and state.moved_to and state.moved_to != url:
        found.append(f'has moved for good; write in bulletin.toml: url = "{state.moved_to}"')
    if state.read_at and not state.failure and state.items == 0 and state.most >= _USUALLY_FULL:
        found.append(f"is suspiciously empty: it used to list up to {state.most} stories")
    return (*found, *(() if state.failure else state.remarks))


def _awake(moment: float, rests: Rests) -> float:
    """The first moment from then on that the source does not sleep through."""
    for _ in range(8 * 24):
        then = dt.datetime.fromtimestamp(moment, dt.UTC)
        if then.hour not in rests.hours and then.weekday() not in rests.weekdays:
            break
        moment = (then.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)).timestamp()
    return moment
