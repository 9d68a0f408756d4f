"""Lists of readers from a file: read, compared with who is known, and only then taken over, whole or not at all."""

from __future__ import annotations

import csv
import datetime as dt
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bulletin.errors import BulletinError
from bulletin.subscribers.importing.columns import Columns, recognise
from bulletin.subscribers.importing.files import Cells, open_table
from bulletin.subscribers.importing.rows import RefusedRow, Row, is_shared, judge
from bulletin.subscribers.importing.staging import (
    CHANGED,
    DUPLICATE,
    LEFT,
    NEW,
    SAME,
    TAKEN_OFF,
    WAITING,
    Batch,
    Staging,
    batches,
    stage,
    undo,
)
from bulletin.subscribers.slips import meant
from bulletin.subscribers.spreadsheet import guarded

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from bulletin.subscribers.store import Subscribers
    from bulletin.subscribers.tokens import AddressHashes

__all__ = ["Batch", "Difference", "RefusedRow", "Request", "batches", "run", "undo"]

SHOWN: Final = 20
"""Lines of one kind that are named; beyond that there is only their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to import, and what is to be kept on record about it."""

    path: Path
    now: dt.datetime
    basis: str = ""
    """Why its people may be written to (P-13)."""
    source: str = ""
    """Where the list comes from; the file's name if nothing is said."""
    into_list: str = ""
    """A list all its readers are put on."""
    dry_run: bool = False
    refused_file: Path | None = None
    """Where lines go that cannot be used."""
    known_domains: tuple[str, ...] = ()
    """Domains of the settings, of which slips of the typist may be told."""
    known_lists: tuple[str, ...] | None = None
    """Lists of the settings; None if any list will do."""


