"""The preview, in a real browser: the mail as readers get it, the findings beside it, and every save at once."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import requests
import uvicorn
from accessibility import violations
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from bulletin.errors import BulletinError, FileProblems, Place, Problem
from bulletin.model import Finding, Severity
from bulletin.preview import PreviewMail, PreviewState, Saved, load, make_app, save, serve, version_of
from bulletin.preview.views import all_views
from bulletin.publication import open_publication

ROOT = Path(__file__).resolve().parent.parent
SLOW = 60_000
"""Milliseconds to wait for what takes one on a quiet machine; a busy one may need many."""
BASE = "https://news.example.org/2024-05/"
FINDINGS = (
    Finding(
        code="LNK02",
        severity=Severity.LOOK,
        place=Place("issues/2024-05/issue.yaml", 31, 9),
        message='the link says "click here".',
        hint="Say what it leads to.",
        item="boats",
        anchor="item-boats",
    ),
    Finding(
        code="IMG03",
        severity=Severity.MUST_FIX,
        place=Place("issues/2024-05/issue.yaml", 12, 5),
        message="the picture has no description.",
        hint="Describe it in one sentence.",
        anchor="subject",
    ),
)


def mail(name: str, words: str) -> PreviewMail:
    lines = "".join(f"<p>{words}, line {number}</p>" for number in range(60))
    lines += '<a name="item-boats" id="item-boats"></a><h3>Boats</h3>' + "<p>More</p>" * 60
    return PreviewMail(
        name=name,
        audience_title="Everyone" if name.startswith("everyone") else "Police forces",
        sender="Harbour Bulletin",
        subject="Tides & boats",
        preheader="What the harbour does in June.",
        html=f'<!doctype html><html lang="en"><head><title>Mail</title></head><body style="color:#123456">'
        f'<img src="{BASE}images/boat.png" alt="A boat" width="60"><a href="https://example.org/">Read it</a>'
        f'<script>document.body.innerHTML = ""</script>{lines}</body></html>',
        text=f"{words}\n\n<plain> https://example.org/\n",
    )


def inner_width(page: Page, view: str) -> int:
    """How wide the mail thinks its window is, however small it is drawn."""
    expect(page.frame_locator(f".view-{view} iframe").locator("img")).to_be_attached()
    return int(page.locator(f".view-{view} iframe").evaluate("one => one.contentWindow.innerWidth"))


def save_apart(state: PreviewState, mail: PreviewMail, folder: Path, seen: Callable[[str], object] = str) -> Saved:
    """Saving in a thread of its own, as Playwright runs once only in each, and here it runs the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(save, state, mail, folder, on_view=seen).result()


class Desk:
    """An editor's desk: one file with the words of the mail; "broken" in it makes it unreadable."""

    def __init__(self, folder: Path) -> None:
        self.file, self.picture = folder / "issue.yaml", folder / "boat.png"
        self.file.write_text("First words", encoding="utf-8")
        Image.new("RGB", (60, 40), "teal").save(self.picture)
        self.loads = 0
        self.withheld: frozenset[str] = frozenset()
        """What readers of the edition for everyone do not get."""

    def save(self, words: str) -> None:
        self.file.write_text(words, encoding="utf-8")

    def load(self) -> PreviewState:
        self.loads += 1
        words = self.file.read_text(encoding="utf-8")
        if "broken" in words:
            raise FileProblems(
                "issue.yaml",
                [
                    Problem(Place("issue.yaml", 3, 7), "a tab stands here.", "Use spaces."),
                    Problem(Place("issue.yaml", 4, 1), '"title" is missing.'),
                ],
            )
        if "mistake" in words:
            raise ZeroDivisionError
        return PreviewState(
            title="Harbour Bulletin, May 2024",
            path="issues/2024-05/issue.yaml",
            mails=(
                mail("forces.en-GB", f"{words} for forces"),
                dataclasses.replace(mail("everyone.en-GB", words), withheld=self.withheld),
            ),
            findings=() if "faultless" in words else FINDINGS,
            summaries={"LNK02": "Link words say what they lead to."},
            picture_base=BASE,
            pictures={"images/boat.png": self.picture},
        )


