"""What asking for links tells: real servers on this machine, on as many loopback addresses as an issue has sites."""

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localweb import Site, client_for, site

from bulletin import linkcheck
from bulletin.http import FetchError, Probed
from bulletin.linkcheck import Asked
from bulletin.model import LinkFact, LinkState

NOW = dt.datetime(2024, 5, 29, 12, tzinfo=dt.UTC)


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "links.json"


def ask(web: Site, urls: Iterable[str], cache: Path, now: dt.datetime = NOW, *, online: bool = True) -> Asked:
    return linkcheck.ask(urls, client_for(web), cache, now, online=online)


def fact_of(web: Site, url: str, cache: Path) -> LinkFact:
    return ask(web, [url], cache).facts[url]


# ---------------------------------------------------------------- what an answer means


def test_a_page_that_answers_works(web: Site, cache: Path) -> None:
    fact = fact_of(web, web.gives("/page", "hello", headers={"Content-Type": "Text/HTML; charset=utf-8"}), cache)
    assert (fact.state, fact.kind, fact.leads_to, fact.when) == (LinkState.WORKS, "text/html", "", NOW)


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_is_dead(web: Site, cache: Path, status: int) -> None:
    fact = fact_of(web, web.gives("/page", status=status), cache)
    assert fact.state is LinkState.DEAD
    assert str(status) in fact.reason


@pytest.mark.parametrize("status", [400, 401, 403, 405, 418, 429, 451, 500, 503, 599])
def test_what_a_site_does_to_programs_says_nothing_of_the_page(web: Site, cache: Path, status: int) -> None:
    fact = fact_of(web, web.gives("/page", status=status), cache)
    assert fact.state is LinkState.UNSURE
    assert fact.reason


def test_a_puzzle_for_people_says_nothing_of_the_page(web: Site, cache: Path) -> None:
    url = web.gives("/page", "Just a moment", status=404, headers={})
    puzzle = web.gives("/puzzle", "Just a moment", headers={"cf-mitigated": "challenge"})
    facts = ask(web, [url, puzzle], cache).facts
    assert facts[puzzle].state is LinkState.UNSURE


def test_f_09_a_site_that_refuses_programs_could_not_be_checked_and_is_not_asked(web: Site, cache: Path) -> None:
    web.gives("/robots.txt", "User-agent: *\nDisallow: /private/\n")
    private, public = web.gives("/private/page", "secret"), web.gives("/page", "hello")
    facts = ask(web, [private, public], cache).facts
    assert facts[private].state is LinkState.UNSURE
    assert "robots.txt" in facts[private].reason
    assert facts[public].state is LinkState.WORKS
    assert not web.asked("/private/page")
    assert len(web.asked("/robots.txt")) == 1


def test_f_09_a_site_whose_robots_file_is_broken_could_not_be_checked(web: Site, cache: Path) -> None:
    web.gives("/robots.txt", status=503)
    fact = fact_of(web, web.gives("/page", "hello"), cache)
    assert fact.state is LinkState.UNSURE
    assert not web.asked("/page")


def redirects(web: Site, *hops: int, to: str = "/new/page", start: str = "/old/page") -> str:
    """A chain of redirects with these codes; the first address."""
    for number, status in enumerate(hops):
        here = start if number == 0 else f"/hop{number}"
        there = to if number == len(hops) - 1 else f"/hop{number + 1}"
        web.gives(here, status=status, headers={"Location": there})
    web.gives(to.partition("?")[0], "hello")
    web.gives(to, "hello")
    return web.base + start


@pytest.mark.parametrize("hops", [(301,), (308,), (301, 308)])
def test_a_page_that_moved_for_good_has_a_better_address(web: Site, cache: Path, hops: tuple[int, ...]) -> None:
    fact = fact_of(web, redirects(web, *hops), cache)
    assert (fact.state, fact.leads_to) == (LinkState.MOVED, web.base + "/new/page")


@pytest.mark.parametrize("hops", [(302,), (303,), (307,), (301, 302), (307, 308)])
def test_a_page_that_is_elsewhere_for_now_works(web: Site, cache: Path, hops: tuple[int, ...]) -> None:
    assert fact_of(web, redirects(web, *hops), cache).state is LinkState.WORKS


@pytest.mark.parametrize("home", ["/", "/index.html", "/en-gb/", "/en/home"])
@pytest.mark.parametrize("status", [301, 302])
def test_a_page_that_leads_to_the_home_page_is_suspicious(web: Site, cache: Path, home: str, status: int) -> None:
    fact = fact_of(web, redirects(web, status, to=home), cache)
    assert fact.state is LinkState.MOVED
    assert "home page" in fact.reason


@pytest.mark.parametrize("to", ["/new/page;jsessionid=4F2C", "/new/page?access_token=4F2C"])
def test_a_session_opened_for_us_is_neither_kept_nor_offered_to_readers(web: Site, cache: Path, to: str) -> None:
    fact = fact_of(web, redirects(web, 301, to=to), cache)
    assert (fact.state, fact.leads_to) == (LinkState.WORKS, "")
    assert "4F2C" not in cache.read_text("utf-8")


