"""Draw the README's picture, the May issue at a desk and on a phone: `.venv/bin/python tests/picture.py`."""

from __future__ import annotations

import io
import os
from pathlib import Path

from conftest import chromium
from PIL import Image
from playwright.sync_api import Browser, Route

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

    with chromium() as browser:
        views = [view(browser, html, width, f"{pictures}*", answer) for width in (DESK, PHONE)]
    sheet = Image.new("RGB", (DESK + PHONE + 3 * GAP, HEIGHT + 2 * GAP), SURROUND)
    sheet.paste(views[0], (GAP, GAP))
    sheet.paste(views[1], (DESK + 2 * GAP, GAP))
    path = home.issue_dir(ISSUE) / "preview.png"
    sheet.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def view(browser: Browser, html: str, width: int, pictures: str, answer: object) -> Image.Image:
    """The top of the mail at a width in pixels."""
    page = browser.new_page(viewport={"width": width, "height": HEIGHT})
    page.route(pictures, answer)
    page.set_content(html, wait_until="networkidle")
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return shot


if __name__ == "__main__":
    main()
