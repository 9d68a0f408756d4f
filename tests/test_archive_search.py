"""Search in the archive, by its reader: in a real browser, with nothing behind it but files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from accessibility import violations
from filesweb import serving
from playwright.sync_api import Browser, Page, expect

from bulletin import gate
from bulletin.archive import site
from bulletin.config import Config, Organisation, Sender, TopicSetting, Web
from bulletin.errors import LeakError
from bulletin.model import Issue, Item, Section, TranslatedItem, Translation
from bulletin.publication import starter_templates

CONFIG = Config(
    name="Harbour Bulletin",
    organisation=Organisation(name="Harbour Partnership", postal_address="1 Quay, Exampleton"),
    sender=Sender(name="Harbour Bulletin", address="bulletin@example.org"),
    web=Web(archive_url="https://news.example.org/harbour/"),
    languages=("en-GB", "cy"),
    topics=(TopicSetting(id="stalking", title="Stalking"), TopicSetting(id="tides", title="Tides")),
)
STORIES = {
    "2024-05": ("New orders on stalking", "Courts can now make stalking protection orders.", "Home Office", "stalking"),
    "2023-03": ("A briefing on stalking", "What officers learnt in spring.", "College & Co <b>", "stalking"),
    "2019-06": (
        "High tides expected",
        "Stay away from the quay. Stalking the shore is unwise.",
        "Harbour Office",
        "tides",
    ),
}


def issue(name: str, title: str, summary: str, source: str, topic: str) -> Issue:
    year, month = map(int, name.split("-"))
    item = Item(id="first", title=title, summary=summary, source=source, topics=(topic,))
    return Issue(
        schema=1,
        id=name,
        title=f"Harbour Bulletin, {name}",
        date=dt.date(year, month, 28),
        public=True,
        sections=(Section(id="news", items=(item,)),),
    )


ISSUES = [issue(name, *story) for name, story in STORIES.items()]
WELSH = Translation(
    schema=1, items={"first": TranslatedItem(title="Gorchmynion newydd ar stelcio", summary="Geiriau.")}
)


@pytest.fixture(scope="module")
def outputs() -> dict[str, bytes]:
    return dict(
        site.build(
            ISSUES,
            CONFIG,
            pictures={},
            picture_bytes=lambda _issue, _file: b"",
            template_dirs=(starter_templates(),),
            translations={"2024-05": {"cy": WELSH}},
            with_search=True,
        )
    )


@pytest.fixture(scope="module")
def served(outputs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The archive at the address of a web server that knows nothing of it, in the folder its address says."""
    folder = tmp_path_factory.mktemp("served")
    site.write(outputs, folder / "harbour")
    with serving(folder) as address:
        yield f"{address}harbour/"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert said == [], "not even the content security policy has anything to say"
    assert all(url.startswith(("http://127.0.0.1:", "file:")) for url in asked), asked


def titles(page: Page) -> list[str]:
    return page.locator("#Results h2").all_inner_texts()


def test_a_story_is_found_by_keyboard_alone_and_opened_x17(page: Page, served: str) -> None:
    page.goto(served + "search/index.html")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "Words":
            break
    page.keyboard.type("protection orders")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("1 story was found.")
    assert titles(page) == ["New orders on stalking"]
    assert "Home Office, 28 May 2024" in page.locator("#Results .meta").inner_text()
    assert "make stalking protection orders" in page.locator("#Results .entry").inner_text(), (
        "with a space at each mark"
    )
    page.locator("#Results a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/harbour/2024-05/index.html#first")
    assert page.locator(":target h3").inner_text() == "New orders on stalking"


