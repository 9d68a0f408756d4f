"""Seconds and memory of importing a million readers: `python3 importing.py {yardstick|import} FOLDER [URL]`.

The yardstick is SQLite's own `.import` of the same file into one table with one unique index.
"""

from __future__ import annotations

import datetime as dt
import resource
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from bulletin.stores import database
from bulletin.subscribers import importing
from bulletin.subscribers.store import Subscribers
from bulletin.subscribers.tokens import AddressHashes

ROWS = 1_000_000


def write_list(path: Path, rows: int = ROWS) -> None:
    """A list of made-up readers, in no order, at many domains."""
    with path.open("w", encoding="utf-8") as file:
        file.write("email,name,organisation\n")
        for number in range(rows):
            mixed = number * 7919 % rows
            file.write(f"reader{mixed}@force{mixed % 400}.example.org,Reader {mixed},Force {mixed % 400}\n")


def yardstick(path: Path, folder: Path) -> float:
    """Seconds of SQLite's own shell."""
    file = folder / "yardstick.db"
    file.unlink(missing_ok=True)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE reader (email TEXT UNIQUE, name TEXT, organisation TEXT)")
    connection.close()
    began = time.perf_counter()
    command = ["sqlite3", "-csv", str(file), f".import --skip 1 '{path}' reader"]
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def ours(path: Path, url: str) -> tuple[float, float]:
    """Seconds, and the most memory in MB, of an import with its consent history into a new database."""
    secret = b"a made-up secret that is long enough"
    with database(url) as engine:
        request = importing.Request(path=path, now=dt.datetime.now(dt.UTC), basis="benchmark")
        began = time.perf_counter()
        found = importing.run(engine, Subscribers(engine, secret), AddressHashes(secret), request)
        took = time.perf_counter() - began
    assert found.new == ROWS, found
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """One measurement; its numbers on one line."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    path = folder / "readers.csv"
    if not path.exists():
        write_list(path)
    if what == "yardstick":
        print(yardstick(path, folder))
    if what == "import":
        url = sys.argv[3] if len(sys.argv) > 3 else f"sqlite:///{folder / 'bulletin.db'}"
        if url.startswith("sqlite"):
            for old in folder.glob("bulletin.db*"):
                old.unlink()
        print(*ours(path, url))


if __name__ == "__main__":
    main()
