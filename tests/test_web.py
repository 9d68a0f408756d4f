"""The public endpoints, over real HTTP: leaving works for every client, and nothing else changes anything."""

from __future__ import annotations

import http.client
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from office import CONFIG, HOST, NOW, OURS, SECRET, Office, ask, running
from playwright.sync_api import Browser, Page, expect

from bulletin.config import Web
from bulletin.subscribers.tokens import Links


@pytest.fixture(scope="module")
def open_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with running(tmp_path_factory.mktemp("office")) as office:
        yield office


@pytest.fixture
def office(open_office: Office) -> Office:
    open_office.subscribers.resubscribe(open_office.reader.id, now=NOW, how="test")
    return open_office


BODIES = {
    "urlencoded": {"data": {"List-Unsubscribe": "One-Click"}},
    "multipart": {"files": {"List-Unsubscribe": (None, "One-Click")}},
    "empty": {},
    "something else": {"data": b"\xff{", "headers": {"Content-Type": "application/json"}},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("end", ["", "/"])
def test_one_post_unsubscribes_whatever_its_body_l05_l06(office: Office, body: dict[str, object], end: str) -> None:
    answer = ask("POST", office.unsubscribe + end, **body)
    assert answer.status_code == 200
    assert not office.gets_mail
    assert office.history()[-1] == ("unsubscribed", "one-click unsubscribe")


def test_a_repeated_post_answers_200_and_is_recorded_once_l09(office: Office) -> None:
    before = len(office.history())
    assert [ask("POST", office.unsubscribe).status_code for _ in range(3)] == [200, 200, 200]
    assert len(office.history()) == before + 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
@pytest.mark.parametrize("link", ["unsubscribe", "preferences"])
def test_only_post_changes_anything_l08_z01(office: Office, method: str, link: str) -> None:
    before = office.history()
    answer = ask(method, getattr(office, link), data="choice=leave")
    assert answer.status_code == (200 if method in {"GET", "HEAD"} else 405)
    assert office.gets_mail
    assert office.history() == before


def test_a_bad_link_is_refused_and_tells_nothing_l09(office: Office) -> None:
    good = office.unsubscribe.rsplit("/", 1)[1]
    swapped = office.preferences.rsplit("/", 1)[1]
    subscriber, _, signature = good.partition("_")
    bad = [good[:-1], good + "a", "x" + good, f"nobody_{signature}", subscriber, "a", "%00", "é", "..%2f", swapped]
    answers = {
        ask(method, f"{office.address}/harbour/unsubscribe/{token}").text for token in bad for method in ("GET", "POST")
    }
    assert len(answers) == 1
    assert "This link does not work" in answers.pop()
    assert all(ask("POST", f"{office.address}/harbour/unsubscribe/{token}").status_code == 404 for token in bad)
    assert office.gets_mail


def test_the_link_of_somebody_who_is_not_on_the_list_any_more_still_answers_l10(office: Office) -> None:
    gone = office.local(Links(CONFIG.service_url, SECRET).personal("erased0000", "")["unsubscribe_url"])
    assert ask("POST", gone).status_code == 200
    assert "You are not subscribed" in ask("GET", gone).text


def test_every_answer_is_private_and_strict_z10_z11_z12(office: Office) -> None:
    known = (office.unsubscribe, office.preferences, office.address + "/harbour/style.css")
    for path in (*known, office.unsubscribe + "x", office.address + "/"):
        for method in ("GET", "POST"):
            headers = ask(method, path).headers
            policy = headers["content-security-policy"]
            assert {"default-src 'none'", "object-src 'none'", "base-uri 'none'"} <= {*policy.split("; ")}
            assert {"frame-ancestors 'none'", "form-action 'self'"} <= {*policy.split("; ")}
            assert "unsafe" not in policy
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["x-robots-tag"] == "noindex"
            assert headers["x-content-type-options"] == "nosniff"
            assert "max-age=31536000" in headers["strict-transport-security"]
            assert "charset=utf-8" in headers["content-type"]
            assert "set-cookie" not in headers


def test_no_page_names_the_reader(office: Office) -> None:
    pages = [ask(method, url).text for url in (office.unsubscribe, office.preferences) for method in ("GET", "POST")]
    assert not any("reader.one" in page or "Reader One" in page for page in pages)


def test_another_host_is_refused_and_never_reaches_a_link_z06(office: Office) -> None:
    answer = ask("GET", office.unsubscribe, headers={"Host": "evil.example.com"})
    assert answer.status_code == 400
    headers = {"Host": HOST, "X-Forwarded-Host": "evil.example.com"}
    page = ask("POST", office.unsubscribe, headers=headers, data={"from": "page"}).text
    assert "evil" not in page
    assert f"https://{HOST}/harbour/preferences/" in page


def test_a_form_that_is_too_large_is_refused_z13(office: Office) -> None:
    assert ask("POST", office.unsubscribe, data=b"x" * 70_000).status_code == 413
    chunks = (b"x" * 10_000 for _ in range(10))
    assert ask("POST", office.preferences, data=chunks, headers=OURS).status_code == 413
    assert office.gets_mail


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": f"https://{HOST}"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": f"https://{HOST}"}, 403),
        ({"Origin": "https://evil.example.com"}, 403),
        ({}, 403),
    ],
)
def test_a_choice_counts_only_from_our_own_page_z02(office: Office, headers: dict[str, str], status: int) -> None:
    assert ask("POST", office.preferences, data={"choice": "leave"}, headers=headers).status_code == status
    assert office.gets_mail is (status != 200)


