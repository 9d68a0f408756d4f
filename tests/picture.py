"""Draw the README's picture, the May issue at a desk and on a phone: `.venv/bin/python tests/picture.py`."""

from __future__ import annotations

import io
import os
from pathlib import Path

from conftest import chromium
from PIL import Image
from playwright.sync_api import BrowserContext, Route

from bulletin import flow
from bulletin.editions import issue_url
from bulletin.publication import open_publication
from bulletin.render import fill, sample_personal

ROOT = Path(__file__).resolve().parent.parent
ISSUE = "2024-05"
HEIGHT = 860
DESK, PHONE = 640, 360
GAP = 24
SURROUND = "#c9d1da"


def main() -> None:
    """Write `preview.png` beside the issue."""
    home = open_publication(ROOT, os.environ)
    rendered = flow.render(home, ISSUE)[-1]
    html, _ = fill(rendered, sample_personal(home.config))
    pictures = f"{issue_url(home.config, ISSUE)}images/"

    def answer(route: Route) -> None:
        # The archive is not published yet when the picture is drawn, so its pictures come from the issue's folder.
        route.fulfill(path=home.issue_dir(ISSUE) / "images" / route.request.url.removeprefix(pictures))

    with chromium() as browser, browser.new_context() as context:
        context.route(f"{pictures}*", answer)
        top = view(context, html, DESK)
        stories = view(context, html, PHONE, from_first_section=True)
    sheet = Image.new("RGB", (DESK + PHONE + 3 * GAP, HEIGHT + 2 * GAP), SURROUND)
    sheet.paste(top, (GAP, GAP))
    sheet.paste(stories, (DESK + 2 * GAP, GAP))
    path = home.issue_dir(ISSUE) / "preview.png"
    sheet.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def view(context: BrowserContext, html: str, width: int, *, from_first_section: bool = False) -> Image.Image:
    """The mail at a width in pixels, from its top or from its first section."""
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.set_content(html, wait_until="networkidle")
    if from_first_section:
        page.evaluate("window.scrollTo(0, document.querySelectorAll('h2')[1].getBoundingClientRect().top - 16)")
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return shot


if __name__ == "__main__":
    main()
