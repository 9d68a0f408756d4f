"""How long an archive of a thousand issues takes: built from nothing, after one change, and searched in a browser.

Prints JSON: seconds a page for ours and for Pelican, which builds pages of the same text in turns with ours; seconds of
a build after one change; and of the search, milliseconds an answer and bytes until the first one.
"""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from conftest import chromium
from filesweb import serving

ISSUES, STORIES, BUILDS, CHANGES = 1000, 20, 2, 3
SYLLABLES = tuple("babetomikalonesuridafepogetihamolisacuvewedoshtu"[start : start + 2] for start in range(0, 48, 2))
SETTINGS = """\
name = "Harbour Bulletin"
[organisation]
name = "Harbour Partnership"
postal_address = "1 Quay, Exampleton"
[sender]
name = "Harbour Bulletin"
address = "bulletin@example.org"
[web]
archive_url = "http://127.0.0.1/harbour/"
[[sections]]
id = "news"
title = "News"
"""


def main() -> None:
    """Measure and print."""
    bulletin, pelican = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root)
        theirs, ours = [], []
        for number in range(BUILDS):
            build = [bulletin, "archive", "--anew", "--no-search"]
            ours.append(timed(build, root / "ours") / pages(root / "ours/.bulletin/archive"))
            out = root / f"pelican-{number}"
            command = [pelican, "content", "--settings", "pelicanconf.py", "--output", str(out), "--quiet"]
            theirs.append(timed(command, root / "theirs") / pages(out))
        bare = [changed(bulletin, root / "ours", number, "--no-search") for number in range(CHANGES)]
        alone = ours[-1] * pages(root / "ours/.bulletin/archive")
        index = [timed([bulletin, "archive", "--anew"], root / "ours") - alone]
        changes = [changed(bulletin, root / "ours", number) for number in range(CHANGES, 2 * CHANGES)]
        old = [changed(bulletin, root / "ours", 99, age=ISSUES // 2)]
        answers, weight, packed = searched(root / "ours/.bulletin/archive")
    figures = {
        "ours": ours,
        "theirs": theirs,
        "changes": changes,
        "bare_changes": bare,
        "old_changes": old,
        "index": index,
    }
    print(json.dumps({**figures, "answers": answers, "bytes": weight, "bytes_packed": packed}))


def make(root: Path) -> None:
    """A made-up run of weekly issues, once as our issue files and once as Pelican's articles."""
    chance = random.Random(5)  # noqa: S311 - words, not secrets
    vocabulary = list({"".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(15_000)})
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(vocabulary))))

    def words(count: int) -> str:
        return " ".join(chance.choices(vocabulary, cum_weights=weights, k=count))

    ours, theirs = root / "ours", root / "theirs"
    (theirs / "content").mkdir(parents=True)
    ours.mkdir()
    (ours / "bulletin.toml").write_text(SETTINGS, encoding="utf-8")
    (theirs / "pelicanconf.py").write_text(
        "SITENAME = 'Harbour Bulletin'\nSITEURL = ''\nTIMEZONE = 'Europe/London'\nTHEME = 'simple'\n"
        "FEED_ALL_ATOM = 'feed.xml'\nCATEGORY_FEED_ATOM = None\n",
        encoding="utf-8",
    )
    for number in range(ISSUES):
        day = dt.date(2007, 1, 4) + dt.timedelta(days=7 * number)
        issue = [f"schema: 1\nid: {day}\ntitle: Harbour Bulletin, {day}\ndate: {day}\npublic: true", "sections:"]
        issue += ["  - id: news", "    items:"]
        article = [f"Title: Harbour Bulletin, {day}", f"Date: {day}", f"Slug: {day}", ""]
        for story in range(STORIES):
            title, text, source = words(8).capitalize(), words(60), f"Source {chance.randrange(60)}"
            url = f"https://news.example.org/{number}/{story}"
            issue += [f"      - id: story-{story}", f"        title: {title}", f"        url: {url}"]
            issue += [f"        source: {source}", f"        topics: [topic-{chance.randrange(14)}]"]
            issue += ["        summary: |", f"          {text}"]
            article += [f"## [{title}]({url})", "", source, "", text, ""]
        (ours / "issues" / str(day)).mkdir(parents=True)
        (ours / "issues" / str(day) / "issue.yaml").write_text("\n".join(issue) + "\n", encoding="utf-8")
        (theirs / "content" / f"{day}.md").write_text("\n".join(article), encoding="utf-8")


def timed(command: list[str], folder: Path) -> float:
    """Wall time of a command."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return time.perf_counter() - began


def pages(folder: Path) -> int:
    """How many web pages there are."""
    return sum(1 for _ in folder.rglob("*.html"))


def changed(bulletin: str, folder: Path, number: int, *options: str, age: int = 2) -> float:
    """Wall time of a build after a word of one issue changed; `age` counts back from the newest."""
    path = sorted((folder / "issues").iterdir())[-age] / "issue.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if line.startswith("        title: "))
    lines[place] = f"{lines[place].rstrip()} {number}\n"
    path.write_text("".join(lines), encoding="utf-8")
    return timed([bulletin, "archive", *options], folder)


def searched(site: Path) -> tuple[list[float], int, int]:
    """Milliseconds of answers to ten queries, and the bytes of the first one, as they are and as servers pack them."""
    words = list((site / "search/new/words.txt").read_text("utf-8").splitlines())[200:2200:200]
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        (Path(folder) / "harbour").symlink_to(site)
        with serving(Path(folder)) as address:
            page = browser.new_page()
            loaded: list[str] = []
            page.on("response", lambda response: loaded.append(response.url) if "search" in response.url else None)
            page.goto(f"{address}harbour/search/index.html?q={words[0]}")
            expect(page.locator("#Found")).not_to_be_empty()
            files = [site / url.partition("/harbour/")[2].partition("?")[0] for url in dict.fromkeys(loaded)]
            data = [file.read_bytes() for file in files]
            answers = [page.evaluate(ANSWER, word) for word in words]
    packed = sum(len(one) if one.startswith(b"\x1f\x8b") else len(gzip.compress(one)) for one in data)
    return answers, sum(map(len, data)), packed


ANSWER = """async word => {
  const field = document.getElementById("Words"), said = document.getElementById("Found");
  said.textContent = "";
  field.value = word;
  const began = performance.now();
  document.getElementById("Search").requestSubmit();
  while (said.textContent === "") await new Promise(done => setTimeout(done));
  return performance.now() - began;
}"""

if __name__ == "__main__":
    main()
