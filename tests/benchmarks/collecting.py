"""How long collecting takes, and what it costs: `python3 tests/benchmarks/collecting.py` prints one figure a line.

1. wall time in seconds of reading 500 feeds of 50 entries each, at 250 local hosts that answer after 200 ms;
2. the same if nothing but the connections counted: answers divided by the connections allowed;
3. the most memory that took at once, in MB, over all its processes;
4. processor time of a second run that finds nothing changed (304), and 5. that of the first;
6. processor time of reading one clean feed to candidates, and 7. of feedparser with its defaults on the same bytes;
8. wall time of choosing from 2,000 candidates and writing them into an issue file with 40 edited items.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

FEEDS, HOSTS, ENTRIES, ANSWER_S = 500, 250, 50, 0.2
SAMPLE_S = 0.05
REPEATS = 9
NOW = dt.datetime(2024, 5, 30, 12, tzinfo=dt.UTC)
LONDON = ZoneInfo("Europe/London")
WORDS = [
    word
    for line in (
        "police child safety report online abuse victims support new guidance review officers training data",
        "missing harm exploitation stalking forces national programme learning practice public protection",
        "domestic violence service partner school social care court justice inspection minister fund strategy",
        "response consultation statistics quarter children young people family carers housing health prison",
        "probation digital platform image fraud money community charity helpline campaign survey duty bill",
        "act law order licence register record share agency council region county town street night travel",
        "transport coast border airport sport youth work employer worker trade",
    )
    for word in line.split(" ")
]


def words(rolls: random.Random, count: int) -> str:
    return " ".join(rolls.choices(WORDS, k=count))


def rss(number: int) -> bytes:
    """A feed as WordPress writes it: extract, whole text, categories; about 64 kB."""
    rolls, items = random.Random(number), []  # noqa: S311 - made-up words, no secret
    for entry in range(ENTRIES):
        day = NOW - dt.timedelta(hours=7 * entry + number % 7)
        paragraphs = "".join(f"<p>{words(rolls, 60)} <a href='/x'>{words(rolls, 3)}</a>.</p>" for _ in range(2))
        items.append(
            f"<item><title>{words(rolls, 9).capitalize()} {number}-{entry}</title>"
            f"<link>https://news{number}.example.org/{entry}/</link><dc:creator><![CDATA[Press office]]></dc:creator>"
            f"<pubDate>{day:%a, %d %b %Y %H:%M:%S} +0000</pubDate><category><![CDATA[News]]></category>"
            f'<guid isPermaLink="false">https://news{number}.example.org/?p={entry}</guid>'
            f"<description><![CDATA[<p>{words(rolls, 40)}</p>]]></description>"
            f"<content:encoded><![CDATA[{paragraphs}]]></content:encoded></item>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"><channel>'
        f"<title>News {number}</title><link>https://news{number}.example.org</link>{''.join(items)}</channel></rss>"
    ).encode()


# ---------------------------------------------------------------- the server, a process of its own


async def serve() -> None:
    """Feeds by number at 250 addresses; prints the ports, one a line, and serves until it is ended."""
    bodies = [rss(number) for number in range(FEEDS)]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        number = int(head.split(" ", 2)[1].removeprefix("/"))
        await asyncio.sleep(ANSWER_S)
        tag = f'ETag: "{number}"\r\nConnection: close\r\n'
        if f'if-none-match: "{number}"' in head.lower():
            writer.write(f"HTTP/1.1 304 Not Modified\r\n{tag}\r\n".encode())
        else:
            size = len(bodies[number])
            kind = "Content-Type: application/rss+xml; charset=UTF-8\r\n"
            writer.write(f"HTTP/1.1 200 OK\r\n{tag}{kind}Content-Length: {size}\r\n\r\n".encode() + bodies[number])
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    servers = [await asyncio.start_server(answer, f"127.0.1.{host + 1}", 0, backlog=64) for host in range(HOSTS)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.Event().wait()


# ---------------------------------------------------------------- one collecting, a process of its own


def collect(folder: str, hours: str, addresses: str) -> None:
    """Ask all feeds and print the seconds it took."""
    from bulletin.collecting import gather  # noqa: PLC0415 - the other parts do not need it
    from bulletin.config import SourceSetting  # noqa: PLC0415
    from bulletin.http import Client  # noqa: PLC0415

    hosts = json.loads(addresses)
    urls = [f"http://{hosts[number % HOSTS]}/{number}" for number in range(FEEDS)]
    sources = [SourceSetting(id=f"s{number}", title="S", url=url, limit=ENTRIES) for number, url in enumerate(urls)]
    client = Client(user_agent="bulletin/benchmark", local_hosts=hosts)
    now = NOW + dt.timedelta(hours=float(hours))
    began = time.perf_counter()
    place = Path(folder)
    reports = gather(sources, client=client, memory=place / "sources.db", root=place, now=now, zone=LONDON)
    took = time.perf_counter() - began
    wrong = [report.failure for report in reports if report.failure or len(report.candidates) != ENTRIES]
    if wrong or any(report.not_modified is not (hours != "0") for report in reports):
        sys.exit(f"{len(wrong)} feeds were not read as they should: {wrong[:3]}")
    print(took)


class Watcher(threading.Thread):
    """Processor time and memory of all processes of a session, looked at many times a second."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self._session, self._cpu, self._done = session, dict[int, float](), threading.Event()
        self.most_memory = 0

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def stop(self) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        tick = os.sysconf("SC_CLK_TCK")
        while not self._done.wait(SAMPLE_S):
            memory = 0
            for entry in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self._session:
                        self._cpu[int(entry)] = (int(fields[11]) + int(fields[12])) / tick
                        shared = Path(f"/proc/{entry}/smaps_rollup").read_text()
                        memory += int(shared.partition("\nPss:")[2].split()[0]) * 1024
            self.most_memory = max(self.most_memory, memory)


