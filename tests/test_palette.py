"""Colours stay legible whatever a publication's brand is (H-14, H-15, X-13)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulletin.colours import TEXT_CONTRAST, contrast, inverted
from bulletin.config import Brand
from bulletin.render import palette
from bulletin.render.palette import Palette

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def pairs(colours: Palette) -> dict[str, tuple[str, str]]:
    """Every text colour with every surface that the theme puts it on."""
    return {
        "ink on paper": (colours.ink, colours.paper),
        "ink on panel": (colours.ink, colours.panel),
        "quiet on paper": (colours.quiet, colours.paper),
        "quiet on surround": (colours.quiet, colours.surround),
        "link on paper": (colours.link, colours.paper),
        "link on panel": (colours.link, colours.panel),
        "link on surround": (colours.link, colours.surround),
        "label on paper": (colours.label, colours.paper),
        "label on panel": (colours.label, colours.panel),
        "masthead": (colours.on_masthead, colours.masthead),
        "button": (colours.on_button, colours.button),
    }


def poor(colours: Palette) -> dict[str, float]:
    return {name: contrast(*pair) for name, pair in pairs(colours).items() if contrast(*pair) < TEXT_CONTRAST}


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54


def test_the_default_brand_is_legible_and_left_as_it_is() -> None:
    light = palette.light(Brand())
    assert not poor(light)
    assert not poor(palette.dark(Brand()))
    assert (light.ink, light.link, light.masthead) == (Brand().ink, Brand().colour, Brand().colour)


@given(colour=COLOURS, accent=COLOURS)
def test_any_brand_colours_are_legible_on_white_and_in_dark_mode(colour: str, accent: str) -> None:
    brand = Brand(colour=colour, accent=accent)
    assert not poor(palette.light(brand))
    assert not poor(palette.dark(brand))


def test_a_pale_brand_keeps_its_masthead_and_gets_darker_links() -> None:
    light = palette.light(Brand(colour="#ffd400"))
    assert (light.masthead, light.on_masthead) == ("#ffd400", "#000000")
    assert contrast(light.link, "#ffffff") >= TEXT_CONTRAST


def test_the_default_brand_survives_a_simple_inversion_of_lightness() -> None:
    """What mail programs do that know no dark palette."""
    for name, (text, surface) in pairs(palette.light(Brand())).items():
        assert contrast(inverted(text), inverted(surface)) >= TEXT_CONTRAST, name


def test_inversion_turns_lightness_round_and_keeps_the_hue() -> None:
    known = {"#ffffff": "#000000", "#000000": "#ffffff", "#000080": "#7f7fff", "#ff0000": "#ff0000"}
    assert {colour: inverted(colour) for colour in known} == known
