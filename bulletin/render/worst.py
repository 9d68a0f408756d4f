"""Trying a theme out: made-up editions at their worst, through the theme as it is. Pure.

A theme that shows this month's issue well may fall over next month: a headline with a sign that means something in
HTML, a section without a picture, an event without a place. Each edition here has something of that kind.
"""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

from bulletin.config import Config
from bulletin.errors import BulletinError, Place, Problem
from bulletin.model import (
    EVERYONE,
    Edition,
    EditionEvent,
    EditionItem,
    EditionPicture,
    EditionSection,
    Layout,
)
from bulletin.render import HTML_TEMPLATE, TEXT_TEMPLATE, render, theme

_KEY: Final = b"made up, for mails that nobody gets"
_TAG: Final = re.compile(r"<style\b.*?</style>|<!--.*?-->|<[^<>]*>", re.DOTALL)
_LAYOUTS: Final[tuple[Layout, ...]] = get_args(Layout)
_DAY: Final = dt.date(2024, 5, 30)
_START: Final = dt.datetime(2024, 6, 12, 11, tzinfo=dt.UTC)
_ODD_TITLES: Final = (
    "Donaudampfschifffahrtsgesellschaftskapitaensmuetzenabzeichen" * 2,
    "Signs <b>in</b> titles & \"quotes\", 'both' kinds {{ braces }} and 100 %",
    "<script>alert(1)</script> at the beginning",
    "A heart ❤️, a family 👨‍👩‍👧 and a flag 🏴󠁧󠁢󠁷󠁬󠁳󠁿",
    "أخبار هذا الشهر 2024",
    "e\u0301 and \\ and \u00a0 and \u200d",
)
_ALL_MARKUP: Final = (
    "First **bold** and *slanted* words with a [link](https://www.example.org/a?b=c&d=e).\n\n"
    "- one\n- two\n\n1. first\n2. second\n\n> Said by somebody.\n\n<b>raw</b> <script>alert(2)</script>"
)


def try_out(template_dirs: tuple[Path, ...], config: Config) -> tuple[Problem, ...]:
    """What goes wrong with the theme when it is given editions at their worst; each names the kind of edition.

    Held are that it renders, that it says every headline in HTML and text, and that no markup comes through.
    """
    found: dict[tuple[Place, str], Problem] = {}
    for kind, edition in _samples(config):
        for problem in _faults(kind, edition, config, template_dirs):
            # The same line breaks for many kinds; the first is enough to mend it.
            found.setdefault((problem.place, problem.message.partition(": ")[2]), problem)
    return tuple(found.values())


def _faults(kind: str, edition: Edition, config: Config, template_dirs: tuple[Path, ...]) -> Iterator[Problem]:
    try:
        finished = render(edition, config, template_dirs=template_dirs, secret=_KEY)
    except BulletinError as error:
        place = error.place or _place(template_dirs, HTML_TEMPLATE)
        yield Problem(place, f"with {kind}: {error.message}", error.hint or "Mend the template.")
        return
    if "<script" in finished.html.lower():
        hint = "Take the filter |safe away, and do not switch autoescape off."
        place = _place(template_dirs, HTML_TEMPLATE)
        yield Problem(place, f"with {kind}: markup typed into the issue comes through as markup.", hint)
    for template, part in (
        (HTML_TEMPLATE, html.unescape(_TAG.sub(" ", finished.html))),
        (TEXT_TEMPLATE, finished.text),
    ):
        said = _letters(part)
        missing = [item for section in edition.sections for item in section.items if _letters(item.title) not in said]
        if missing:
            layouts = {section.layout for section in edition.sections if set(section.items) & set(missing)}
            lacking = "the headline" if len(missing) == 1 else f"{len(missing)} headlines"
            yield Problem(
                _place(template_dirs, template),
                f"with {kind}: {lacking} of the {' and '.join(sorted(layouts))} sections cannot be read in the mail.",
                "Write {{ item.title }} for each item of each section, in every layout.",
            )


def _place(template_dirs: tuple[Path, ...], name: str) -> Place:
    return Place(theme.shown(template_dirs, name), 1, 1)


