"""The picture that other sites show beside a link to an issue: its title on the brand's colours (OpenGraph)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from bulletin.colours import text_on
from bulletin.config import Brand

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

NAME: Final = "share.png"
SIZE: Final = (1200, 630)
"""Pixels, as OpenGraph's readers want them."""
_MARGIN: Final = 80
_LINES: Final = 4


def picture(title: str, above: str, brand: Brand) -> bytes:
    """A PNG with `title` large and the words `above` it small. The same words and colours give the same bytes."""
    from io import BytesIO

    from PIL import Image, ImageDraw

    ground, words = brand.colour, text_on(brand.colour)
    # Few colours make a small file: ground, accent, and the shades at the edges of letters.
    image = Image.new("L", SIZE, 0)
    draw = ImageDraw.Draw(image)
    draw.text((_MARGIN, 72), _fitting(above, 36, 1)[0], fill=255, font=_font(36, 400))
    lines = _fitting(title, 76, _LINES)
    top = SIZE[1] - 120 - 92 * len(lines)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, top + 92 * number), line, fill=255, font=_font(76, 700))
    image = image.point([level * 15 // 255 for level in range(256)])
    mixed = [_between(ground, words, level / 15) for level in range(16)] + [_rgb(brand.accent)]
    image.putpalette([part for shade in mixed for part in shade])
    ImageDraw.Draw(image).rectangle((0, SIZE[1] - 24, SIZE[0], SIZE[1]), fill=16)
    out = BytesIO()
    image.save(out, "PNG", compress_level=3)
    return out.getvalue()


def icon(name: str, brand: Brand) -> bytes:
    """A small square PNG with the first letter of a name, for a browser's tab."""
    from io import BytesIO

    from PIL import Image, ImageDraw

    image = Image.new("RGB", (64, 64), brand.colour)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 56, 64, 64), fill=brand.accent)
    draw.text((32, 29), name[:1].upper(), fill=text_on(brand.colour), font=_font(46, 700), anchor="mm")
    out = BytesIO()
    image.quantize(16).save(out, "PNG", optimize=True)
    return out.getvalue()


def _fitting(text: str, size: int, lines: int) -> list[str]:
    """The text in at most so many lines of the picture's width; what is too much ends in an ellipsis."""
    font, width = _font(size, 700), SIZE[0] - 2 * _MARGIN
    found = [""]
    for word in text.split():
        longer = f"{found[-1]} {word}".strip()
        if found[-1] and font.getlength(longer) > width:
            found.append(word)
        else:
            found[-1] = longer
    shown = found[:lines]
    if len(found) > lines:
        shown[-1] += "…"
    return shown


@cache
def _font(size: int, weight: int) -> FreeTypeFont:
    """Source Sans 3, which has the Welsh letters; from a package, so that every machine draws the same."""
    from importlib.resources import files

    from PIL import ImageFont

    name = files("fontpkg_source_sans_3").joinpath("files", "SourceSans3[wght].ttf")
    font = ImageFont.truetype(str(name), size)
    font.set_variation_by_axes([weight])
    return font


def _between(ground: str, words: str, level: float) -> tuple[int, int, int]:
    return tuple(round(a + (b - a) * level) for a, b in zip(_rgb(ground), _rgb(words), strict=True))  # type: ignore[return-value]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
