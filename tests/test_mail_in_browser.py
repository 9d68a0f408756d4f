"""The rendered May issue in a real browser: narrow and wide, light and dark, with pictures and without."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from bulletin.editions import make_edition
from bulletin.model import Edition, EditionEvent
from bulletin.publication import open_publication
from bulletin.render import fill, render, sample_personal

ROOT = Path(__file__).resolve().parent.parent
PUBLICATION = open_publication(ROOT, {})
CONFIG = PUBLICATION.config
WIDTHS = (320, 600, 1200)

CONTRASTS = """
() => {
  const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const words = walker.currentNode.data.replace(/[\\s\\u00a0]+/g, " ").trim();
    const element = walker.currentNode.parentElement;
    if (!words || !element.getClientRects().length) continue;
    const [one, two] = [luminance(parts(getComputedStyle(element).color)), luminance(behind(element))];
    found.push([words, (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05), two]);
  }
  return found;
}
"""
"""For each visible piece of text: its words, its contrast with what is behind it, and the luminance behind it."""

BRIGHT_IN_THE_DARK = {"Book a place for 12 June", "For police forces only", "Sept", "Oct"}
"""The small things that stay bright on purpose: a button, a badge, the months of two events."""


def may(audience: str = "everyone", **changes: object) -> Edition:
    issue = PUBLICATION.read_issue("2024-05").issue
    edition = make_edition(issue, CONFIG, PUBLICATION.pictures(issue), audience)
    return dataclasses.replace(edition, **changes)  # type: ignore[arg-type]


@contextmanager
def shown(
    browser: Browser, edition: Edition, *, width: int = 600, dark: bool = False, pictures: bool = True
) -> Iterator[Page]:
    """The edition on a screen `width` px wide; pictures come from the issue's folder, nothing from the network."""
    finished = render(
        edition, CONFIG, template_dirs=PUBLICATION.template_dirs, secret=b"a key that only these tests use."
    )
    html, _ = fill(finished, sample_personal(CONFIG))

    def answer(route: Route) -> None:
        url = route.request.url
        picture = PUBLICATION.issue_dir(edition.issue) / url.removeprefix(f"{CONFIG.archive_url}{edition.issue}/")
        if url == "https://mail.example.test/":
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif pictures and picture.is_file():
            route.fulfill(path=picture)
        else:
            route.abort()

    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    try:
        page.route("**/*", answer)
        page.goto("https://mail.example.test/")
        yield page
    finally:
        page.close()