@contextmanager
def serving(desk: Desk) -> Iterator[str]:
    app = make_app(desk.load, lambda: version_of([desk.file]))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    with serving(desk) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    yield context.new_page()
    context.close()


def test_an_editor_sees_mail_findings_and_inbox_line_at_once(page: Page, address: str) -> None:
    page.goto(address)
    assert page.title() == "Harbour Bulletin, May 2024: preview"
    assert {name: inner_width(page, name) for name in ("desktop", "phone")} == {"desktop": 660, "phone": 375}
    expect(page.frame_locator(".view-phone iframe").get_by_text("First words, line 1", exact=True)).to_be_visible()
    expect(page.locator(".row").first).to_contain_text("Tides & boats What the harbour does in June.")
    found = page.locator("aside").inner_text()
    assert found.index("Must fix") < found.index("IMG03") < found.index("Look at this") < found.index("LNK02")
    assert "issues/2024-05/issue.yaml:31:9" in found
    assert "Say what it leads to." in found
    assert "Link words say what they lead to." in found


def test_pictures_come_from_the_disk_and_nothing_from_elsewhere(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    picture = page.frame_locator(".view-desktop iframe").locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("one => one.naturalWidth") == 60
    assert all(url.startswith(address) for url in asked), asked


def test_a_script_in_the_mail_does_not_run(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.frame_locator(".view-desktop iframe").get_by_text("First words, line 1", exact=True)).to_be_visible()


def test_another_edition_is_a_link_away(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="Police forces").click()
    expect(
        page.frame_locator(".view-desktop iframe").get_by_text("First words for forces, line 1", exact=True)
    ).to_be_visible()
    assert page.locator("pre").inner_text().startswith("First words for forces\n\n<plain> https://example.org/")
    expect(page.locator("[aria-current]")).to_have_text(["Police forces"])


def test_a_save_shows_by_itself_and_the_place_is_kept(page: Page, address: str, desk: Desk) -> None:
    page.goto(address)
    inside = page.frame_locator(".view-desktop iframe")
    expect(inside.get_by_text("First words, line 1", exact=True)).to_be_visible()
    page.locator(".view-desktop iframe").evaluate("one => one.contentWindow.scrollTo(0, 700)")
    desk.save("Second words")
    expect(inside.get_by_text("Second words, line 30", exact=True)).to_be_visible(timeout=SLOW)
    frame, end = page.locator(".view-desktop iframe"), time.monotonic() + 60
    while frame.evaluate("one => one.contentWindow.scrollY") != 700:
        assert time.monotonic() < end, "the place was not found again"
        page.wait_for_timeout(50)


def test_a_file_that_cannot_be_read_is_named_and_the_next_save_brings_the_page_back(
    page: Page, address: str, desk: Desk
) -> None:
    page.goto(address)
    desk.save("broken")
    expect(page.get_by_role("heading", level=1)).to_have_text("The issue cannot be shown yet", timeout=SLOW)
    expect(page.locator(".finding").first).to_contain_text("issue.yaml:3:7")
    expect(page.locator(".finding").first).to_contain_text("Use spaces.")
    expect(page.locator(".message")).to_have_text(["A tab stands here.", '"title" is missing.'])
    desk.save("Mended words")
    expect(page.frame_locator(".view-desktop iframe").get_by_text("Mended words, line 1", exact=True)).to_be_visible(
        timeout=SLOW
    )


def test_a_file_that_is_gone_for_a_moment_is_no_mistake_of_ours(page: Page, address: str, desk: Desk) -> None:
    """Some editors save by removing the old file first; others leave one that we may not read."""
    page.goto(address)
    desk.file.unlink()
    expect(page.locator(".finding").first).to_contain_text("No such file or directory.", timeout=SLOW)
    expect(page.locator(".finding").first).to_contain_text(desk.file.name)
    desk.save("Saved words")
    expect(page.locator("h1")).to_have_text("Harbour Bulletin, May 2024", timeout=SLOW)


def test_a_frame_whose_mail_is_gone_does_not_keep_the_page_from_following(page: Page, address: str, desk: Desk) -> None:
    page.goto(address)
    expect(page.frame_locator(".view-desktop iframe").locator("img")).to_be_attached()
    page.locator(".view-desktop iframe").evaluate("one => { one.src = '/mail/nobody.html' }")
    page.wait_for_timeout(500)
    desk.save("faultless words")
    expect(page.locator("body")).to_contain_text("faultless words", timeout=SLOW)


def test_a_mistake_of_ours_does_not_end_the_preview(page: Page, address: str, desk: Desk) -> None:
    desk.save("mistake")
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 500
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    expect(page.locator(".finding")).to_contain_text("mistake in the program: ZeroDivisionError")
    desk.save("Mended words")
    expect(page.locator("h1")).to_have_text("Harbour Bulletin, May 2024", timeout=SLOW)


@pytest.mark.parametrize("width", [320, 400, 1000, 1600])
def test_the_page_fits_the_window_x14(page: Page, address: str, desk: Desk, width: int) -> None:
    """320 pixels are also what a window of 1280 has at 400 % zoom. The mails keep their true width (X-14)."""
    page.set_viewport_size({"width": width, "height": 800})
    for words in ("fine", "broken"):
        desk.save(words)
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h1").count() == 1
        if words == "fine":
            for name, true in (("phone", 375), ("desktop", 660)):
                assert inner_width(page, name) == true


@pytest.mark.parametrize(("width", "abreast"), [(400, 1), (1400, 2), (1600, 2)])
def test_mails_stand_side_by_side_and_full_size_is_one_click_away(
    page: Page, address: str, width: int, abreast: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    tops = [page.locator(f".view-{name}").bounding_box() for name in ("desktop", "phone", "images-off")]
    assert [box["y"] == tops[0]["y"] for box in tops if box and tops[0]] == [True, abreast > 1, False]
    page.get_by_role("link", name="Full size of Classic Outlook").click()
    expect(page.locator(".view:visible h2")).to_have_text(["Classic Outlook"])
    box = page.locator(".view-outlook iframe").bounding_box()
    assert box is not None
    assert box["width"] == 660
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.locator(".view:visible")).to_have_count(9)


def test_without_findings_no_strip_is_left_for_pins_and_three_mails_fit(page: Page, address: str, desk: Desk) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    desk.save("faultless")
    page.goto(address)
    expect(page.locator(".counts")).to_have_text("No findings")
    tops = [page.locator(f".view-{name}").bounding_box() for name in ("desktop", "phone", "images-off")]
    assert len({box["y"] for box in tops if box}) == 1
    view, window = (page.locator(f".view-desktop{part}").bounding_box() for part in ("", " .window"))
    assert view is not None
    assert window is not None
    assert view["x"] == window["x"]


def test_the_counts_are_those_of_the_edition_and_the_others_are_told_of(page: Page, desk: Desk) -> None:
    desk.withheld = frozenset({"boats"})
    with serving(desk) as url:
        page.goto(url)
        expect(page.locator(".count")).to_have_text(["1 must fix"])
        expect(page.locator("aside")).to_contain_text("1 more is about what only other readers get.")
        page.get_by_role("link", name="Police forces").click()
        expect(page.locator(".count")).to_have_text(["1 must fix", "1 look at this"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_only_one_view_follows_the_mails_rules_for_dark_however_the_machine_is_set(
    page: Page, scheme: Literal["light", "dark"]
) -> None:
    rules = "<style>@media (prefers-color-scheme: dark) { body { color: red !important; } }</style>"
    html = (
        mail("everyone.en-GB", "x").html.replace("</head>", f"{rules}</head>").replace("<script>", "<script hidden>//")
    )
    page.emulate_media(color_scheme=scheme)
    red = set()
    for key, view in all_views().items():
        page.set_content(view.change(html))
        if page.evaluate("getComputedStyle(document.body).color") == "rgb(255, 0, 0)" and view.width:
            red.add(key)
    assert red == {"dark"}


def test_every_way_of_looking_is_labelled_and_can_be_hidden(page: Page, address: str) -> None:
    page.goto(address)
    views = page.locator(".view:visible")
    assert views.count() == 9
    assert all(
        text.startswith(("Exact", "Near", "Approximated")) for text in page.locator(".faithful").all_inner_texts()
    )
    expect(page.locator(".spoken")).to_contain_text("heading 3 Boats")
    page.get_by_role("checkbox", name="Desktop").focus()
    page.keyboard.press("Space")
    expect(views).to_have_count(8)
    expect(page.locator(".view-desktop")).to_be_hidden()
    page.reload()
    expect(views).to_have_count(8)
    page.goto(f"{address}?view=phone&view=outlook")
    assert page.locator(".view:visible h2").all_inner_texts() == ["Phone", "Classic Outlook"]


def test_findings_are_pinned_to_their_place_and_lead_there_and_back(page: Page, address: str) -> None:
    page.goto(f"{address}?view=phone,desktop")
    pins = page.locator(".view-phone .pins .pin")
    expect(pins).to_have_text(["2"])
    expect(pins).to_be_hidden()
    expect(page.locator(".inbox .pin")).to_have_text(["1"])
    page.locator(".inbox .pin").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#finding-1")).to_be_focused()
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("link", name="Show 2 in the mail").focus()
    page.keyboard.press("Enter")
    for name in ("phone", "desktop"):
        expect(page.locator(f".view-{name} .pins .pin")).to_be_visible()
        expect(page.frame_locator(f".view-{name} iframe").get_by_role("heading", name="Boats")).to_be_in_viewport()
    pins.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#finding-2")).to_be_focused()
    expect(page.locator("#finding-2")).to_contain_text("LNK02")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1400])
def test_axe_finds_nothing_on_the_page(page: Page, address: str, width: int, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    expect(page.locator(".inbox .pin").first).to_be_visible()
    assert inner_width(page, "desktop") == 660
    page.get_by_role("link", name="Show 2 in the mail").click()
    expect(page.locator(".view-phone .pins .pin")).to_be_visible()
    assert violations(page) == []


def test_the_first_stop_of_the_keyboard_leads_to_the_findings(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the findings")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#findings")).to_be_focused()


def test_findings_about_what_an_edition_does_not_hold_are_not_with_it_s26() -> None:
    state = PreviewState(title="T", path="p", findings=FINDINGS)
    public = dataclasses.replace(mail("everyone.en-GB", "x"), withheld=frozenset({"boats"}))
    said = dataclasses.replace(FINDINGS[1], hint="See: Boats of the harbour police.")
    assert [number for number, _ in state.numbered()] == [1, 2]
    assert [(number, one.code) for number, one in state.numbered(public)] == [(1, "IMG03")]
    private = dataclasses.replace(public, withheld=frozenset({"boats", "Boats of the harbour police"}))
    assert PreviewState(title="T", path="p", findings=(said,)).numbered(private) == ()
    about_both = dataclasses.replace(FINDINGS[1], message='the words "read it" stand in "Talon" too.')
    secret = dataclasses.replace(public, secret_words=frozenset({"talon"}))
    state = PreviewState(title="T", path="p", findings=(about_both, FINDINGS[1]))
    assert [number for number, _ in state.numbered(secret)] == [1]
    assert len(state.numbered(public)) == 2


def test_the_saved_folder_opens_by_itself_with_pictures_and_pins(page: Page, desk: Desk, tmp_path: Path) -> None:
    state, folder = desk.load(), tmp_path / "for review" / "forces.en-GB"
    restricted = dataclasses.replace(state.mails[0], restricted=True)
    seen: list[str] = []
    saved = save_apart(state, restricted, folder.parent, seen.append)
    assert all(path.is_relative_to(folder) for path in saved.files)
    assert saved.trouble == ""
    assert len(seen) == 7
    assert {path.name for path in saved.files} == {
        *("index.html", "preview.css", "pins.css", "forces.en-GB.txt", "boat.png"),
        *(
            f"forces.en-GB-{view}.{ending}"
            for view in ("desktop", "phone", "images-off", "dark", "outlook", "forced-dark", "no-style")
            for ending in ("html", "png")
        ),
    }
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "index.html").as_uri())
    expect(page.locator(".warning")).to_have_text("For Police forces only. Pass this folder to nobody else.")
    page.get_by_role("link", name="Show 2 in the mail").click()
    expect(page.locator("#pin-desktop-2")).to_be_in_viewport()
    assert page.locator("#pin-desktop-2").evaluate("pin => pin.offsetTop") > 1000
    page.locator("#pin-desktop-2").click()
    expect(page.locator("#finding-2")).to_be_focused()
    page.get_by_role("link", name="Show 1 in the mail").click()
    expect(page.locator("#pin-mail-1")).to_be_in_viewport()
    page.set_viewport_size({"width": 1400, "height": 900})
    tops = [page.locator(f".view-{name}").bounding_box() for name in ("desktop", "phone", "images-off", "dark")]
    assert len({box["y"] for box in tops if box}) == 2
    page.get_by_role("link", name="Phone: the picture in full size").click()
    expect(page).to_have_url(re.compile(r"/forces\.en-GB-phone\.png$"))
    assert all(url.startswith("file:") for url in asked), asked
    with Image.open(folder / "forces.en-GB-phone.png") as picture:
        assert picture.width == 375
        assert picture.height > 2000
    page.goto((folder / "forces.en-GB-desktop.html").as_uri())
    expect(page.get_by_text("First words for forces, line 1", exact=True)).to_be_visible()
    assert page.locator("img").evaluate("one => one.naturalWidth") == 60


