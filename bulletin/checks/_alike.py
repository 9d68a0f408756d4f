"""Texts that say the same in nearly the same words, whatever month they were written for."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from bulletin.checks._months import MONTHS
from bulletin.checks._reading import plain_key

LOOKED_BACK: Final = 12
"""Earlier issues that are compared with this one; nobody remembers older ones."""
_NEARLY: Final = 0.85
_SHARED: Final = 0.6
_MONTH_WORDS: Final = frozenset(month.casefold() for month in MONTHS) | {month.casefold()[:3] for month in MONTHS}


@lru_cache(maxsize=8192)
def essence(text: str) -> tuple[str, ...]:
    """The words of a text without months and numbers, which change from issue to issue."""
    text = re.sub(r"\]\([^)\s]*\)|https?://\S+", " ", text)
    return tuple(word for word in plain_key(text).split() if word not in _MONTH_WORDS and not word[0].isdigit())


@lru_cache(maxsize=8192)
def _distinct(text: str) -> frozenset[str]:
    return frozenset(essence(text))


def alike(one: str, other: str, *, fewest: int) -> bool:
    """Whether two texts have nearly the same words in the same order. Never if one has fewer than `fewest` words."""
    first, second = essence(one), essence(other)
    if min(len(first), len(second)) < fewest:
        return False
    if first == second:
        return True
    # Cheap and certain: texts that share few words cannot be alike.
    few, many = sorted((_distinct(one), _distinct(other)), key=len)
    if len(few & many) < _SHARED * len(many):
        return False
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _NEARLY
