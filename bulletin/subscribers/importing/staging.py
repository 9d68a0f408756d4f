"""Compares a list with the readers there are, and takes it over: in steps on whole tables, in one transaction.

The list is put into tables that only this connection sees, which costs no reader of the database anything. Who may come
and go is asked of the one table of moves in `consent`, which is put beside them.
"""

# ruff: noqa: S608 - what is put together are names of columns and words of ours; values are bound

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Engine, bindparam, text

from bulletin.errors import BulletinError
from bulletin.model import SubscriberState
from bulletin.subscribers.consent import COMES_BACK_BY_OWN_CONSENT, MOVES, TAKES_BACK, Cause, Suppression
from bulletin.subscribers.importing.rows import Row
from bulletin.subscribers.store import Subscribers, take_turns
from bulletin.subscribers.tokens import AddressHashes
from bulletin.tables import Ids, Moment

_STAGED: Final = (
    *("line", "email", "hash", "id", "domain", "name", "organisation", "role", "language", "topics", "cause", "weight"),
)
_WEIGHT: Final = {Cause.IMPORT: 0, Cause.UNSUBSCRIBE: 1, Cause.BOUNCE: 2, Cause.COMPLAINT: 3}
"""Where an address stands in a file twice, the strongest word counts: nobody who left comes back by a second line."""
_CHUNK: Final = 5000
_FIELDS: Final = ("name", "organisation", "role", "language", "topics")

NEW, CHANGED, SAME, LEFT, TAKEN_OFF, WAITING = "new", "changed", "same", "left", "taken off", "waiting"
DUPLICATE: Final = "duplicate"


@dataclass(frozen=True, slots=True)
class Batch:
    """An import that was done."""

    number: int
    at: dt.datetime
    file: str
    added: int
    changed: int
    taken_off: int
    undone: bool


