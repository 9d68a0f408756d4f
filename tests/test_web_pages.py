"""The pages for readers in a real browser: English and Welsh, light and dark, small and large, with no script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from accessibility import violations
from office import CONFIG, OURS, READER, SECRET, Office, ask, behind_a_proxy, running
from playwright.sync_api import Browser, expect

from bulletin.model import SubscriberState
from bulletin.subscribers.tokens import PREFERENCES, make_token

NEW = "new.reader@example.com"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with running(tmp_path_factory.mktemp("office"), behind_a_proxy()) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(office: Office) -> dict[str, str]:
    """Every page there is, by name."""
    office.sign_up("confirms@example.com")
    ask("POST", office.preferences, data={"choice": "data"}, headers=OURS)
    office.answer()
    data = office.links_in(office.letters(READER)[0])[1]
    ask("POST", data, data={"choice": "address", "email": "moves@example.com"}, headers=OURS)
    office.answer()
    confirm = office.links_in(office.letters("confirms@example.com")[0])[0]
    mail = office.letters("confirms@example.com")[0].get_body(("html",))
    assert mail is not None
    path = office.folder / "mail.html"
    path.write_text(mail.get_content(), "utf-8")
    return {
        "sign-up": office.at("sign-up"),
        "links": office.at("links"),
        "confirm": confirm,
        "unsubscribe": office.unsubscribe,
        "preferences": office.preferences,
        "data": data,
        "address": office.links_in(office.letters("moves@example.com")[0])[0],
        "broken link": office.at("confirm/x"),
        "mail": path.as_uri(),
    }


@pytest.mark.parametrize(("language", "scheme"), [("en-GB", "light"), ("cy", "dark")])
def test_every_page_passes_axe_and_fits_320_pixels(
    browser: Browser, pages: dict[str, str], language: str, scheme: str
) -> None:
    """X-10 to X-20, Z-10: also with mistakes in a form; nothing is asked of another host."""
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)  # type: ignore[arg-type]
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    try:
        for name, url in pages.items():
            page.goto(url if name == "mail" else f"{url}?lang={language}")
            assert violations(page) == [], name
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
            assert page.locator("h1").count() == 1, name
            if name != "mail":
                assert page.locator("html").get_attribute("lang") == language
                for box in [button.bounding_box() for button in page.get_by_role("button").all()]:
                    assert box is not None
                    assert box["height"] >= 44, name
        page.goto(f"{pages['sign-up']}?lang={language}")
        page.get_by_role("button").click()
        assert violations(page) == []
        expect(page.get_by_role("alert").get_by_role("link").first).to_have_attribute("href", "#Email")
        assert page.locator("html").get_attribute("lang") == language, "a mistake changes no language"
        page.set_viewport_size({"width": 1200, "height": 800})
        for name, url in pages.items():
            page.goto(url)
            assert page.evaluate("document.documentElement.scrollWidth") <= 1200, name
    finally:
        context.close()
    hosts = {url.split("/")[2] for url in asked if url.startswith("http")}
    assert len(hosts) == 1


def test_a_welsh_reader_signs_up_by_keyboard_with_scripts_off(browser: Browser, office: Office) -> None:
    """Z-03: from the form to the mail and back in Welsh, with no cookie and no script."""
    context = browser.new_context(viewport={"width": 320, "height": 640}, java_script_enabled=False)
    page = context.new_page()
    try:
        page.goto(office.at("sign-up"))
        page.get_by_role("link", name="Cymraeg").click()
        page.get_by_label("Cyfeiriad e-bost").focus()
        page.keyboard.type(NEW)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Ticiwch yr hyn yr hoffech ei dderbyn.")
        expect(page.get_by_label("Cyfeiriad e-bost")).to_have_value(NEW)
        page.get_by_label("Anfonwch hwn ataf drwy e-bost: Harbour Bulletin").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Edrychwch yn eich e-bost")
        office.answer()
        [letter] = office.letters(NEW)
        assert letter["Content-Language"] == "cy"
        assert letter["Subject"] == "Cadarnhewch, os gwelwch yn dda: Harbour Bulletin"
        page.goto(office.links_in(letter)[0])
        page.get_by_role("button").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Rydych wedi tanysgrifio")
        assert office.state(NEW) is SubscriberState.SUBSCRIBED
        assert office.person(NEW).language == "cy"
        page.goto(office.at(f"preferences/{make_token(SECRET, PREFERENCES, office.person(NEW).id)}"))
        page.get_by_label("Tides").check()
        page.get_by_role("button", name="Cadw fy newisiadau").click()
        expect(page.get_by_role("status")).to_contain_text("wedi’u cadw")
        assert office.person(NEW).topics == ("tides",)
        assert context.cookies() == []
    finally:
        context.close()


def test_what_is_in_another_language_than_the_page_says_so(office: Office, tmp_path: Path) -> None:
    page = ask("GET", office.at("sign-up?lang=cy")).text
    assert '<p class="lead" lang="en-GB">News from the harbour.</p>' in page
    page = ask("GET", f"{office.preferences}?lang=cy").text
    assert '<label for="Topic-tides" lang="en-GB">Tides</label>' in page
    own = tmp_path / "templates" / "words"
    own.mkdir(parents=True)
    (own / "cy.toml").write_text('[topics]\ntides = "Llanw"\n[lists]\nevents = "Digwyddiadau"\n', "utf-8")
    with running(tmp_path, CONFIG) as welsh:
        page = ask("GET", f"{welsh.preferences}?lang=cy").text
    assert '<label for="Topic-tides">Llanw</label>' in page
    assert '<label for="List-events">Digwyddiadau</label>' in page
