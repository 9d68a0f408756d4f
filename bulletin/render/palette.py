"""Colours of a theme: a publication's brand, made legible in light and in dark mode (H-14, H-15, X-13)."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

from bulletin.config import Brand

TEXT_CONTRAST = 4.5
"""Least contrast of text that is not large (WCAG 2.2, 1.4.3)."""

_COMFORTABLE = 7.0
_DARK_PAPER, _DARK_SURROUND, _DARK_INK = "#1c2127", "#12161a", "#eceff2"
_BLACK, _WHITE = "#000000", "#ffffff"


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
    masthead = brand.colour if contrast(brand.colour, _WHITE) >= TEXT_CONTRAST else mix(_DARK_PAPER, brand.colour, 0.3)
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


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """`one` with `share` of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(_rgb(one), _rgb(other), strict=True))
    return _hex(red, green, blue)


def text_on(surface: str) -> str:
    """White or black, whichever is easier to read on the surface."""
    return _WHITE if contrast(_WHITE, surface) >= contrast(_BLACK, surface) else _BLACK


def legible(colour: str, *surfaces: str) -> str:
    """The colour, moved towards black or white until it reaches `TEXT_CONTRAST` on all surfaces."""
    goal = _BLACK if all(contrast(_BLACK, surface) >= TEXT_CONTRAST for surface in surfaces) else _WHITE
    steps = (mix(colour, goal, step / 20) for step in range(21))
    return next((step for step in steps if all(contrast(step, on) >= TEXT_CONTRAST for on in surfaces)), goal)


def _lit(colour: str, *surfaces: str) -> str:
    """The colour with more light but the same hue, comfortably legible on dark surfaces."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(value / 255 for value in _rgb(colour)))
    steps = (lightness + (1 - lightness) * step / 40 for step in range(41))
    tints = (_hex(*(round(255 * part) for part in colorsys.hls_to_rgb(hue, step, saturation))) for step in steps)
    return next((tint for tint in tints if all(contrast(tint, on) >= _COMFORTABLE for on in surfaces)), _WHITE)


def _hex(red: int, green: int, blue: int) -> str:
    return f"#{red:02x}{green:02x}{blue:02x}"


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (
        (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c in (v / 255 for v in _rgb(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