def test_a_page_behind_a_sign_in_could_not_be_checked(web: Site, cache: Path) -> None:
    fact = fact_of(web, redirects(web, 302, to="/account/login?next=/old/page"), cache)
    assert fact.state is LinkState.UNSURE
    assert "sign in" in fact.reason


def test_a_new_address_has_no_tracking_in_it_and_keeps_the_place_on_the_page(web: Site, cache: Path) -> None:
    url = redirects(web, 301, to="/new/page?utm_source=old") + "#part-2"
    assert fact_of(web, url, cache).leads_to == web.base + "/new/page#part-2"


def test_a_page_that_leads_nowhere_or_in_circles_could_not_be_checked(web: Site, cache: Path) -> None:
    round_about = web.gives("/round", status=301, headers={"Location": "/round"})
    nowhere = web.gives("/nowhere", status=301)
    facts = ask(web, [round_about, nowhere], cache).facts
    assert {fact.state for fact in facts.values()} == {LinkState.UNSURE}


def test_z_35_a_redirect_to_a_private_host_is_not_followed(web: Site, cache: Path) -> None:
    url = web.gives("/page", status=302, headers={"Location": "http://10.0.0.1/"})
    fact = fact_of(web, url, cache)
    assert (fact.state, fact.reason) == (LinkState.UNSURE, "leads to a private address")


# ---------------------------------------------------------------- connections


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_host_that_refuses_while_others_answer_is_dead(web: Site, cache: Path) -> None:
    there = web.gives("/page", "hello")
    gone = Site(f"127.0.0.1:{free_port()}", "http")
    facts = linkcheck.ask([there, gone.base + "/page"], client_for(web, gone), cache, NOW).facts
    assert facts[gone.base + "/page"].state is LinkState.DEAD


def test_a_name_that_no_longer_exists_is_dead_while_others_do(web: Site, cache: Path) -> None:
    url = "https://gone.invalid/page"
    assert ask(web, [web.gives("/page", "hello"), url], cache).facts[url].state is LinkState.DEAD


def test_where_most_sites_are_out_of_reach_none_of_them_is_called_dead(web: Site, cache: Path) -> None:
    urls = [f"https://gone-{number}.invalid/page" for number in range(3)]
    facts = ask(web, [web.gives("/page", "hello"), *urls], cache).facts
    assert {facts[url].state for url in urls} == {LinkState.UNSURE}


def test_without_a_network_nothing_is_known_and_nothing_is_kept(web: Site, cache: Path) -> None:
    result = ask(web, ["https://gone.invalid/a", "https://missing.invalid/b"], cache)
    assert (result.offline, result.asked, dict(result.facts)) == (True, 0, {})
    assert not cache.exists()


def test_a_dropped_line_is_tried_once_more(web: Site, cache: Path) -> None:
    def drop_once(handler: BaseHTTPRequestHandler) -> None:
        if len(web.asked("/page")) == 1:
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        handler.send_response(200)
        handler.end_headers()

    assert fact_of(web, web.does("/page", drop_once), cache).state is LinkState.WORKS
    assert len(web.asked("/page")) == 2


def test_a_server_that_keeps_silent_could_not_be_checked(web: Site, cache: Path) -> None:
    over = threading.Event()
    url = web.does("/page", lambda handler: over.wait(20) and None)
    there = web.gives("/there", "hello")
    facts = linkcheck.ask([url, there], client_for(web, total=0.3), cache, NOW).facts
    over.set()
    assert facts[url].state is LinkState.UNSURE
    assert facts[there].state is LinkState.WORKS


# ---------------------------------------------------------------- at once, and once


def test_one_page_is_asked_once_whatever_its_fragments(web: Site, cache: Path) -> None:
    url = web.gives("/page", "hello")
    urls = [url, url + "#a", url + "#b", url]
    result = ask(web, urls, cache)
    assert len(web.asked("/page")) == result.asked == 1
    assert {asked: fact.url for asked, fact in result.facts.items()} == {asked: asked for asked in urls}


def test_only_web_addresses_are_asked(web: Site, cache: Path) -> None:
    result = ask(web, ["mailto:a@example.org", "tel:0123", "page.html", "", "ftp://example.org/"], cache)
    assert (result.asked, dict(result.facts), result.offline) == (0, {}, False)


