"""The preview as a folder that opens without a server: pages, a picture of each view, and the findings pinned to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulletin.errors import BulletinError
from bulletin.preview.app import PAGES, page_values, stands_in, with_pictures_at
from bulletin.preview.state import PreviewMail, PreviewState
from bulletin.preview.views import View, all_views
from bulletin.publication import write_atomically
from bulletin.render import theme

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
"""Programs that can take the pictures, by the names they are started under."""
NO_BROWSER: Final = "Install one: pip install 'bulletin[screenshots]', and Chromium, Chrome or Edge."

# Works from a folder too, where no server sends rules along: the mail runs nothing and asks nobody.
_RULES: Final = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src file: data:; '
    "style-src 'unsafe-inline'\">"
)


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written, and why the pictures of the views are missing if they are."""

    files: tuple[Path, ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Shot:
    """The picture of a view: its file, its size, and how far down each part of the mail stands, in pixels."""

    file: str
    width: int
    height: int
    places: Mapping[str, int]


def save(
    state: PreviewState, mail: PreviewMail, folder: Path, *, on_view: Callable[[str], object] = lambda title: None
) -> Saved:
    """Write the preview of one edition into a folder of its name within `folder`; what was written, in order.

    So no file is without the edition's name in its path, and the mails, texts and pictures carry it in their own names
    too, as they are passed on one by one. Only that edition's mail, its pictures and the findings its readers may see
    are in it (S-26). What an earlier save of this edition left there and this one did not write is removed; files of
    other names stay. Without a browser the pages are written all the same.
    """
    folder = folder / mail.name
    written: list[Path] = []

    def write(name: str, data: bytes) -> None:
        path = folder / name
        write_atomically(path, data)
        written.append(path)

    for name, source in state.pictures.items():
        if f"{state.picture_base}{name}" in mail.html and source.is_file():
            write(f"{mail.name}-files/{name}", source.read_bytes())
    shown = [view for view in all_views().values() if view.width]
    for view in shown:
        html = view.change(with_pictures_at(f"{mail.name}-files/", state, mail.html))
        write(_page_of(mail, view), _guarded(html).encode())
    write(f"{mail.name}.txt", mail.text.encode())
    shots: dict[str, Shot] = {}
    trouble = ""
    try:
        with browser() as running:
            for view in shown:
                on_view(view.title)
                shots[view.key], data = _shoot(running, folder, mail, view)
                write(shots[view.key].file, data)
    except BulletinError as error:
        trouble = error.message
    for name in ("preview.css",):
        write(name, (PAGES / name).read_bytes())
    write("pins.css", _pins(state, mail, shots).encode())
    values = page_values(state, mail) | {
        "shots": shots,
        "pages": {view.key: _page_of(mail, view) for view in shown},
        "first_view": next(iter(shots), "none"),
    }
    write("index.html", theme.run((PAGES,), "saved.html", values, escape=True).encode())
    _tidy(folder, mail, frozenset(written))
    return Saved(tuple(written), trouble)


def _tidy(folder: Path, mail: PreviewMail, written: frozenset[Path]) -> None:
    """Remove what an earlier save left: files of the names that saves give, and the pictures."""
    old = [folder / f"{mail.name}-{key}.{ending}" for key in all_views() for ending in ("html", "png")]
    old += (folder / f"{mail.name}-files").rglob("*")
    for path in old:
        if path not in written and path.is_file():
            path.unlink()


def _page_of(mail: PreviewMail, view: View) -> str:
    return f"{mail.name}-{view.key}.html"


def _guarded(html: str) -> str:
    """The page with the rules a server would send, at the start of its head."""
    start, head, rest = html.partition("<head>")
    return f"{start}{head}{_RULES}{rest}" if head else _RULES + html


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window: the system's, else Playwright's own. Raises `BulletinError` if there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise BulletinError("no pictures were taken, as Playwright is not installed.", hint=NO_BROWSER) from None
    system = next(filter(None, map(shutil.which, BROWSERS)), None)
    # Chromium refuses its sandbox to root, and to nobody else should it be taken.
    arguments = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    ways = [{"executable_path": system}] if system else [{}, {"channel": "chrome"}, {"channel": "msedge"}]
    with sync_playwright() as playwright:
        running = None
        for way in ways:
            try:
                running = playwright.chromium.launch(args=arguments, **way)  # type: ignore[arg-type]
                break
            except Error:
                continue
        if running is None:
            raise BulletinError("no pictures were taken, as no browser could be started.", hint=NO_BROWSER)
        try:
            yield running
        except Error as error:
            reason = error.message.splitlines()[0]
            raise BulletinError(f"no picture could be taken: {reason}.", hint=NO_BROWSER) from None
        finally:
            running.close()


# The welcome and the notice have no place of their own: they follow the masthead.
_PLACES = """() => {
  const places = [...document.querySelectorAll("a[name^='item-'], a[name^='section-']")].map(
    (one) => [one.name, Math.round(one.getBoundingClientRect().top + scrollY)]);
  const masthead = document.querySelector("h1");
  const below = masthead ? Math.round(masthead.getBoundingClientRect().bottom + scrollY) : 0;
  return Object.fromEntries([["welcome", below], ["notice", below], ...places]);
}"""


def _shoot(running: Browser, folder: Path, mail: PreviewMail, view: View) -> tuple[Shot, bytes]:
    page = running.new_page(viewport={"width": view.width, "height": 800}, offline=True)
    try:
        page.goto((folder / _page_of(mail, view)).resolve().as_uri())
        places = page.evaluate(_PLACES)
        height = page.evaluate("document.documentElement.scrollHeight")
        data = page.screenshot(full_page=True)
    finally:
        page.close()
    return Shot(f"{mail.name}-{view.key}.png", view.width, height, places), data


_PIN_HEIGHT: Final = 44
"""Pixels of a picture in full size that a pin needs, so that pins stay apart where it is shown smallest."""


def _pins(state: PreviewState, mail: PreviewMail, shots: Mapping[str, Shot]) -> str:
    """Where the numbers stand beside each picture, as a style sheet: so the page needs no script."""
    rules = []
    for key, shot in shots.items():
        inside = ((number, one) for number, one in state.numbered(mail) if stands_in(mail, one.anchor))
        wanted = sorted((shot.places.get(one.anchor, 0), number) for number, one in inside)
        free = 0
        for top, number in wanted:
            free = max(top, free)
            rules.append(f"#pin-{key}-{number} {{ top: calc(var(--scale) * {free}px); }}")
            free += _PIN_HEIGHT
    return "\n".join(rules) + "\n"
