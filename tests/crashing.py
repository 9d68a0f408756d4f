"""Sends in child processes that are killed at random moments, through servers that misbehave; prints what came of it.

Standard input: `{"way": provider, "lives": [{"seed": ..., "folder": ..., "url": ...}]}`. Standard output: the lives as
JSON, with every reader whose copies and whose row in the ledger do not go together.

A process of its own because it forks: a child then starts at once, and has no threads of a test run in it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mailing import ISSUE, Newsroom, addresses, config

from bulletin.config import Sending
from bulletin.delivery import sender as sending
from bulletin.errors import BulletinError

READERS = 36
KILLS = 3
KEYS = {"BULLETIN_MAILGUN_KEY": "key-made-up"}
FIT: dict[str, set[int]] = {"accepted": {1}, "refused": {0}, "unknown": {0, 1}, "withdrawn": {0}}
"""How many copies go with a state. What was accepted left once; of what is unknown at most one copy did."""


class Servers:
    """The servers, started again whenever they fell over."""

    def __init__(self, journal: Path, seed: int) -> None:
        self.journal, self.seed, self.ports = journal, seed, ["0", "0"]
        self.start()

    def start(self) -> None:
        self.seed += 1
        command = [sys.executable, str(Path(__file__).with_name("evilserver.py")), str(self.journal), str(self.seed)]
        self.process = subprocess.Popen([*command, *self.ports], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.ports = self.process.stdout.readline().split()

    def revive(self) -> None:
        if self.process.poll() is not None:
            self.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def copies(self, domain: str) -> Counter[str]:
        """How many copies each reader at a domain has."""
        lines = self.journal.read_text(encoding="utf-8").splitlines()
        return Counter(line.split()[0] for line in lines if line.split()[0].endswith(f"@{domain}"))


class Life:
    """A mailing from its plan to its end, with every interruption on the way."""

    def __init__(self, way: str, life: dict[str, Any], servers: Servers) -> None:
        self.way, self.seed, self.servers = way, int(life["seed"]), servers
        self.folder, self.url = Path(life["folder"]), life["url"]
        self.random = random.Random(self.seed)  # noqa: S311
        self.domain = f"life{self.seed}.example.org"
        self.killed = 0

    def newsroom(self) -> Newsroom:
        smtp, http = self.servers.ports
        providers = {
            "smtp": {"host": "127.0.0.1", "port": int(smtp), "tls": "none", "timeout": 0.4},
            "mailgun": {"domain": "news.example.org", "endpoint": f"http://127.0.0.1:{http}", "timeout": 0.4},
        }
        return Newsroom(self.folder, config(providers=providers, sending=Sending(batch=5)), self.url)

    def live(self) -> dict[str, Any]:
        """Everything that happens; what does not fit in the end."""
        room = self.newsroom()
        room.subscribe([*addresses(READERS - 2, self.domain), f"gone1@{self.domain}", f"gone2@{self.domain}"])
        room.engine.dispose()
        for _ in range(KILLS):
            self.interrupted()
        runs = 0
        while not self.finished():
            self.wait_for(self.in_child())
            runs += 1
            assert runs < 40, f"life {self.seed} does not end"
        return {"seed": self.seed, "killed": self.killed, **self.outcome()}

    def interrupted(self) -> None:
        """A sending that is killed at some moment, from its first transaction on; and now and then the servers, too."""
        child = self.in_child()
        until = time.monotonic() + self.random.choice([0.05, 0.2, 0.6]) * self.random.random()
        while time.monotonic() < until and not self.ended(child):
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        self.killed += os.WIFSIGNALED(os.waitpid(child, 0)[1]) if not self.ended(child) else 0
        if self.random.random() < 0.2:
            self.servers.kill()
        self.servers.revive()

    def in_child(self) -> int:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = self.send()
            finally:
                os._exit(code)
        return child

    def send(self) -> int:
        room = self.newsroom()
        with room.sender(self.way, KEYS) as sender:
            try:
                sending.run(replace(sender, connections=3), room.plan(self.way), room.templates())
            except BulletinError:
                return 3
        return 0

    def wait_for(self, child: int) -> None:
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                assert os.waitstatus_to_exitcode(status) in (0, 3), f"life {self.seed}: the program broke"
                return
            self.servers.revive()
            time.sleep(0.01)

    def ended(self, child: int) -> bool:
        """Whether a child is done, and waits to be asked how."""
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def finished(self) -> bool:
        room = self.newsroom()
        standing = room.ledger.standing(ISSUE)
        room.engine.dispose()
        return standing is not None and not standing.waiting

    def outcome(self) -> dict[str, Any]:
        """How it ended, and whose copies and state do not go together."""
        copies = self.servers.copies(self.domain)
        if self.way == "outbox":
            copies = Counter(list(self.newsroom().outbox()))
        room = self.newsroom()
        with room.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT email, delivery.state FROM subscriber LEFT JOIN delivery ON subscriber = subscriber.id"
            ).all()
            batches = connection.exec_driver_sql("SELECT count(*) FROM batch").scalar()
        room.engine.dispose()
        wrong = {email: [state, copies[email]] for email, state in found if copies[email] not in FIT.get(state, ())}
        return {
            "readers": len(found),
            "states": Counter(state for _, state in found),
            "copies": sum(copies.values()),
            "batches": batches,
            "wrong": wrong,
        }


def main() -> None:
    """Live all lives."""
    wanted = json.load(sys.stdin)
    lives = wanted["lives"]
    warm = {"seed": -1, "folder": f"{lives[0]['folder']}-warm", "url": ""}
    for life in (warm, *lives):
        Path(life["folder"]).mkdir(parents=True, exist_ok=True)
    servers = Servers(Path(warm["folder"]) / "journal", 1000 * lives[0]["seed"])
    try:
        first = Life(wanted["way"], warm, servers)
        room = first.newsroom()
        room.subscribe(addresses(1, "warm.example.org"))
        room.engine.dispose()
        first.send()  # loads everything here once, so that children spend their lives sending
        ended = [Life(wanted["way"], life, servers).live() for life in lives]
    finally:
        servers.kill()
    json.dump(ended, sys.stdout)


if __name__ == "__main__":
    main()
