"""The rendered May issue in a real browser: narrow and wide, light and dark, with pictures and without."""

from __future__ import annotations

import colorsys
import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from accessibility import violations
from layouts import every_layout
from playwright.sync_api import Browser, Page, Route
from test_golden import held_against

from bulletin.colours import contrast
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


def finished(edition: Edition) -> str:
    """One reader's HTML."""
    made = render(edition, CONFIG, template_dirs=PUBLICATION.template_dirs, secret=b"a key that only these tests use.")
    return fill(made, sample_personal(CONFIG))[0]


@contextmanager
def shown(
    browser: Browser,
    edition: Edition,
    *,
    width: int = 600,
    dark: bool = False,
    pictures: bool = True,
    change: Callable[[str], str] = str,
) -> Iterator[Page]:
    """The edition on a screen `width` px wide; pictures come from the issue's folder, nothing from the network.

    `change` does to the HTML what a mail program does.
    """
    html = change(finished(edition))

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


def test_x14_a_line_of_code_wraps_also_one_made_by_a_slip_of_the_space_bar(browser: Browser) -> None:
    (section, *_) = may().sections
    story = dataclasses.replace(section.items[1], summary="One.\n\n    " + "A line moved in too far. " * 12)
    edition = may(sections=(dataclasses.replace(section, items=(story,)),))
    with shown(browser, edition, width=320) as page:
        assert sideways(page) == 0


def test_x14_wider_text_spacing_loses_nothing(browser: Browser) -> None:
    with shown(browser, may(), width=320) as page:
        page.add_style_tag(
            content="p { margin-bottom: 2em !important; } * { line-height: 1.5 !important; "
            "letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }"
        )
        assert sideways(page) == 0


def test_s11_a_label_is_in_one_piece_in_a_mail_that_reads_from_right_to_left(browser: Browser) -> None:
    edition = dataclasses.replace(every_layout(may("forces")), language="ar")
    with shown(browser, edition, width=600) as page:
        pieces = page.eval_on_selector_all(".tlp", "all => all.map(one => one.getClientRects().length)")
    assert pieces
    assert set(pieces) == {1}


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


# ---------------------------------------------------------------- accessibility, and mail programs that change things


def without_styles(html: str) -> str:
    """The mail as Gmail shows it to those with an account elsewhere: no `<style>` at all."""
    return re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)


def inverted(html: str) -> str:
    """The mail without styles and with the lightness of every colour turned round, hue and all else kept."""

    def turned(colour: re.Match[str]) -> str:
        digits = "".join(digit * 2 for digit in colour[1]) if len(colour[1]) == 3 else colour[1]
        hue, lightness, saturation = colorsys.rgb_to_hls(*(int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)))
        parts = colorsys.hls_to_rgb(hue, 1 - lightness, saturation)
        return "#" + "".join(f"{round(255 * part):02x}" for part in parts)

    return re.sub(r"(?<=[:\s\"])#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b(?=[;\"])", turned, without_styles(html))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("audience", ["everyone", "forces"])
def test_axe_finds_nothing_in_the_may_mail(browser: Browser, audience: str, dark: bool) -> None:
    for width in WIDTHS:
        with shown(browser, may(audience), width=width, dark=dark) as page:
            assert violations(page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_any_layout(browser: Browser, dark: bool) -> None:
    with shown(browser, every_layout(may("forces")), width=320, dark=dark) as page:
        assert violations(page) == []


@pytest.mark.parametrize("audience", ["everyone", "forces"])
def test_axe_finds_nothing_where_styles_are_dropped(browser: Browser, audience: str) -> None:
    for width in WIDTHS:
        with shown(browser, may(audience), width=width, change=without_styles) as page:
            assert violations(page) == []
            assert sideways(page) == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_h04_every_layout_fits_with_and_without_styles(browser: Browser, width: int) -> None:
    for change in (str, without_styles):
        for pictures in (True, False):
            edition = every_layout(may("forces"))
            with shown(browser, edition, width=width, change=change, pictures=pictures) as page:
                assert sideways(page) == 0
                assert cut_off(page) == []


def cut_off(page: Page) -> list[str]:
    """Texts that reach beyond the screen's edges or are hidden by a box around them."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('h1, h2, h3, p, li, a[href], td')].filter(one => {
            const box = one.getBoundingClientRect();
            if (!box.width || !one.textContent.trim()) return false;
            const clipped = getComputedStyle(one).overflow !== 'visible' && one.scrollHeight > one.clientHeight + 1;
            return box.left < -0.5 || box.right > innerWidth + 0.5 || clipped;
        }).map(one => one.textContent.trim())"""
    )
    return found


