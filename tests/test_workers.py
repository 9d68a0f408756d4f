"""Workers on several machines send one mailing together; those that die, or fall asleep, take nothing with them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

ROOT = Path(__file__).parent.parent
ISSUE = "2024-05"
READERS = 240
DEAD_AFTER = "2"


class Machines:
    """One publication with a database on PostgreSQL, as any number of machines would see it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.journal = folder, folder / "journal"
        command = [sys.executable, str(Path(__file__).with_name("evilserver.py")), str(self.journal), "0", "0", "0"]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout
        port = self.server.stdout.readline().split()[0]
        shutil.copytree(ROOT / "issues", folder / "issues")
        settings = (ROOT / "bulletin.toml").read_text("utf-8")
        settings = re.sub(r'(?m)^provider = "outbox".*$', "", settings)
        assert "[sending]" in settings
        settings = settings.replace("[sending]", '[sending]\nprovider = "smtp"\nworkers = true\nbatch = 5', 1)
        settings += f'\n[providers.smtp]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nconnections = 2\n'
        (folder / "bulletin.toml").write_text(settings, "utf-8")
        self.environment = {key: value for key, value in os.environ.items() if key[:9] != "BULLETIN_"}
        self.environment |= {"BULLETIN_DATABASE_URL": url, "BULLETIN_SECRET": "made up, and long enough for a secret"}
        rows = "".join(f"reader{number}@example.org\n" for number in range(READERS))
        (folder / "readers.csv").write_text(f"email\n{rows}", "utf-8")
        self.run("subscribers", "import", "readers.csv", "--basis", "made up for a test")
        self.engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bulletin", *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **streams)  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        done = self.start(*arguments)
        said = done.communicate(timeout=100)[0]
        assert done.returncode in codes, said
        return said

    def copies(self) -> Counter[str]:
        lines = self.journal.read_text("utf-8").splitlines() if self.journal.exists() else []
        return Counter(line.split()[0] for line in lines)

    def states(self) -> dict[str, str]:
        with self.engine.connect() as connection:
            question = "SELECT email, d.state FROM subscriber s JOIN delivery d ON d.subscriber = s.id"
            return dict(map(tuple, connection.exec_driver_sql(question)))

    def wait_until(self, what: Callable[[], bool], seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, self.states()
            time.sleep(0.05)


@pytest.fixture
def machines(tmp_path: Path, postgresql: Callable[[], str]) -> Iterator[Machines]:
    made = Machines(tmp_path, postgresql())
    yield made
    made.engine.dispose()
    made.server.kill()
    made.server.communicate()


def test_four_workers_of_which_two_are_killed_and_one_falls_asleep_send_everybody_one_copy(machines: Machines) -> None:
    """Promise 4: others take the work over, what was in hand is listed, and who wakes up sends nothing more."""
    workers = [machines.start("worker", "--dead-after", DEAD_AFTER) for _ in range(4)]
    sending = machines.start("send", ISSUE, "--yes")
    try:
        machines.wait_until(lambda: len(machines.copies()) > 20)
        for worker in workers[:2]:
            worker.kill()
        workers[2].send_signal(signal.SIGSTOP)
        assert len(machines.copies()) < READERS, "they were too quick for this test"
        said = sending.communicate(timeout=90)[0]
        assert sending.returncode in (0, 1), said
        before = machines.copies()
        workers[2].send_signal(signal.SIGCONT)
        time.sleep(1.5)
        assert sum((machines.copies() - before).values()) <= 4, "at most the letters on its two lines"
    finally:
        for worker in workers[2:]:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        ends = [worker.communicate(timeout=30)[0] for worker in workers]
    copies, states = machines.copies(), machines.states()
    assert len(states) == READERS
    assert set(states.values()) <= {"accepted", "unknown"}, Counter(states.values())
    assert max(copies.values()) == 1, "nobody has two"
    assert all(copies[email] == 1 for email, state in states.items() if state == "accepted")
    assert list(states.values()).count("unknown") <= 3 * 2 * 5, "at most what three workers had in hand"
    assert [worker.returncode for worker in workers[:2]] == [-signal.SIGKILL] * 2
    # On a busy machine the healthy one, too, may be given up as dead; it then says so, and ends with 3.
    assert workers[3].returncode in {0, 3}, ends
    assert "Traceback" not in "".join(ends), ends


def test_workers_need_a_database_that_all_machines_reach(tmp_path: Path) -> None:
    shutil.copy(ROOT / "bulletin.toml", tmp_path)
    environment = {key: value for key, value in os.environ.items() if key[:9] != "BULLETIN_"}
    command = [sys.executable, "-m", "bulletin", "worker"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "workers need PostgreSQL, and this database is SQLite." in done.stderr
    assert "Traceback" not in done.stderr