def test_one_site_is_never_asked_more_than_six_questions_at_a_time(web: Site, cache: Path) -> None:
    lock, here, most = threading.Lock(), 0, 0

    def count(handler: BaseHTTPRequestHandler) -> None:
        nonlocal here, most
        with lock:
            here += 1
            most = max(most, here)
        threading.Event().wait(0.02)
        with lock:
            here -= 1
        handler.send_response(200)
        handler.end_headers()

    urls = [web.does(f"/page/{number}", count) for number in range(30)]
    progress: list[tuple[int, int]] = []
    linkcheck.ask(urls, client_for(web), cache, NOW, on_progress=lambda done, of: progress.append((done, of)))
    assert 2 <= most <= 6
    assert progress == [(number, 30) for number in range(1, 31)]


def test_sites_are_asked_all_at_once(cache: Path) -> None:
    """Ten sites that answer only when all ten have been asked."""
    together = threading.Barrier(10)

    def wait_for_all(handler: BaseHTTPRequestHandler) -> None:
        together.wait(10)
        handler.send_response(200)
        handler.end_headers()

    with ExitStack() as stack:
        sites = [stack.enter_context(site()) for _ in range(10)]
        urls = [one.does("/page", wait_for_all) for one in sites]
        facts = linkcheck.ask(urls, client_for(*sites), cache, NOW).facts
    assert {fact.state for fact in facts.values()} == {LinkState.WORKS}


# ---------------------------------------------------------------- what is kept


def test_a_page_that_works_is_not_asked_again_for_a_day(web: Site, cache: Path) -> None:
    url = web.gives("/page", "hello")
    ask(web, [url], cache)
    again = ask(web, [url], cache, NOW + dt.timedelta(hours=23))
    assert (again.asked, again.kept, again.facts[url].state) == (0, 1, LinkState.WORKS)
    assert ask(web, [url], cache, NOW + dt.timedelta(hours=24)).asked == 1
    assert ask(web, [url], cache, NOW - dt.timedelta(hours=1)).asked == 1


def test_a_site_that_refuses_is_left_alone_for_an_hour(web: Site, cache: Path) -> None:
    url = web.gives("/page", status=403)
    ask(web, [url], cache)
    assert ask(web, [url], cache, NOW + dt.timedelta(minutes=59)).asked == 0
    assert ask(web, [url], cache, NOW + dt.timedelta(hours=1)).asked == 1


def test_a_dead_page_that_is_back_works_at_once(web: Site, cache: Path) -> None:
    url = web.gives("/page", status=404)
    assert fact_of(web, url, cache).state is LinkState.DEAD
    web.gives("/page", "hello")
    assert fact_of(web, url, cache).state is LinkState.WORKS


def test_offline_only_what_is_kept_is_known(web: Site, cache: Path) -> None:
    url, other = web.gives("/page", status=404), web.gives("/other", "hello")
    ask(web, [url], cache)
    before = len(web.requests)
    result = ask(web, [url, other], cache, online=False)
    assert (set(result.facts), result.asked, result.offline) == ({url}, 0, False)
    assert len(web.requests) == before


def test_what_is_kept_is_for_its_owner_only(web: Site, cache: Path) -> None:
    ask(web, [web.gives("/page", "hello")], cache)
    assert cache.stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_kept_the_answers_still_count(web: Site, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    url = web.gives("/page", "hello")
    assert ask(web, [url], tmp_path / "a-file" / "links.json").facts[url].state is LinkState.WORKS


KEPT = {"url": "a", "state": "works", "reason": "", "leads_to": "", "kind": "", "when": NOW.isoformat()}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", '{"facts": 1}', '{"facts": [1]}', '{"facts": [{}]}', "\x00", "[" * 100_000),
        json.dumps({"facts": [{**KEPT, "state": "odd"}]}),
        json.dumps({"facts": [{**KEPT, "url": 1}]}),
        json.dumps({"facts": [{**KEPT, "when": "2024-05-29"}]}),
    ],
)
def test_a_broken_file_of_answers_is_as_good_as_none(web: Site, cache: Path, text: str) -> None:
    url = web.gives("/page", "hello")
    cache.write_text(text)
    assert fact_of(web, url, cache).state is LinkState.WORKS
    assert ask(web, [url], cache).kept == 1


# ---------------------------------------------------------------- any answer

LOCATIONS = st.one_of(
    st.text(max_size=30), st.sampled_from(["http://[", "https://a/", "https://www.example.org/x?y#z"])
)


@given(
    page=LOCATIONS,
    url=LOCATIONS,
    status=st.integers(100, 999),
    permanent=st.booleans(),
    headers=st.dictionaries(st.sampled_from(["content-type", "retry-after", "cf-mitigated"]), st.text(max_size=20)),
)
@settings(deadline=None)
def test_any_answer_is_sorted(page: str, url: str, status: int, permanent: bool, headers: dict[str, str]) -> None:
    fact = linkcheck.sort(page, Probed(url=url, status=status, headers=headers, permanent=permanent))
    assert fact.state is LinkState.WORKS or fact.reason
    assert fact.state is not LinkState.DEAD or status in {404, 410}
    broken = linkcheck.sort(page, FetchError(url, "broke off the connection"))
    assert broken.state is LinkState.UNSURE