def test_an_unknown_choice_changes_nothing(office: Office) -> None:
    for choice in ({"choice": "everything"}, {}):
        answer = ask("POST", office.preferences, data=choice, headers=OURS)
        assert answer.status_code == 400
    assert office.gets_mail


def test_a_body_that_never_ends_up_complete_changes_nothing(office: Office) -> None:
    where = urlsplit(office.unsubscribe)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=5)
    connection.putrequest("POST", where.path)
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"List-Unsub")
    connection.close()
    assert ask("GET", office.unsubscribe).ok
    assert office.gets_mail


def test_a_fault_inside_shows_a_number_and_nothing_else_z14(tmp_path: Path) -> None:
    with running(tmp_path) as office:
        url = office.unsubscribe
        with closing(sqlite3.connect(tmp_path / "bulletin.db")) as database:
            database.execute("DROP TABLE subscriber")
        answer = ask("POST", url)
    assert answer.status_code == 500
    assert "tell us this number" in answer.text
    for inside in ("Traceback", "sqlite", "no such table", "site-packages", url.rsplit("/", 1)[1]):
        assert inside not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_service_at_the_top_of_its_host_works_too(tmp_path: Path) -> None:
    config = replace(CONFIG, web=Web(archive_url=f"https://{HOST}/"))
    with running(tmp_path, config) as office:
        assert ask("POST", office.unsubscribe.replace("/harbour/", "/")).status_code == 200
        assert not office.gets_mail


# ---------------------------------------------------------------- in a browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 320, "height": 640}, java_script_enabled=True)
    yield context.new_page()
    context.close()


def test_a_reader_leaves_comes_back_and_leaves_again_by_keyboard(page: Page, office: Office) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(office.unsubscribe)
    expect(page.get_by_role("heading", level=1)).to_have_text("Stop getting Harbour Bulletin?")
    page.get_by_role("button", name="Unsubscribe").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("You will get no more issues of Harbour Bulletin.")
    assert not office.gets_mail
    assert office.history()[-1] == ("unsubscribed", "unsubscribe page")

    page.goto(office.preferences)
    page.get_by_role("button", name="Get Harbour Bulletin again").click()
    expect(page.get_by_role("status")).to_have_text("Done. You will get the next issue.")
    assert office.gets_mail

    page.get_by_role("button", name="Stop getting Harbour Bulletin").click()
    expect(page.get_by_role("status")).to_contain_text("no more issues")
    assert not office.gets_mail
    assert all(url.startswith(office.address) for url in asked), asked


@pytest.mark.parametrize("width", [320, 1200])
def test_pages_are_usable_at_any_width_x14_x20(page: Page, office: Office, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    for url in (office.unsubscribe, office.preferences, office.unsubscribe + "x"):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").count() == 1
        assert (
            page.evaluate("getComputedStyle(document.querySelector('.masthead')).backgroundColor") == "rgb(29, 53, 87)"
        )
        for box in [button.bounding_box() for button in page.get_by_role("button").all()]:
            assert box is not None
            assert box["height"] >= 44
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the main content"