def collecting() -> tuple[float, float, float, float, float]:
    """Wall time, ideal, memory in MB; processor time of a run with nothing new, and of one with everything new."""
    from bulletin.collecting._asking import CONNECTIONS  # noqa: PLC0415

    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        hosts = [f"127.0.1.{number + 1}:{port}" for number, port in enumerate(json.loads(server.stdout.readline()))]
        with tempfile.TemporaryDirectory() as folder:
            runs = []
            for hours in ("0", "30"):
                command = [sys.executable, __file__, "collect", folder, hours, json.dumps(hosts)]
                run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
                watcher = Watcher(run.pid)
                watcher.start()
                said, _ = run.communicate()
                watcher.stop()
                if run.returncode:
                    sys.exit("collecting failed")
                runs.append((float(said), watcher.cpu, watcher.most_memory / 1e6))
    finally:
        server.kill()
        server.wait()
    (wall, parsing, memory), (_, quiet, _) = runs
    return wall, FEEDS / CONNECTIONS * ANSWER_S, memory, quiet, parsing


# ---------------------------------------------------------------- in this process


def reading() -> tuple[float, float]:
    """Processor time of our reading of a feed, and of feedparser with its defaults; medians, by turns."""
    import feedparser  # noqa: PLC0415

    from bulletin.sources import Document, Spec, feed  # noqa: PLC0415

    body = rss(1)
    spec = Spec(url="https://www.example.org/", title="S", zone=LONDON, today=NOW.date(), limit=ENTRIES)
    document = Document(url="https://www.example.org/feed", body=body, content_type="application/rss+xml")
    ours, theirs = [], []
    for _ in range(REPEATS):
        began = time.process_time()
        assert len(feed.read(document, spec)) == ENTRIES
        ours.append(time.process_time() - began)
        began = time.process_time()
        assert len(feedparser.parse(BytesIO(body)).entries) == ENTRIES
        theirs.append(time.process_time() - began)
    return sorted(ours)[REPEATS // 2], sorted(theirs)[REPEATS // 2]


def merging() -> float:
    """Wall time of choosing and writing; the best of three, because other programs only ever add to it."""
    from bulletin import config, selection, sources  # noqa: PLC0415
    from bulletin.issuefile import edit, read  # noqa: PLC0415
    from bulletin.model import Candidate  # noqa: PLC0415

    rolls = random.Random(7)  # noqa: S311
    items = "".join(
        f"      - id: item-{n}\n        title: {words(rolls, 8).capitalize()}\n        url: https://www.example.org/{n}\n"
        f"        published: 2024-05-{n % 28 + 1:02}   # looked up\n        summary: |\n          {words(rolls, 60)}\n"
        for n in range(40)
    )
    text = "schema: 1\nid: 2024-05\ntitle: May 2024\ndate: 2024-05-30\nsections:\n  - id: news\n    items:\n" + items
    settings = config.Config(
        name="Sample",
        organisation=config.Organisation(name="Sample", postal_address="1 Example Street"),
        sender=config.Sender(name="Sample", address="news@example.org"),
        web=config.Web(archive_url="https://bulletin.example.org/"),
    )
    reports = [
        sources.SourceReport(
            source=config.SourceSetting(id=f"s{part}", title=f"Source {part}", url=f"https://s{part}.example.org/"),
            candidates=tuple(
                Candidate(
                    title=words(rolls, 9).capitalize(),
                    url=f"https://s{part}.example.org/{number}",
                    published=NOW.date() - dt.timedelta(days=number % 40),
                    summary=words(rolls, 50) + ".",
                )
                for number in range(100)
            ),
        )
        for part in range(20)
    ]
    times = []
    for _ in range(3):
        began = time.perf_counter()
        issue = read(text, "issue.yaml").issue
        chosen = selection.choose(reports, issue=issue, earlier_issues=(), config=settings)
        merged = edit.add_candidates(text, "issue.yaml", chosen.new)
        times.append(time.perf_counter() - began)
    if not merged.startswith(text.rstrip("\n")) or merged.count("\n  - title: ") < 1_900:
        sys.exit("The editor's lines were not kept, or stories are missing.")
    return min(times)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case ["collect", folder, hours, addresses]:
            collect(folder, hours, addresses)
        case _:
            for figure in (*collecting(), *reading(), merging()):
                print(f"{figure:.4f}")
