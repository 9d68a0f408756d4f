"""Reads a table out of any file somebody calls a list: CSV in whatever encoding and with whatever separator, or Excel.

Rows come one at a time, so that a list of any length needs no more memory than a short one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from bulletin.errors import BulletinError

Cells = Sequence[str]

_SAMPLE: Final = 1 << 16
_LONGEST_LINE: Final = 1 << 20
_MOST_SHEET_BYTES: Final = 1 << 30
_MOST_TEXT_BYTES: Final = 64 << 20
"""The words of a workbook are held in memory at once."""
_MOST_SHRUNK: Final = 200
"""No list of people shrinks this many times when it is packed; something made to fill a memory does."""
_SEPARATORS: Final = ",;\t|"
_SAVE_AS: Final = 'Save it from the spreadsheet as "CSV UTF-8 (comma delimited)", or as an Excel workbook (.xlsx).'

_OTHER_KINDS: Final = (
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3\0", "a database"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
)
_NAMES: Final = {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252", "mac_roman": "Mac Roman", "cp850": "DOS (850)"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is being read: how it was understood, and its rows with their line numbers, the first one included.

    In a workbook a line is a row of the sheet.
    """

    understood: str
    """Encoding and separator, or which sheet, in words."""
    rows: Iterator[tuple[int, Cells]]


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """The table in a file. Raises `BulletinError` if it cannot be read as one, also while its rows are read."""
    if not path.is_file():  # it is read more than once
        raise BulletinError(f"{path.name} is no file on a disk.", hint="Save the list as a file first.")
    with open(path, "rb") as file:
        head = file.read(_SAMPLE)
    if head.startswith(b"PK\x03\x04"):
        with _workbook(path) as table:
            yield table
        return
    for magic, kind in _OTHER_KINDS:
        if head.startswith(magic):
            raise BulletinError(f"{path.name} is {kind}, not a list.", hint=_SAVE_AS)
    encoding = _encoding(path, head)
    with open(path, encoding=encoding, newline="") as text:
        first = _first_line(text, path.name)
        separator = _separator(first)
        named = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}.get(separator, f'"{separator}"')
        understood = f"{_NAMES.get(encoding, encoding.upper().replace('_', '-'))}, separated by {named}"
        yield Table(understood, _csv_rows(text, separator, path.name))


# ---------------------------------------------------------------- text


def _encoding(path: Path, head: bytes) -> str:
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return name
    if b"\0" in head:
        return _of_two_bytes(path, head)
    if _decodes(path, "utf-8"):
        return "utf-8-sig"
    from charset_normalizer import from_bytes

    sample = _telling(path) or head
    guess = from_bytes(sample, cp_isolation=["cp1252", "mac_roman", "cp850"]).best()
    for name in (guess.encoding if guess else "cp1252", "cp1252", "mac_roman"):
        if _decodes(path, name):
            return name
    raise BulletinError(f"{path.name} is no text in any encoding that spreadsheets write.", hint=_SAVE_AS)


def _of_two_bytes(path: Path, head: bytes) -> str:
    """UTF-16 without its mark: plain letters have a zero byte on one side, always the same one."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    few = len(head) // 20
    name = "utf-16-le" if odd > len(head) // 4 and even <= few else "utf-16-be"
    if (name == "utf-16-be" and not (even > len(head) // 4 and odd <= few)) or not _decodes(path, name):
        raise BulletinError(f"{path.name} holds NUL bytes, so it is no text.", hint=_SAVE_AS)
    return name


def _decodes(path: Path, encoding: str) -> bool:
    import codecs

    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with open(path, "rb") as file:
        try:
            while block := file.read(_LONGEST_LINE):
                if len(block) == _LONGEST_LINE and not (b"\n" in block or b"\r" in block):
                    raise _too_long(path.name, line)  # now, and not after another two billion bytes
                line += block.count(b"\n")
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _telling(path: Path) -> bytes:
    """The first lines that hold anything beyond ASCII; only they tell one old encoding from another."""
    found: list[bytes] = []
    size = 0
    with open(path, "rb") as file:
        while size < _SAMPLE and (line := file.readline(_LONGEST_LINE)):
            if not line.isascii():
                found.append(line)
                size += len(line)
    return b"".join(found)[: 2 * _SAMPLE]


def _first_line(text: io.TextIOBase, name: str) -> str:
    line = _line(text, 1, name)
    told = re.fullmatch(r"\ufeff?sep=(.)\s*", line)
    if told:
        return told[0]  # the line Excel writes for itself; what follows is the heading
    text.seek(0)
    return line


def _separator(first: str) -> str:
    told = re.fullmatch(r"\ufeff?sep=(.)\s*", first)
    if told:
        return told[1]
    bare = re.sub(r'"[^"]*"', "", first)
    return max(_SEPARATORS, key=bare.count)


def _line(text: io.TextIOBase, number: int, name: str) -> str:
    line = text.readline(_LONGEST_LINE)
    if len(line) >= _LONGEST_LINE:
        raise _too_long(name, number)
    return line


def _too_long(name: str, line: int) -> BulletinError:
    return BulletinError(f"{name}, line {line} is longer than a million characters: this is no list.")


def _csv_rows(text: io.TextIOBase, separator: str, name: str) -> Iterator[tuple[int, Cells]]:
    def lines() -> Iterator[str]:
        number = 1
        while line := _line(text, number, name):
            if "\0" in line:
                raise BulletinError(f"{name}, line {number} holds a NUL, so this is no text.", hint=_SAVE_AS)
            number += 1
            yield line

    reader = csv.reader(lines(), delimiter=separator, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise BulletinError(f"{name}, line {reader.line_num}: this is not a CSV file: {error}.") from None


# ---------------------------------------------------------------- Excel


@contextmanager
def _workbook(path: Path) -> Iterator[Table]:
    import zipfile

    broken = BulletinError(f"{path.name} is a zip archive, not a list.", hint=_SAVE_AS)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise broken from None
    sizes = {entry.filename: entry.file_size for entry in entries}
    if "xl/workbook.xml" not in sizes:
        raise broken
    words = sum(size for name, size in sizes.items() if not name.startswith("xl/worksheets/"))
    swells = any(entry.file_size > max(16 * _SAMPLE, entry.compress_size * _MOST_SHRUNK) for entry in entries)
    if swells or max(sizes.values()) > _MOST_SHEET_BYTES or words > _MOST_TEXT_BYTES:
        raise BulletinError(f"{path.name} would be too large once unpacked.", hint="Save the list alone, as CSV UTF-8.")
    with open(path, "rb") as file, _opened(file, path.name) as book:  # the library leaves damaged ones open
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not sheets:
            raise BulletinError(f"{path.name} has no sheet that can be seen.", hint=_SAVE_AS)
        sheet = sheets[0]
        sheet.reset_dimensions()  # what the file says of its size is often wrong
        understood = f'Excel, sheet "{sheet.title}"' + (f", {len(sheets) - 1} more not read" if sheets[1:] else "")
        yield Table(understood, _sheet_rows(sheet, path.name))


@contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[Any]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception:  # whatever a damaged workbook breaks
        raise BulletinError(f"{name} is a damaged Excel file.", hint=_SAVE_AS) from None
    try:
        yield book
    finally:
        book.close()


def _sheet_rows(sheet: object, name: str) -> Iterator[tuple[int, Cells]]:
    try:
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):  # type: ignore[attr-defined] # no types
            yield number, ["" if cell is None else str(cell) for cell in row]
    except BulletinError:
        raise
    except Exception:  # a damaged sheet
        raise BulletinError(f"{name} is a damaged Excel file.", hint=_SAVE_AS) from None
