"""Colours as six hexadecimal digits after #: how well one reads on another, and the nearest shade that would do."""

from __future__ import annotations

import colorsys
from functools import lru_cache

TEXT_CONTRAST = 4.5
"""Least contrast of text that is not large (WCAG 2.2, 1.4.3)."""

BLACK, WHITE = "#000000", "#ffffff"
_STEPS = 50


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """`one` with `share` of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(rgb(one), rgb(other), strict=True))
    return from_rgb(red, green, blue)


def text_on(surface: str) -> str:
    """White or black, whichever is easier to read on the surface."""
    return WHITE if contrast(WHITE, surface) >= contrast(BLACK, surface) else BLACK


def legible(colour: str, *surfaces: str) -> str:
    """The colour, moved towards black or white only until it reaches `TEXT_CONTRAST` on all surfaces."""
    goal = BLACK if all(contrast(BLACK, surface) >= TEXT_CONTRAST for surface in surfaces) else WHITE
    steps = (mix(colour, goal, step / _STEPS) for step in range(_STEPS + 1))
    return next((step for step in steps if all(contrast(step, on) >= TEXT_CONTRAST for on in surfaces)), goal)


@lru_cache(maxsize=1024)
def inverted(colour: str) -> str:
    """The colour with its lightness turned round, as mail programs do that make everything dark: navy, a light blue."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in rgb(colour)))
    return from_rgb(*(round(255 * part) for part in colorsys.hls_to_rgb(hue, 1 - lightness, saturation)))


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, each from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def from_rgb(red: int, green: int, blue: int) -> str:
    """The colour of red, green and blue, each from 0 to 255."""
    return f"#{red:02x}{green:02x}{blue:02x}"


def _luminance(colour: str) -> float:
    red, green, blue = (
        (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c in (v / 255 for v in rgb(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