def test_saving_again_gives_the_same_bytes_and_leaves_nothing_old(desk: Desk, tmp_path: Path) -> None:
    state, note = desk.load(), tmp_path / "everyone.en-GB" / "my notes.txt"

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    desk.file.unlink()
    desk.picture.replace(tmp_path.parent / "boat.png")
    state = dataclasses.replace(state, pictures={"images/boat.png": tmp_path.parent / "boat.png"})
    save_apart(state, state.mails[1], tmp_path)
    first = files()
    note.write_text("mine", encoding="utf-8")
    stale = [note.parent / "everyone.en-GB-files" / "old.png", note.parent / "everyone.en-GB-outlook.png"]
    for path in stale:
        path.write_bytes(b"old")
    save_apart(state, state.mails[0], tmp_path)
    save_apart(state, state.mails[1], tmp_path)
    again = files()
    assert again.pop(note) == b"mine"
    assert {path: data for path, data in again.items() if "forces" not in str(path)} == first


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_saved_page(
    page: Page, desk: Desk, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    state = desk.load()
    save_apart(state, state.mails[1], tmp_path / "saved")
    page.emulate_media(color_scheme=scheme)
    for width in (320, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((tmp_path / "saved" / "everyone.en-GB" / "index.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert violations(page) == []


def test_without_a_browser_the_pages_are_saved_all_the_same(desk: Desk, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['playwright'] = None; from pathlib import Path; from bulletin.preview import *\n"
        "mail = PreviewMail(name='everyone.en-GB', audience_title='Everyone', sender='S', subject='T', preheader='', "
        "html='<p>x', text='x')\n"
        "print(save(PreviewState(title='T', path='p', mails=(mail,)), mail, Path(sys.argv[1])).trouble)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "saved")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "no pictures were taken, as Playwright is not installed."
    assert (tmp_path / "saved" / "everyone.en-GB" / "index.html").is_file()
    assert (tmp_path / "saved" / "everyone.en-GB" / "everyone.en-GB-outlook.html").is_file()


def test_the_page_says_when_the_preview_has_stopped(page: Page, desk: Desk) -> None:
    with serving(desk) as url:
        page.goto(url)
        expect(page.get_by_role("status")).to_be_empty()
    expect(page.get_by_role("status")).to_contain_text("The preview has stopped", timeout=SLOW)


def test_the_issue_is_read_once_for_each_save(address: str, desk: Desk) -> None:
    for path in ("", "mail/everyone.en-GB.html", "version", ""):
        assert requests.get(address + path, timeout=5).ok
    assert desk.loads == 1
    desk.save("More words")
    assert "More words" in requests.get(address + "mail/everyone.en-GB.html", timeout=5).text
    assert desk.loads == 2


def test_only_this_machine_may_ask_and_only_look(address: str) -> None:
    assert requests.get(address, headers={"Host": "evil.example.org"}, timeout=5).status_code == 400
    assert requests.get(address.replace("127.0.0.1", "localhost"), timeout=5).ok
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert requests.request(method, address, timeout=5).status_code == 405
    for path in (
        "pictures/images/none.png",
        "pictures/../issue.yaml",
        "pictures/%2e%2e/issue.yaml",
        "mail/none.html",
        "x",
    ):
        answer = requests.get(address + path, timeout=5)
        assert answer.status_code == 404
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_version_changes_with_every_save_new_file_and_removal(tmp_path: Path) -> None:
    seen = [version_of([tmp_path])]
    for change in (
        lambda: (tmp_path / "a").write_text("1", encoding="utf-8"),
        lambda: (tmp_path / "a").write_text("12", encoding="utf-8"),
        lambda: os.utime(tmp_path / "a", ns=(1, 1)),
        (tmp_path / "a").unlink,
    ):
        change()
        seen.append(version_of([tmp_path]))
    assert len({*seen}) == 4
    assert seen[0] == seen[-1]
    assert version_of([tmp_path / "missing"])


def test_a_taken_port_is_said_plainly(desk: Desk) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(BulletinError, match=r"port \d+ cannot be used"),
    ):
        serve(make_app(desk.load, lambda: ""), port=taken.getsockname()[1], ready=lambda _: None)


def test_the_editor_ends_it_with_control_c_and_sees_no_traceback() -> None:
    program = (
        "from bulletin.preview import *\n"
        "state = PreviewState(title='T', path='p', problems=())\n"
        "serve(make_app(lambda: state, lambda: ''), ready=lambda url: print(url, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                assert requests.get(f"{url}version", timeout=5).ok
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=10)
    assert run.returncode == 0
    assert errors == ""


def test_saving_from_the_command_line_names_edition_and_files(tmp_path: Path) -> None:
    def preview(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bulletin", "preview", "2024-05", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )

    folder = tmp_path / "review"
    done = preview("--save", str(folder), "--edition", "forces", "--json")
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)
    assert str(folder / "forces.en-GB" / "index.html") in files
    assert all(Path(file).is_file() for file in files)
    assert "It is for Police forces only." in done.stderr
    unknown = preview("--save", str(folder), "--edition", "nobody")
    assert unknown.returncode == 2
    assert "forces.en-GB, everyone.en-GB" in unknown.stderr
    assert preview("--json").returncode == 2


def test_no_word_that_only_forces_get_is_in_the_folder_for_everyone_s26(tmp_path: Path) -> None:
    """Whatever the checks say of an item for forces, of the issue file as a whole or of two items at once."""
    for name in ("bulletin.toml", "templates", "issues/2024-05"):
        source, goal = ROOT / name, tmp_path / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, goal)
    file = tmp_path / "issues/2024-05/issue.yaml"
    secret = """      - id: talonqx
        title: Operation Talonqx opens at Wexbridge
        url: http://www.example.org/talonqx?utm_source=mail
        audience: [forces]
        summary: Read [more](http://www.example.org/talonqx). The Talonqxs recieve YXWV at Wexbridge  station.
"""
    text = file.read_text("utf-8")
    start = text.index("    items:\n") + len("    items:\n")
    file.write_text(text[:start] + secret + text[start:], "utf-8")
    state = load(open_publication(tmp_path, {}), "2024-05")
    assert any(one.item == "talonqx" for one in state.findings)
    save_apart(state, state.mails[-1], tmp_path / "saved")
    pages = {path: path.read_bytes().lower() for path in (tmp_path / "saved").rglob("*.*") if path.is_file()}
    assert len(pages) > 9
    told = [
        (path.name, word)
        for path, data in pages.items()
        for word in (b"talonqx", b"wexbridge", b"yxwv")
        if word in data
    ]
    assert told == []
