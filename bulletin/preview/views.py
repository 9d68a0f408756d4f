"""The ways of looking at a mail: what each is called, how wide it is and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from bulletin.clients import support, views


@dataclass(frozen=True, slots=True)
class View:
    """One way of looking at a mail."""

    key: str
    title: str
    faithful: str
    """How far it can be trusted, in one sentence."""
    width: int = 0
    """Of the mail's window, in CSS pixels; 0 for a view that is no mail but words."""
    change: Callable[[str], str] = views.own_light
    """What makes the view of the finished mail."""


WIDE: Final = 660
NARROW: Final = 375


def _images_off(html: str) -> str:
    """In the light colours, whatever the machine of whoever looks is set to."""
    return views.images_off(views.own_light(html))


@cache
def all_views() -> Mapping[str, View]:
    """Every view by its key, in the order they are shown."""
    oldest, newest = views.outlook_tested()
    known = (
        View("desktop", "Desktop", "Exact in a browser, 660 pixels wide.", WIDE),
        View("phone", "Phone", "Exact in a browser, 375 pixels wide.", NARROW),
        View("images-off", "Images off", "Exact in a browser that loads no picture.", WIDE, _images_off),
        View(
            "dark",
            "Dark, our own colours",
            "Exact where the program follows the mail's own rules, as Apple Mail does.",
            NARROW,
            views.own_dark,
        ),
        View(
            "outlook",
            "Classic Outlook",
            "Approximated: conditional comments as Outlook reads them, and what it lacks is taken out, by "
            f"caniemail.com's tests of {oldest} to {newest}, as of {support.data_date():%B %Y}. "
            "Word's own spacing is not shown.",
            WIDE,
            views.classic_outlook,
        ),
        View(
            "forced-dark",
            "Dark, forced",
            "Approximated: lightness turned round, the strongest that Gmail and Outlook on phones do.",
            NARROW,
            views.forced_dark,
        ),
        View(
            "no-style",
            "Gmail without styles",
            "Near: the whole style block is dropped, as Gmail does with mail of some accounts.",
            WIDE,
            views.without_style,
        ),
        View("spoken", "Screen reader", "Near: headings, links, pictures and text in the order they are said."),
        View("text", "Plain text", "Exact: the mail's text part."),
    )
    return MappingProxyType({view.key: view for view in known})
