"""The accessibility statement that public bodies owe for their web pages (X-03), from the publication's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bulletin.archive.shelf import Part, Shelf, Tongue, part
from bulletin.errors import BulletinError

PATH: Final = "accessibility/index.html"
_PLACEHOLDER: Final = re.compile(r"\[[^\]\n]*\](?![(\[])")


def parts(shelf: Shelf) -> Iterator[Part]:
    """The statement in each language that has one. Raises `BulletinError` if something in it is not filled in."""
    for tongue in shelf.tongues:
        text = shelf.statement(tongue)
        if text:
            yield _page(shelf, tongue, text)


def _page(shelf: Shelf, tongue: Tongue, text: str) -> Part:
    left = _PLACEHOLDER.search(text)
    if left:
        raise BulletinError(
            f"the accessibility statement still says {left[0]}.",
            hint="Fill it in, in templates/archive/accessibility.md or its file in the other language.",
        )
    return part(
        shelf,
        f"page {tongue.prefix}{PATH}",
        text,
        lambda: shelf.page(tongue, PATH, "archive/accessibility.html", statement=text),
    )
