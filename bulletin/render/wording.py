"""Dates, times and small turns of phrase, the way GOV.UK writes them (C-06)."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

from bulletin.model import Edition, EditionEvent, EditionItem
from bulletin.words import Words, english


def day(date: dt.date, words: Words | None = None) -> str:
    """A date: 8 May 2024. Does not depend on the machine's locale. Without `words` it is English, as all of these."""
    return f"{date.day} {_list('months', words)[date.month - 1]} {date.year}"


def month(date: dt.date, words: Words | None = None) -> str:
    """A month where there is little room: Sept, as GOV.UK's style has it; the four and five letter ones stay whole."""
    return _list("months_short", words)[date.month - 1]


def weekday(date: dt.date, words: Words | None = None) -> str:
    """A date to plan for: Wednesday 8 May 2024."""
    return f"{_list('days', words)[date.weekday()]} {day(date, words)}"


def clock(time: dt.datetime, words: Words | None = None) -> str:
    """A time: 11am, 12:30pm, midday, midnight."""
    words = words or english()
    if time.minute == 0 and time.hour in (0, 12):
        return words.say("midday" if time.hour else "midnight")
    minutes = f":{time.minute:02d}" if time.minute else ""
    return f"{time.hour % 12 or 12}{minutes}{words.say('am' if time.hour < 12 else 'pm')}"


def when(event: EditionEvent, words: Words | None = None) -> str:
    """When an event takes place: Wednesday 12 June 2024, 11am to 12:30pm. One from midnight on lasts the whole day."""
    words = words or english()
    starts, ends = event.starts, event.ends
    if _whole_days(event):
        first, last = weekday(starts, words), ends.date() if ends else starts.date()
        return first if last == starts.date() else words.say("until", begin=first, end=_last_day(last, words))
    begin = f"{weekday(starts, words)}, {clock(starts, words)}"
    if ends is None:
        return begin
    if ends.date() == starts.date():
        return words.say("until", begin=begin, end=clock(ends, words))
    return words.say("until", begin=begin, end=f"{_last_day(ends, words)}, {clock(ends, words)}")


def _last_day(date: dt.date, words: Words) -> str:
    """A day after the word "to", which in Welsh changes its first letter."""
    return f"{_list('days_after_to', words)[date.weekday()]} {day(date, words)}"


def _list(name: str, words: Words | None) -> tuple[str, ...]:
    return (words or english()).lists[name]


def _whole_days(event: EditionEvent) -> bool:
    midnight = dt.time()
    return event.starts.time() == midnight and (event.ends is None or event.ends.time() == midnight)


def credit(source: str | None, published: dt.date | None, words: Words | None = None) -> str:
    """Who published a story, and when: Ofcom, 8 May 2024. Empty if neither is known."""
    return ", ".join(part for part in (source, day(published, words) if published else None) if part)


def readers_only(audience_title: str, words: Words | None = None) -> str:
    """The label of an item kept for an audience: For police forces only."""
    first, rest = audience_title[:1], audience_title[1:]
    # "Police forces" is lowered inside the phrase, "NPCC leads" is not.
    audience = first + rest if rest[:1].isupper() else first.lower() + rest
    return (words or english()).say("for_only", audience=audience)


def issue_label(title: str, masthead: str) -> str:
    """What an issue's title says beyond the masthead above it: "May 2024" of "VKPP Bulletin, May 2024"."""
    rest = title[len(masthead) :] if title.casefold().startswith(masthead.casefold()) else title
    return rest.lstrip(" ,:;-–—") or title


def occasion(item: EditionItem, edition: Edition, words: Words | None = None) -> str:
    """An event in a link's words: 24 September; with more where another event would be called the same (C-03)."""
    if item.event is None:
        return item.title
    words = words or english()
    day_only, with_time = _names(item.event, words)
    others = [_names(other.event, words) for other in edition.items if other.event and other.id != item.id]
    if day_only not in {name for name, _ in others}:
        return day_only
    return with_time if with_time not in {name for _, name in others} else f"“{item.title}”"


_TURNS = re.compile("[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff]")
"""Letters that are read from right to left, and signs that turn the direction."""
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"


def apart(words: str) -> str:
    """Words in a script of the other direction, set apart so that what stands beside them keeps its order (UAX 9).

    Hebrew in front of a date would otherwise draw the date's figures to its other side. Other words stay as they are.
    """
    return f"{_ISOLATE}{words}{_END_ISOLATE}" if _TURNS.search(words) else words


def set_apart(edition: Edition) -> Edition:
    """The edition with each value that shares a line with others kept to itself; see `apart`."""
    sections = tuple(
        replace(section, title=apart(section.title), items=tuple(_set_apart(item) for item in section.items))
        for section in edition.sections
    )
    return replace(
        edition, audience_title=apart(edition.audience_title), signed=apart(edition.signed), sections=sections
    )


def _set_apart(item: EditionItem) -> EditionItem:
    event = item.event
    if event and event.place:
        event = replace(event, place=apart(event.place))
    return replace(
        item,
        title=apart(item.title),
        link=item.link and apart(item.link),
        source=item.source and apart(item.source),
        topics=tuple(apart(topic) for topic in item.topics),
        event=event,
    )


def _names(event: EditionEvent, words: Words) -> tuple[str, str]:
    date = f"{event.starts.day} {_list('months', words)[event.starts.month - 1]}"
    return date, words.say("occasion_with_time", day=date, time=clock(event.starts, words))
