"""How days and times are written: so that everybody reads the same one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Final

from bulletin.checks._months import MONTH, MONTHS, YEAR, month_number
from bulletin.checks._reading import is_english, passages
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity

_NO_PROSE: Final = re.compile(r"https?://\S+|(?<!\S)\S+@\S+|`[^`\n]*`")
_DASH: Final = r"\s*[-–—]\s*"
_NUMERIC: Final = re.compile(r"(?<![\w/.-])(\d{1,2})([/.])(\d{1,2})\2((?:19|20)?\d\d)(?![\w/]|[.-]\d)")
_ISO: Final = re.compile(rf"(?<![\w/.-])({YEAR})-(\d\d)-(\d\d)(?![\w/-])")
_AMERICAN: Final = re.compile(
    rf"\b({MONTH})\s+(?:the\s+)?(\d{{1,2}})(?:(?:st|nd|rd|th)\b(?:,?\s+({YEAR}))?|,?\s+({YEAR}))"
)
_ORDINAL: Final = re.compile(
    rf"(?<![\w.-])(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)\s+(?:of\s+)?({MONTH})(?:,?\s+({YEAR}))?"
)
_RANGE: Final = re.compile(rf"(?<![\w.,/-])(\d{{1,2}}){_DASH}(\d{{1,2}})\s+({MONTH})")


@check("DAT07", Severity.LOOK)
def date_style(material: Material) -> Iterator[Found]:
    """A date is not written like 4 June 2026 (C-06).

    *Why*: 04/06/2026 is June to some readers and April to others. Endings such as "th" add nothing, and a screen reader
    says "12 minus 14 June" for a range with a dash.

    *Instead of*: "04/06/2026", "2026-06-04", "June 4th, 2026", "12-14 June".

    *Write*: "4 June 2026", "12 to 14 June".
    """
    if not is_english(material):
        return
    for passage in passages(material):
        text = _NO_PROSE.sub(lambda match: "x" * len(match.group()), passage.words)
        for words, better in _odd_dates(text):
            yield Found(passage.loc, f'{passage.name} says "{words}".', f"Write {better}.")


def _odd_dates(text: str) -> Iterator[tuple[str, str]]:
    """Each date that is written another way, with the way to write it."""
    for match in _NUMERIC.finditer(text):
        first, second, year = int(match[1]), int(match[3]), match[4]
        if match[2] == "." and len(year) == len("24"):
            continue  # the number of a version or of a part
        year = year if len(year) > len("24") else f"20{year}"
        both = dict.fromkeys(found for found in (_plain(first, second, year), _plain(second, first, year)) if found)
        if both:
            yield match.group(), " or ".join(both)
    for match in _ISO.finditer(text):
        better = _plain(int(match[3]), int(match[2]), match[1])
        if better:
            yield match.group(), better
    for match in _AMERICAN.finditer(text):
        yield match.group(), f"{int(match[2])} {_month(match[1])} {match[3] or match[4] or ''}".rstrip()
    for match in _ORDINAL.finditer(text):
        yield match.group(), f"{int(match[1])} {_month(match[2])} {match[3] or ''}".rstrip()
    for match in _RANGE.finditer(text):
        yield match.group(), f"{int(match[1])} to {int(match[2])} {_month(match[3])}"


def _month(name: str) -> str:
    return MONTHS[month_number(name) - 1]


def _plain(day: int, month: int, year: str) -> str:
    """4 June 2026; nothing if there is no such day."""
    try:
        dt.date(int(year), month, day)
    except ValueError:
        return ""
    return f"{day} {MONTHS[month - 1]} {year}"


_HALF: Final = r"([ap])\.?\s?m\b\.?"
_FULL_HOURS: Final = re.compile(
    r"\b(?:12(?:[:.]00)?\s*(?:(noon|midday)|(midnight))|12(?:[:.]00)?\s*([ap])\.?m\b)", re.IGNORECASE
)
_TWELVE_HOURS: Final = re.compile(rf"(?<![\w:.£$€])(\d{{1,2}})(?:([:.])([0-5]\d))?(\s*){_HALF}", re.IGNORECASE)
_MILITARY: Final = re.compile(
    r"(?<![\w:.,£$€])([01]?\d|2[0-3])[:.]?([0-5]\d)\s*(?:hrs?|h)\b|\b(?:at|from|to|until)\s+([01]\d|2[0-3])([0-5]\d)\s+hours\b"
    r"|(?<![\w:.,£$€])(1[3-9]|2[0-3]):([0-5]\d)(?![\w:])"
)
_TIMES: Final = re.compile(
    rf"(?<![\w:.])\d{{1,2}}(?:[:.]\d\d)?(?:\s*[ap]m)?{_DASH}\d{{1,2}}(?:[:.]\d\d)?\s*[ap]m\b", re.IGNORECASE
)


@check("DAT08", Severity.LOOK)
def time_style(material: Material) -> Iterator[Found]:
    """A time is not written like 5:30pm, 11am or midday.

    *Why*: one way to write times is read at a glance. "12pm" is noon to some and midnight to others.

    *Instead of*: "17.30hrs", "11.00 AM", "12 noon", "10-11am".

    *Write*: "5:30pm", "11am", "midday", "10am to 11am".
    """
    if not is_english(material):
        return
    for passage in passages(material):
        text = _NO_PROSE.sub(lambda match: "x" * len(match.group()), passage.words)
        seen: set[str] = set()
        for words, better in _odd_times(text):
            if words not in seen:
                seen.add(words)
                yield Found(passage.loc, f'{passage.name} says "{words}".', f"Write {better}.")


def _odd_times(text: str) -> Iterator[tuple[str, str]]:
    """Each time that is written another way, with the way to write it."""
    for match in _FULL_HOURS.finditer(text):
        better = "midday" if match[1] else "midnight" if match[2] else "midday or midnight, whichever is meant"
        yield match.group(), better
    for match in _TWELVE_HOURS.finditer(text):
        hour, minute = int(match[1]), int(match[3] or 0)
        better = f"{hour}{f':{minute:02}' if minute else ''}{match[5].lower()}m"
        if 1 <= hour <= _NOON and not (hour == _NOON and not minute) and match.group().rstrip(".") != better:
            yield match.group(), better
    for match in _MILITARY.finditer(text):
        hour = int(match[1] or match[3] or match[5])
        yield match.group(), _spoken(hour, int(match[2] or match[4] or match[6]))
    for match in _TIMES.finditer(text):
        yield match.group(), 'the range with "to", and am or pm after both times'


_NOON: Final = 12


def _spoken(hour: int, minute: int) -> str:
    """5:30pm for half past seventeen."""
    if not minute and hour in {0, _NOON}:
        return "midday" if hour else "midnight"
    return f"{hour % 12 or 12}{f':{minute:02}' if minute else ''}{'am' if hour < _NOON else 'pm'}"
