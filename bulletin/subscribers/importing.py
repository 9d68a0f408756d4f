"""Lists of readers from a spreadsheet: read, compared with who is known, and only then added."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bulletin.errors import BulletinError
from bulletin.subscribers.address import AddressRefused, normalise
from bulletin.subscribers.consent import COMES_BACK_BY_OWN_CONSENT, Cause, move
from bulletin.subscribers.store import Subscribers

_HEADINGS = {
    "email": ("email", "e-mail", "mail", "email address", "e-mail address", "address"),
    "name": ("name", "full name"),
    "language": ("language", "lang"),
}


_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Line breaks, and what tells a terminal to do something (M-10, Z-21); a tab only moves on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the file that can be used. The address is normalised."""

    line: int
    email: str
    name: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A line that cannot be used, and why; the reason repeats no address."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds."""

    rows: tuple[Row, ...]
    refused: tuple[RefusedRow, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What importing would do: who is new, who is known, who stays away, and what was refused.

    `left` are all whom only their own consent brings back: also who bounced, complained or was erased.
    """

    new: tuple[Row, ...]
    known: tuple[Row, ...]
    left: tuple[Row, ...]
    refused: tuple[RefusedRow, ...]


def read_csv(data: bytes, name: str) -> Reading:
    """The rows of a CSV file with a heading line: email, and if you like name and language.

    Commas, semicolons and tabs are understood, as spreadsheets write them. Raises `BulletinError` if the file as a
    whole cannot be used; a line that cannot is a value.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BulletinError(
            f"{name} is not UTF-8 text.", hint='Save it from the spreadsheet as "CSV UTF-8 (comma delimited)".'
        ) from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = _columns(next(lines, []), name)
        rows, refused = [], []
        lines_of: dict[str, int] = {}
        for row in _rows(lines, columns):
            if isinstance(row, RefusedRow):
                refused.append(row)
            elif row.email in lines_of:
                reason = f"the same address stands in line {lines_of[row.email]}"
                refused.append(RefusedRow(line=row.line, reason=reason))
            else:
                lines_of[row.email] = row.line
                rows.append(row)
    except csv.Error as error:
        raise BulletinError(f"{name}, line {lines.line_num}: this is not a CSV file: {error}.") from None
    return Reading(tuple(rows), tuple(refused))


def compare(reading: Reading, store: Subscribers) -> Difference:
    """What `add` would do. Nobody who left is brought back by a file."""
    new: list[Row] = []
    known: list[Row] = []
    left: list[Row] = []
    states = store.states(row.email for row in reading.rows)
    for row, (_, state) in zip(reading.rows, states, strict=True):
        kind = new if move(Cause.IMPORT, state) else left if state in COMES_BACK_BY_OWN_CONSENT else known
        kind.append(row)
    return Difference(tuple(new), tuple(known), tuple(left), reading.refused)


def add(
    difference: Difference, store: Subscribers, *, now: dt.datetime, how: str, basis: str = "", source: str = ""
) -> int:
    """Subscribe the new ones; how many. `source` and `basis` record where the list comes from and why (P-13)."""
    newcomers = ((row.email, row.name, row.language) for row in difference.new)
    return store.add(newcomers, now=now, how=how, basis=basis, source=source)


def _columns(header: list[str], name: str) -> dict[str, int]:
    found = {}
    for field, headings in _HEADINGS.items():
        for number, heading in enumerate(header):
            if heading.strip().lower() in headings:
                found[field] = number
                break
    if "email" not in found:
        raise BulletinError(f'{name} has no column "email".', hint="The first line should be: email,name,language")
    return found


def _rows(lines: Iterator[list[str]], columns: dict[str, int]) -> Iterator[Row | RefusedRow]:
    for cells in lines:
        line: int = lines.line_num  # type: ignore[attr-defined] # csv.reader's iterator has it
        if not any(cell.strip() for cell in cells):
            continue
        values = {field: cells[number] if number < len(cells) else "" for field, number in columns.items()}
        if any(_CONTROLS.search(value) for value in values.values()):
            yield RefusedRow(line=line, reason="a value holds a line break or a control character")
            continue
        try:
            email = normalise(values["email"])
        except AddressRefused as refusal:
            yield RefusedRow(line=line, reason=str(refusal))
            continue
        name, language = (values.get(field, "").strip() for field in ("name", "language"))
        yield Row(line=line, email=email, name=name, language=language)