def sideways(page: Page) -> int:
    """By how many px the page is wider than the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", WIDTHS)
def test_h04_x14_no_sideways_scroll_and_a_column_of_600(browser: Browser, width: int) -> None:
    with shown(browser, may("forces"), width=width) as page:
        assert page.evaluate("document.compatMode") == "CSS1Compat"
        assert sideways(page) == 0
        assert page.locator("h1").bounding_box()["width"] <= 600  # type: ignore[index]


def test_pictures_are_shown_whole_and_keep_their_shape(browser: Browser) -> None:
    """From edge to edge in a lead, beside the words in a card, as wide as the words in a list; stacked on a phone."""
    wide = [600, 198, 198, 536]
    for width, expected in ((320, [320, 280, 280, 280]), (600, wide), (1200, wide)):
        with shown(browser, may(), width=width) as page:
            sizes = page.locator("img").evaluate_all("all => all.map(one => [one.naturalWidth, one.width, one.height])")
            assert [(natural, across) for natural, across, _ in sizes] == [(1200, across) for across in expected]
            assert all(abs(across / high - 1200 / 630) < 0.02 for _, across, high in sizes)


def test_x14_long_words_wrap_on_a_narrow_screen(browser: Browser) -> None:
    url = "https://example.org/" + "very-long-address" * 12
    (section, *_) = may().sections
    story = dataclasses.replace(section.items[1], title="Llanfair" * 12, link=url, summary=url, source="x" * 90)
    edition = may(sections=(dataclasses.replace(section, title="Y" * 60, items=(story,)),), notice="z" * 200)
    with shown(browser, edition, width=320) as page:
        assert sideways(page) == 0


def test_x14_wider_text_spacing_loses_nothing(browser: Browser) -> None:
    with shown(browser, may(), width=320) as page:
        page.add_style_tag(
            content="p { margin-bottom: 2em !important; } * { line-height: 1.5 !important; "
            "letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }"
        )
        assert sideways(page) == 0


def with_everything() -> Edition:
    """An edition with each thing that an item can have."""
    edition = may("forces")
    event = EditionEvent(
        starts=dt.datetime(2024, 6, 12, 11, tzinfo=CONFIG.zone),
        ends=None,
        place="Online",
        booking="https://booking.example.org/",
        calendar_url="https://bulletin.example.org/event.ics",
    )
    summary = "Some [linked](https://example.org/) words.\n\n- one\n- two\n\n> quoted\n\n`code`"
    (section, *others) = edition.sections
    story = dataclasses.replace(
        section.items[0], event=event, expires=dt.date(2024, 6, 1), restricted=True, summary=summary, link=None
    )
    section = dataclasses.replace(section, items=(story, *section.items[1:]), intro=summary)
    return dataclasses.replace(edition, sections=(section, *others))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_h15_x13_all_text_stands_out_from_what_is_behind_it(browser: Browser, dark: bool) -> None:
    with shown(browser, with_everything(), dark=dark) as page:
        found = page.evaluate(CONTRASTS)
        assert len(found) > 100
        assert [(words, round(ratio, 1)) for words, ratio, _ in found if ratio < 4.5] == []
        if dark:
            assert {words for words, _, behind in found if behind > 0.2} == BRIGHT_IN_THE_DARK


def test_h14_outlooks_own_dark_mode_gets_the_dark_colours(browser: Browser) -> None:
    with shown(browser, with_everything()) as page:
        page.evaluate("for (const name of ['data-ogsc', 'data-ogsb']) document.body.setAttribute(name, '')")
        found = page.evaluate(CONTRASTS)
        assert [(words, round(ratio, 1)) for words, ratio, _ in found if ratio < 4.5] == []
        assert {words for words, _, behind in found if behind > 0.2} == BRIGHT_IN_THE_DARK


def test_g03_without_pictures_their_words_are_there(browser: Browser) -> None:
    edition = may()
    with shown(browser, edition, width=320, pictures=False) as page:
        assert sideways(page) == 0
        for story in edition.items:
            if story.picture:
                assert page.get_by_alt_text(story.picture.alt).bounding_box()["height"] >= 20  # type: ignore[index]


def test_h22_a_line_of_the_contents_leads_to_its_story(browser: Browser) -> None:
    edition = may()
    story = list(edition.items)[-1]
    with shown(browser, edition) as page:
        page.get_by_role("link", name=story.title).first.click()
        heading = page.get_by_role("heading", name=story.title)
        assert 0 <= heading.bounding_box()["y"] < 900  # type: ignore[index]


def test_x20_links_are_large_enough_to_touch(browser: Browser) -> None:
    with shown(browser, may(), width=320) as page:
        for link in page.locator("a[href^=http]").all():
            box = link.bounding_box()
            assert box is not None
            # Links within a line of text may have the height of their line (WCAG 2.5.8).
            assert box["height"] >= (18 if link.evaluate("one => getComputedStyle(one).display") == "inline" else 24)


def test_h17_the_booking_button_is_large_and_says_what_it_books(browser: Browser) -> None:
    with shown(browser, with_everything(), width=320) as page:
        box = page.get_by_role("link", name="Book a place for 12 June").bounding_box()
        assert box is not None
        assert box["height"] >= 44


def test_x12_links_are_underlined(browser: Browser) -> None:
    with shown(browser, may()) as page:
        lines = page.locator("a[href]").evaluate_all("all => all.map(one => getComputedStyle(one).textDecorationLine)")
        assert set(lines) == {"underline"}


def test_a_screen_reader_hears_headings_in_order_and_no_layout_tables(browser: Browser) -> None:
    edition = may()
    with shown(browser, edition) as page:
        assert page.get_by_role("heading", level=1).all_inner_texts() == ["VKPP Bulletin"]
        titles = page.get_by_role("heading", level=2).all_inner_texts()
        assert titles == ["In this issue", *(section.title for section in edition.sections)]
        stories = page.get_by_role("heading", level=3).all_inner_texts()
        assert stories == [story.title for story in edition.items]
        assert page.get_by_role("table").count() == 0
        assert page.get_by_role("article").get_attribute("aria-label") == edition.title