def test_old_and_new_issues_are_found_together_and_narrowed_by_topic_source_and_year(page: Page, served: str) -> None:
    page.goto(served + "search/index.html?q=stalking")
    expect(page.get_by_role("status")).to_have_text("3 stories were found.")
    page.get_by_label("Topic").select_option("Stalking")
    expect(page.get_by_role("status")).to_have_text("2 stories were found.")
    page.get_by_label("Year").select_option("2023")
    expect(page.get_by_role("status")).to_have_text("1 story was found.")
    assert titles(page) == ["A briefing on stalking"]
    assert "College & Co <b>" in page.locator("#Results .meta").inner_text()
    assert "year=2023" in page.url, "the address can be passed on"
    page.get_by_label("Source").select_option("Home Office")
    expect(page.get_by_role("status")).to_have_text("No story was found.")


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("stlaking orders", "New orders on stalking"),
        ("protecton orders", "New orders on stalking"),
        ("brieffing", "A briefing on stalking"),
    ],
)
def test_a_story_is_found_in_spite_of_a_slip_of_the_fingers(page: Page, served: str, typed: str, title: str) -> None:
    page.goto(served + "search/index.html")
    page.get_by_label("Words").fill(typed)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_contain_text("found.")
    assert title in titles(page)


def test_a_reader_is_told_what_was_looked_for_instead(page: Page, served: str) -> None:
    page.goto(served + "search/index.html?q=stlaking")
    expect(page.get_by_role("status")).to_have_text("Showing results for “stalking”. 3 stories were found.")


def test_the_welsh_archive_is_searched_in_welsh(page: Page, served: str) -> None:
    page.goto(served + "cy/search/index.html?q=stelcio")
    expect(page.get_by_role("status")).to_have_text("Cafwyd hyd i 1 stori.")
    assert titles(page) == ["Gorchmynion newydd ar stelcio"]
    page.locator("#Results a").click()
    page.wait_for_url("**/harbour/cy/2024-05/index.html#first")
    page.goto(served + "cy/search/index.html?q=tides")
    expect(page.get_by_role("status")).to_have_text("Cafwyd hyd i 1 stori.")
    assert page.locator("#Results li").get_attribute("lang") == "en-GB"
    page.locator("#Results a").click()
    page.wait_for_url("**/harbour/2019-06/index.html#first")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_the_search_page_is_accessible_with_its_results(browser: Browser, served: str, scheme: str, width: int) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(served + "search/index.html?q=stalking")
    expect(page.locator("#Results li")).to_have_count(3)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_without_a_program_or_from_a_disk_the_page_leads_to_the_index(
    browser: Browser, page: Page, served: str, outputs: dict[str, bytes], tmp_path: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    bare = context.new_page()
    bare.goto(served + "search/index.html")
    assert not bare.locator("form").is_visible()
    bare.locator("main").get_by_role("link", name="A to Z").click()
    bare.get_by_role("link", name="H", exact=True).click()
    assert bare.get_by_role("link", name="High tides expected").is_visible()
    context.close()
    site.write(outputs, tmp_path / "site")


def test_what_is_secret_is_found_in_the_packed_index_too_s23(outputs: dict[str, bytes]) -> None:
    gate.check_public(outputs, ISSUES, CONFIG)
    secret = replace(ISSUES[0].sections[0].items[0], audience=("forces",))
    closed = replace(ISSUES[0], sections=(replace(ISSUES[0].sections[0], items=(secret,)),))
    packed = {name: data for name, data in outputs.items() if name.endswith(".pf_fragment")}
    assert packed
    with pytest.raises(LeakError, match=r"pf_fragment holds a sentence of the summary of the item first in 2024-05"):
        gate.check_public(packed, [closed, *ISSUES[1:]], CONFIG)


def test_withdrawn_issues_and_those_without_stories_make_no_index() -> None:
    withdrawn = replace(ISSUES[0], withdrawn="Wrong.")
    built = site.build(
        [withdrawn],
        CONFIG,
        pictures={},
        picture_bytes=lambda _issue, _file: b"",
        template_dirs=(starter_templates(),),
        with_search=True,
    )
    assert not [name for name in built if name.startswith(("search/", "cy/search/"))]


def test_the_same_stories_make_the_same_index_f44(outputs: dict[str, bytes]) -> None:
    again = site.build(
        ISSUES,
        CONFIG,
        pictures={},
        picture_bytes=lambda _issue, _file: b"",
        template_dirs=(starter_templates(),),
        translations={"2024-05": {"cy": WELSH}},
        with_search=True,
    )
    assert again == outputs