@dataclass(slots=True)
class Difference:
    """What importing would do, or did. No address is repeated."""

    understood: str
    columns: Columns
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many addresses of each kind."""
    lines: Mapping[str, list[int]] = field(default_factory=dict)
    """The first lines of each kind."""
    refused: list[RefusedRow] = field(default_factory=list)
    """The first lines that cannot be used."""
    refused_count: int = 0
    duplicates: list[tuple[int, int]] = field(default_factory=list)
    """The first lines whose address another line has, with that line."""
    slips: list[tuple[int, str, str]] = field(default_factory=list)
    """Domains that look mistyped: first line, the domain, and which one may be meant."""
    shared: list[int] = field(default_factory=list)
    """The first lines with an address that several people seem to read."""
    shared_count: int = 0
    strange_lists: list[str] = field(default_factory=list)
    """Lists in the file that the settings do not describe."""
    refused_file: Path | None = None
    batch: Batch | None = None

    def count(self, kind: str) -> int:
        """How many addresses of a kind."""
        return self.counts.get(kind, 0)

    @property
    def new(self) -> int:
        """Who would be added."""
        return self.count(NEW)

    @property
    def changed(self) -> int:
        """Known readers of whom the file knows something else."""
        return self.count(CHANGED)

    @property
    def known(self) -> int:
        """Readers of whom the file says nothing new."""
        return self.count(SAME)

    @property
    def waiting(self) -> int:
        """Who signed up and has not confirmed it; a file does not do it for them."""
        return self.count(WAITING)

    @property
    def left(self) -> int:
        """Whom only their own consent brings back: also who bounced, complained or was erased."""
        return self.count(LEFT)

    @property
    def taken_off(self) -> int:
        """Who left or bounced elsewhere, as the file says, and so gets nothing from here."""
        return self.count(TAKEN_OFF)

    @property
    def duplicate(self) -> int:
        """Lines whose address another line has."""
        return self.count(DUPLICATE)


def run(
    engine: Engine,
    store: Subscribers,
    hashes: AddressHashes,
    request: Request,
    *,
    backup: Callable[[Connection], object] = lambda connection: None,
) -> Difference:
    """Read a file and take its readers over, or only say what that would do.

    All of it is one transaction, after `backup` was made in it; a process that is killed leaves nothing half done.
    Lines that cannot be used go to `refused_file`. Raises `BulletinError` if the file as a whole cannot be used.
    """
    with open_table(request.path) as table:
        columns, rows = _columns(table.rows, request.path.name)
        difference = Difference(table.understood, columns)
        with (
            _RefusedFile(None if request.dry_run else request.refused_file, columns) as refused,
            stage(engine, store, hashes) as (connection, staged),
        ):
            staged.fill(_usable(judge(rows, columns), difference, refused))
            transaction = connection.begin()
            try:
                if not request.dry_run:
                    backup(connection)
                staged.judge(request.into_list)
                _describe(staged, difference, refused, request)
                if not request.dry_run:
                    difference.batch = staged.take_over(
                        now=request.now,
                        how=f"import of {request.path.name}" + (f": {request.basis}" if request.basis else ""),
                        basis=request.basis,
                        source=request.source or request.path.name,
                        into_list=request.into_list,
                    )
                    transaction.commit()
            finally:
                transaction.close()
            difference.refused_file = refused.keep()
    return difference


def _columns(rows: Iterator[tuple[int, Cells]], name: str) -> tuple[Columns, Iterator[tuple[int, Cells]]]:
    """The columns, by the first line that is not empty, and the rows below them."""
    for line, cells in rows:
        if not any(cell.strip() for cell in cells) or (line == 1 and cells[0].lstrip("\ufeff").startswith("sep=")):
            continue
        columns = recognise(cells)
        if columns is None:
            break
        return columns, rows if columns.has_heading else _again(line, cells, rows)
    raise BulletinError(f'{name} has no column "email".', hint="The first line should be: email,name,language")


def _again(line: int, cells: Cells, rows: Iterator[tuple[int, Cells]]) -> Iterator[tuple[int, Cells]]:
    yield line, cells
    yield from rows


def _usable(judged: Iterator[Row | RefusedRow], difference: Difference, refused: _RefusedFile) -> Iterator[Row]:
    for row in judged:
        if isinstance(row, RefusedRow):
            difference.refused_count += 1
            refused.add(row)
            if len(difference.refused) < SHOWN:
                difference.refused.append(RefusedRow(row.line, row.reason))
            continue
        if is_shared(row.email):
            difference.shared_count += 1
            if len(difference.shared) < SHOWN:
                difference.shared.append(row.line)
        yield row


def _describe(staged: Staging, difference: Difference, refused: _RefusedFile, request: Request) -> None:
    difference.counts = MappingProxyType(staged.counts())
    kinds = (NEW, CHANGED, LEFT, TAKEN_OFF, WAITING)
    difference.lines = MappingProxyType({kind: staged.lines(kind, SHOWN) for kind in kinds if difference.count(kind)})
    if difference.duplicate:
        for line, first, email in staged.duplicates():
            if len(difference.duplicates) < SHOWN:
                difference.duplicates.append((line, first))
            refused.add(RefusedRow(line, f"the same address stands in line {first}", (email,)))
    if request.known_lists is not None:
        difference.strange_lists = [name for name in staged.list_names() if name not in request.known_lists][:SHOWN]
    for domain, _, line in staged.domains():
        if len(difference.slips) < SHOWN and (better := meant(domain, request.known_domains)):
            difference.slips.append((line, domain, better))


class _RefusedFile:
    """Lines that cannot be used, beside the database, for the person to mend; 0600 and safe in a spreadsheet (Z-22)."""

    def __init__(self, path: Path | None, columns: Columns) -> None:
        self._path, self._columns = path, columns
        self._part = path.with_name(f"{path.name}.part") if path else None
        self._rows = 0

    def __enter__(self) -> _RefusedFile:
        if self._part:
            self._part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left_over in self._part.parent.glob("*.part"):
                left_over.unlink(missing_ok=True)
            self._file = os.fdopen(
                os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8", newline=""
            )
            self._writer = csv.writer(self._file)
            self._writer.writerow(["line", "reason", *map(_cell, self._columns.headings)])
        return self

    def add(self, row: RefusedRow) -> None:
        """Write a line down."""
        if self._part:
            self._rows += 1
            self._writer.writerow([row.line, row.reason, *map(_cell, row.cells)])

    def keep(self) -> Path | None:
        """Give the file its name, if there is a line in it."""
        if not self._path or not self._part or not self._rows:
            return None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.rename(self._path)
        return self._path

    def __exit__(self, *_: object) -> None:
        if self._part:
            self._file.close()
            self._part.unlink(missing_ok=True)


def _cell(value: str) -> str:
    return guarded(value.encode("utf-8", "replace").decode())
