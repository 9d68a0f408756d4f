"""Public pages from templates, and the style sheet they all share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bulletin.config import Config
from bulletin.render import palette, theme

STYLE = "archive/style.css"


def page(template_dirs: tuple[Path, ...], template: str, config: Config, **values: Any) -> bytes:
    """A template filled with the settings and these values, which are text and never markup, as UTF-8.

    Raises `BulletinError` with the template, the line and a remedy.
    """
    values |= {"config": config, "masthead": config.brand.masthead or config.name}
    return theme.run(template_dirs, template, values, escape=True).encode("utf-8")


def stylesheet(template_dirs: tuple[Path, ...], config: Config) -> bytes:
    """The style sheet of every public page, in the brand's colours, light and dark."""
    colours = {"light": palette.light(config.brand), "dark": palette.dark(config.brand), "brand": config.brand}
    return theme.run(template_dirs, STYLE, colours, escape=False).encode("utf-8")
