"""Style rules into style attributes, for mail programs that drop `<style>` (H-12)."""

from __future__ import annotations

import logging
import re
import sys
from types import ModuleType
from typing import Any

_STYLED_TAG = re.compile(r'(<[a-z][^<>]* style=")([^"<>]*)')


def inline(html: str, css: str) -> str:
    """The page with `css` moved into its elements; its own `<style>` blocks, with media queries and dark mode, stay.

    Only `css` is inlined: the MJML engine's reset would otherwise be copied to every cell. Fetches nothing. The result
    starts with `<!DOCTYPE html>`, without which browsers fall back to the box model of another age.
    """
    page = html.replace("<!doctype html>", "<!DOCTYPE html>", 1).replace("<style", '<style data-premailer="ignore"')
    done = _premailer()(
        page,
        css_text=css or None,
        keep_style_tags=True,
        strip_important=False,
        remove_classes=False,
        disable_leftover_css=True,
        disable_validation=True,
        allow_network=False,
        allow_loading_external_files=False,
        align_floating_images=False,
        disable_basic_attributes=["width", "height", "bgcolor", "align", "valign"],
        cssutils_logging_level=logging.CRITICAL,
    ).transform()
    return _STYLED_TAG.sub(_tight, str(done).replace('<style data-premailer="ignore"', "<style"))


def _premailer() -> Any:
    """premailer, loaded without the web client that it imports and, told to fetch nothing, never uses.

    Loading `requests` takes a tenth of a second, which is a good part of every command that renders.
    """
    idle = "requests" not in sys.modules
    if idle:
        sys.modules["requests"] = ModuleType("requests")
    try:
        from premailer import Premailer
    finally:
        if idle:
            del sys.modules["requests"]
    return Premailer


def _tight(tag: re.Match[str]) -> str:
    return tag[1] + tag[2].replace("; ", ";")
