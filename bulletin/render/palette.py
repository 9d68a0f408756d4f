"""Colours of a theme: a publication's brand, made legible in light and in dark mode (H-14, H-15, X-13)."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

from bulletin.colours import TEXT_CONTRAST, WHITE, contrast, from_rgb, legible, mix, rgb, text_on
from bulletin.config import Brand

TLP = {
    "TLP:RED": "#ff2b2b",
    "TLP:AMBER": "#ffc000",
    "TLP:AMBER+STRICT": "#ffc000",
    "TLP:GREEN": "#33ff00",
    "TLP:CLEAR": WHITE,
}
"""The prescribed colour of each traffic light label, always on black (S-13)."""

_COMFORTABLE = 7.0
_DARK_PAPER, _DARK_SURROUND, _DARK_INK = "#1c2127", "#12161a", "#eceff2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """One set of colours, each six hexadecimal digits; every text colour is legible on the surface it is named for."""

    paper: str
    surround: str
    ink: str
    quiet: str
    """Text of less weight, legible on paper and on the surround."""
    link: str
    label: str
    """Topic labels and section rules, in the accent's hue."""
    line: str
    """Thin lines between items; decoration only."""
    panel: str
    """Background of what stands apart: events, closing dates, the list of contents."""
    masthead: str
    on_masthead: str
    button: str
    on_button: str


def light(brand: Brand) -> Palette:
    """The brand as its owner gave it, with text colours moved only as far as legibility needs."""
    panel = mix(brand.paper, brand.accent, 0.08)
    ink = legible(brand.ink, brand.paper, panel, brand.surround)
    return Palette(
        paper=brand.paper,
        surround=brand.surround,
        ink=ink,
        quiet=legible(mix(ink, brand.paper, 0.3), brand.paper, panel, brand.surround),
        link=legible(brand.colour, brand.paper, panel, brand.surround),
        label=legible(brand.accent, brand.paper, panel),
        line=mix(brand.paper, ink, 0.16),
        panel=panel,
        masthead=brand.colour,
        on_masthead=text_on(brand.colour),
        button=brand.colour,
        on_button=text_on(brand.colour),
    )


def dark(brand: Brand) -> Palette:
    """The same hues on dark surfaces. The masthead keeps the brand's colour if it is a dark one."""
    panel = mix(_DARK_PAPER, brand.accent, 0.16)
    link = _lit(brand.colour, _DARK_PAPER, panel, _DARK_SURROUND)
    masthead = brand.colour if contrast(brand.colour, WHITE) >= TEXT_CONTRAST else mix(_DARK_PAPER, brand.colour, 0.3)
    return Palette(
        paper=_DARK_PAPER,
        surround=_DARK_SURROUND,
        ink=_DARK_INK,
        quiet=mix(_DARK_INK, _DARK_PAPER, 0.25),
        link=link,
        label=_lit(brand.accent, _DARK_PAPER, panel),
        line=mix(_DARK_PAPER, _DARK_INK, 0.2),
        panel=panel,
        masthead=masthead,
        on_masthead=text_on(masthead),
        button=link,
        on_button=text_on(link),
    )


def _lit(colour: str, *surfaces: str) -> str:
    """The colour with more light but the same hue, comfortably legible on dark surfaces."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(value / 255 for value in rgb(colour)))
    steps = (lightness + (1 - lightness) * step / 40 for step in range(41))
    tints = (from_rgb(*(round(255 * part) for part in colorsys.hls_to_rgb(hue, step, saturation))) for step in steps)
    return next((tint for tint in tints if all(contrast(tint, on) >= _COMFORTABLE for on in surfaces)), WHITE)
