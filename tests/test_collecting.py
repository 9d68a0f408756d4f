"""Asking all sources at once: one broken source stops no other, and nobody is asked twice for the same."""

from __future__ import annotations

import datetime as dt
import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from localweb import Site, client_for, site

from bulletin import sampleweb
from bulletin.collecting import gather, read_page
from bulletin.config import SourceSetting
from bulletin.errors import BulletinError
from bulletin.http import Client
from bulletin.sources import SourceReport

TODAY = dt.date(2024, 5, 30)
LONDON = ZoneInfo("Europe/London")
NOON = dt.datetime(2024, 5, 30, 12, tzinfo=dt.UTC)
RSS = """<rss version="2.0"><channel><title>Good</title>
<item><title>A good story</title><link>https://www.example.org/good</link></item></channel></rss>"""


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture(scope="module")
def samples() -> Iterator[str]:
    with sampleweb.serve() as base:
        yield base


def with_saved(folder: Path, base: str) -> Path:
    """The folder with the saved pages of the sample sites in it."""
    (folder / sampleweb.SAVED).mkdir(parents=True, exist_ok=True)
    for name, body in sampleweb.saved_files(base).items():
        (folder / sampleweb.SAVED / name).write_bytes(body)
    return folder


def sample_sources(base: str) -> list[SourceSetting]:
    return [SourceSetting(**{**table, "topics": tuple(table.get("topics", ()))}) for table in sampleweb.settings(base)]


def sample_client(base: str) -> Client:
    return Client(user_agent="bulletin/test", local_hosts=(urlsplit(base).netloc,))


def collect(
    sources: list[SourceSetting],
    client: Client,
    folder: Path,
    done: list[str] | None = None,
    *,
    after_hours: float = 0.0,
    fresh: bool = False,
) -> dict[str, SourceReport]:
    """What collecting reports so many hours after noon on 30 May 2024, remembering what it did in this folder."""

    def on_done(report: SourceReport) -> None:
        if done is not None:
            done.append(report.source.id)

    reports = gather(
        sources,
        client=client,
        memory=folder / "sources.db",
        root=folder,
        now=NOON + dt.timedelta(hours=after_hours),
        zone=LONDON,
        fresh=fresh,
        on_done=on_done,
    )
    assert [report.source for report in reports] == sources
    return {report.source.id: report for report in reports}


def source(name: str, url: str, kind: str = "feed") -> SourceSetting:
    return SourceSetting(id=name, title=name.title(), url=url, kind=kind)


def test_the_sample_sources_are_collected_and_the_broken_one_is_named(samples: str, tmp_path: Path) -> None:
    done: list[str] = []
    reports = collect(sample_sources(samples), sample_client(samples), with_saved(tmp_path, samples), done)
    assert {name: report.failure for name, report in reports.items() if report.failure} == {
        "inspectorate": "answered 404: there is no such page"
    }
    assert sum(len(report.candidates) for report in reports.values()) == 27
    assert sorted(done) == sorted(reports)


def test_f_03_asking_again_gets_not_modified_and_the_same_candidates(samples: str, tmp_path: Path) -> None:
    sources, client = sample_sources(samples), sample_client(samples)
    with_saved(tmp_path, samples)
    first, second = collect(sources, client, tmp_path), collect(sources, client, tmp_path, after_hours=2)
    for name, report in second.items():
        assert report.not_modified is (report.failure is None)
        assert not first[name].not_modified
        assert report.candidates == first[name].candidates


def test_z_23_the_memory_is_readable_by_its_owner_only(samples: str, tmp_path: Path) -> None:
    collect(sample_sources(samples), sample_client(samples), tmp_path / "state")
    kept = [path for path in (tmp_path / "state").iterdir() if path.is_file()]
    assert kept
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_a_spoilt_memory_is_begun_anew(samples: str, tmp_path: Path) -> None:
    sources, client = sample_sources(samples)[:1], sample_client(samples)
    (tmp_path / "sources.db").write_bytes(b"this is no database" * 100)
    assert collect(sources, client, tmp_path)["programme"].candidates
    assert collect(sources, client, tmp_path)["programme"].rested.startswith("was asked at 13:00; next from 14:00")


def test_f_11_each_broken_source_has_its_reason_and_the_good_one_its_story(web: Site, tmp_path: Path) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(5)

    bomb = gzip.compress(bytes(20_000_000))
    laughs = (Path(__file__).parent / "data" / "sources" / "billion-laughs.xml").read_bytes()
    offers = {
        "page": (web.gives("/html", "<!doctype html><p>Hello"), "is a web page, not a feed"),
        "empty": (web.gives("/empty", ""), "is empty"),
        "gone": (web.base + "/nowhere", "answered 404: there is no such page"),
        "shy": (web.gives("/shy", status=403), "refuses programs (403)"),
        "slow": (web.does("/slow", slow), "took longer than 2 s"),
        "bomb": (web.gives("/bomb", bomb, headers={"Content-Encoding": "gzip"}), "is larger than 2 MB"),
        "sly": (web.gives("/sly", status=302, headers={"Location": "http://10.0.0.1/"}), "leads to a private address"),
        "spoilt": ("http://[", "cannot be read as a web address"),
        "script": ("javascript:alert(1)", "is not a web address: it should start with https://"),
        "laughs": (web.gives("/laughs", laughs), None),
        "good": (web.gives("/good", RSS), None),
    }
    sources = [source(name, url) for name, (url, _) in offers.items()]
    reports = collect(sources, client_for(web, total=2, size=2_000_000), tmp_path)
    found = {name: report.failure for name, report in reports.items()}
    if "times its size" in (found["bomb"] or ""):  # which of two limits it meets first is up to the network
        found["bomb"] = "is larger than 2 MB"
    assert found == {name: reason for name, (_, reason) in offers.items()}
    assert [candidate.title for candidate in reports["good"].candidates] == ["A good story"]
    assert all(len(candidate.title) < 200 for candidate in reports["laughs"].candidates)


