"""An issue's page as a tagged PDF (PDF/UA-1), for those who print or file it. Made by WeasyPrint from the same page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from weasyprint.urls import URLFetcherResponse

NAME: Final = "issue.pdf"
_SITE: Final = "archive:///"


def has_engine() -> bool:
    """Whether WeasyPrint is installed: pip install 'bulletin[pdf]'"""
    from importlib.util import find_spec

    return find_spec("weasyprint") is not None


def of(page: bytes, path: str, read: Callable[[str], bytes]) -> bytes:
    """The PDF of a page at `path`; `read(path)` gives what it shows, and nothing is fetched from anywhere else.

    The same page gives the same bytes. Raises `BulletinError` if WeasyPrint is not there.
    """
    if not has_engine():
        raise BulletinError(
            "WeasyPrint, which makes PDFs, is not installed.",
            hint="pip install 'bulletin[pdf]', or leave out pdf under [archive] in bulletin.toml",
        )
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class Ours(URLFetcher):  # type: ignore[misc]
        """Knows the archive's own files and no others."""

        def fetch(self, url: str, headers: object = None) -> URLFetcherResponse:
            if not url.startswith(_SITE):
                raise ValueError("only the archive's own files are in its PDFs")
            return URLFetcherResponse(url, read(unquote(url.removeprefix(_SITE))))

    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)  # it tells of every style that is only for screens
    document = HTML(string=page.decode("utf-8"), base_url=_SITE + path, url_fetcher=Ours())
    written: bytes = document.write_pdf(pdf_variant="pdf/ua-1")
    return written
