"""The brand: what `bulletin.toml` says of the looks, where only a look at a file can tell whether it holds."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin.checks._rule import Found, Material, check
from bulletin.editions import LOGO_FORMATS, LOGO_WIDEST
from bulletin.errors import Place
from bulletin.model import Severity

_TALLEST = 300
_SETTINGS = Place("bulletin.toml")


@check("BRD01", Severity.LOOK)
def masthead_picture(material: Material) -> Iterator[Found]:
    """The picture of the masthead is missing, or not fit for mail (H-06, H-07).

    *Why*: without it the mail shows the masthead's words, as it did before there was a picture. A picture that is tall
    pushes the news off the screen.

    *Instead of*: the logo as the design agency sent it.

    *Write*: `logo = "templates/logo.png"`, and save it there as PNG or JPEG, at most 1,072 pixels wide and 300 tall.
    """
    logo = material.config.brand.logo
    if logo is None:
        return
    facts = material.pictures.get(logo)
    if facts is None:
        yield Found(
            (), f"the masthead's picture {logo} is not there.", "Copy it there, or delete the line.", (), _SETTINGS
        )
    elif facts.format not in LOGO_FORMATS:
        is_a = facts.format or "no picture that can be read"
        yield Found((), f"the masthead's picture {logo} is {is_a}.", "Save it as PNG or JPEG.", (), _SETTINGS)
    elif facts.width > 2 * LOGO_WIDEST or facts.height > _TALLEST:
        size = f"{facts.width} by {facts.height} pixels"
        hint = f"Save a copy at most {2 * LOGO_WIDEST:,} pixels wide and {_TALLEST} tall."
        yield Found((), f"the masthead's picture {logo} has {size}.", hint, (), _SETTINGS)