class Staging:
    """A list beside the readers, on one connection."""

    def __init__(self, connection: Connection, driver: Any, store: Subscribers, hashes: AddressHashes) -> None:
        self._connection, self._driver, self._store, self._hashes = connection, driver, store, hashes
        self._sqlite = connection.dialect.name == "sqlite"

    def fill(self, rows: Iterator[Row]) -> None:
        """Put the rows of a list beside the readers. No other program waits for this."""
        if self._sqlite:
            for pragma in ("cache_size=-65536", "temp.cache_size=-65536", "temp_store=FILE"):
                self._driver.execute(f"PRAGMA {pragma}")
            self._driver.execute("BEGIN")  # of the tables made here alone: it takes no lock on the readers
        texts = ", ".join(f"{name} TEXT" for name in _STAGED if name not in {"line", "weight"})
        # In the same order as the tuples below.
        self._driver.execute(f"CREATE TEMPORARY TABLE staged (line INTEGER, {texts}, weight INTEGER)")
        self._driver.execute("CREATE TEMPORARY TABLE staged_list (line INTEGER, list TEXT)")
        self._load("staged", self._tuples(rows))
        self._load("staged_list", iter(self._lists))
        self._driver.execute("COMMIT") if self._sqlite else self._driver.commit()

    def _tuples(self, rows: Iterator[Row]) -> Iterator[tuple[Any, ...]]:
        self._lists: list[tuple[int, str]] = []
        hashed, token = self._hashes.of, secrets.token_hex
        ids = Ids()
        for row in rows:
            topics = ids.process_bind_param(row.topics, None) if row.topics else ""
            email = row.email
            yield (
                row.line,
                email,
                hashed(email),
                token(10),
                email[email.rindex("@") + 1 :],
                row.name,
                row.organisation,
                row.role,
                row.language,
                topics,
                row.cause.value,
                _WEIGHT[row.cause],
            )
            if row.lists:
                self._lists += [(row.line, name) for name in row.lists]

    def _load(self, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
        if not self._sqlite:
            with self._driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        first = next(rows, None)
        if first is not None:
            marks = ", ".join("?" * len(first))
            self._driver.execute(f"INSERT INTO {table} VALUES ({marks})", first)
            self._driver.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def judge(self, into_list: str) -> None:
        """Say of each address what importing it would do. In the transaction that does it, or in one of its own."""
        take_turns(self._connection, alone=True)
        if not self._sqlite:
            self._connection.exec_driver_sql("SET LOCAL work_mem = '64MB'")  # lists are sorted and joined as a whole
            self._connection.exec_driver_sql("ANALYZE staged")
        self._store._states(self._connection, [])  # refuses a suppression list made with another secret
        self._moves()
        gone = ", ".join(f"'{state.value}'" for state in sorted(COMES_BACK_BY_OWN_CONSENT, key=str))
        differs = " OR ".join(f"(s.{field} <> '' AND s.{field} <> p.{field})" for field in _FIELDS)
        missing = "NOT EXISTS (SELECT 1 FROM membership k WHERE k.subscriber = p.id AND k.list = {})"
        in_file = f"EXISTS (SELECT 1 FROM staged_list l WHERE l.line = s.line AND {missing.format('l.list')})"
        more = [f"({differs})"]
        if self._lists:
            more.append(in_file)
        if into_list:
            more.append(missing.format("CAST(:list AS TEXT)"))
        self._run("DROP TABLE IF EXISTS judged")
        self._run(
            f"""CREATE TEMPORARY TABLE judged AS SELECT s.*, p.id AS known, m.after AS after, m.record AS record,
            m.writes AS writes, CASE
            WHEN s.cause = 'import' AND m.after IS NOT NULL THEN '{NEW}'
            WHEN m.after IS NOT NULL THEN '{TAKEN_OFF}'
            WHEN COALESCE(p.state, x.reason, '') IN ({gone}) THEN '{LEFT}'
            WHEN p.state = '{SubscriberState.PENDING.value}' THEN '{WAITING}'
            WHEN {" OR ".join(more)} THEN '{CHANGED}' ELSE '{SAME}' END AS kind
            FROM (SELECT * FROM (SELECT staged.*, ROW_NUMBER() OVER (PARTITION BY email ORDER BY weight DESC, line) AS n
                FROM staged) numbered WHERE n = 1) s
            LEFT JOIN subscriber p ON p.email = s.email
            LEFT JOIN suppression x ON x.hash = s.hash
            LEFT JOIN moves m ON m.cause = s.cause AND m.before = COALESCE(p.state, x.reason, '')""",
            **({"list": into_list} if into_list else {}),
        )

    def _moves(self) -> None:
        self._run("DROP TABLE IF EXISTS moves")
        self._run("CREATE TEMPORARY TABLE moves (cause TEXT, before TEXT, after TEXT, record TEXT, writes INTEGER)")
        rows = [
            {
                "cause": cause.value,
                "before": before.value if before else "",
                "after": change.after.value,
                "record": change.record,
                "writes": int(change.suppression is Suppression.WRITTEN),
            }
            for (cause, before), change in MOVES.items()
            if cause in _WEIGHT and change.after
        ]
        self._connection.execute(text("INSERT INTO moves VALUES (:cause, :before, :after, :record, :writes)"), rows)

    # ---- asking

    def counts(self) -> dict[str, int]:
        """How many addresses would meet each fate."""
        counts = {kind: int(number) for kind, number in self._run("SELECT kind, COUNT(*) FROM judged GROUP BY kind")}
        rows = self._run("SELECT COUNT(*) FROM staged").scalar_one()
        return counts | {DUPLICATE: int(rows) - sum(counts.values())}

    def lines(self, kind: str, most: int) -> list[int]:
        """The first lines with a fate."""
        found = self._run("SELECT line FROM judged WHERE kind = :kind ORDER BY line LIMIT :most", kind=kind, most=most)
        return [int(line) for (line,) in found]

    def duplicates(self) -> Iterator[tuple[int, int, str]]:
        """Each line whose address another line has, too: its number, the one that counts, and the address."""
        found = self._run(
            "SELECT s.line, j.line, s.email FROM staged s JOIN judged j ON j.email = s.email AND j.line <> s.line"
            " ORDER BY s.line"
        )
        while some := found.fetchmany(_CHUNK):
            yield from ((int(line), int(first), email) for line, first, email in some)

    def domains(self) -> Iterator[tuple[str, int, int]]:
        """Each domain of the addresses that would be added, how often, and the first line with it."""
        found = self._run(
            "SELECT domain, COUNT(*), MIN(line) FROM judged WHERE kind = :kind GROUP BY domain ORDER BY 3", kind=NEW
        )
        while some := found.fetchmany(_CHUNK):
            yield from ((domain, int(count), int(line)) for domain, count, line in some)

    def list_names(self) -> list[str]:
        """The lists that the file's own column names."""
        return [name for (name,) in self._run("SELECT DISTINCT list FROM staged_list ORDER BY list")]

    # ---- doing

    def take_over(self, *, now: dt.datetime, how: str, basis: str, source: str, into_list: str) -> Batch:
        """Do what was judged, suppression last, and remember it so that it can be undone."""
        at = self._moment(now)
        counts = self.counts()
        number = self._note(at, source, basis, counts)
        known = {"at": at, "how": how, "list": into_list, "basis": basis, "source": source}
        self._run(
            "INSERT INTO subscriber"
            " (id, email, name, language, state, created_at, changed_at, organisation, role, topics, domain,"
            " address_hash) SELECT id, email, name, language, after, :at, :at, organisation, role, topics, domain, hash"
            " FROM judged WHERE kind = 'new' ORDER BY email",
            at=at,
        )
        self._change_details(number)
        self._take_off(at)
        self._run(
            "INSERT INTO consent (subscriber, what, at, how, route, list, basis, source)"
            " SELECT COALESCE(known, id) AS whose, record, :at, :how, 'import',"
            " CASE WHEN kind = 'new' THEN CAST(:list AS TEXT) ELSE '' END, :basis, :source FROM judged"
            " WHERE kind = 'new' OR (kind = 'taken off' AND known IS NOT NULL) ORDER BY whose",
            **known,
        )
        self._join_lists(at, into_list)
        self._suppress(at)
        return Batch(
            number, at, source, counts.get(NEW, 0), counts.get(CHANGED, 0), counts.get(TAKEN_OFF, 0), undone=False
        )

    def _moment(self, now: dt.datetime) -> dt.datetime:
        """The import's own moment, which no other import has."""
        last = batches(self._connection)
        return max(now, last[0].at + dt.timedelta(microseconds=1)) if last else now

    def _note(self, at: dt.datetime, source: str, basis: str, counts: Mapping[str, int]) -> int:
        # What readers were called before an older import is of no use any more: only the last one can be undone.
        self._run("DELETE FROM import_change")
        self._run(
            "INSERT INTO import_batch (at, file, basis, added, changed, taken_off)"
            " VALUES (:at, :file, :basis, :added, :changed, :off)",
            at=at,
            file=source,
            basis=basis,
            added=counts.get(NEW, 0),
            changed=counts.get(CHANGED, 0),
            off=counts.get(TAKEN_OFF, 0),
        )
        return int(self._run("SELECT MAX(number) FROM import_batch").scalar_one())

    def _change_details(self, number: int) -> None:
        old = ", ".join(f"p.{field}" for field in _FIELDS)
        new = ", ".join(f"COALESCE(NULLIF(j.{field}, ''), p.{field})" for field in _FIELDS)
        self._run(
            f"INSERT INTO import_change (batch, subscriber, {_columns('old')}, {_columns('new')})"
            f" SELECT :batch, p.id, {old}, {new} FROM judged j JOIN subscriber p ON p.id = j.known"
            " WHERE j.kind = 'changed'",
            batch=number,
        )
        values = ", ".join(f"{field} = c.new_{field}" for field in _FIELDS)
        self._run(
            f"UPDATE subscriber SET {values} FROM import_change c WHERE c.subscriber = subscriber.id AND c.batch = :b",
            b=number,
        )

    def _take_off(self, at: dt.datetime) -> None:
        self._run(
            "UPDATE subscriber SET state = j.after, changed_at = :at FROM judged j"
            " WHERE j.known = subscriber.id AND j.kind = 'taken off'",
            at=at,
        )
        causes = ", ".join(f"'{cause.value}'" for cause in TAKES_BACK)
        self._run(
            "UPDATE confirmation SET used_at = :at WHERE used_at IS NULL AND purpose = 'confirm' AND subscriber IN"
            f" (SELECT known FROM judged WHERE known IS NOT NULL AND (kind = '{TAKEN_OFF}' OR cause IN ({causes})))",
            at=at,
        )

    def _join_lists(self, at: dt.datetime, into_list: str) -> None:
        who = "j.kind IN ('new', 'changed')"
        if self._lists:
            self._run(
                "INSERT INTO membership (subscriber, list, since)"
                " SELECT DISTINCT COALESCE(j.known, j.id), l.list, :at FROM judged j"
                f" JOIN staged_list l ON l.line = j.line WHERE {who} AND NOT EXISTS (SELECT 1 FROM membership k"
                " WHERE k.subscriber = COALESCE(j.known, j.id) AND k.list = l.list)",
                at=at,
            )
        if into_list:
            self._run(
                "INSERT INTO membership (subscriber, list, since)"
                f" SELECT COALESCE(j.known, j.id), CAST(:list AS TEXT), :at FROM judged j WHERE {who} AND NOT EXISTS"
                " (SELECT 1 FROM membership k WHERE k.subscriber = COALESCE(j.known, j.id)"
                " AND k.list = CAST(:list AS TEXT))",
                at=at,
                list=into_list,
            )

    def _suppress(self, at: dt.datetime) -> None:
        erased = SubscriberState.ERASED.value
        self._run(
            "DELETE FROM suppression WHERE reason <> :erased AND hash IN (SELECT hash FROM judged WHERE writes = 1)",
            erased=erased,
        )
        self._run(
            "INSERT INTO suppression (hash, key, reason, at) SELECT hash, :key, after, :at FROM judged"
            " WHERE writes = 1 AND hash NOT IN (SELECT hash FROM suppression)",
            key=self._hashes.key_id,
            at=at,
        )

    def _run(self, statement: str, **values: Any) -> Any:
        return _run(self._connection, statement, **values)


@contextmanager
def stage(engine: Engine, store: Subscribers, hashes: AddressHashes) -> Iterator[tuple[Connection, Staging]]:
    """A connection of its own with room for a list beside the readers; both are gone at the end."""
    connection = engine.connect()
    driver = connection.connection.driver_connection
    connection.detach()  # not given to anybody else afterwards
    try:
        yield connection, Staging(connection, driver, store, hashes)
    finally:
        connection.close()


def batches(connection: Connection) -> list[Batch]:
    """The imports there were, the last one first; at most ten."""
    rows = connection.execute(
        text(
            "SELECT number, at, file, added, changed, taken_off, undone_at FROM import_batch ORDER BY number DESC"
        ).columns(at=Moment, undone_at=Moment)
    )
    return [
        Batch(row.number, row.at, row.file, row.added, row.changed, row.taken_off, undone=row.undone_at is not None)
        for row in islice(rows, 10)
    ]


def undo(connection: Connection, now: dt.datetime) -> Batch:
    """Take the last import back: who it added goes, what it changed is as before. Who it took off stays off.

    Raises `BulletinError` and changes nothing if there is none, or if its readers changed since. Runs in the caller's
    transaction.
    """
    take_turns(connection, alone=True)
    found = [batch for batch in batches(connection) if not batch.undone][:1]
    if not found:
        raise BulletinError("there is no import to undo.", hint="See: bulletin subscribers list")
    batch = found[0]
    if any(number for number in (_touched(connection, batch), _edited(connection, batch))):
        raise BulletinError(
            f"readers of the import of {batch.file} changed since, or were sent something, so it is not undone.",
            hint="Take single readers off with: bulletin subscribers unsubscribe ADDRESS",
        )
    values = ", ".join(f"{field} = c.old_{field}" for field in _FIELDS)
    _run(
        connection,
        f"UPDATE subscriber SET {values} FROM import_change c WHERE c.subscriber = subscriber.id AND c.batch = :batch",
        batch=batch.number,
    )
    _run(connection, "DELETE FROM membership WHERE since = :at", at=batch.at)
    _run(connection, "DELETE FROM subscriber WHERE created_at = :at", at=batch.at)
    _run(connection, "DELETE FROM import_change")
    _run(connection, "UPDATE import_batch SET undone_at = :at WHERE number = :batch", at=now, batch=batch.number)
    return batch


def _touched(connection: Connection, batch: Batch) -> int:
    """Readers the import added who are gone, moved, agreed to more, or were sent something."""
    fresh = _run(
        connection,
        """SELECT COUNT(*) FROM subscriber p WHERE created_at = :at AND changed_at = :at AND paused_until IS NULL
        AND (SELECT COUNT(*) FROM consent c WHERE c.subscriber = p.id) = 1
        AND NOT EXISTS (SELECT 1 FROM confirmation c WHERE c.subscriber = p.id)
        AND NOT EXISTS (SELECT 1 FROM membership k WHERE k.subscriber = p.id AND k.since <> :at)
        AND p.id NOT IN (SELECT subscriber FROM delivery)""",
        at=batch.at,
    ).scalar_one()
    there = _run(connection, "SELECT COUNT(*) FROM subscriber WHERE created_at = :at", at=batch.at).scalar_one()
    return abs(int(fresh) - batch.added) + abs(int(there) - batch.added)


def _edited(connection: Connection, batch: Batch) -> int:
    """Readers whose details the import changed and whose details somebody changed again, or who are gone."""
    same = " AND ".join(f"p.{field} = c.new_{field}" for field in _FIELDS)
    kept = _run(
        connection,
        f"SELECT COUNT(*) FROM import_change c JOIN subscriber p ON p.id = c.subscriber WHERE c.batch = :b AND {same}",
        b=batch.number,
    ).scalar_one()
    return abs(int(kept) - batch.changed)


def _columns(age: str) -> str:
    return ", ".join(f"{age}_{field}" for field in _FIELDS)


def _run(connection: Connection, statement: str, **values: Any) -> Any:
    moments: Sequence[Any] = [bindparam("at", type_=Moment)] if "at" in values else []
    return connection.execute(text(statement).bindparams(*moments), values)
