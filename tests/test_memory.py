"""Long memory and good manners: nobody is asked too often, nothing is read twice, nothing that was offered is lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from localweb import Site, client_for, site
from test_collecting import NOON, RSS, collect, source

from bulletin.collecting import State, open_memory, rhythm
from bulletin.collecting.memory import Memory
from bulletin.config import SourceSetting
from bulletin.model import Candidate, Event
from bulletin.sources import Rests, SourceReport


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with open_memory(tmp_path / "sources.db") as opened:
        yield opened


def story(number: int, day: str = "Wed, 08 May 2024 09:00:00 GMT") -> str:
    link = f"https://www.example.org/{number}"
    return f"<item><title>Story {number}</title><link>{link}</link><pubDate>{day}</pubDate></item>"


def feed(*items: str, head: str = "") -> str:
    return f'<rss version="2.0"><channel><title>Good</title>{head}{"".join(items)}</channel></rss>'


def titles(report: SourceReport) -> list[str]:
    return [candidate.title for candidate in report.candidates]


# ---------------------------------------------------------------- asking


def test_f_08_a_source_is_asked_once_an_hour_and_offers_what_it_did_meanwhile(web: Site, tmp_path: Path) -> None:
    good = source("good", web.gives("/feed", RSS))
    for hours, asked in ((0, 1), (0.5, 1), (1.1, 2)):
        report = collect([good], client_for(web), tmp_path, after_hours=hours)["good"]
        assert (len(web.asked("/feed")), titles(report)) == (asked, ["A good story"])
    assert collect([good], client_for(web), tmp_path, after_hours=1.2)["good"].rested == (
        "was asked at 14:06; next from 15:06"
    )
    collect([good], client_for(web), tmp_path, after_hours=1.3, fresh=True)
    assert len(web.asked("/feed")) == 3


def test_f_03_what_did_not_change_is_not_read_again_with_or_without_validators(web: Site, tmp_path: Path) -> None:
    good = source("good", web.gives("/feed", RSS))
    assert not collect([good], client_for(web), tmp_path)["good"].not_modified
    again = collect([good], client_for(web), tmp_path, after_hours=2)["good"]
    assert again.not_modified
    assert titles(again) == ["A good story"]


def test_other_settings_have_a_source_read_anew(web: Site, tmp_path: Path) -> None:
    url = web.gives("/feed", feed(story(1), story(2)))
    one = SourceSetting(id="s", title="S", url=url, limit=1)
    assert len(collect([one], client_for(web), tmp_path)["s"].candidates) == 1
    two = SourceSetting(id="s", title="S", url=url, limit=2)
    assert len(collect([two], client_for(web), tmp_path, after_hours=0.1)["s"].candidates) == 2


def test_f_06_a_failing_source_loses_nothing_and_is_asked_at_growing_gaps(web: Site, tmp_path: Path) -> None:
    good = source("good", web.gives("/feed", RSS))
    collect([good], client_for(web), tmp_path)
    web.gives("/feed", status=500)
    failed = collect([good], client_for(web), tmp_path, after_hours=2)["good"]
    assert (failed.failure, titles(failed)) == ("has a fault of its own (500)", ["A good story"])
    asked = []
    for hours in (3.1, 4, 5.2, 6, 7, 8, 9.3):
        before = len(web.asked("/feed"))
        collect([good], client_for(web), tmp_path, after_hours=hours)
        asked.append(len(web.asked("/feed")) - before)
    assert asked == [1, 0, 1, 0, 0, 0, 1]


def test_f_06_what_is_gone_for_good_is_not_asked_any_more(web: Site, tmp_path: Path) -> None:
    gone = source("gone", web.gives("/feed", status=410))
    assert collect([gone], client_for(web), tmp_path)["gone"].failure == "answered 410: the page is gone for good"
    later = collect([gone], client_for(web), tmp_path, after_hours=9000)["gone"]
    assert later.rested == "is gone for good (410), and is not asked any more"
    assert len(web.asked("/feed")) == 1


def test_f_07_who_asks_to_wait_is_left_alone_with_its_whole_host(web: Site, tmp_path: Path) -> None:
    web.gives("/busy", status=429, headers={"Retry-After": "7200"})
    both = [source("busy", web.base + "/busy"), source("other", web.gives("/feed", RSS))]
    first = collect(both, client_for(web), tmp_path)
    assert first["busy"].failure == "was asked too often (429), and asks us to wait 7200 seconds"
    assert first["other"].rested == "was not asked: its site asked us to wait until 15:00"
    for hours in (0.5, 1.9):
        again = collect(both, client_for(web), tmp_path, after_hours=hours, fresh=True)
        assert again["busy"].rested == "asked us to wait until 15:00"
    assert (len(web.asked("/busy")), len(web.asked("/feed"))) == (1, 0)
    collect(both[1:], client_for(web), tmp_path, after_hours=2.1)
    assert len(web.asked("/feed")) == 1


def test_f_05_an_address_counts_as_moved_when_it_was_seen_twice(web: Site, tmp_path: Path) -> None:
    old = source("moved", web.gives("/old", status=301, headers={"Location": "/new"}))
    web.gives("/new", RSS)
    notes = [collect([old], client_for(web), tmp_path, after_hours=hours)["moved"].notes for hours in (0, 2, 4)]
    told = (f'has moved for good; write in bulletin.toml: url = "{web.base}/new"',)
    assert notes == [(), told, told]
    assert (len(web.asked("/old")), len(web.asked("/new"))) == (2, 3)


def test_f_05_a_passing_redirect_or_one_to_nonsense_moves_nothing(web: Site, tmp_path: Path) -> None:
    for status, body in ((302, RSS), (301, "nonsense")):
        web.gives("/new", body)
        moved = source(f"m{status}", web.gives(f"/{status}", status=status, headers={"Location": "/new"}))
        for hours in (0, 2, 4):
            collect([moved], client_for(web), tmp_path, after_hours=hours, fresh=True)
        assert len(web.asked(f"/{status}")) == 3


def test_an_interrupted_collecting_keeps_what_it_had(web: Site, tmp_path: Path) -> None:
    sources = [source(f"s{number}", web.gives(f"/{number}", RSS)) for number in range(3)]

    class Impatient(list[str]):
        def append(self, name: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(sources, client_for(web), tmp_path, Impatient())
    again = collect(sources, client_for(web), tmp_path, after_hours=0.1)
    assert [bool(report.rested) for report in again.values()] == [True, False, False]
    assert all(report.candidates for report in again.values())


# ---------------------------------------------------------------- remembering


def test_f_28_what_has_no_date_was_first_seen_on_a_day_that_does_not_move(web: Site, tmp_path: Path) -> None:
    good = source("good", web.gives("/feed", RSS))
    for hours in (0, 240):
        (found,) = collect([good], client_for(web), tmp_path, after_hours=hours)["good"].candidates
        assert (found.published, found.seen) == (None, dt.date(2024, 5, 30))
        web.gives("/feed", RSS + " ")


def test_what_stands_undated_on_a_page_at_first_is_no_news_but_what_comes_later_is(web: Site, tmp_path: Path) -> None:
    web.gives("/robots.txt", status=404)
    entry = "<article><a href='/{0}'>Story number {0}</a></article>"
    dated = "<article><a href='/d'>A dated story</a><time>8 May 2024</time></article>"
    page = source("page", web.gives("/news", entry.format(1) + entry.format(2) + dated), "listing")
    first = collect([page], client_for(web), tmp_path)["page"]
    assert titles(first) == ["A dated story"]
    assert len(first.held_back) == 2
    web.gives("/news", entry.format(3) + entry.format(1) + dated)
    assert titles(collect([page], client_for(web), tmp_path, after_hours=2)["page"]) == [
        "Story number 3",
        "A dated story",
    ]


def test_a_source_that_is_suddenly_empty_is_suspicious(web: Site, tmp_path: Path) -> None:
    good = source("good", web.gives("/feed", feed(*map(story, range(5)))))
    assert collect([good], client_for(web), tmp_path)["good"].notes == ()
    web.gives("/feed", feed())
    report = collect([good], client_for(web), tmp_path, after_hours=2)["good"]
    assert report.notes == ("is suspiciously empty: it used to list up to 5 stories",)
    assert len(report.candidates) == 5


def test_thirty_thousand_old_entries_are_read_and_then_not_again(web: Site, tmp_path: Path) -> None:
    old = feed(*(story(number, "Mon, 08 May 2017 09:00:00 GMT") for number in range(30_000)), story(-1))
    big = source("big", web.gives("/feed", old, headers={"ETag": '"1"'}))
    first = collect([big], client_for(web), tmp_path)["big"]
    assert (first.failure, len(first.candidates), titles(first)[0]) == (None, 30, "Story -1")

    def unchanged(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(304 if handler.headers.get("If-None-Match") == '"1"' else 500)
        handler.end_headers()

    web.does("/feed", unchanged)
    again = collect([big], client_for(web), tmp_path, after_hours=2)["big"]
    assert again.not_modified
    assert again.candidates == first.candidates


def test_a_candidate_is_remembered_as_it_was(memory: Memory) -> None:
    event = Event(starts=dt.datetime(2024, 6, 1, 10), ends=dt.datetime(2024, 6, 1, 11), place="Hall")  # noqa: DTZ001
    whole = Candidate(
        title="A", url="https://example.org/a", published=dt.date(2024, 5, 8), updated=dt.date(2024, 5, 9),
        topics=("x", "y"), also=("https://example.org/b",), event=event, source_id="id", why="because",
    )  # fmt: skip
    memory.keep(State(source="s"), [whole], NOON.date())
    assert [kept.candidate for kept in memory.offers()] == [whole]


# ---------------------------------------------------------------- deciding


def test_f_08_a_server_may_ask_for_longer_rests_but_not_for_ever() -> None:
    def hours(rests: Rests = Rests(), control: str = "") -> float:  # noqa: B008 - a plain value
        after = rhythm.after_answer(
            State(source="s"),
            now=NOON.timestamp(),
            url="",
            permanent=False,
            headers={"cache-control": control},
            rests=rests,
        )
        return (after.next_at - NOON.timestamp()) / 3600

    assert hours() == 1
    assert hours(control="public, max-age=7200") == 2
    assert hours(control="max-age=99999999") == 24
    assert hours(Rests(seconds=3 * 3600)) == 3
    assert hours(Rests(hours=frozenset({13, 14}))) == 3
    assert hours(Rests(weekdays=frozenset({3}))) == 12


def test_f_08_what_a_feed_asked_for_holds_while_it_does_not_change(web: Site, tmp_path: Path) -> None:
    slow = source("slow", web.gives("/feed", feed(story(1), head="<ttl>180</ttl>")))
    asked = []
    for hours in (0, 2, 3.1, 5, 6.2):
        collect([slow], client_for(web), tmp_path, after_hours=hours)
        asked.append(len(web.asked("/feed")))
    assert asked == [1, 1, 2, 2, 3]


def test_a_clock_that_was_wrong_does_not_silence_a_source() -> None:
    state = State(source="s", asked_at=NOON.timestamp() + 9e6, next_at=NOON.timestamp() + 9e6)
    assert rhythm.why_rest(state, NOON.timestamp(), fresh=False, zone=dt.UTC) == ""


def test_f_07_an_answer_without_retry_after_means_an_hour_and_a_dead_line_means_now() -> None:
    def after(status: int | None, wait: float | None = None) -> State:
        return rhythm.after_failure(
            State(source="s"), now=NOON.timestamp(), reason="failed", status=status, retry_after=wait
        )

    assert after(503).next_at == NOON.timestamp() + 3600
    assert after(503, 5.0).next_at == NOON.timestamp() + 5
    assert after(None).next_at == NOON.timestamp()
