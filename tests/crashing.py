"""Sends in child processes that are killed at random moments, and resumes each; prints how they ended, as JSON.

A process of its own because it forks: a child then starts at once, and has no threads of a test run in it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from mailing import ISSUE, Newsroom, addresses, config

from bulletin.delivery import sender as sending

READERS = 30


def newsroom(folder: Path, port: int) -> Newsroom:
    return Newsroom(folder, config(providers={"smtp": {"host": "127.0.0.1", "port": port, "tls": "none"}}))


def send(folder: Path, provider: str, port: int) -> None:
    room = newsroom(folder, port)
    with room.sender(provider) as sender:
        sending.run(sender, room.plan(provider), room.templates())


def warm_up(folder: Path, provider: str, port: int) -> None:
    """Load everything here once, so that children spend their lives sending."""
    folder.mkdir()
    room = newsroom(folder, port)
    room.subscribe(["warm@example.org"])
    send(folder, provider, port)


def in_child(folder: Path, provider: str, port: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            send(folder, provider, port)
            code = 0
        finally:
            os._exit(code)
    return child


def live(folder: Path, provider: str, port: int, moments: random.Random) -> bool:
    """Kill a sending process after a random time, twice; whether any was killed."""
    killed = False
    for _ in range(2):
        child = in_child(folder, provider, port)
        time.sleep(moments.uniform(0.0, 0.15))
        os.kill(child, signal.SIGKILL)
        killed |= os.WIFSIGNALED(os.waitpid(child, 0)[1])
    return killed


def main(base: Path, provider: str, runs: int, port: int) -> None:
    warm_up(base / "warm", provider, port)
    lives = []
    for run in range(runs):
        folder = base / f"run{run}"
        folder.mkdir()
        room = newsroom(folder, port)
        room.subscribe(addresses(READERS, "example.org" if provider == "outbox" else f"run{run}.example.org"))
        room.engine.dispose()
        killed = live(folder, provider, port, random.Random(run))  # noqa: S311
        _, status = os.waitpid(in_child(folder, provider, port), 0)
        assert status == 0, "resuming failed"
        room = newsroom(folder, port)
        standing = room.ledger.standing(ISSUE)
        assert standing
        people = {person.id: person.email for person in room.readers.all()}
        names = ("planned", "accepted", "unknown", "waiting")
        lives.append(
            {
                "run": run,
                "folder": str(folder),
                "killed": killed,
                "standing": {name: getattr(standing, name) for name in names},
                "unknown": [people[subscriber] for subscriber in room.ledger.unknown(ISSUE)],
            }
        )
        room.engine.dispose()
    json.dump(lives, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
