"""A whole mailing by HTTP, beside a bare loop that posts the same bodies: `mailing_http.py FOLDER [RECIPIENTS]`.

Prints, as JSON, seconds and memory of planning, sending and going on after half of it, with their yardsticks:

- planning: one `INSERT ... SELECT` of as many ledger rows in the same database;
- sending: `requests` posting the same prebuilt bodies, of 1,000 recipients each, to the same server.

Each is measured in a process of its own. The server reads every request and answers, in a process of its own.
"""
# ruff: noqa: PLC0415 - what is measured loads nothing that it does not need

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

RECIPIENTS = 1_000_000
BATCH = 1000
ANSWER = json.dumps({"id": "<20240530.1@news.example.org>", "message": "Queued. Thank you."}).encode()
KEYS = {"BULLETIN_MAILGUN_KEY": "key-made-up"}


# ---------------------------------------------------------------- the server


class Reader(asyncio.Protocol):
    """Reads requests to their ends, takes each apart and answers; keeps the first, which is what a bare loop posts."""

    kept: Path
    first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.head, self.body, self.wanted = transport, b"", [b""], -1

    def data_received(self, data: bytes) -> None:
        while data:
            if self.wanted < 0:
                self.head += data
                head, end, data = self.head.partition(b"\r\n\r\n")
                if not end:
                    return
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                self.wanted, self.body = int(lengths[0].partition(b":")[2]) if lengths else 0, []
                self.head = head
            self.body.append(data[: self.wanted])
            taken, data = len(self.body[-1]), data[self.wanted :]
            self.wanted -= taken
            if not self.wanted:
                self.answer(b"".join(self.body))

    def answer(self, body: bytes) -> None:
        """What a mail service says to a call for as many readers as it has values for."""
        if Reader.first:
            Reader.first = False
            Reader.kept.write_bytes(self.head + b"\r\n\r\n" + body)
        said = body.rpartition(b'name="recipient-variables"\r\n\r\n')[2].partition(b"\r\n--")[0]
        good = not said or len(json.loads(said)) == body.count(b'name="to"')
        self.head, self.wanted = b"", -1
        status, length = (b"200 OK" if good else b"400 Bad Request"), str(len(ANSWER)).encode()
        self.transport.write(
            b"HTTP/1.1 "
            + status
            + b"\r\nContent-Type: application/json\r\nContent-Length: "
            + length
            + b"\r\n\r\n"
            + ANSWER
        )


