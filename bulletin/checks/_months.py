"""Months and days as people write them."""

from __future__ import annotations

import re
from typing import Final

# Written out: the names that `calendar` gives depend on the machine's settings.
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

MONTH: Final = rf"(?:(?:{'|'.join(MONTHS)})\b|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
"""Pattern of a month's name with a capital, whole or short."""

YEAR: Final = r"(?:19|20)\d\d\b"
"""Pattern of a year."""


def month_number(name: str) -> int:
    """1 for January or Jan."""
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(name.rstrip(".")[:3]))


def month_name(year: int, month: int) -> str:
    """May 2024."""
    return f"{MONTHS[month - 1]} {year}"


def issue_month(issue_id: str) -> tuple[int, int] | None:
    """Year and month that an issue's id names: 2024-05, may-2024 or 2024-may; None if it names none."""
    words = re.findall(r"[a-z]+|\d+", issue_id.casefold())
    years = [int(word) for word in words if re.fullmatch(YEAR, word)]
    named = [number for number, month in enumerate(MONTHS, 1) if month.casefold() in words]
    if not named and re.match(rf"{YEAR}-\d\d(?!\d)", issue_id):
        named = [int(issue_id[5:7])]
    return (years[0], named[0]) if years and named and 1 <= named[0] <= 12 else None
