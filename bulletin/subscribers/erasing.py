"""Traces of a reader outside the database: copies of it, mails kept on this machine. And the receipt of an erasure."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bulletin.subscribers.store import Erased

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Swept:
    """What was found in a folder and taken away; `left` still holds the address and has to be looked at by a person."""

    mails: int
    copies_cleaned: int
    copies_deleted: int
    left: tuple[Path, ...]


def sweep(folder: Path, email: str, erased: Erased) -> Swept:
    """Take an address out of every file below a folder (P-22): mails to it go, copies of the database lose its rows.

    A copy of the database that cannot be cleaned is deleted. The database in use is only looked at.
    """
    mails = cleaned = deleted = 0
    for path in list(files_holding(folder, email)):
        if path.suffix == ".eml":
            path.unlink()
            mails += 1
        elif path.parent.name == "backups":
            if _clean(path, email, erased):
                cleaned += 1
            else:
                path.unlink()
                deleted += 1
    return Swept(mails, cleaned, deleted, tuple(files_holding(folder, email)))


def files_holding(folder: Path, email: str) -> Iterator[Path]:
    """Every file below a folder with the address in its bytes, in large or small letters.

    In a text it has to stand for itself: joann@example.org is not ann@example.org. In a database, where values stand
    side by side, any such bytes count unless they are those of another reader.
    """
    for path in sorted(folder.rglob("*")):
        if not path.is_symlink() and path.is_file() and _holds(path, email.lower().encode()):
            yield path


def receipt(
    number: str, erased: Erased, swept: Swept, *, reason: str, at: str, publication: str
) -> tuple[dict[str, Any], str]:
    """An erasure as data and as text. Neither repeats the address; the first digits of the hash tell which it was."""
    data = {
        "receipt": number,
        "publication": publication,
        "erased_at": at,
        "reason": reason,
        "hash_starts_with": erased.hash[:12],
        "reader_was_known": erased.known,
        "consent_records_deleted": erased.records,
        "mails_deleted": swept.mails,
        "database_copies_cleaned": swept.copies_cleaned,
        "database_copies_deleted": swept.copies_deleted,
        "kept": ["keyed hash (HMAC-SHA-256) of the address", "reason", "date"],
    }
    known = "The reader's data and consent history were deleted" if erased.known else "No data of a reader was held"
    text = f"""Erasure receipt {number}

{publication}
Erased: {at}
Reason: {reason}

{known}.
Consent records deleted: {erased.records}
Mails kept on this machine and deleted: {swept.mails}
Copies of the database cleaned: {swept.copies_cleaned}, deleted: {swept.copies_deleted}

Kept: the reason, the date, and a keyed hash of the address that begins with
{erased.hash[:12]}. The address cannot be read from the hash. It serves one
purpose: no import adds the address again. Its owner can come back at any time
by signing up and confirming it.
"""
    return data, text


def _holds(path: Path, wanted: bytes) -> bool:
    alone = re.compile(rb"(?<![a-z0-9._+-])" + re.escape(wanted) + rb"(?!-|\.?[a-z0-9])")
    anywhere = re.compile(re.escape(wanted))
    tail = b""
    try:
        with open(path, "rb") as file:
            database = file.read(16) == b"SQLite format 3\0" or path.name.endswith("-wal")
            file.seek(0)
            while block := file.read(_BLOCK):
                if (anywhere if database else alone).search((tail + block).lower()):
                    return not (database and _is_part_of_another(path, wanted.decode()))
                tail = block[-len(wanted) - 1 :]
    except FileNotFoundError:  # gone since the folder was listed
        pass
    return False


def _is_part_of_another(path: Path, email: str) -> bool:
    """Whether a database holds the address only inside those of other readers."""
    question = "SELECT min(email <> ?) FROM subscriber WHERE instr(email, ?) > 0"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return bool(database.execute(question, (email, email)).fetchone()[0])
    except sqlite3.Error:
        return False


def _clean(path: Path, email: str, erased: Erased) -> bool:
    """Delete a reader from a copy of the database, of whatever version; whether the address is gone from its bytes."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            ids: Sequence[Any] = copy.execute("SELECT id FROM subscriber WHERE email = ?", (email,)).fetchall()
            copy.execute("DELETE FROM subscriber WHERE email = ?", (email,))
            for (subscriber,) in ids:
                for table in sorted(
                    {"consent", "membership", "confirmation", "import_change", "service_mail"} & tables
                ):
                    copy.execute(f"DELETE FROM {table} WHERE subscriber = ?", (subscriber,))  # noqa: S608 - named above
                if "delivery" in tables:
                    change = "UPDATE delivery SET reason = '', provider_id = '' WHERE subscriber = ?"
                    copy.execute(change, (subscriber,))
            if "suppression" in tables:  # whoever goes back to this copy still does not write to them
                row = (erased.hash, erased.key, "erased", erased.at.strftime("%Y-%m-%d %H:%M:%S.%f"))
                copy.execute("INSERT OR REPLACE INTO suppression (hash, key, reason, at) VALUES (?, ?, ?, ?)", row)
            copy.execute("VACUUM")
    except sqlite3.Error:
        return False
    return not _holds(path, email.lower().encode())