async def serve(kept: Path) -> None:
    """Serve on a free port until killed; prints the port."""
    Reader.kept = kept
    server = await asyncio.get_running_loop().create_server(Reader, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def served(kept: Path) -> Iterator[str]:
    """The server's address."""
    command = [sys.executable, __file__, "--serve", str(kept)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.kill()
        server.wait()


# ---------------------------------------------------------------- steps, each in a process of its own


def room_of(folder: Path, endpoint: str = "http://127.0.0.1:1") -> Any:
    """The publication: the May issue's mail, which is what a real one weighs."""
    from mailing import Newsroom, config

    from bulletin import flow
    from bulletin.config import Sending
    from bulletin.publication import open_publication

    home = open_publication(HERE, {"BULLETIN_SECRET": "a-secret-for-measuring-times-only"})
    may = next(one for one in flow.render(home, "2024-05") if one.audience == "everyone")

    mailgun = {"domain": "news.example.org", "endpoint": endpoint}
    settings = config(audiences=(), sending=Sending(provider="mailgun", batch=BATCH), providers={"mailgun": mailgun})
    room = Newsroom(folder, settings)
    return room, [may]


def fill(folder: Path, recipients: int) -> None:
    """Readers in no order, as many imports leave them."""
    room, _ = room_of(folder)
    with room.engine.begin() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO subscriber (id, email, name, language, state, created_at, changed_at, domain, address_hash)"
            " SELECT lower(hex(randomblob(10))), 'reader' || i || '@force' || (i % 400) || '.example.org', '', '',"
            " 'subscribed', '2024-05-01 12:00:00', '2024-05-01 12:00:00', 'force' || (i % 400) || '.example.org',"
            " lower(hex(randomblob(32))) FROM n",
            (recipients,),
        )
        rows = connection.exec_driver_sql("SELECT count(*) FROM subscriber").scalar()
    assert rows == recipients


def plan(folder: Path, recipients: int) -> dict[str, float]:
    """Seconds of planning and of entering the plan, then of inserting as many rows as they are."""
    room, editions = room_of(folder)
    began = time.perf_counter()
    assert room.enter("mailgun", editions, batch=BATCH) == recipients
    ours = time.perf_counter() - began
    memory = peak_mb()
    with room.engine.begin() as connection:
        table = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'delivery'").scalar()
        connection.exec_driver_sql(str(table).replace("delivery", "yardstick"))
        began = time.perf_counter()
        connection.exec_driver_sql(
            "INSERT INTO yardstick SELECT 1, row_number() OVER (ORDER BY id), id, 'everyone.en-GB', 'planned', 0,"
            " '', '', '', NULL, '2024-05-30 12:00:00.000000' FROM subscriber"
        )
        theirs = time.perf_counter() - began
        connection.exec_driver_sql("DROP TABLE yardstick")
    return {"plan_s": ours, "insert_s": theirs, "plan_mb": memory}


def send(folder: Path, recipients: int, endpoint: str) -> dict[str, float]:
    """Seconds of sending, and of sending the first message after the start."""
    from bulletin.delivery import sender as sending

    room, editions = room_of(folder, endpoint)
    first: list[float] = []
    began = time.perf_counter()
    with room.sender("mailgun", KEYS) as made:
        sender = replace(
            made,
            question=room.question(editions),
            connections=int(os.environ.get("SESSIONS", made.capabilities.connections)),
            on_progress=lambda done, planned: first.append(time.perf_counter() - began) if not first else None,
        )
        made_plan = room.plan("mailgun", editions) if not room.ledger.waiting("2024-05") else resumed(room, editions)
        standing = sending.run(sender, made_plan, room.templates(editions))
    took = time.perf_counter() - began
    assert standing.finished, standing
    assert standing.accepted == recipients
    return {"send_s": took, "send_cpu_s": time.process_time(), "first_s": first[0], "send_mb": peak_mb()}


def resumed(room: Any, editions: Any) -> Any:
    """What `flow.prepare_sending` makes of a mailing that was interrupted: nobody is looked at anew."""
    from bulletin.delivery.plan import make_plan

    return make_plan("2024-05", editions, (), room.config, "mailgun")


def bare(kept: Path, recipients: int, endpoint: str) -> dict[str, float]:
    """Seconds of a bare loop over `requests`."""
    import requests

    head, _, body = kept.read_bytes().partition(b"\r\n\r\n")
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
    headers = {name.decode(): value.decode() for name, _, value in lines if name.lower() == b"content-type"}
    began = time.perf_counter()
    with requests.Session() as session:
        for _ in range(recipients // BATCH):
            answer = session.post(f"{endpoint}/v3/news.example.org/messages", data=body, headers=headers, timeout=60)
            assert answer.json()["id"]
    return {"bare_s": time.perf_counter() - began, "body_bytes": len(body)}


def peak_mb() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---------------------------------------------------------------- all of them


def in_process(step: str, *arguments: object) -> dict[str, float]:
    """Run a step in a process of its own; its numbers."""
    command = [sys.executable, __file__, f"--{step}", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def interrupted(folder: Path, recipients: int, endpoint: str) -> dict[str, float]:
    """Kill a sending half-way, and go on: seconds from the start to the first new message."""
    from sqlalchemy import create_engine

    command = [sys.executable, __file__, "--send", str(folder), str(recipients), endpoint]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    engine = create_engine(f"sqlite:///{folder / 'bulletin.db'}")
    left = recipients // BATCH
    while left > recipients // BATCH // 2:
        time.sleep(0.05)
        with engine.connect() as connection:
            left = connection.exec_driver_sql("SELECT count(*) FROM batch").scalar() or left
    child.send_signal(signal.SIGKILL)
    child.wait()
    with engine.connect() as connection:
        in_hand = connection.exec_driver_sql("SELECT count(*) FROM delivery WHERE state = 'claimed'").scalar()
    engine.dispose()
    return {"left": left * BATCH, "in_hand": in_hand or 0} | in_process("resume", folder, recipients, endpoint)


def resume(folder: Path, recipients: int, endpoint: str) -> dict[str, float]:
    """Go on, and stop after the first message."""
    from bulletin.delivery import sender as sending

    class Enough(Exception):  # noqa: N818 - it is none
        pass

    began = time.perf_counter()
    room, editions = room_of(folder, endpoint)
    first: list[float] = []

    def note(done: int, planned: int) -> None:
        first.append(time.perf_counter() - began)
        raise Enough

    with room.sender("mailgun", KEYS) as made:
        sender = replace(made, question=room.question(editions), on_progress=note)
        with suppress(Enough):
            sending.run(sender, resumed(room, editions), room.templates(editions), accept_doubts=True)
    return {"resume_s": first[0], "resume_mb": peak_mb()}


def main(folder: Path, recipients: int) -> dict[str, float]:
    """Everything, one after the other."""
    results: dict[str, float] = {"recipients": recipients}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("bulletin.db*"):
        old.unlink()
    (folder / "sending.json").unlink(missing_ok=True)
    kept = folder / "body"
    in_process("fill", folder, recipients)
    results |= in_process("plan", folder, recipients)
    before = folder / "planned"
    shutil.copyfile(folder / "bulletin.db", before)  # not read at once: the memory of what comes next counts from ours
    with served(kept) as endpoint:
        results |= in_process("send", folder, recipients, endpoint)
        results |= in_process("bare", kept, recipients, endpoint)
        if recipients < 100 * BATCH:  # over before anybody could kill it half-way
            return results
        for old in folder.glob("bulletin.db*"):
            old.unlink()
        (folder / "sending.json").unlink(missing_ok=True)
        before.rename(folder / "bulletin.db")
        results |= interrupted(folder, recipients, endpoint)
    return results


STEPS: dict[str, Callable[..., dict[str, float] | None]] = {
    "--fill": lambda folder, number: fill(Path(folder), int(number)),
    "--plan": lambda folder, number: plan(Path(folder), int(number)),
    "--send": lambda folder, number, endpoint: send(Path(folder), int(number), endpoint),
    "--bare": lambda kept, number, endpoint: bare(Path(kept), int(number), endpoint),
    "--resume": lambda folder, number, endpoint: resume(Path(folder), int(number), endpoint),
    "--serve": lambda kept: asyncio.run(serve(Path(kept))),
}

if __name__ == "__main__":
    if sys.argv[1] in STEPS:
        print(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:]) or {}))
    else:
        print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else RECIPIENTS), indent=2))
