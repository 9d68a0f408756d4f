"""How many readers a second can leave with one click, on a list of a million: `python3 one_click.py [FOLDER]`.

The store is SQLite. By turns with a bare Starlette endpoint that only answers, behind the same server. Then the server
is killed in the middle of it, and everybody who was answered has to have left. Prints one line of JSON. Needs wrk:
`sudo apt install wrk`.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from importing import ROWS, take_over, write_list

from bulletin.subscribers.tokens import UNSUBSCRIBE, make_token

HERE = Path(__file__).resolve().parent
SECRET = "a made-up secret that is long enough"
CONNECTIONS = 128
SECONDS = 8
TURNS = 3
PATHS = 400_000
SETTINGS = """name = "Harbour Bulletin"
[organisation]
name = "Harbour"
postal_address = "1 Quay"
[sender]
name = "Harbour"
address = "bulletin@example.org"
[web]
archive_url = "https://news.example.org/"
"""
BARE = """
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from bulletin.web.serving import listen, settings_for
async def leave(request):
    await request.body()
    return PlainTextResponse("Unsubscribed.")
listening = listen("127.0.0.1", 0)
print(f"are served at http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
app = Starlette(routes=[Route("/unsubscribe/{token}", leave, methods=["POST"])])
uvicorn.Server(settings_for(app)).run(sockets=[listening])
"""


def prepare(folder: Path) -> Path:
    """A publication with a million readers, and a file with a link for many of them; that file."""
    (folder / "bulletin.toml").write_text(SETTINGS, "utf-8")
    state = folder / ".bulletin"
    state.mkdir(mode=0o700, exist_ok=True)
    database, links = state / "bulletin.db", folder / "links.txt"
    if not links.exists():
        write_list(folder / "readers.csv")
        take_over(folder / "readers.csv", f"sqlite:///{database}", ROWS)
        with closing(sqlite3.connect(database)) as connection:
            ids = connection.execute("SELECT id FROM subscriber LIMIT ?", (PATHS,)).fetchall()
        lines = (f"/unsubscribe/{make_token(SECRET.encode(), UNSUBSCRIBE, subscriber)}\n" for (subscriber,) in ids)
        links.write_text("".join(lines))
    return links


@contextmanager
def served(command: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, with its address."""
    environment = {**os.environ, "BULLETIN_SECRET": SECRET}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout
        line = next(line for line in process.stdout if "are served at" in line)
        yield process, line.partition("http://")[2].partition("/")[0]
    finally:
        process.kill()
        process.communicate()


def load(address: str, links: Path, skip: int) -> dict[str, float]:
    """What wrk counts: only answers that came back."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(HERE / "one_click.lua")]
    command += [f"http://{address}", "--", str(links), str(skip)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = next(line for line in said.splitlines() if line.startswith("RESULT")).split()[1:]
    answered, took, wrong, middle, slow = map(float, numbers)
    assert wrong == 0, said
    return {"answered": answered, "rate": answered / (took / 1e6), "median_ms": middle / 1e3, "p99_ms": slow / 1e3}


def left(folder: Path) -> int:
    """How many have left, as the database says."""
    with closing(sqlite3.connect(folder / ".bulletin" / "bulletin.db")) as connection:
        counted = connection.execute("SELECT count(*) FROM subscriber WHERE state = 'unsubscribed'").fetchone()
    return int(counted[0])


def main(folder: Path) -> None:
    """Measure, kill, count."""
    links = prepare(folder)
    ours, bare, skip = list[dict[str, float]](), list[dict[str, float]](), left(folder)
    serve = [sys.executable, "-m", "bulletin", "serve", "--port", "0"]
    with served(serve, folder) as (_, pages), served([sys.executable, "-c", BARE], folder) as (_, yardstick):
        for _ in range(TURNS):
            bare.append(load(yardstick, links, 0))
            before = left(folder)
            ours.append(load(pages, links, skip))
            skip += int(ours[-1]["answered"]) + 2 * CONNECTIONS
            assert left(folder) - before >= ours[-1]["answered"], "somebody was answered and has not left"
    before = left(folder)
    with served(serve, folder) as (process, pages):
        threading.Timer(SECONDS / 2, lambda: os.kill(process.pid, signal.SIGKILL)).start()
        killed = load(pages, links, skip)
    time.sleep(0.2)
    kept = left(folder) - before
    assert kept >= killed["answered"] > 0, "somebody was answered and has not left"
    found = {"ours": ours, "bare": bare, "answered_before_kill": killed["answered"], "left_after_kill": kept}
    print(json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
