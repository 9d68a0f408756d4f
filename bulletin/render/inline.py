"""Style rules into style attributes, for mail programs that drop `<style>` (H-12)."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

from bulletin.render._stylesheet import Reader

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
    ).transform()
    return _with_main(_STYLED_TAG.sub(_tight, str(done).replace('<style data-premailer="ignore"', "<style")))


_BODY = re.compile(r"<body[^>]*>")
_MAIN = re.compile(r"<main[\s>]|<[a-z][^<>]*\srole=\"main\"")
"""A theme's own main part; in words of the issue the sign before a tag is escaped."""


def _with_main(html: str) -> str:
    """The page with its words in a main part, which screen readers jump to, unless the theme has its own.

    A `div` with a role, because webmails take out elements that they do not know (H-21).
    """
    start, end = _BODY.search(html), html.rfind("</body>")
    if not start or end < 0 or _MAIN.search(html):
        return html
    return f'{html[: start.end()]}<div role="main">{html[start.end() : end]}</div>{html[end:]}'


def _premailer() -> Any:
    """premailer, with stand-ins for two modules that take most of its time to load.

    `requests` is never used, because premailer is told to fetch nothing. `cssutils` is loaded when a style rule needs
    it; see `_stylesheet`.
    """
    standins: dict[str, ModuleType] = {"requests": ModuleType("requests"), "cssutils": Reader("cssutils")}
    idle = standins.keys() - sys.modules.keys()
    sys.modules.update({name: standins[name] for name in idle})
    try:
        from premailer import Premailer
    finally:
        for name in idle:
            del sys.modules[name]
    return Premailer


def _tight(tag: re.Match[str]) -> str:
    return tag[1] + tag[2].replace("; ", ";")