def _letters(text: str) -> str:
    """Letters and digits alone: neither wrapping nor marks for the direction of writing count."""
    return "".join(re.findall(r"\w", text.casefold()))


# ---------------------------------------------------------------- the editions


def _samples(config: Config) -> Iterator[tuple[str, Edition]]:
    """Each edition with what is special about it, to be read after "with"."""
    full, bare = _edition(config, _in_every_layout(_full, 2)), _edition(config, _in_every_layout(_bare, 3))
    bare = replace(bare, preheader="", notice="", welcome="", signed="", online_url=None, marking="", tlp="")
    yield "every optional field filled", full
    yield "no optional field filled", bare
    yield "no item at all", replace(bare, sections=())
    arabic = replace(full, language="ar", audience="forces", audience_title="قوات")
    yield "text from right to left", replace(arabic, sections=_in_every_layout(_full, 1))
    longest = replace(_full(0, "long"), summary="A sentence of five words. " * 1000)
    many = tuple(_bare(number, "many") for number in range(40))
    yield (
        "a text of 5,000 words and 40 items",
        _edition(config, (_list("long", (longest,)), _list("many", many))),
    )


def _edition(config: Config, sections: tuple[EditionSection, ...]) -> Edition:
    return Edition(
        issue="2024-05",
        audience=EVERYONE,
        audience_title="Everyone",
        language=config.language,
        title="Sample issue, May 2024",
        date=_DAY,
        subject="A sample subject",
        preheader="A line for the list of mails & more",
        notice="A notice <b>to</b> all",
        welcome=_ALL_MARKUP,
        signed="A. Person, “Editor”",
        sections=sections,
        online_url="https://archive.example.org/2024-05/?a=b&c=d",
        marking="OFFICIAL-SENSITIVE - RECIPIENTS ONLY",
        tlp="TLP:AMBER+STRICT",
    )


def _in_every_layout(make: Callable[[int, str], EditionItem], count: int) -> tuple[EditionSection, ...]:
    """A section in each layout, with so many items and a turn of the odd headlines."""
    return tuple(
        EditionSection(
            id=f"{layout}-{turn}",
            title=f"Section & {layout}",
            intro="",
            items=tuple(make(turn * count + number, layout) for number in range(count)),
            layout=layout,
        )
        for turn, layout in enumerate(_LAYOUTS)
    )


def _list(name: str, items: tuple[EditionItem, ...]) -> EditionSection:
    return EditionSection(id=name, title=name, intro=_ALL_MARKUP, items=items, layout="list")


def _bare(number: int, name: str) -> EditionItem:
    """An item with nothing but a headline."""
    return EditionItem(
        id=f"{name}-{number}",
        title=f"{_ODD_TITLES[number % len(_ODD_TITLES)]} {name} {number}",
        url=None,
        link=None,
        source=None,
        published=None,
        topics=(),
        summary="",
        picture=None,
        expires=None,
        event=None,
        restricted=False,
    )


def _full(number: int, name: str) -> EditionItem:
    """An item with everything an item can have."""
    return replace(
        _bare(number, name),
        url="https://www.example.org/a?b=c&d=%22e%22",
        link="Read the “whole” <story>",
        source="A source & sons",
        published=_DAY,
        topics=("One topic", "Another & a third"),
        summary=_ALL_MARKUP,
        picture=EditionPicture(
            src="https://archive.example.org/p%20q.png",
            file="images/p q.png",
            alt='A "picture" ❤️ of <something>',
            width=(40, 600, 4000)[number % 3],
            height=300,
        ),
        expires=_DAY,
        event=EditionEvent(
            starts=_START,
            ends=_START + dt.timedelta(days=number % 2, hours=1),
            place="A <place> & more" if number % 2 else None,
            booking="https://www.example.org/book?a=b&c=d",
            calendar_url="https://archive.example.org/a.ics",
        ),
        restricted=bool(number % 2),
        marking="OFFICIAL-SENSITIVE",
        tlp="TLP:GREEN",
    )