def test_x14_at_400_percent_nothing_is_cut(browser: Browser) -> None:
    """A window of 1280 px at 400 % is 320 px of the page, each drawn with four by four."""
    context = browser.new_context(viewport={"width": 320, "height": 256}, device_scale_factor=4)
    try:
        for edition in (may("forces"), every_layout(may("forces"))):
            page = context.new_page()
            page.set_content(finished(edition), wait_until="domcontentloaded")
            assert sideways(page) == 0
            assert cut_off(page) == []
    finally:
        context.close()


def test_cards_have_the_picture_beside_the_words_and_above_them_on_a_phone(browser: Browser) -> None:
    for width, beside in ((600, True), (1200, True), (320, False)):
        with shown(browser, every_layout(may()), width=width) as page:
            card = page.locator("td.picture img").nth(2).bounding_box()
            words = page.get_by_text("51 colleagues").nth(2).bounding_box()
            assert card
            assert words
            assert (card["x"] + card["width"] <= words["x"]) is beside
            assert (card["y"] + card["height"] <= words["y"]) is not beside


def test_h15_every_text_brings_the_colour_behind_it(browser: Browser) -> None:
    """What mail programs recolour, they recolour in pairs: so no text relies on a background of the program's own."""
    with shown(browser, every_layout(may("forces")), change=without_styles) as page:
        alone = page.evaluate(
            """() => [...document.querySelectorAll('[style*="color:"]')].filter(one => {
                if (!one.style.color) return false;
                for (let at = one; at !== document.body; at = at.parentElement)
                    if (at.style.backgroundColor || at.getAttribute('bgcolor')) return false;
                return true;
            }).map(one => one.outerHTML.slice(0, 100))"""
        )
        assert alone == []


def test_h15_a_simple_inversion_of_lightness_leaves_all_text_legible(browser: Browser) -> None:
    """Gmail and Outlook recolour whatever the styles say. Traffic light labels keep their prescribed colours (S-13)."""
    for edition in (with_everything(), every_layout(may("forces"))):
        with shown(browser, edition, change=inverted) as page:
            found = page.evaluate(CONTRASTS)
            assert len(found) > 100
            poor = [(words, round(ratio, 1)) for words, ratio, _ in found if ratio < 4.5]
            assert {words.partition(":")[0] for words, _ in poor} <= {"TLP"}
            assert max(behind for words, _, behind in found if len(words) > 60) < 0.05


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_h15_every_layout_stands_out_in_light_and_dark(browser: Browser, dark: bool) -> None:
    with shown(browser, every_layout(may("forces")), dark=dark) as page:
        assert [(words, round(ratio, 1)) for words, ratio, _ in page.evaluate(CONTRASTS) if ratio < 4.5] == []


def test_g03_alternative_words_are_legible_without_styles(browser: Browser) -> None:
    for change in (without_styles, inverted):
        with shown(browser, may(), change=change, pictures=False) as page:
            for font, colour, ground in page.locator("img").evaluate_all(
                "all => all.map(one => getComputedStyle(one)).map(s => [s.fontSize, s.color, s.backgroundColor])"
            ):
                assert float(font.removesuffix("px")) >= 13
                ink, paper = (
                    "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", one)[:3])
                    for one in (colour, ground)
                )
                assert contrast(ink, paper) >= 4.5


@pytest.mark.parametrize("audience", ["everyone", "forces"])
def test_a_screen_readers_outline_is_as_it_was(browser: Browser, audience: str, update_golden: bool) -> None:
    """Headings, links and alternative texts, in the order in which they are read."""
    with shown(browser, may(audience)) as page:
        lines = page.evaluate(
            """() => [...document.querySelectorAll('h1, h2, h3, h4, a[href], img')]
                .filter(one => !one.closest('[aria-hidden]'))
                .map(one => one.tagName === 'IMG' ? 'picture: ' + one.alt
                    : (one.tagName === 'A' ? 'link: ' : one.tagName.toLowerCase() + ': ')
                      + one.textContent.replace(/\\s+/g, ' ').trim())"""
        )
    held_against(f"{audience}.outline.txt", "\n".join(lines) + "\n", update_golden)
