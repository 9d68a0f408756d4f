"""The batches of a mailing as jobs of PgQueuer, so that any number of machines can send it together.

Jobs lie in the same PostgreSQL database as the ledger. Each is a ticket to work on a mailing: whoever holds one claims
batches in its name until none is left, with the same steps as a sender that works alone. A worker that dies stops
saying that it is alive; another one then gets its ticket, decides about what was claimed in its name, and goes on.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import signal
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text

from bulletin.delivery.claiming import Run
from bulletin.errors import BulletinError
from bulletin.tables import batches

ENTRYPOINT = "bulletin_batch"
DEAD_AFTER = dt.timedelta(seconds=30)
"""How long a worker that says nothing still counts as alive."""

_MOST_TICKETS = 1000
"""More of them than workers have hands are of no use."""


class _InTransaction:
    """What PgQueuer asks with, in a transaction that is open already: jobs are seen when it is kept, and not before."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Any = connection.connection.driver_connection

    def fetch(self, query: str, *args: Any) -> list[dict[str, Any]]:
        """Every row, by column."""
        from psycopg import RawCursor
        from psycopg.rows import dict_row

        cursor = RawCursor(self._connection, row_factory=dict_row)
        cursor.execute(query, args or None)
        return cursor.fetchall()


def hand_out(connection: Connection, run: Run) -> int:
    """A ticket for each batch of a run that is in nobody's hands, in the transaction that is open; how many."""
    from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
    from pgqueuer.queries import SyncQueries

    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7237)")  # two that come first make one set of tables
    if connection.scalar(text("SELECT to_regclass('pgqueuer')")) is None:
        connection.exec_driver_sql(QueryBuilderEnvironment().build_install_query().replace("%", "%%"))
    mine = (batches.c.mailing == run.number, batches.c.worker == "")
    open_now = connection.scalar(select(func.count()).select_from(batches).where(*mine)) or 0
    number = min(open_now, _MOST_TICKETS)
    if number:
        payload = json.dumps({"mailing": run.mailing, "run": run.run}).encode()
        queries = SyncQueries(_InTransaction(connection))
        queries.enqueue([ENTRYPOINT] * number, [payload] * number, [0] * number)
    return number


def tickets(engine: Engine, mailing: str, run: int) -> int:
    """How many tickets of a run are waiting, or in a worker's hands."""
    payload = json.dumps({"mailing": mailing, "run": run}).encode()
    with engine.connect() as connection:
        if connection.scalar(text("SELECT to_regclass('pgqueuer')")) is None:
            return 0
        counted = text("SELECT count(*) FROM pgqueuer WHERE entrypoint = :entrypoint AND payload = :payload")
        return connection.scalar(counted, {"entrypoint": ENTRYPOINT, "payload": payload}) or 0


def work(
    engine: Engine,
    handle: Callable[[str, int, str], None],
    *,
    hands: int,
    dead_after: dt.timedelta = DEAD_AFTER,
    until_empty: bool = False,
) -> None:
    """Take tickets until told to stop, as many at once as there are hands: `handle` gets mailing, run and ticket.

    `until_empty` ends it when there is none left. Ctrl-C, or the system, ends it once what is in hand is recorded.
    """
    if engine.dialect.name != "postgresql":
        raise BulletinError(
            "workers need PostgreSQL, and this database is SQLite.",
            hint="Name one in BULLETIN_DATABASE_URL. On one machine, bulletin send does all the work itself.",
        )
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    asyncio.run(_work(address, handle, hands=max(2, hands), dead_after=dead_after, until_empty=until_empty))


async def _work(
    address: str,
    handle: Callable[[str, int, str], None],
    *,
    hands: int,
    dead_after: dt.timedelta,
    until_empty: bool,
) -> None:
    from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
    from pgqueuer.domain.models import Job
    from pgqueuer.domain.types import QueueExecutionMode
    from pgqueuer.qm import QueueManager
    from pgqueuer.queries import Queries
    from psycopg import AsyncConnection

    async with await AsyncConnection.connect(address, autocommit=True) as connection:
        queries = Queries(PsycopgDriver(connection))
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(7237)")
            if not await queries.has_table("pgqueuer"):
                await queries.install()
        manager = QueueManager(queries)

        @manager.entrypoint(ENTRYPOINT)
        async def ticket(job: Job) -> None:
            wanted = json.loads(job.payload or b"{}")
            await asyncio.to_thread(handle, wanted["mailing"], wanted["run"], f"ticket {job.id}")

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, manager.shutdown.set)
        await manager.run(
            dequeue_timeout=dead_after / 2,
            batch_size=1,
            mode=QueueExecutionMode.drain if until_empty else QueueExecutionMode.continuous,
            max_concurrent_tasks=hands,
            heartbeat_timeout=dead_after,
        )
