"""How sources have been doing, from what is remembered of them. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bulletin.collecting import rhythm
from bulletin.collecting.memory import State
from bulletin.config import SourceSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One source over time. Days are told in the publication's time zone."""

    source: SourceSetting
    word: str
    """new, works, empty, failing, gone, moved or waiting."""
    read: dt.datetime | None = None
    """When it was last read, or said that nothing changed."""
    items: int = 0
    """Stories in its last document."""
    failures: int = 0
    """How often in a row it could not be read."""
    next: dt.datetime | None = None
    """When it may be asked again, if that lies ahead."""
    remarks: tuple[str, ...] = ()
    """What to do or to know, each to be said after its name."""


def health_of(
    sources: Sequence[SourceSetting], states: Mapping[str, State], now: dt.datetime, zone: dt.tzinfo
) -> tuple[Health, ...]:
    """Each source's health, in the order of the settings."""
    return tuple(_health(source, states.get(source.id), now, zone) for source in sources)


def _health(source: SourceSetting, state: State | None, now: dt.datetime, zone: dt.tzinfo) -> Health:
    if state is None or not state.asked_at:
        return Health(source=source, word="new", remarks=("was never asked",))
    notes = rhythm.notes(state, source.url)
    remarks = (*((state.failure,) if state.failure else ()), *notes)
    if state.gone:
        remarks = (*remarks, "is not asked any more; find its new address, or take it out of bulletin.toml")
    word = (
        "gone"
        if state.gone
        else "waiting"
        if state.told_to_wait
        else "failing"
        if state.failure
        else "moved"
        if any(note.startswith("has moved") for note in notes)
        else "empty"
        if any(note.startswith("is suspiciously") for note in notes)
        else "works"
    )
    ahead = state.next_at > now.timestamp() and not state.gone
    return Health(
        source=source,
        word=word,
        read=dt.datetime.fromtimestamp(state.read_at, zone) if state.read_at else None,
        items=state.items,
        failures=state.failures,
        next=dt.datetime.fromtimestamp(state.next_at, zone) if ahead else None,
        remarks=remarks,
    )