def test_an_unknown_kind_is_named_with_those_there_are(web: Site, tmp_path: Path) -> None:
    report = collect([source("odd", web.base, kind="podcast")], client_for(web), tmp_path)["odd"]
    assert (
        report.failure
        == 'is of the kind "podcast", which is not known; known are calendar, feed, folder, govuk, listing, page'
    )


def test_f_08_one_host_is_asked_one_thing_at_a_time_and_several_at_once(tmp_path: Path) -> None:
    lock, busy, most = threading.Lock(), {"first": 0, "second": 0}, {"first": 0, "second": 0, "both": 0}

    def answer(host: str, handler: BaseHTTPRequestHandler) -> None:
        with lock:
            busy[host] += 1
            most[host] = max(most[host], busy[host])
            most["both"] = max(most["both"], sum(busy.values()))
        time.sleep(0.15)
        with lock:
            busy[host] -= 1
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(RSS.encode())

    with site() as first, site() as second:
        sources = []
        for host, running in (("first", first), ("second", second)):
            for number in range(3):
                url = running.does(f"/{number}", lambda handler, host=host: answer(host, handler))
                sources.append(source(f"{host}-{number}", url))
        reports = collect(sources, client_for(first, second), tmp_path)
    assert all(report.candidates for report in reports.values())
    assert most == {"first": 1, "second": 1, "both": 2}


def test_f_04_a_moved_feed_is_still_asked_what_changed(web: Site, tmp_path: Path) -> None:
    old = web.gives("/old", status=301, headers={"Location": "/new"})

    def answer(handler: BaseHTTPRequestHandler) -> None:
        known = handler.headers.get("If-None-Match") == '"1"'
        handler.send_response(304 if known else 200)
        handler.send_header("ETag", '"1"')
        handler.end_headers()
        if not known:
            handler.wfile.write(RSS.encode())

    web.does("/new", answer)
    for expected in (False, True):
        report = collect([source("moved", old)], client_for(web), tmp_path, after_hours=2 * expected)["moved"]
        assert report.not_modified is expected
        assert len(report.candidates) == 1
    assert "if-none-match" not in web.asked("/old")[1]
    assert web.asked("/new")[1]["if-none-match"] == '"1"'


def test_f_09_a_list_page_that_keeps_programs_out_is_not_opened(web: Site, tmp_path: Path) -> None:
    web.gives("/robots.txt", "User-agent: *\nDisallow: /")
    url = web.gives("/news", "<article><a href='/a'>A story</a></article>")
    feed = web.gives("/feed", RSS)
    reports = collect([source("list", url, "listing"), source("feed", feed)], client_for(web), tmp_path)
    assert reports["list"].failure == "does not let programs open this page (robots.txt)"
    assert web.asked("/news") == []
    assert reports["feed"].candidates


def test_nothing_to_ask_gives_nothing(tmp_path: Path) -> None:
    assert collect([], client_for(), tmp_path) == {}


# ---------------------------------------------------------------- one page by its address


def test_a_page_is_added_by_its_address(samples: str) -> None:
    found = read_page(
        sampleweb.extra_page(samples) + "?utm_source=mail", client=sample_client(samples), today=TODAY, zone=LONDON
    )
    assert (found.title, found.source) == (
        "Students design a card for friends who are worried",
        "Sample Students' Trust",
    )
    assert (found.url, found.published) == (sampleweb.extra_page(samples), dt.date(2024, 5, 22))
    assert found.image_alt == "A hand holds a small folded card with three coloured lines on it."
    assert 40 <= len(found.summary.split()) <= 80


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"%PDF-1.7", 200, "is a PDF, not a web page; look for the page that leads to it."),
        (b"", 404, "answered 404: there is no such page."),
    ],
)
def test_a_page_that_cannot_be_added_is_named(web: Site, body: bytes, status: int, reason: str) -> None:
    url = web.gives("/page", body, status=status)
    with pytest.raises(BulletinError) as caught:
        read_page(url, client=client_for(web), today=TODAY, zone=LONDON)
    assert caught.value.message == f"{url} {reason}"


# ---------------------------------------------------------------- the sample sites


def test_every_story_of_the_sample_sites_can_be_opened(samples: str, tmp_path: Path) -> None:
    client = sample_client(samples)
    reports = collect(sample_sources(samples), client, with_saved(tmp_path, samples))
    for report in reports.values():
        for candidate in report.candidates:
            if candidate.url.startswith(samples):
                assert candidate.title.encode() in client.get(candidate.url).body.replace(b"&#39;", b"'")
            if candidate.image:
                assert client.get(candidate.image).body.startswith(b"\x89PNG")
                assert candidate.image_alt
    assert read_page(sampleweb.event_page(samples), client=client, today=TODAY, zone=LONDON).event is not None
