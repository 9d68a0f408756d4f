"""The steps of the story as they meet files and other commands: nothing twice, nothing overwritten, nothing unsaid."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from localweb import Site, site
from PIL import Image
from test_config import GOOD
from test_publication import ISSUE

from bulletin import flow
from bulletin.cli import run
from bulletin.model import Candidate
from bulletin.publication import Publication, open_publication
from bulletin.sources import SourceReport

FEED = """\
<rss version="2.0"><channel><title>Sample news</title>
<item><title>A first story for the readers of May</title><link>https://www.example.org/one</link>
<pubDate>Wed, 08 May 2024 09:00:00 GMT</pubDate></item>
<item><title>A second story for the readers of May</title><link>https://www.example.org/two</link>
<pubDate>Thu, 09 May 2024 09:00:00 GMT</pubDate></item>
</channel></rss>
"""


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as started:
        yield started


@pytest.fixture
def home(tmp_path: Path, web: Site) -> Publication:
    """A publication with one source, and issue 2024-05."""
    web.gives("/robots.txt", status=404)
    address = web.gives("/feed", FEED, headers={"Content-Type": "application/rss+xml", "ETag": '"1"'})
    settings = GOOD.replace("https://www.example.org/feed", address)
    (tmp_path / "bulletin.toml").write_text(f'{settings}\n[collecting]\nlocal_hosts = ["{web.host}"]\n', "utf-8")
    (tmp_path / "issues/2024-05").mkdir(parents=True)
    (tmp_path / "issues/2024-05/issue.yaml").write_text(ISSUE, "utf-8")
    return open_publication(tmp_path, {})


def inbox(home: Publication) -> list[str]:
    return [entry.url for entry in home.read_issue("2024-05").issue.inbox]


def test_collecting_in_two_windows_at_once_offers_each_story_once(home: Publication) -> None:
    start = threading.Barrier(3)
    found: list[int] = []

    def work() -> None:
        start.wait()
        found.append(len(flow.collect(home, "2024-05").new))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inbox(home) == ["https://www.example.org/two", "https://www.example.org/one"]
    assert sorted(found) == [0, 0, 2]


def test_what_was_added_while_the_sources_were_asked_is_not_offered_again(home: Publication) -> None:
    mine = Candidate(title="Mine", url="https://example.org/two/", summary="In my own words.")

    def add(_report: SourceReport) -> None:
        flow.add_candidate(home, "2024-05", mine)

    result = flow.collect(home, "2024-05", on_done=add)
    assert [entry.url for entry in result.new] == ["https://www.example.org/one"]
    assert [(entry.url, why) for entry, why in result.left_out] == [
        ("https://www.example.org/two", "already in the inbox")
    ]
    assert inbox(home) == ["https://www.example.org/one", "https://example.org/two/"]


def test_an_issue_that_cannot_be_read_is_named_because_its_stories_may_come_back(
    home: Publication, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.issue_dir("2024-04").mkdir()
    home.issue_path("2024-04").write_bytes(b"# caf\xe9")
    monkeypatch.chdir(home.root)
    assert run(["collect", "2024-05"]) == 0
    assert "Issue 2024-04 cannot be read, so its stories may come back" in capsys.readouterr().err
    assert len(inbox(home)) == 2


def test_a_state_folder_without_room_for_the_answers_loses_no_news(home: Publication) -> None:
    home.memory_path.mkdir()
    result = flow.collect(home, "2024-05")
    assert [report.failure for report in result.reports] == [None]
    assert len(inbox(home)) == 2


def test_a_fetched_picture_takes_no_other_pictures_place(home: Publication, web: Site) -> None:
    """The editor has drawn one already, and it has the name that the fetched one would get."""
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(data, "PNG")
    picture = web.gives("/picture", data.getvalue(), headers={"Content-Type": "image/png"})
    own = home.issue_dir("2024-05") / "images" / "one.jpg"
    own.parent.mkdir()
    own.write_bytes(b"drawn by the editor")
    flow.add_candidate(home, "2024-05", Candidate(title="One", url="https://www.example.org/1", image=picture))
    placed = flow.place(home, "2024-05", "https://www.example.org/1", "news")
    assert placed.item.image is not None
    assert placed.item.image.file == "images/one-2.jpg"
    assert (own.parent / "one-2.jpg").read_bytes().startswith(b"\xff\xd8")
    assert own.read_bytes() == b"drawn by the editor"


def test_a_decision_is_explained_without_asking_anybody(
    home: Publication, web: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home.root)
    assert run(["collect", "2024-05"]) == 0
    asked = len(web.requests)
    capsys.readouterr()
    assert run(["collect", "2024-05", "--explain", "http://example.org/one/"]) == 0
    told = capsys.readouterr().out
    assert 'offers it as "A first story for the readers of May", published 8 May 2024' in told
    assert told.endswith("Left out: already in the inbox.\n")
    assert run(["collect", "2024-05", "--explain", "https://example.org/never"]) == 2
    assert "bulletin add ADDRESS" in capsys.readouterr().err
    assert len(web.requests) == asked


def test_a_story_that_was_updated_since_it_ran_is_told(
    home: Publication, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    april = home.issue_path("2024-04")
    april.parent.mkdir()
    item = "  - id: news\n    items:\n      - {id: one, title: Ours, url: 'https://www.example.org/one'}\n"
    april.write_text(f"schema: 1\nid: 2024-04\ntitle: April 2024\ndate: 2024-04-30\nsections:\n{item}")
    monkeypatch.chdir(home.root)
    assert run(["collect", "2024-05"]) == 0
    assert "ran in 2024-04; updated since, on 8 May 2024. To use it again" in capsys.readouterr().err
    assert inbox(home) == ["https://www.example.org/two"]
